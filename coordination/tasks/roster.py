"""The agents as the registry last told of them, and which of them meet a requirement. Pure.

Not part of the state: the shell keeps it current between decisions, from one thread. Agents with the same
facts share a profile, and requirements are tested per profile: 10,000 agents are a few hundred programs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from coordination.requirements import Facts
from coordination.tasks import eligibility
from coordination.tasks.touched import Touched

ONLINE: Final = "online"
MAX_REMEMBERED: Final = 4096
"""Requirements whose verdicts are remembered; beyond, the one that was asked for longest ago is forgotten."""
MAX_REMEMBERED_VERDICTS: Final = 2_000_000
"""Of all of them together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """One agent."""

    agent: str
    incarnation: int
    max_tasks: int
    """Tasks it works on at a time."""
    status: str
    """As the registry says: ``online``, ``suspect`` or ``offline``."""
    facts: Facts
    load: float = 0.0
    """As it reports it itself."""


@dataclass(slots=True)
class Profile:
    """Facts, and the agents that are online with them."""

    key: tuple[object, ...]
    facts: Facts
    online: dict[str, None]
    known_count: int = 0
    """Agents that have these facts, online or not."""


class Eligible(Mapping[str, float]):
    """Score by agent, of those that are online and meet one requirement; follows the roster as it changes."""

    def __init__(self, roster: Roster, requirement: str, capability: str, *, is_approved: bool) -> None:
        self.roster = roster
        self._asked = requirement, capability, is_approved
        self._next_serial = 0
        self._scores: dict[int, float] = {}
        self._count = 0
        self._counted_at = -1
        self._cleared_at = 0

    def __getitem__(self, agent: str) -> float:
        return self.scores[self.roster.serial_online(agent)]

    def __contains__(self, agent: object) -> bool:
        serial = self.roster.serials_online.get(agent)  # type: ignore[call-overload]
        return serial is not None and serial in self.scores

    def __iter__(self) -> Iterator[str]:
        profiles = self.roster.profiles
        return (agent for serial in self.scores for agent in profiles[serial].online)

    def __len__(self) -> int:
        scores = self.scores
        if self._counted_at != self.roster.version:
            profiles = self.roster.profiles
            self._count = sum(len(profiles[serial].online) for serial in scores)
            self._counted_at = self.roster.version
        return self._count

    def view(self, agent: str) -> AgentView | None:
        """An agent of these; None if it is none of them."""
        return self.roster.get(agent) if agent in self else None

    @property
    def scores(self) -> Mapping[int, float]:
        """Score by the profile's serial number, of the profiles that meet the requirement."""
        roster = self.roster
        if self._next_serial == roster.next_serial and self._cleared_at == roster.cleared_count:
            return self._scores
        if self._cleared_at != roster.cleared_count:
            kept = roster.profiles.keys() & self._scores.keys()
            self._scores = {serial: self._scores[serial] for serial in sorted(kept)}
            self._cleared_at = roster.cleared_count
        requirement, capability, is_approved = self._asked
        for serial in roster.serials_from(self._next_serial):
            facts = roster.profiles[serial].facts
            found = eligibility.score(requirement, capability, is_approved=is_approved, facts=facts)
            if found is not None:
                self._scores[serial] = found
        self._next_serial = roster.next_serial
        return self._scores


class Roster:
    """Agents by id, and which of them meet which requirement.

    Complexity: a change of an agent costs the same however many requirements are remembered; a requirement
    is tested once per profile.
    """

    def __init__(self) -> None:
        self.version = 0
        """Grows with every change that could change who may be asked."""
        self.is_current = True
        """Whether whoever keeps it has heard what the registry says since this process leads; until then
        nothing is offered."""
        self.touched = Touched()
        """Agents in the order in which something about them changed, their load included."""
        self.profiles: dict[int, Profile] = {}
        """By serial number, which only grow."""
        self.serials_online: dict[str, int] = {}
        """Serial number of the profile of each agent that is online."""
        self.next_serial = 0
        self.cleared_count = 0
        """Profiles that nobody has any more and that were forgotten."""
        self._agents: dict[str, AgentView] = {}
        self._serials: dict[tuple[object, ...], int] = {}
        self._serial_of: dict[str, int] = {}
        self._eligible: OrderedDict[tuple[str, str, bool], Eligible] = OrderedDict()

    @property
    def agents(self) -> Mapping[str, AgentView]:
        """Every agent known, by id."""
        return self._agents

    def get(self, agent: str) -> AgentView | None:
        """One agent; None if it is not known."""
        return self._agents.get(agent)

    def put(self, view: AgentView) -> None:
        """Take over what the registry says of an agent."""
        before = self._agents.get(view.agent)
        key = _key(view.facts)
        is_alike = before is not None and self.profile(view.agent).key == key
        if is_alike and before == view:
            return
        if before is not None and not is_alike:
            self.remove(view.agent)
            before = None
        if before is None:
            self._enroll(view.agent, key, view.facts)
        self._agents[view.agent] = view
        self._follow(view)

    def set_status(self, agent: str, status: str) -> None:
        """Take over a change of presence; nothing happens to an agent that is not known."""
        view = self._agents.get(agent)
        if view is not None and view.status != status:
            self._agents[agent] = view = replace(view, status=status)
            self._follow(view)

    def set_load(self, agent: str, load: float) -> None:
        """Take over what an agent reports of itself; changes only who is preferred, and no version."""
        view = self._agents.get(agent)
        if view is not None and view.load != load:
            self._agents[agent] = replace(view, load=load)
            self.touched.add(agent)

    def remove(self, agent: str) -> None:
        """Forget an agent; nothing happens if it is not known."""
        if self._agents.pop(agent, None) is None:
            return
        serial = self._serial_of.pop(agent)
        profile = self.profiles[serial]
        profile.online.pop(agent, None)
        self.serials_online.pop(agent, None)
        profile.known_count -= 1
        if not profile.known_count:
            del self.profiles[serial], self._serials[profile.key]
            self.cleared_count += 1
        self._changed(agent)

    def eligible(self, requirement: str) -> Eligible:
        """Score of every agent that is online and meets `requirement`, whether or not it insists on approval.

        Args:
            requirement: Canonical text.
        """
        return self.eligible_for(requirement, "", is_approved=True)

    def eligible_for(self, requirement: str, capability: str, *, is_approved: bool) -> Eligible:
        """Score of every agent that is online and may be asked to do such a task.

        Args:
            requirement: Canonical text.
            capability: What it is about; empty if that is not one thing.
            is_approved: Whether a vote has approved the task.
        """
        key = (requirement, "" if is_approved else capability, is_approved)
        found = self._eligible.get(key)
        if found is not None:
            self._eligible.move_to_end(key)
            return found
        found = Eligible(self, requirement, capability, is_approved=is_approved)
        self._eligible[key] = found
        bound = min(MAX_REMEMBERED, max(16, MAX_REMEMBERED_VERDICTS // max(1, len(self.profiles))))
        while len(self._eligible) > bound:
            self._eligible.popitem(last=False)
        return found

    def incarnations(self) -> Mapping[str, int]:
        """Newest known incarnation of every agent, by id."""
        return {agent: view.incarnation for agent, view in self._agents.items()}

    def profile(self, agent: str) -> Profile:
        """What a known agent shares with all that have the same facts.

        Raises:
            KeyError: It is not known.
        """
        return self.profiles[self._serial_of[agent]]

    def serial_online(self, agent: str) -> int:
        """Serial number of the profile of an agent that is online.

        Raises:
            KeyError: It is not.
        """
        return self.serials_online[agent]

    def serials_from(self, first: int) -> list[int]:
        """Serial numbers of profiles, from `first`, in order."""
        if not first:
            return list(self.profiles)
        return [serial for serial in range(first, self.next_serial) if serial in self.profiles]

    def _enroll(self, agent: str, key: tuple[object, ...], facts: Facts) -> None:
        serial = self._serials.get(key)
        if serial is None:
            serial = self._serials[key] = self.next_serial
            self.profiles[serial] = Profile(key, facts, {})
            self.next_serial += 1
        self._serial_of[agent] = serial
        self.profiles[serial].known_count += 1

    def _follow(self, view: AgentView) -> None:
        serial = self._serial_of[view.agent]
        if view.status == ONLINE:
            self.profiles[serial].online[view.agent] = None
            self.serials_online[view.agent] = serial
        else:
            self.profiles[serial].online.pop(view.agent, None)
            self.serials_online.pop(view.agent, None)
        self._changed(view.agent)

    def _changed(self, agent: str) -> None:
        self.version += 1
        self.touched.add(agent)


def _key(facts: Facts) -> tuple[object, ...]:
    """Equal for facts that every requirement sees alike; the type counts, too: ``1`` is not ``true``."""
    capabilities = tuple(
        (name, each.version, tuple(sorted((a, type(v).__name__, v) for a, v in each.attributes.items())))
        for name, each in sorted(facts.capabilities.items())
    )
    return capabilities, tuple(sorted(facts.labels.items())), facts.max_tasks
