"""Who stands in for whom, until further notice: the standing delegations of all agents. Pure."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping

from consensus.events import DelegationSet

ALL_KINDS = ""


class StandingDelegations:
    """At most one delegation per agent and kind of proposal, and one for all other kinds.

    Complexity: `set`, `of` and `followed` O(1); `chosen_by` O(electors); `closes_cycle` the chain's length.
    """

    def __init__(self) -> None:
        self._by_kind: dict[str, dict[str, DelegationSet]] = {}
        self._naming: dict[str, dict[tuple[str, str], DelegationSet]] = {}
        """Delegate -> (kind, agent) -> the delegation to it."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[DelegationSet]:
        """All of them, by kind and agent."""
        for kind in sorted(self._by_kind):
            for agent in sorted(self._by_kind[kind]):
                yield self._by_kind[kind][agent]

    def set(self, event: DelegationSet) -> None:
        """Take over what an agent chose."""
        of_kind = self._by_kind.setdefault(event.kind, {})
        before = of_kind.pop(event.agent, None)
        if before is not None and before.delegate is not None:
            self._count -= 1
            naming = self._naming[before.delegate]
            del naming[event.kind, event.agent]
            if not naming:
                del self._naming[before.delegate]
        if event.delegate is not None:
            of_kind[event.agent] = event
            self._naming.setdefault(event.delegate, {})[event.kind, event.agent] = event
            self._count += 1
        if not of_kind:
            del self._by_kind[event.kind]

    def of(self, agent: str, kind: str) -> DelegationSet | None:
        """What `agent` chose for exactly this kind; None if nobody stands in for it."""
        return self._by_kind.get(kind, {}).get(agent)

    def naming(self, delegate: str) -> list[DelegationSet]:
        """The delegations to `delegate`, the longest standing first; after a restart by kind and agent."""
        return list(self._naming.get(delegate, {}).values())

    def followed(self, kind: str) -> Mapping[str, DelegationSet]:
        """Agent -> its delegation in votes of `kind`: the one for the kind, else the one for all kinds."""
        for_all = self._by_kind.get(ALL_KINDS, {})
        return for_all if kind == ALL_KINDS else ChainMap(self._by_kind.get(kind, {}), for_all)

    def chosen_by(self, electors: Iterable[str], kind: str) -> dict[str, str]:
        """Elector -> its delegate in votes of `kind`, whoever that is."""
        followed = self.followed(kind)
        found = ((elector, followed.get(elector)) for elector in electors)
        return {
            elector: each.delegate
            for elector, each in found
            if each is not None and each.delegate is not None
        }

    def closes_cycle(self, agent: str, delegate: str, kind: str) -> bool:
        """Whether `agent`, delegating to `delegate`, would come to stand in for itself in votes of `kind`."""
        followed = self.followed(kind)
        seen: set[str] = set()
        follower: str | None = delegate
        while follower is not None and follower not in seen:
            if follower == agent:
                return True
            seen.add(follower)
            chosen = followed.get(follower)
            follower = chosen.delegate if chosen is not None else None
        return False
