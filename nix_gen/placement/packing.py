"""The search: best fit in order of decreasing size, and for what is left a bounded search that moves others.

Pure. Deterministic: every order ends in an id. Time: bundles times the logarithm of hosts where many bundles
need the same, bundles times hosts where each is different; the search that moves others looks at
`STEPS_MAX_COUNT` places at most, and only where there are at most `SEARCHED_MAX_COUNT` bundles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nix_gen.placement.bundles import Bundle
from nix_gen.placement.rooms import NOMINAL_CPU_MILLI, NOMINAL_MEMORY_BYTES, Room, Rooms

STEPS_MAX_COUNT = 20_000
SEARCHED_MAX_COUNT = 64


@dataclass(slots=True)
class Packed:
    """What the search found."""

    kept: set[str]
    """First ids of the bundles that stayed where they were before."""
    stuck: list[Bundle]
    """Bundles no host can take."""


def pack(rooms: Rooms, wanted: list[Bundle], previous: Mapping[str, str]) -> Packed:
    """Place bundles into the rooms; those that stood somewhere before stay there if they can."""
    order = sorted(wanted, key=_size_first)
    kept: set[str] = set()
    for bundle in order:
        host_id = _before(bundle, previous)
        room = None if host_id is None else rooms.by_host.get(host_id)
        if room is not None and rooms.refuses(bundle, room) is None:
            _put(rooms, bundle, room)
            kept.add(bundle.ids[0])
    stuck = []
    for bundle in order:
        if bundle.ids[0] not in kept:
            room = next((one for one in rooms.ranked(bundle) if rooms.refuses(bundle, one) is None), None)
            if room is None:
                stuck.append(bundle)
            else:
                _put(rooms, bundle, room)
    movable = [one for one in order if one.contradiction is None]
    worth_it = any(one.contradiction is None for one in stuck) and len(movable) <= SEARCHED_MAX_COUNT
    if worth_it and _Search(rooms, movable, previous).run():
        kept = {one.ids[0] for one in movable if _before(one, previous) == rooms.where[one.ids[0]]}
        stuck = [one for one in stuck if one.contradiction is not None]
    return Packed(kept=kept, stuck=stuck)


def _size_first(bundle: Bundle) -> tuple[bool, int, float, str]:
    share = max(bundle.need.cpu_milli / NOMINAL_CPU_MILLI, bundle.need.memory_bytes / NOMINAL_MEMORY_BYTES)
    choices_count = 2**31 if bundle.allowed is None else len(bundle.allowed)
    return (bundle.beside is None, choices_count, -share, bundle.ids[0])


def _before(bundle: Bundle, previous: Mapping[str, str]) -> str | None:
    places = {previous[node_id] for node_id in bundle.ids if node_id in previous}
    return places.pop() if len(places) == 1 else None


def _put(rooms: Rooms, bundle: Bundle, room: Room) -> None:
    rooms.put(bundle.ids, bundle.groups, bundle.need, room.host.id)


class _Search:
    """Depth first over all bundles, the one with the fewest possible hosts next."""

    def __init__(self, rooms: Rooms, order: list[Bundle], previous: Mapping[str, str]) -> None:
        self._rooms = rooms
        self._order = order
        self._previous = previous
        self._steps_left = STEPS_MAX_COUNT

    def run(self) -> bool:
        """Place all bundles anew, or leave everything as it is."""
        before = {
            one.ids[0]: self._rooms.where[one.ids[0]]
            for one in self._order
            if one.ids[0] in self._rooms.where
        }
        for bundle in self._order:
            if bundle.ids[0] in before:
                self._rooms.take(bundle)
        if self._place(self._order):
            return True
        for bundle in self._order:
            if bundle.ids[0] in before:
                _put(self._rooms, bundle, self._rooms.by_host[before[bundle.ids[0]]])
        return False

    def _place(self, left: list[Bundle]) -> bool:
        if not left:
            return True
        choices = [(self._possible(bundle), bundle) for bundle in left]
        possible, bundle = min(choices, key=lambda one: len(one[0]))
        others = [one for one in left if one is not bundle]
        for room in possible:
            self._steps_left -= 1
            if self._steps_left < 0:
                return False
            _put(self._rooms, bundle, room)
            if self._place(others):
                return True
            self._rooms.take(bundle)
        return False

    def _possible(self, bundle: Bundle) -> list[Room]:
        rooms = [room for room in self._rooms.ranked(bundle) if self._rooms.refuses(bundle, room) is None]
        return sorted(rooms, key=lambda room: room.host.id != _before(bundle, self._previous))
