"""Finds agents: everything here follows from the registry's records and is rebuilt from them. Pure.

Agents that offer the same are one profile, and a requirement is tested against profiles: once for each,
however often it is asked. Profiles are indexed by the names of what they offer, so that a requirement asked
for the first time is only tested where it may hold. Who is least loaded is known beforehand: the agents of
each status are kept in that order.
"""

from __future__ import annotations

import hashlib
import heapq
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from typing import Final, NamedTuple, TypeVar

from pydantic_core import to_json

from coordination.registry.record import STATUSES, Record, Status
from coordination.requirements import CapabilityFacts, Facts, Requirement

MAX_REMEMBERED: Final = 128
"""Requirements whose matches are remembered."""
_MAX_MOVED: Final = 500
"""Agents whose load changed; to put more of them in their places takes longer than to sort all."""


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


class _Tier:
    """The profiles that meet a requirement equally well."""

    __slots__ = ("counts", "profiles", "score")

    def __init__(self, score: float) -> None:
        self.score = score
        self.profiles: dict[int, Profile] = {}
        """By serial."""
        self.counts = dict.fromkeys(STATUSES, 0)
        """How many agents they have, by status."""


class _Remembered:
    """The profiles that meet one requirement, of those up to `seen`."""

    __slots__ = ("by_profile", "seen", "tiers")

    def __init__(self) -> None:
        self.seen = 0
        """Serial of the last profile that was tested."""
        self.tiers: list[_Tier] = []
        """By score, highest first."""
        self.by_profile: dict[int, _Tier] = {}
        """By serial."""

    def add(self, score: float, profile: Profile) -> None:
        """Take in a profile that meets the requirement."""
        place = bisect_left(self.tiers, -score, key=lambda tier: -tier.score)
        if place == len(self.tiers) or self.tiers[place].score != score:
            self.tiers.insert(place, _Tier(score))
        tier = self.by_profile[profile.serial] = self.tiers[place]
        tier.profiles[profile.serial] = profile
        for status, members in profile.members.items():
            tier.counts[status] += len(members)

    def forget(self, profile: Profile) -> None:
        """Drop a profile that no agent has any more."""
        tier = self.by_profile.pop(profile.serial, None)
        if tier is not None:
            del tier.profiles[profile.serial]
            if not tier.profiles:
                self.tiers.remove(tier)


class Directory:
    """All agents, by id and by what they offer.

    Invariants: what it finds is what a directory built anew from the same records and loads finds.
    """

    def __init__(self) -> None:
        self._ids: list[str] = []
        self._profiles: dict[int, Profile] = {}
        """By serial, in order."""
        self._by_key: dict[bytes, Profile] = {}
        self._by_name: dict[str, dict[int, Profile]] = {}
        self._by_agent: dict[str, Profile] = {}
        self._last_serial = 0
        self._statuses: dict[str, Status] = {}
        self._loads: dict[str, float] = {}
        """Of registered agents; 0 where there is none."""
        self._ranked: dict[Status, list[tuple[float, str]]] = {status: [] for status in STATUSES}
        """Loads and ids, in order."""
        self._remembered: OrderedDict[str, _Remembered] = OrderedDict()
        """By requirement, the one that was asked last at the end."""

    def ids_after(self, after: str, limit: int) -> list[str]:
        """Up to `limit` ids that are greater than `after`, in order."""
        start = bisect_right(self._ids, after)
        return self._ids[start : start + limit]

    def profile_of(self, agent: str) -> Profile:
        """What a registered agent offers."""
        return self._by_agent[agent]

    # --- keeping current

    def set_loads(self, loads: Mapping[str, float]) -> None:
        """Take in what agents reported last; whoever is not registered is ignored.

        Load is volatile and no part of the registry's state: without it, 0 counts.
        """
        known, statuses = self._loads, self._statuses
        changed = [
            (agent, load)
            for agent, load in loads.items()
            if agent in statuses and load != known.get(agent, 0.0)
        ]
        if len(changed) > _MAX_MOVED:
            known.update(changed)
            for ranked in self._ranked.values():
                ranked[:] = sorted((known.get(agent, 0.0), agent) for _, agent in ranked)
            return
        for agent, load in changed:
            ranked = self._ranked[statuses[agent]]
            _drop(ranked, (known.get(agent, 0.0), agent))
            insort(ranked, (load, agent))
            known[agent] = load

    def replace(self, before: Record | None, after: Record | None) -> Record | None:
        """Take over a change of one agent; None where it is not registered.

        Returns:
            `after`, sharing with its profile what it has in common with it: equal ones are kept once.
        """
        old = None
        if before is not None:
            old = self._by_agent[before.agent]
            self._leave(old, before)
        if after is not None:
            agent = after.agent
            profile = old if old is not None and old.is_of(after) else self._profile_for(after)
            if not profile.is_of(after):
                after = replace(after, capabilities=profile.capabilities, labels=profile.labels)
            if before is None:
                insort(self._ids, agent)
            self._join(profile, after)
        elif before is not None:
            _drop(self._ids, before.agent)
            self._loads.pop(before.agent, None)
            del self._by_agent[before.agent], self._statuses[before.agent]
        if old is not None and old.is_empty:
            self._forget(old)
        return after

    def _join(self, profile: Profile, record: Record) -> None:
        agent, status = record.agent, record.status
        self._by_agent[agent] = profile
        self._statuses[agent] = status
        insort(profile.members[status], agent)
        insort(self._ranked[status], (self._loads.get(agent, 0.0), agent))
        self._count(profile, status, 1)

    def _leave(self, profile: Profile, record: Record) -> None:
        agent, status = record.agent, record.status
        _drop(profile.members[status], agent)
        _drop(self._ranked[status], (self._loads.get(agent, 0.0), agent))
        self._count(profile, status, -1)

    def _count(self, profile: Profile, status: Status, change: int) -> None:
        for remembered in self._remembered.values():
            tier = remembered.by_profile.get(profile.serial)
            if tier is not None:
                tier.counts[status] += change

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
        for remembered in self._remembered.values():
            remembered.forget(profile)

    # --- finding

    def find(self, requirement: Requirement | None, *, statuses: Collection[Status], limit: int) -> Found:
        """The agents that meet `requirement`, best first.

        By score, highest first; then online before suspect before offline; then by load, lowest first;
        then by id.

        Args:
            requirement: None is met by everybody.
            statuses: Which agents count.
            limit: How many to return at most.

        Complexity: with n agents O(square root of (`limit` n)) as long as those that match are no more and no
            less loaded than others, and never more than O(n); beside the tests of profiles that came since
            the requirement was asked last.
        """
        wanted = [status for status in STATUSES if status in statuses]
        if requirement is None:
            best: list[Match] = []
            for status in wanted:
                best += [Match(agent, 1.0) for _, agent in self._ranked[status][: limit - len(best)]]
            return Found(best=tuple(best), matched=sum(len(self._ranked[status]) for status in wanted))
        best, matched = [], 0
        for tier in self._tiers(requirement):
            for status in wanted:
                count = tier.counts[status]
                matched += count
                missing = min(limit - len(best), count)
                if missing > 0:
                    best += [Match(agent, tier.score) for agent in self._least_loaded(tier, status, missing)]
        return Found(best=tuple(best), matched=matched)

    def _least_loaded(self, tier: _Tier, status: Status, wanted: int) -> Iterable[str]:
        """The first `wanted` agents of `tier` with `status`, by load, then by id; there are as many."""
        count, ranked = tier.counts[status], self._ranked[status]
        if wanted * len(ranked) < count * (count + len(tier.profiles)):
            # One in so many has what is wanted: soon there are enough of them.
            profiles, by_agent = tier.profiles, self._by_agent
            fitting = (agent for _, agent in ranked if by_agent[agent].serial in profiles)
            return list(islice(fitting, wanted))
        loads = self._loads
        members = (agent for each in tier.profiles.values() for agent in each.members[status])
        first = heapq.nsmallest(wanted, ((loads.get(agent, 0.0), agent) for agent in members))
        return [agent for _, agent in first]

    def _tiers(self, requirement: Requirement) -> Iterable[_Tier]:
        """The profiles that meet `requirement`, by score, highest first."""
        text = str(requirement)
        remembered = self._remembered.get(text)
        if remembered is None:
            candidates = self._candidates(requirement)
            remembered = self._remembered[text] = _Remembered()
            if len(self._remembered) > MAX_REMEMBERED:
                self._remembered.popitem(last=False)
        else:
            candidates = self._profiles_after(remembered.seen)
            self._remembered.move_to_end(text)
        for profile in candidates:
            verdict = requirement.evaluate(profile.facts)
            if verdict.matches:
                remembered.add(verdict.score, profile)
        remembered.seen = self._last_serial
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


_Ordered = TypeVar("_Ordered", str, tuple[float, str])


def _drop(ordered: list[_Ordered], item: _Ordered) -> None:
    """Remove `item` from `ordered`."""
    place = bisect_left(ordered, item)
    assert ordered[place] == item
    del ordered[place]
