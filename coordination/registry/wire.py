"""Wire contract of the registry: ``conclave.call.registry.<verb>.<caller>``.

Heartbeats: ``conclave.presence.<agent>`` carries a `Heartbeat`.

Notices: ``conclave.event.registry.<kind>.<agent>`` carries a `Change`; kinds are ``registered``, ``updated``,
``deregistered``, ``online``, ``suspect``, ``offline`` and ``expired``. Every change has a revision, one more
than the change before it, so that a listener sees a gap; ``changes`` fills it.

Pushes: kind ``registration`` (`RegistrationPush`) tells a process that its registration no longer counts.

Refusals: ``invalid_request``, ``registration_too_large``, ``metadata_too_large``, ``duplicate_capability``,
``reserved_id``, ``unknown_agent``, ``superseded``, ``revision_compacted``, ``registry_full`` (retryable).
"""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    StrictBool,
    StrictFloat,
    StrictInt,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from coordination.requirements import RequirementField
from coordination.runtime.names import Id
from coordination.runtime.wire import Body, Reply

MAX_CAPABILITIES: Final = 64
MAX_ATTRIBUTES: Final = 32
"""Of one capability."""
MAX_LABELS: Final = 32
MAX_PROTOCOLS: Final = 16
MAX_TEXT_CHARS: Final = 256
MAX_VERSION_CHARS: Final = 64
MAX_TASKS: Final = 1000
MAX_METADATA_BYTES: Final = 16 * 1024
"""Of `RegisterRequest.metadata` as compact JSON."""
MAX_METADATA_DEPTH: Final = 8
"""Objects and arrays within each other, the outermost object being the first."""
MAX_INTEGER: Final = 2**63 - 1
"""Largest whole number in attributes and metadata; the smallest is its negative."""
MAX_PAGE: Final = 1000

CapabilityName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}\z")]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARS)]
_NUMBER: Final = r"(?:0|[1-9][0-9]{0,8})"
_PRERELEASE_PART: Final = r"(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
_BUILD_PART: Final = r"[0-9a-zA-Z-]+"
_VERSION: Final = (
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRERELEASE_PART}(?:\.{_PRERELEASE_PART})*)?"
    rf"(?:\+{_BUILD_PART}(?:\.{_BUILD_PART})*)?"
)


def _full_version(value: str) -> str:
    if len(value) > MAX_VERSION_CHARS or re.fullmatch(_VERSION, value) is None:
        raise ValueError(
            f"a full semantic version of at most {MAX_VERSION_CHARS} characters is needed, such as 1.0.0"
        )
    return value


Version = Annotated[
    str,
    AfterValidator(_full_version),
    WithJsonSchema({"type": "string", "pattern": f"^{_VERSION}$", "maxLength": MAX_VERSION_CHARS}),
]
"""Semantic version (semver.org 2.0.0), three numbers at least: ``3.11.4``, ``1.0.0-rc.1+build.7``."""


def _bounded(value: float | str) -> float | str:
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise ValueError(f"a whole number is at most {MAX_INTEGER} and at least -{MAX_INTEGER}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number must be finite")
    return value


Scalar = Annotated[StrictBool | StrictInt | StrictFloat | Text, AfterValidator(_bounded)]
"""A truth value, a number or a short text; a whole number stays one, and ``true`` is no number."""
Status = Literal["online", "suspect", "offline"]
ChangeKind = Literal["registered", "updated", "deregistered", "online", "suspect", "offline", "expired"]
Incarnation = Annotated[int, Field(ge=1, le=MAX_INTEGER, strict=True)]
Revision = Annotated[int, Field(ge=0, le=MAX_INTEGER, strict=True)]


class Capability(Body):
    """Something an agent can do."""

    name: CapabilityName
    version: Version = "1.0.0"
    """Semantic version."""
    attributes: dict[CapabilityName, Scalar] = Field(default_factory=dict, max_length=MAX_ATTRIBUTES)
    """What requirements may ask for beyond the version: ``{"memory_gb": 24}``."""
    description: Text = ""
    """For people."""


Capabilities = Annotated[tuple[Capability, ...], Field(max_length=MAX_CAPABILITIES)]
Labels = Annotated[dict[CapabilityName, Text], Field(max_length=MAX_LABELS)]
Slots = Annotated[int, Field(ge=0, le=MAX_TASKS, strict=True)]
Protocols = Annotated[tuple[CapabilityName, ...], Field(max_length=MAX_PROTOCOLS)]


class RegisterRequest(Body):
    """Announce the caller; again means: a new incarnation of the same agent. At most 64 KiB as JSON."""

    capabilities: Capabilities = ()
    """Each name once."""
    labels: Labels = Field(default_factory=dict)
    """Where and what the agent is: ``{"region": "eu"}``."""
    max_tasks: Slots = 1
    """Tasks the agent works on at a time."""
    description: Text = ""
    """One line for people."""
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    """Anything else, handed on unread: at most 16 KiB of compact JSON, 8 levels deep."""
    protocols: Protocols = ()
    """What the agent speaks beside Conclave's own; ``agents`` is the Synadia Agent Protocol."""


class RegisterReply(Reply):
    """The caller's new incarnation."""

    agent: Id
    incarnation: int
    """Greater than that of any registration before it; heartbeats carry it."""
    heartbeat_interval_ms: int
    """How often the agent must be heard: it is suspected after 1.5 of these, given up after 3."""
    revision: int = 0
    """Of the change that this registration is."""


class UpdateRequest(Body):
    """Change what the caller registered: what is given replaces what was there, the rest stays."""

    incarnation: Incarnation
    """The caller's own; that of another process is refused as ``superseded``."""
    capabilities: Capabilities | None = None
    labels: Labels | None = None
    max_tasks: Slots | None = None
    description: Text | None = None
    metadata: dict[str, JsonValue] | None = None
    protocols: Protocols | None = None


class UpdateReply(Reply):
    """The registration is as asked for."""

    agent: Id
    incarnation: int
    revision: int
    """Of the agent's last change: an older one if the update changed nothing."""


class DeregisterRequest(Body):
    """Leave in good order; announced, unlike a crash."""

    incarnation: Incarnation | None = None
    """Leave only as this incarnation: one's successor is not sent away (``superseded``)."""


class DeregisterReply(Reply):
    """The caller is gone."""

    agent: Id


class GetRequest(Body):
    """Ask for one agent."""

    agent: Id


class AgentCapability(Reply):
    """A `Capability` as the registry tells of it."""

    name: str
    version: str
    attributes: dict[str, bool | int | float | str] = Field(default_factory=dict)
    description: str = ""


class Agent(Reply):
    """An agent as the registry knows it."""

    agent: Id
    incarnation: int
    status: Status
    capabilities: tuple[AgentCapability, ...]
    labels: dict[str, str]
    max_tasks: int
    description: str
    protocols: tuple[str, ...] = ()
    registered_at_ms: int
    status_since_ms: int = 0
    last_heard_ms: int = 0
    """Last sign of life, by the registry's clock; 0 if it does not know (in a `Change` always)."""
    load: float = 0.0
    """As the agent last reported it: share of `max_tasks` in use, 0 to 1. In a `Change` always 0."""
    revision: int = 0
    """Of the agent's last change."""


class AgentRecord(Agent):
    """All that the registry knows of an agent."""

    metadata: dict[str, JsonValue] = Field(default_factory=dict)


class ListRequest(Body):
    """Ask for a page of all agents, ordered by id."""

    after: str = Field(default="", max_length=63)
    """`next` of the previous page."""
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class AgentsReply(Reply):
    """Agents ordered by id; fewer than asked for if more would not fit into a message."""

    agents: tuple[Agent, ...]
    next: str = ""
    """Where the next page begins; empty after the last one."""


class FindRequest(Body):
    """Ask for the agents that meet a requirement, best first; for all of them if none is given."""

    requirement: RequirementField | None = None
    """``python>=3.11, gpu.memory_gb>=24, region in [eu, us], prefer tier=gold weight 3``"""
    capability: CapabilityName | None = None
    """Short for the requirement to have this capability, in any version; instead of one."""
    include_offline: bool = False
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)
    explain: bool = False
    """Say of every agent, term by term, why it matches or not: as many as fit."""

    @model_validator(mode="after")
    def _say_it_once(self) -> Self:
        if self.requirement is not None and self.capability is not None:
            raise ValueError("give a requirement or a capability, not both")
        return self


class FoundAgent(Agent):
    """An agent that meets every hard term."""

    score: float = 1.0
    """Weight of the preferences it meets, as a share of all of them, 0 to 1; 1 if there are none."""


class TermExplanation(Reply):
    """What one term of the requirement finds in one agent."""

    term: str
    """In its canonical form: ``gpu.memory_gb>=24``."""
    met: bool
    preferred: bool = False
    """Whether it only counts for the score."""
    weight: int = 0
    """Of a preference; 0 for a hard term."""
    reason: str
    """``gpu.memory_gb is 16, needs >= 24``."""


class Explanation(Reply):
    """Why one agent matches or not."""

    agent: Id
    status: Status
    matches: bool
    """Whether it meets every hard term and is not left out for being offline."""
    score: float
    """0 if it does not match."""
    terms: tuple[TermExplanation, ...]
    """In the order of the requirement. The term ``status!=offline`` is added for an agent that is left out
    because it is offline."""


class FindReply(Reply):
    """The best matches: by score, then online before suspect before offline, then by load, then by id."""

    agents: tuple[FoundAgent, ...]
    """Fewer than asked for if more would not fit into a message."""
    matched: int = 0
    """How many agents match in all."""
    explanations: tuple[Explanation, ...] = ()
    """Only if asked for: of `agents`, in their order; then of those that do not match, the nearest first."""
    unexplained: int = 0
    """Agents that were left out of `explanations`; 0 if none were asked for."""
    revision: int = 0
    """Of the state that this answer is from."""


class WatchRequest(Body):
    """Ask for a page of the present state, ordered by id."""

    after: str = Field(default="", max_length=63)
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)


class WatchReply(Reply):
    """Agents ordered by id, as they are at one revision."""

    agents: tuple[AgentRecord, ...]
    next: str = ""
    """Where the next page begins; empty after the last one."""
    revision: int
    """Of the state that this page is from. Pages of different revisions are reconciled by `changes`."""


class Change(Reply):
    """One change of the registry; body of its notice, too."""

    revision: int
    """One more than that of the change before."""
    at_ms: int
    kind: ChangeKind
    agent: Id
    incarnation: int
    record: AgentRecord | None = None
    """What is registered now, for ``registered`` and ``updated``."""


class ChangesRequest(Body):
    """Ask for what happened after a revision."""

    after_revision: Revision
    limit: int = Field(default=MAX_PAGE, ge=1, le=MAX_PAGE)


class ChangesReply(Reply):
    """Changes in order, without a gap, from the one after `ChangesRequest.after_revision`."""

    changes: tuple[Change, ...]
    """Fewer than there are if more would not fit into a message: ask again after the last one."""
    revision: int
    """The registry's present revision."""


class Heartbeat(Body):
    """Body of ``conclave.presence.<agent>`` (core NATS, never persisted)."""

    incarnation: int = Field(ge=1)
    load: float = Field(default=0.0, ge=0.0, le=1.0)


class RegistrationPush(Reply):
    """Push of kind ``registration``: the registration of the process that reads it may no longer count."""

    code: str
    """``superseded``: another process registered under the same id, as `incarnation`.
    ``unknown_agent``: the registry does not know the agent; it should register again."""
    incarnation: int = 0
    """The one that counts now; 0 if none does."""
