"""What the registry keeps of one agent, and how it reads as JSON. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import JsonValue
from pydantic_core import to_json

Status = Literal["online", "suspect", "offline"]
Scalar = bool | int | float | str
STATUSES: Final[tuple[Status, ...]] = ("online", "suspect", "offline")
"""Best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Something an agent can do."""

    name: str
    version: str
    """Full semantic version."""
    attributes: dict[str, Scalar] = field(default_factory=dict)
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An agent as it last registered or updated, and whether it is alive.

    Never changed in place: the history of changes holds on to it.
    """

    agent: str
    incarnation: int
    capabilities: tuple[Capability, ...]
    labels: dict[str, str]
    max_tasks: int
    description: str
    registered_at_ms: int
    # What follows has defaults, so that snapshots written before it was there can be read.
    metadata: dict[str, JsonValue] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()
    status: Status = "online"
    status_since_ms: int = 0
    revision: int = 0
    """Of the last change of this agent."""
    size_bytes: int = 0
    """Of what the agent registered, as JSON."""


def registration_json(
    *,
    capabilities: tuple[Capability, ...],
    labels: dict[str, str],
    max_tasks: int,
    description: str,
    metadata: dict[str, JsonValue],
    protocols: tuple[str, ...],
) -> bytes:
    """What an agent registers, as compact JSON: two registrations are the same if these bytes are.

    (To Python ``1``, ``1.0`` and ``True`` are equal; to a requirement they are not.)
    """
    return to_json((capabilities, labels, max_tasks, description, metadata, protocols))


def record_body(record: Record) -> dict[str, Any]:
    """What the world is told of a record: the durable fields of `wire.AgentRecord`."""
    return {
        "agent": record.agent,
        "incarnation": record.incarnation,
        "status": record.status,
        "capabilities": record.capabilities,
        "labels": record.labels,
        "max_tasks": record.max_tasks,
        "description": record.description,
        "protocols": record.protocols,
        "registered_at_ms": record.registered_at_ms,
        "status_since_ms": record.status_since_ms,
        "revision": record.revision,
        "metadata": record.metadata,
    }
