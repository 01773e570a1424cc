"""What the registry is asked to do, and what it answers: commands of its model. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from pydantic import JsonValue

from coordination.registry.record import Capability, Status

MAX_STATUS_CHANGES: Final = 500
"""Of one `RecordStatuses`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterAgent:
    """Command: `agent` is here, as a new incarnation."""

    agent: str
    capabilities: tuple[Capability, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)
    max_tasks: int = 1
    description: str = ""
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateAgent:
    """Command: `agent` changes what it registered; None leaves a field as it is."""

    agent: str
    incarnation: int
    capabilities: tuple[Capability, ...] | None = None
    labels: dict[str, str] | None = None
    max_tasks: int | None = None
    description: str | None = None
    metadata: dict[str, JsonValue] | None = None
    protocols: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeregisterAgent:
    """Command: `agent` leaves in good order."""

    agent: str
    incarnation: int | None = None
    """Leaves only as this one; None: whichever it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """What the failure detector found out about one incarnation."""

    agent: str
    incarnation: int
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStatuses:
    """Command: agents came, went silent or came back; of `MAX_STATUS_CHANGES` at most.

    What is void by now (another incarnation, the same status) is left out without a word.
    """

    changes: tuple[StatusChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """Reply to `RegisterAgent`."""

    agent: str
    incarnation: int
    heartbeat_interval_ms: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """Reply to `UpdateAgent`."""

    agent: str
    incarnation: int
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusesRecorded:
    """Reply to `RecordStatuses`."""

    count: int
    """How many of the changes were not void."""
