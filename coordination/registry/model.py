"""The registry's durable state: who registered, with what capabilities, in which incarnation.

Presence is not here: heartbeats are volatile (`coordination.registry.presence`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from coordination.runtime.model import NOTHING, Notice, Outcome, Rejected

MAX_AGENTS: Final = 20_000
RESERVED_IDS: Final = frozenset({"registry", "tasks", "dialog", "consensus", "knowledge", "artifacts"})
"""The services' own ids: what is said under one of them must be said by the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Something an agent can do."""

    name: str
    version: str
    attributes: dict[str, bool | int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAgent:
    """Command: `agent` is here, as a new incarnation."""

    agent: str
    capabilities: tuple[Capability, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    max_tasks: int = 1
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeregisterAgent:
    """Command: `agent` leaves in good order."""

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRegistered:
    """Event, and the agent's record: what it last registered."""

    agent: str
    incarnation: int
    capabilities: tuple[Capability, ...]
    labels: dict[str, str]
    max_tasks: int
    description: str
    registered_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Reply to `RegisterAgent`."""

    agent: str
    incarnation: int
    heartbeat_interval_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDeregistered:
    """Event: the agent left."""

    agent: str


@dataclass(slots=True)
class RegistryState:
    """Everything that survives a restart."""

    agents: dict[str, AgentRegistered] = field(default_factory=dict)
    incarnations: dict[str, int] = field(default_factory=dict)
    """Outlives deregistration, so that an incarnation is never used twice."""


class RegistryModel:
    """Decides registrations.

    Args:
        heartbeat_interval_ms: What agents are told to promise.

    Invariants: incarnations of an agent only grow.
    """

    event_types: ClassVar[tuple[type, ...]] = (AgentRegistered, AgentDeregistered)

    def __init__(self, *, heartbeat_interval_ms: int) -> None:
        self.state = RegistryState()
        self._heartbeat_interval_ms = heartbeat_interval_ms

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What a registration or deregistration leads to."""
        match command:
            case RegisterAgent():
                return self._register(command, now_ms)
            case DeregisterAgent():
                return self._deregister(command)
            case _:
                raise AssertionError(f"not a registry command: {type(command).__name__}")

    def apply(self, event: Any) -> None:
        """Take over a registration or a departure."""
        match event:
            case AgentRegistered():
                assert event.incarnation > self.state.incarnations.get(event.agent, 0)
                self.state.agents[event.agent] = event
                self.state.incarnations[event.agent] = event.incarnation
            case AgentDeregistered():
                del self.state.agents[event.agent]

    def next_deadline_ms(self) -> int | None:
        """Nothing here depends on time."""
        return None

    def tick(self, now_ms: int) -> Outcome:  # noqa: ARG002
        """Nothing here depends on time."""
        return NOTHING

    def snapshot(self) -> RegistryState:
        """The whole state."""
        return self.state

    def restore(self, state: RegistryState) -> None:
        """Replace the whole state."""
        self.state = state

    def with_capability(self, name: str) -> Iterator[AgentRegistered]:
        """Agents that have the capability, ordered by id."""
        for agent in sorted(self.state.agents):
            record = self.state.agents[agent]
            if any(capability.name == name for capability in record.capabilities):
                yield record

    def page(self, after: str, limit: int) -> list[AgentRegistered]:
        """Up to `limit` agents whose id is greater than `after`, ordered by id."""
        ids = sorted(agent for agent in self.state.agents if agent > after)
        return [self.state.agents[agent] for agent in ids[:limit]]

    def _register(self, command: RegisterAgent, now_ms: int) -> Outcome | Rejected:
        if command.agent in RESERVED_IDS:
            return Rejected(code="reserved_id", message=f"{command.agent} is a service's id; choose another")
        names = [capability.name for capability in command.capabilities]
        if len(set(names)) != len(names):
            return Rejected(code="duplicate_capability", message="a capability is named twice")
        if command.agent not in self.state.agents and len(self.state.agents) >= MAX_AGENTS:
            return Rejected(
                code="registry_full", message=f"{MAX_AGENTS} agents are registered", retryable=True
            )
        event = AgentRegistered(
            agent=command.agent,
            incarnation=self.state.incarnations.get(command.agent, 0) + 1,
            capabilities=command.capabilities,
            labels=command.labels,
            max_tasks=command.max_tasks,
            description=command.description,
            registered_at_ms=now_ms,
        )
        body = {"agent": event.agent, "incarnation": event.incarnation, "capabilities": names}
        notice = Notice(event="registered", aggregate=event.agent, body=body)
        reply = Registered(
            agent=event.agent,
            incarnation=event.incarnation,
            heartbeat_interval_ms=self._heartbeat_interval_ms,
        )
        return Outcome(events=(event,), reply=reply, messages=(notice,))

    def _deregister(self, command: DeregisterAgent) -> Outcome | Rejected:
        if command.agent not in self.state.agents:
            return Rejected(code="unknown_agent", message=f"{command.agent} is not registered")
        notice = Notice(event="deregistered", aggregate=command.agent, body={"agent": command.agent})
        event = AgentDeregistered(agent=command.agent)
        return Outcome(events=(event,), reply=event, messages=(notice,))
