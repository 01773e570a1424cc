"""Finds agents: everything here follows from the registry's records and is rebuilt from them. Pure.

Agents that offer the same are one profile, and a requirement is tested against profiles: once for each,
however often it is asked. Profiles are indexed by the names of what they offer, so that a requirement asked
for the first time is only tested where it may hold.
"""

from __future__ import annotations

import hashlib
import heapq
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, takewhile
from typing import Final, NamedTuple

from pydantic_core import to_json

from coordination.registry.record import STATUSES, Record, Status
from coordination.requirements import CapabilityFacts, Facts, Requirement

MAX_REMEMBERED: Final = 128
"""Requirements whose matches are remembered."""
MAX_DEAD_PROFILES: Final = 256
"""Profiles without agents that remembered matches may hold on to, beside as many as there are living ones."""
_MAX_MERGED_RUNS: Final = 256
"""Above this many profiles, merging their agents costs more than looking at all of them."""


class Profile:
    """What some agents offer, all of them the same, and who they are.

    Args:
        serial: Counts profiles; greater than that of any profile made before.
        record: Of one of its agents.
    """

    __slots__ = ("__weakref__", "capabilities", "facts", "key", "labels", "members", "serial")

    def __init__(self, serial: int, key: bytes, record: Record) -> None:
        self.serial = serial
        self.key = key
        self.capabilities = record.capabilities
        self.labels = record.labels
        self.facts = Facts(
            capabilities={
                each.name: CapabilityFacts(version=each.version, attributes=each.attributes)
                for each in record.capabilities
            },
            labels=record.labels,
            max_tasks=record.max_tasks,
        )
        self.members: dict[Status, list[str]] = {status: [] for status in STATUSES}
        """Ids by status, in order."""

    @property
    def names(self) -> Iterable[str]:
        """Of its capabilities and labels."""
        return {each.name for each in self.capabilities} | self.labels.keys()

    def is_of(self, record: Record) -> bool:
        """Whether `record` shares its content with this profile."""
        return (
            record.capabilities is self.capabilities
            and record.labels is self.labels
            and record.max_tasks == self.facts.max_tasks
        )

    @property
    def is_empty(self) -> bool:
        """Whether no agent has it any more."""
        return not any(self.members.values())


class Match(NamedTuple):
    """An agent that was found."""

    agent: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search has found."""

    best: tuple[Match, ...]
    """Best first."""
    matched: int
    """How many there are in all."""


class _Remembered:
    """The profiles that meet one requirement, of those up to `seen`."""

    __slots__ = ("seen", "tiers")

    def __init__(self) -> None:
        self.seen = 0
        """Serial of the last profile that was tested."""
        self.tiers: list[tuple[float, list[Profile]]] = []
        """Profiles by score, highest first."""

    def add(self, score: float, profile: Profile) -> None:
        place = bisect_left(self.tiers, -score, key=lambda tier: -tier[0])
        if place == len(self.tiers) or self.tiers[place][0] != score:
            self.tiers.insert(place, (score, []))
        self.tiers[place][1].append(profile)


class Directory:
    """All agents, by id and by what they offer.

    Invariants: what it finds is what a directory built anew from the same records finds.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._profiles: dict[int, Profile] = {}
        """By serial, in order."""
        self._by_key: dict[bytes, Profile] = {}
        self._by_name: dict[str, dict[int, Profile]] = {}
        self._by_agent: dict[str, Profile] = {}
        self._last_serial = 0
        self._dead_count = 0
        """Profiles that remembered matches may hold on to although they have no agents."""
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()

    def ids_after(self, after: str, limit: int) -> list[str]:
        """Up to `limit` ids that are greater than `after`, in order."""
        start = bisect_right(self._ids, after)
        return self._ids[start : start + limit]

    def profile_of(self, agent: str) -> Profile:
        """What a registered agent offers."""
        return self._by_agent[agent]

    # --- keeping current

    def replace(self, before: Record | None, after: Record | None) -> Record | None:
        """Take over a change of one agent; None where it is not registered.

        Returns:
            `after`, sharing with its profile what it has in common with it: equal ones are kept once.
        """
        agent = (before or after).agent  # type: ignore[union-attr]  # one of them is there
        old = self._by_agent.get(agent)
        if old is not None and before is not None:
            _drop(old.members[before.status], agent)
        if after is None:
            _drop(self._ids, agent)
            del self._by_agent[agent]
        else:
            if old is None:
                insort(self._ids, agent)
            if old is None or not old.is_of(after):
                self._by_agent[agent] = profile = self._profile_for(after)
                after = replace(after, capabilities=profile.capabilities, labels=profile.labels)
            insort(self._by_agent[agent].members[after.status], agent)
        if old is not None and old.is_empty:
            self._forget(old)
        return after

    def _profile_for(self, record: Record) -> Profile:
        # By their JSON, because to Python 1, 1.0 and True are equal, and to a requirement they are not.
        content = to_json((record.capabilities, record.labels, record.max_tasks))
        key = hashlib.sha256(content).digest()
        profile = self._by_key.get(key)
        if profile is None:
            self._last_serial += 1
            profile = Profile(self._last_serial, key, record)
            self._by_key[key] = self._profiles[profile.serial] = profile
            for name in profile.names:
                self._by_name.setdefault(name, {})[profile.serial] = profile
        return profile

    def _forget(self, profile: Profile) -> None:
        """Drop a profile that no agent has any more."""
        del self._profiles[profile.serial], self._by_key[profile.key]
        for name in profile.names:
            named = self._by_name[name]
            del named[profile.serial]
            if not named:
                del self._by_name[name]
        self._dead_count += 1
        if self._dead_count > MAX_DEAD_PROFILES + len(self._profiles):
            self._remembered.clear()
            self._dead_count = 0

    # --- finding

    def find(
        self,
        requirement: Requirement | None,
        *,
        statuses: Collection[Status],
        limit: int,
        load: Callable[[str], float],
    ) -> Found:
        """The agents that meet `requirement`, best first.

        By score, highest first; then online before suspect before offline; then by load, lowest first;
        then by id.

        Args:
            requirement: None is met by everybody.
            statuses: Which agents count.
            limit: How many to return at most.
            load: What an agent last reported, 0 to 1.

        Complexity: O(matching profiles + `limit` log `limit`) while enough of the best have no load, else
            O(matching agents) for those who share the last score and status taken.
        """
        best: list[Match] = []
        matched = 0
        wanted = [status for status in STATUSES if status in statuses]
        for score, profiles in self._tiers(requirement):
            for status in wanted:
                runs = [members for each in profiles if (members := each.members[status])]
                count = sum(map(len, runs))
                matched += count
                missing = min(limit - len(best), count)
                if missing > 0:
                    best += [Match(agent, score) for agent in _least_loaded(runs, count, missing, load)]
        return Found(best=tuple(best), matched=matched)

    def _tiers(self, requirement: Requirement | None) -> Iterable[tuple[float, Sequence[Profile]]]:
        """The profiles that meet `requirement`, by score, highest first."""
        if requirement is None:
            return ((1.0, tuple(self._profiles.values())),)
        remembered = self._remembered.pop(str(requirement), None)
        if remembered is None:
            remembered = _Remembered()
            candidates = self._candidates(requirement)
        else:
            candidates = self._profiles_after(remembered.seen)
        for profile in candidates:
            verdict = requirement.evaluate(profile.facts)
            if verdict.matches:
                remembered.add(verdict.score, profile)
        remembered.seen = self._last_serial
        self._remembered[str(requirement)] = remembered
        if len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)
        return remembered.tiers

    def _candidates(self, requirement: Requirement) -> Iterable[Profile]:
        """The profiles that may meet `requirement`: they have what the rarest of its terms needs."""
        fewest: dict[int, Profile] = self._profiles
        for names in requirement.alternatives:
            having = [self._by_name[name] for name in names if name in self._by_name]
            if sum(map(len, having)) < len(fewest):
                fewest = {serial: each for named in having for serial, each in named.items()}
        return fewest.values()

    def _profiles_after(self, serial: int) -> Iterable[Profile]:
        """Those that were made after the one with `serial`."""
        if serial == self._last_serial:
            return ()
        return tuple(takewhile(lambda each: each.serial > serial, reversed(self._profiles.values())))


def _least_loaded(
    runs: Sequence[Sequence[str]], count: int, wanted: int, load: Callable[[str], float]
) -> Iterable[str]:
    """The `wanted` least loaded of the `count` agents in `runs`, by load, then by id."""
    if wanted < count and len(runs) <= _MAX_MERGED_RUNS:
        # No load is less than none: once enough agents without any are found, nobody can be better. We
        # give up soon, so that where everybody is busy little time is lost.
        in_order = islice(heapq.merge(*runs) if len(runs) > 1 else runs[0], 2 * wanted + 64)
        idle = list(islice((agent for agent in in_order if load(agent) <= 0), wanted))
        if len(idle) == wanted:
            return idle
    agents = list(chain.from_iterable(runs))
    loaded = zip(map(load, agents), agents, strict=True)
    ranked = heapq.nsmallest(wanted, loaded) if wanted < count else sorted(loaded)
    return [agent for _, agent in ranked]


def _drop(ids: list[str], agent: str) -> None:
    """Remove `agent` from `ids`, which are in order."""
    place = bisect_left(ids, agent)
    assert ids[place] == agent
    del ids[place]
