"""Wire contract of the registry: ``conclave.call.registry.<verb>.<caller>``.

Heartbeats: ``conclave.presence.<agent>`` carries a `Heartbeat`.

Notices: ``conclave.event.registry.<event>.<agent>`` with event ``registered``, ``deregistered``,
``online``, ``suspect`` or ``offline``.

Refusals: ``unknown_agent``, ``duplicate_capability``, ``reserved_id``, ``registry_full`` (retryable).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from coordination.runtime.names import Id
from coordination.runtime.wire import Body

MAX_CAPABILITIES: Final = 64
MAX_ATTRIBUTES: Final = 32
MAX_LABELS: Final = 32
MAX_TEXT_CHARS: Final = 256
MAX_PAGE: Final = 1000

CapabilityName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}\z")]
Version = Annotated[str, StringConstraints(pattern=r"^\d{1,6}\.\d{1,6}\.\d{1,6}\z")]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)]
Scalar = bool | int | Annotated[float, Field(allow_inf_nan=False)] | Text
Status = Literal["online", "suspect", "offline"]


class Capability(Body):
    """Something an agent can do."""

    name: CapabilityName
    version: Version = "1.0.0"
    """Semantic version."""
    attributes: dict[CapabilityName, Scalar] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)


class RegisterRequest(Body):
    """Announce the caller; again means: a new incarnation of the same agent."""

    capabilities: tuple[Capability, ...] = Field(default=(), max_length=MAX_CAPABILITIES)
    labels: dict[CapabilityName, Text] = Field(default_factory=dict, max_length=MAX_LABELS)
    max_tasks: int = Field(default=1, ge=0, le=1000)
    """Tasks the agent works on at a time."""
    description: Text = ""


class RegisterReply(Body):
    """The caller's new incarnation."""

    agent: Id
    incarnation: int
    """Counts registrations of this agent, from 1; heartbeats carry it."""
    heartbeat_interval_ms: int


class DeregisterRequest(Body):
    """Leave in good order; announced, unlike a crash."""


class DeregisterReply(Body):
    """The caller is gone."""

    agent: Id


class GetRequest(Body):
    """Ask for one agent."""

    agent: Id


class FindRequest(Body):
    """Ask for the agents with a capability."""

    capability: CapabilityName
    include_offline: bool = False
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class ListRequest(Body):
    """Ask for a page of all agents, ordered by id."""

    after: str = Field(default="", max_length=63)
    """Last id of the previous page."""
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class Agent(Body):
    """An agent as the registry knows it."""

    agent: Id
    incarnation: int
    status: Status
    capabilities: tuple[Capability, ...]
    labels: dict[str, str]
    max_tasks: int
    description: str
    registered_at_ms: int
    last_heard_ms: int
    load: float
    """As the agent last reported it: share of `max_tasks` in use, 0 to 1."""


class AgentsReply(Body):
    """Agents ordered by id."""

    agents: tuple[Agent, ...]


class Heartbeat(Body):
    """Body of ``conclave.presence.<agent>`` (core NATS, never persisted)."""

    incarnation: int = Field(ge=1)
    load: float = Field(default=0.0, ge=0.0, le=1.0)
