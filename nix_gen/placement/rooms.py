"""What is still free on each host while nodes are being placed. Pure apart from the rooms themselves."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from nix_gen.nodes import Host
from nix_gen.placement.bundles import Bundle, Need
from nix_gen.placement.ranking import REMADE_SHARE, FullRank, Rank, Ranking
from nix_gen.rules.ports import is_everywhere

NOMINAL_CPU_MILLI = 4_000
"""What a host without a stated capacity counts as when nodes are ranked; it can never be too full."""
RANKS_MAX_COUNT = 50_000
"""Ranks of hosts that are remembered, over all kinds of bundles."""
NOMINAL_MEMORY_BYTES = 8 * 2**30


class Room:
    """One host while it fills."""

    __slots__ = ("_claims", "_modules", "cpu_milli", "host", "inner_ports", "limited", "memory_bytes",
                 "taken_cpu_milli", "taken_memory_bytes", "zone")  # fmt: skip

    def __init__(self, host: Host) -> None:
        self.host = host
        self.zone = host.zone or f"host {host.id}"
        capacity = host.capacity
        self.limited = capacity is not None
        self.cpu_milli = NOMINAL_CPU_MILLI if capacity is None else capacity.cpu_milli
        self.memory_bytes = NOMINAL_MEMORY_BYTES if capacity is None else capacity.memory_bytes
        self.taken_cpu_milli = 0
        self.taken_memory_bytes = 0
        self.inner_ports: Counter[tuple[int, str]] = Counter()
        self._claims: dict[tuple[int, str], Counter[str | None]] = {}
        self._modules: Counter[str] = Counter()

    def put(self, need: Need, sign: int = 1) -> None:
        """Take what is needed; with `sign=-1` give it back."""
        self.taken_cpu_milli += sign * need.cpu_milli
        self.taken_memory_bytes += sign * need.memory_bytes
        for module in need.modules:
            self._modules[module] += sign
        for inner in need.inner_ports:
            self.inner_ports[inner] += sign
        for port, protocol, address in need.claims:
            held = self._claims.setdefault((port, protocol), Counter())
            held[None if is_everywhere(address) else address] += sign

    def share(self, need: Need) -> float:
        """The dominant share of the host that would be taken with this as well: 1.0 is full."""
        return max(
            (self.taken_cpu_milli + need.cpu_milli) / self.cpu_milli,
            (self.taken_memory_bytes + need.memory_bytes) / self.memory_bytes,
        )

    def refuses(self, need: Need) -> str | None:
        """Why there is no room, in words; None if there is."""
        if self.limited:
            free_cpu = self.cpu_milli - self.taken_cpu_milli
            if need.cpu_milli > free_cpu:
                return f"needs {need.cpu_milli:,} thousandths of a CPU, {max(free_cpu, 0):,} are free"
            free_memory = self.memory_bytes - self.taken_memory_bytes
            if need.memory_bytes > free_memory:
                needed, free = mebibytes(need.memory_bytes), mebibytes(max(free_memory, 0))
                return f"needs {needed} of memory, {free} are free"
        for module in sorted(need.modules):
            if self._modules[module] > 0:
                return f"has a {module} already"
        for port, protocol, address in sorted(need.claims, key=str):
            held = self._claims.get((port, protocol))
            if held is not None and _clashes(held, address):
                return f"port {port}/{protocol} is taken"
        return None

    def percent(self) -> int:
        """How full the host is, for people."""
        return round(100 * self.share(Need()))


def _clashes(held: Counter[str | None], address: str | None) -> bool:
    if is_everywhere(address):
        return any(count > 0 for count in held.values())
    return held[None] > 0 or held[address] > 0


def mebibytes(size_bytes: int) -> str:
    """A size for people."""
    return f"{-(-size_bytes // 2**20):,} MiB"


class Rooms:
    """All hosts, and who stands where so far."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.by_host = {host.id: Room(host) for host in hosts}
        self.where: dict[str, str] = {}
        self._zones: dict[str, list[str]] = {}
        for host_id, room in self.by_host.items():
            self._zones.setdefault(room.zone, []).append(host_id)
        self._group_hosts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._group_zones: Counter[tuple[str, str]] = Counter()
        self._changed: list[str] = []
        """Hosts that something was put on or taken from, in turn."""
        self._rankings: dict[tuple[object, ...], tuple[int, Ranking]] = {}
        """Orders of the hosts by kind of bundle, with how many changes each has seen; last used, last."""

    def put(self, ids: Iterable[str], groups: Iterable[str], need: Need, host_id: str) -> None:
        """Place nodes on a host."""
        room = self.by_host[host_id]
        room.put(need)
        self._changed.append(host_id)
        for node_id in ids:
            self.where[node_id] = host_id
        for group in groups:
            self._group_hosts[group][host_id] += 1
            self._group_zones[group, room.zone] += 1

    def take(self, bundle: Bundle) -> None:
        """Undo the placing of a bundle."""
        host_id = self.where[bundle.ids[0]]
        room = self.by_host[host_id]
        room.put(bundle.need, -1)
        self._changed.append(host_id)
        for node_id in bundle.ids:
            del self.where[node_id]
        for group in bundle.groups:
            self._group_hosts[group][host_id] -= 1
            self._group_zones[group, room.zone] -= 1

    def refuses(self, bundle: Bundle, room: Room) -> str | None:
        """Why a bundle cannot stand on a host, in words; None if it can."""
        host_id = room.host.id
        if bundle.contradiction is not None:
            return bundle.contradiction
        if bundle.beside is not None and bundle.beside != host_id:
            return f"has to stand beside what is on {bundle.beside}"
        if bundle.allowed is not None and host_id not in bundle.allowed:
            return "is not among the hosts its placement names"
        if bundle.systems and bundle.systems != {room.host.system.value}:
            return f"needs {' and '.join(sorted(bundle.systems))}, and it is {room.host.system.value}"
        for other in sorted(bundle.apart):
            if self.where.get(other) == host_id:
                return f"must stand apart from {other}"
        return room.refuses(bundle.need)

    def ranked(self, bundle: Bundle) -> Iterator[Room]:
        """The hosts, best first.

        Apart from its groups by zone, then by host; no port of a container twice; near what it talks to; best
        fit, with a host over its nominal size last; by id. Good until the next `put` or `take`.
        """
        near: dict[str, int] = {}
        for other in bundle.near:
            place = self.where.get(other, other)
            if place in self.by_host:
                near[place] = near.get(place, 0) + 1
        ranks: Iterator[FullRank] = iter(self._ranking(bundle))
        if near:
            nearer = [self._full_rank(bundle, host_id, count) for host_id, count in near.items()]
            ranks = heapq.merge(sorted(nearer), (one for one in ranks if one[1][-1] not in near))
        return (self.by_host[rank[-1]] for _, rank in ranks)

    def _ranking(self, bundle: Bundle) -> Ranking:
        """The order of all hosts for a bundle that is near nothing, brought up to date."""
        need, groups = bundle.need, bundle.groups
        kind = (need.cpu_milli, need.memory_bytes, need.inner_ports, groups)
        known = self._rankings.pop(kind, None)
        changed = () if known is None else set(self._changed[known[0] :])
        if known is None or len(changed) * REMADE_SHARE > len(self.by_host):
            # Without groups zones mean nothing: then all hosts are one.
            zones = self._zones if groups else {"": list(self.by_host)}
            ranking = Ranking(
                zones.items(),
                lambda host_id: self._rank(self.by_host[host_id], groups, need),
                lambda zone: sum(self._group_zones[group, zone] for group in groups),
            )
        else:
            ranking = known[1]
            ranking.update((host_id, self.by_host[host_id].zone if groups else "") for host_id in changed)
        self._rankings[kind] = (len(self._changed), ranking)
        while len(self._rankings) > 1 and len(self._rankings) * len(self.by_host) > RANKS_MAX_COUNT:
            del self._rankings[next(iter(self._rankings))]
        return ranking

    def _full_rank(self, bundle: Bundle, host_id: str, near_count: int) -> FullRank:
        room, groups = self.by_host[host_id], bundle.groups
        zone_cost = sum(self._group_zones[group, room.zone] for group in groups)
        return (zone_cost, self._rank(room, groups, bundle.need, near_count))

    def _rank(self, room: Room, groups: tuple[str, ...], need: Need, near_count: int = 0) -> Rank:
        """How many of its groups share the host, how many ports of containers meet there, and so on."""
        host_id = room.host.id
        costs = (
            sum(self._group_hosts[group][host_id] for group in groups) if groups else 0,
            sum(room.inner_ports[inner] > 0 for inner in need.inner_ports) if need.inner_ports else 0,
        )
        share = room.share(need)
        return (costs, -near_count, (True, share) if share > 1 else (False, -share), host_id)

    def crowded(self, group: str) -> list[str]:
        """Hosts that hold several members of a group."""
        return sorted(host_id for host_id, count in self._group_hosts[group].items() if count > 1)
