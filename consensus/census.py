"""Asks the registry who is there, and knowledge whom agents trust: what a snapshot is taken from."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from consensus.limits import MAX_ELECTORATE
from coordination.requirements import CapabilityFacts, Facts, Name, Op, Requirement, Term
from coordination.runtime.client import Caller
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError
from coordination.runtime.names import Id
from coordination.runtime.wire import Body

REGISTRY: Final = "registry"
KNOWLEDGE: Final = "knowledge"
MAX_SINGLE_LOOKUPS: Final = 32
"""Agents that are asked for one by one; of more the whole list is read."""
_PAGE: Final = 1_000
_MAX_READS: Final = 5
"""Attempts to read all agents as of one revision, while the registry goes on."""
_MAX_TRUST: Final = 1_000


class _FindAgents(Body):
    requirement: str
    limit: int


class _GetAgent(Body):
    agent: str


class _PageOfAgents(Body):
    after: str
    limit: int


class _TrustIn(Body):
    topic: str
    agents: tuple[str, ...]


class _Received(BaseModel):
    """What others send us: fields that we do not know are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Present(_Received):
    agent: Id
    status: str

    @property
    def is_offline(self) -> bool:
        return self.status == "offline"


class _Found(_Received):
    agents: tuple[_Present, ...]
    matched: int
    revision: int = 0


class _Capability(_Received):
    name: str
    version: str
    attributes: dict[str, bool | int | float | str] = {}


class _Registered(_Present):
    capabilities: tuple[_Capability, ...] = ()
    labels: dict[str, str] = {}
    max_tasks: int = 1

    @property
    def facts(self) -> Facts:
        return Facts(
            capabilities={
                each.name: CapabilityFacts(version=each.version, attributes=each.attributes)
                for each in self.capabilities
            },
            labels=self.labels,
            max_tasks=self.max_tasks,
        )


class _Listed(_Received):
    agents: tuple[_Present, ...]
    next: str = ""


class _Watched(_Received):
    agents: tuple[_Registered, ...]
    next: str = ""
    revision: int


class _Trust(_Received):
    weights: dict[str, Annotated[int, Field(ge=0, le=_MAX_TRUST)]]


@dataclass(frozen=True, slots=True)
class Roll:
    """Agents that meet a requirement, as of one revision of the registry."""

    agents: tuple[str, ...]
    """By id."""
    revision: int


def of_role(role: str) -> Requirement:
    """The requirement to have the label ``role`` with this value."""
    return Requirement(hard=(Term(Name("role", "label"), Op.EQ, role),))


class Census:
    """What consensus asks of its neighbours.

    Args:
        caller: Consensus itself; its patience is how long an absent neighbour holds up a question.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def meeting(self, requirement: Requirement) -> Roll:
        """The agents that meet `requirement` and are not offline, all as of one moment.

        Of more than may vote it names so many that it shows.

        Raises:
            UnavailableError: The registry is away, or changes faster than it can be read.
        """
        request = _FindAgents(requirement=str(requirement), limit=_PAGE)
        found = await self._caller.query(REGISTRY, "find", request, _Found)
        if found.matched == len(found.agents):
            return Roll(tuple(sorted(each.agent for each in found.agents)), found.revision)
        for _ in range(_MAX_READS):
            roll = await self._read_all(requirement)
            if roll is not None:
                return roll
        raise UnavailableError("the registry changes faster than it can be read")

    async def _read_all(self, requirement: Requirement) -> Roll | None:
        """As `meeting`, where one answer cannot hold them; None if the registry has changed meanwhile."""
        agents: list[str] = []
        after, revision = "", None
        while True:
            page = await self._caller.query(
                REGISTRY, "watch", _PageOfAgents(after=after, limit=_PAGE), _Watched
            )
            if revision not in (None, page.revision):
                return None
            revision, after = page.revision, page.next
            agents += [
                each.agent
                for each in page.agents
                if not each.is_offline and requirement.evaluate(each.facts).matches
            ]
            if not after or len(agents) > MAX_ELECTORATE:
                return Roll(tuple(sorted(agents)), revision)

    async def absent(self, agents: Collection[str]) -> set[str]:
        """Those of `agents` that are offline, or that the registry does not know.

        Raises:
            UnavailableError: The registry is away.
        """
        if len(agents) <= MAX_SINGLE_LOOKUPS:
            # In order, so that a simulation repeats itself.
            return {agent for agent in sorted(agents) if not await self._is_there(agent)}
        there = {each.agent async for each in self._everybody() if not each.is_offline}
        return set(agents) - there

    async def _is_there(self, agent: str) -> bool:
        try:
            found = await self._caller.query(REGISTRY, "get", _GetAgent(agent=agent), _Present)
        except RejectedError as error:
            if error.code != "unknown_agent":
                raise
            return False
        return not found.is_offline

    async def _everybody(self) -> AsyncIterator[_Present]:
        after = ""
        while True:
            page = await self._caller.query(
                REGISTRY, "list", _PageOfAgents(after=after, limit=_PAGE), _Listed
            )
            for each in page.agents:
                yield each
            if not page.next:
                return
            after = page.next

    async def trust(self, topic: str, agents: Iterable[str]) -> dict[str, int]:
        """How far each of `agents` is trusted in `topic`: 0 to 1000.

        Raises:
            UnavailableError: Knowledge is away.
            RejectedError: It refuses.
            PeerProtocolError: It says nothing of one of the agents.
        """
        asked = tuple(agents)
        if not asked:
            return {}
        reply = await self._caller.query(KNOWLEDGE, "trust", _TrustIn(topic=topic, agents=asked), _Trust)
        missing = [agent for agent in asked if agent not in reply.weights]
        if missing:
            raise PeerProtocolError(f"knowledge says nothing of {len(missing)} agents, such as {missing[0]}")
        return {agent: reply.weights[agent] for agent in asked}
