"""What happens to the registry's agents: the events of its journal. Pure.

What a journal of an older version lacks has a default.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import JsonValue

from coordination.registry.record import Capability, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRegistered:
    """Event: `agent` registered, and is online."""

    agent: str
    incarnation: int
    capabilities: tuple[Capability, ...]
    labels: dict[str, str]
    max_tasks: int
    description: str
    registered_at_ms: int
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()
    size_bytes: int = 0
    """Of all this as JSON; 0 in journals of the time before it was measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentUpdated:
    """Event: what `agent` has registered is this from now on."""

    agent: str
    incarnation: int
    capabilities: tuple[Capability, ...]
    labels: dict[str, str]
    max_tasks: int
    description: str
    metadata: dict[str, JsonValue]
    protocols: tuple[str, ...]
    size_bytes: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDeregistered:
    """Event: the agent left."""

    agent: str
    at_ms: int = 0
    """0 in journals of the time before changes were counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatusChanged:
    """Event: the agent is alive, suspected or given up."""

    agent: str
    status: Status
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentExpired:
    """Event: the agent was offline for so long that it is forgotten."""

    agent: str
    at_ms: int


Event = AgentRegistered | AgentUpdated | AgentDeregistered | AgentStatusChanged | AgentExpired
