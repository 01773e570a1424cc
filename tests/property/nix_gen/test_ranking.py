"""The order of hosts that placement keeps up to date is the one that ranking every host anew would give."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from nix_gen.nodes import Capacity, Host
from nix_gen.placement.bundles import Bundle, Need
from nix_gen.placement.rooms import Rooms

_IDS = [f"h{number}" for number in range(12)]
_NEEDS = [
    Need(cpu_milli=100, memory_bytes=2**26),
    Need(cpu_milli=2_500, memory_bytes=2**26, inner_ports=frozenset({(80, "tcp")})),
    Need(cpu_milli=100, memory_bytes=3 * 2**30, inner_ports=frozenset({(80, "tcp"), (81, "tcp")})),
]


def _bundle(number: int, need: Need, groups: tuple[str, ...], near: tuple[str, ...]) -> Bundle:
    return Bundle(
        ids=(f"n{number}",),
        need=need,
        allowed=None,
        systems=frozenset(),
        apart=frozenset(),
        groups=groups,
        beside=None,
        near=near,
    )


def _anew(rooms: Rooms, placed: list[tuple[Bundle, str]], bundle: Bundle) -> list[str]:
    """What docs/placement.md says: zone, host, ports, nearness, fit, id."""
    where = {one.ids[0]: host_id for one, host_id in placed}

    def key(host_id: str) -> tuple[object, ...]:
        room = rooms.by_host[host_id]
        shared = [(other, place) for other, place in placed if set(other.groups) & set(bundle.groups)]
        common = [(len(set(other.groups) & set(bundle.groups)), place) for other, place in shared]
        zone_cost = sum(count for count, place in common if rooms.by_host[place].zone == room.zone)
        host_cost = sum(count for count, place in common if place == host_id)
        ports = sum(room.inner_ports[port] > 0 for port in bundle.need.inner_ports)
        nearness = sum(where.get(other, other) == host_id for other in bundle.near)
        share = room.share(bundle.need)
        return (zone_cost, host_cost, ports, -nearness, (share > 1, share if share > 1 else -share), host_id)

    return sorted(rooms.by_host, key=key)


@st.composite
def _hosts(draw: st.DrawFn) -> list[Host]:
    zones = st.sampled_from([None, "a", "b"])
    capacities = st.sampled_from([None, Capacity(cpu_milli=1_000, memory_bytes=2**30)])
    count = draw(st.integers(1, len(_IDS)))
    return [Host(id=name, zone=draw(zones), capacity=draw(capacities)) for name in _IDS[:count]]


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(_NEEDS),
        st.sets(st.sampled_from(["g", "k"])).map(lambda names: tuple(sorted(names))),
        st.lists(st.sampled_from(["n0", "n1", "h0", "nobody"]), max_size=3).map(tuple),
        st.integers(0, 2),
    ),
    max_size=25,
)


@given(hosts=_hosts(), steps=_STEPS)
def test_an_order_kept_up_to_date_is_the_order_made_anew(
    hosts: list[Host], steps: list[tuple[Need, tuple[str, ...], tuple[str, ...], int]]
) -> None:
    rooms = Rooms(hosts)
    placed: list[tuple[Bundle, str]] = []
    for number, (need, groups, near, choice) in enumerate(steps):
        bundle = _bundle(number, need, groups, near)
        for asked in (bundle, dataclasses.replace(bundle, need=_NEEDS[0], near=())):
            assert [room.host.id for room in rooms.ranked(asked)] == _anew(rooms, placed, asked)
        ranked = list(rooms.ranked(bundle))
        goal = ranked[min(choice, len(ranked) - 1)].host.id
        rooms.put(bundle.ids, bundle.groups, bundle.need, goal)
        placed.append((bundle, goal))
        if choice == 2:
            gone, _ = placed.pop(0)
            rooms.take(gone)
