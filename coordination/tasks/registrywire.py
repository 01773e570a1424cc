"""What the task service asks of the registry and reads of what it says: as much of its contract as it needs.

``watch`` gives the present state page by page, ``changes`` what happened after a revision; a notice
``conclave.event.registry.<kind>.<agent>`` is one change, and ``conclave.presence.<agent>`` a heartbeat.
"""

from __future__ import annotations

from pydantic import Field

from coordination.requirements import CapabilityFacts, Facts
from coordination.runtime.names import Id
from coordination.runtime.wire import Body, Reply
from coordination.tasks.roster import AgentView


class RegisteredCapability(Reply):
    """Something an agent can do."""

    name: str
    version: str
    attributes: dict[str, bool | int | float | str] = Field(default_factory=dict)


class RegisteredAgent(Reply):
    """An agent as the registry knows it."""

    agent: Id
    incarnation: int
    status: str
    capabilities: tuple[RegisteredCapability, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    max_tasks: int
    load: float = 0.0
    revision: int = 0
    """Of its last change."""

    def as_view(self) -> AgentView:
        """What allocation needs of it."""
        capabilities = {
            each.name: CapabilityFacts(version=each.version, attributes=each.attributes)
            for each in self.capabilities
        }
        return AgentView(
            agent=self.agent,
            incarnation=self.incarnation,
            max_tasks=self.max_tasks,
            status=self.status,
            facts=Facts(capabilities=capabilities, labels=self.labels, max_tasks=self.max_tasks),
            load=self.load,
        )


class Change(Reply):
    """One change of the registry."""

    revision: int
    """One more than that of the change before."""
    kind: str
    agent: Id
    incarnation: int
    record: RegisteredAgent | None = None
    """What is registered now, for ``registered`` and ``updated``."""


class WatchRequest(Body):
    """Asks for a page of the present state."""

    after: str = ""
    limit: int = 250


class WatchReply(Reply):
    """Agents ordered by id, as they are at one revision."""

    agents: tuple[RegisteredAgent, ...]
    next: str = ""
    """Where the next page begins; empty after the last one."""
    revision: int


class ChangesRequest(Body):
    """Asks for what happened after a revision."""

    after_revision: int
    limit: int = 500


class ChangesReply(Reply):
    """Changes in order, without a gap."""

    changes: tuple[Change, ...]
    revision: int
    """The registry's present one."""


class Heard(Reply):
    """A heartbeat."""

    incarnation: int
    load: float = Field(default=0.0, ge=0.0, le=1.0)
