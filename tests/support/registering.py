"""A registry model with short commands."""

from __future__ import annotations

from typing import Any

from coordination.registry.changes import ChangeKind
from coordination.registry.commands import RecordStatuses, RegisterAgent, StatusChange
from coordination.registry.model import RegistryModel, RegistryState
from coordination.registry.record import Capability, Record, Status
from coordination.runtime.model import Notice
from tests.support.driving import Driver


def capability(name: str, version: str = "1.0.0", **attributes: bool | float | str) -> Capability:
    """A capability as the model keeps it."""
    return Capability(name=name, version=version, attributes=attributes)


class Registry(Driver[RegistryModel]):
    """A registry model with short commands."""

    def __init__(self) -> None:
        super().__init__(lambda: RegistryModel(heartbeat_interval_ms=5_000), RegistryState, now_ms=1_000)

    def register(self, agent: str = "ada", **content: Any) -> int:
        """Register; returns the incarnation."""
        incarnation: int = self.accept(RegisterAgent(agent=agent, **content)).incarnation
        return incarnation

    def become(self, status: Status, agent: str = "ada", *, incarnation: int = 1) -> int:
        """Record a status; returns how many changes were not void."""
        change = StatusChange(agent=agent, incarnation=incarnation, status=status)
        count: int = self.accept(RecordStatuses(changes=(change,))).count
        return count

    def record(self, agent: str = "ada") -> Record:
        return self.model.state.agents[agent]

    def kinds(self) -> list[ChangeKind]:
        """Of all changes on record."""
        return [change.kind for change in self.model.state.history.changes]

    def notices(self) -> list[Notice]:
        return [each for each in self.messages if isinstance(each, Notice)]
