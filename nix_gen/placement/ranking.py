"""All hosts in the order in which one kind of bundle would have them, kept up to date while hosts fill.

Pure apart from the order itself. Bundles that need the same and stand in the same groups rank the hosts
alike, and placing one changes the rank of a single host and the turn of a single zone. So an order is made
once for each kind (hosts times their logarithm), and following it costs no more than what changed since.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator

REMADE_SHARE = 8
"""An order is made anew once more than one host in so many has changed."""

Rank = tuple[tuple[int, int], int, tuple[bool, float], str]
"""Within a zone, least first: what the host costs, less its nearness, how it fits, its id."""
FullRank = tuple[int, Rank]
"""Among all hosts: what the zone costs, then the rank within it."""


class Ranking:
    """The order of all hosts for one kind of bundle; hosts are told apart by the ids at the ends of ranks."""

    def __init__(
        self,
        zones: Iterable[tuple[str, list[str]]],
        rank: Callable[[str], Rank],
        zone_cost: Callable[[str], int],
    ) -> None:
        """Make the order.

        Args:
            zones: each with the ids of its hosts.
            rank: of a host within its zone, as things stand when it is asked.
            zone_cost: of a zone, as things stand when it is asked.
        """
        self._rank = rank
        self._zone_cost = zone_cost
        self._rank_of: dict[str, Rank] = {}
        self._ranks: dict[str, list[Rank]] = {}
        self._turn_of: dict[str, tuple[int, Rank, str]] = {}
        for zone, hosts in zones:
            found = {host_id: rank(host_id) for host_id in hosts}
            self._rank_of |= found
            self._ranks[zone] = sorted(found.values())
            self._turn_of[zone] = (zone_cost(zone), self._ranks[zone][0], zone)
        self._turns = sorted(self._turn_of.values())

    def update(self, changed: Iterable[tuple[str, str]]) -> None:
        """Move hosts that have changed, each with its zone, to where they belong now."""
        zones = set()
        for host_id, zone in changed:
            zones.add(zone)
            ranks, rank = self._ranks[zone], self._rank(host_id)
            del ranks[bisect_left(ranks, self._rank_of[host_id])]
            insort(ranks, rank)
            self._rank_of[host_id] = rank
        for zone in zones:
            turn = (self._zone_cost(zone), self._ranks[zone][0], zone)
            del self._turns[bisect_left(self._turns, self._turn_of[zone])]
            insort(self._turns, turn)
            self._turn_of[zone] = turn

    def __iter__(self) -> Iterator[FullRank]:
        """All ranks, least first, each looked for when it is asked; good until the next `update`."""
        waiting: list[tuple[int, Rank, str, int]] = []
        turn = 0
        while waiting or turn < len(self._turns):
            # A zone joins when its first host is next: the turns are sorted by just that.
            if turn < len(self._turns) and (not waiting or self._turns[turn] <= waiting[0][:3]):
                heapq.heappush(waiting, (*self._turns[turn], 0))
                turn += 1
                continue
            cost, rank, zone, index = heapq.heappop(waiting)
            ranks = self._ranks[zone]
            if index + 1 < len(ranks):
                heapq.heappush(waiting, (cost, ranks[index + 1], zone, index + 1))
            yield (cost, rank)
