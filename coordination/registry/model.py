"""The registry's state machine: who registered, with what, in which incarnation, and whether they live.

Load and the last sign of life are not here: heartbeats are volatile, and only what follows from them is
recorded (`RecordStatuses`). Every visible change has a revision and is remembered for a while, so that
watchers can catch up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from typing import Any, ClassVar, Final

from coordination.registry.changes import Change, ChangeHistory, ChangeKind, change_body
from coordination.registry.commands import (
    MAX_STATUS_CHANGES,
    DeregisterAgent,
    RecordStatuses,
    RegisterAgent,
    Registered,
    StatusesRecorded,
    UpdateAgent,
    Updated,
)
from coordination.registry.directory import Directory
from coordination.registry.events import (
    AgentDeregistered,
    AgentExpired,
    AgentRegistered,
    AgentStatusChanged,
    AgentUpdated,
    Event,
)
from coordination.registry.record import Record, Status, registration_json
from coordination.runtime.agenda import Agenda
from coordination.runtime.model import NOTHING, Notice, Outcome, Push, Rejected

MAX_AGENTS: Final = 20_000
MAX_REGISTRY_BYTES: Final = 256 * 1024 * 1024
"""Of all registrations, as JSON: what snapshots and memory grow with."""
MAX_REGISTRATION_BYTES: Final = 64 * 1024
"""Of everything that an agent registers, as compact JSON."""
MAX_TICK_EXPIRIES: Final = 500
"""Agents that expire in one record."""
RETENTION_MS: Final = 24 * 3600 * 1000
"""How long an agent that is offline stays known, by default."""
RESERVED_IDS: Final = frozenset(
    {"registry", "tasks", "dialog", "consensus", "knowledge", "artifacts", "gateway"}
)
"""The services' own ids: what is said under one of them must be said by the service."""


@dataclass(slots=True)
class RegistryState:
    """Everything that survives a restart."""

    agents: dict[str, Record] = field(default_factory=dict)
    incarnations: dict[str, int] = field(default_factory=dict)
    """Empty. Snapshots of the time when each agent had a counter of its own hold them here."""
    last_incarnation: int = 0
    """Of any agent. One counter for all, so that nothing must be kept of agents that left."""
    revision: int = 0
    """Number of the last change."""
    history: ChangeHistory = field(default_factory=ChangeHistory)


class RegistryModel:
    """Decides registrations and records what becomes of agents.

    Args:
        heartbeat_interval_ms: What agents are told to promise.
        retention_ms: How long an agent that is offline stays known.

    Invariants: an incarnation is never used twice, those of an agent only grow; revisions are consecutive.
    """

    event_types: ClassVar[tuple[type, ...]] = (
        AgentRegistered,
        AgentUpdated,
        AgentDeregistered,
        AgentStatusChanged,
        AgentExpired,
    )

    def __init__(self, *, heartbeat_interval_ms: int, retention_ms: int = RETENTION_MS) -> None:
        self.state = RegistryState()
        self.directory = Directory()
        """Finds agents; follows from the state."""
        self._heartbeat_interval_ms = heartbeat_interval_ms
        self._retention_ms = retention_ms
        self._expiries = Agenda()
        """Agents that are offline, by when they expire."""
        self._size_bytes = 0

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What a command leads to."""
        match command:
            case RegisterAgent():
                return self._register(command, now_ms)
            case UpdateAgent():
                return self._update(command, now_ms)
            case DeregisterAgent():
                return self._deregister(command, now_ms)
            case RecordStatuses():
                return self._record_statuses(command, now_ms)
            case _:
                raise AssertionError(f"not a registry command: {type(command).__name__}")

    def apply(self, event: Any) -> None:
        """Take over what happened to one agent."""
        state = self.state
        change = self._change(event, state.revision + 1)
        before = state.agents.get(change.agent)
        if change.record is not None:
            assert before is None or change.incarnation > before.incarnation or change.kind == "updated"
            # Kept with what it shares with others, in the history as well.
            change = replace(change, record=self._replace(before, change.record))
        elif isinstance(event, AgentStatusChanged):
            assert before is not None
            self._replace(
                before,
                replace(before, status=event.status, status_since_ms=event.at_ms, revision=change.revision),
            )
        else:
            self._replace(before, None)
        state.revision = change.revision
        state.last_incarnation = max(state.last_incarnation, change.incarnation)
        state.history.append(change)

    def next_deadline_ms(self) -> int | None:
        """When the first agent expires that is offline."""
        first = self._expiries.first()
        return first[0][0] if first is not None else None

    def tick(self, now_ms: int) -> Outcome:
        """Forget agents that were offline for long, at most `MAX_TICK_EXPIRIES` at a time."""
        due = takewhile(lambda entry: entry[0][0] <= now_ms, self._expiries.in_order())
        events = tuple(AgentExpired(agent=agent, at_ms=now_ms) for _, agent in islice(due, MAX_TICK_EXPIRIES))
        return Outcome(events=events, messages=self._notices(events)) if events else NOTHING

    def snapshot(self) -> RegistryState:
        """The whole state."""
        return self.state

    def restore(self, state: RegistryState) -> None:
        """Replace the whole state; one of an older version becomes one of this."""
        used = (*state.incarnations.values(), *(each.incarnation for each in state.agents.values()))
        state.last_incarnation = max((state.last_incarnation, *used))
        state.incarnations.clear()
        self.state = state
        self.directory = Directory()
        self._expiries = Agenda()
        self._size_bytes = 0
        for record in tuple(state.agents.values()):
            self._replace(None, _sized(record))

    def page(self, after: str, limit: int) -> list[Record]:
        """Up to `limit` agents whose id is greater than `after`, ordered by id."""
        return [self.state.agents[agent] for agent in self.directory.ids_after(after, limit)]

    # --- deciding

    def _register(self, command: RegisterAgent, now_ms: int) -> Outcome | Rejected:
        if command.agent in RESERVED_IDS:
            return Rejected(code="reserved_id", message=f"{command.agent} is a service's id; choose another")
        before = self.state.agents.get(command.agent)
        if before is None and len(self.state.agents) >= MAX_AGENTS:
            return _full(f"{MAX_AGENTS} agents are registered")
        event = AgentRegistered(
            agent=command.agent,
            incarnation=self.state.last_incarnation + 1,
            capabilities=command.capabilities,
            labels=command.labels,
            max_tasks=command.max_tasks,
            description=command.description,
            registered_at_ms=now_ms,
            metadata=command.metadata,
            protocols=command.protocols,
            size_bytes=len(_json(command)),
        )
        refused = self._refuse_content(event, before)
        if refused is not None:
            return refused
        reply = Registered(
            agent=event.agent,
            incarnation=event.incarnation,
            heartbeat_interval_ms=self._heartbeat_interval_ms,
            revision=self.state.revision + 1,
        )
        messages: tuple[Push | Notice, ...] = self._notices((event,))
        if before is not None and before.status != "offline":
            messages = (_superseded(event), *messages)
        return Outcome(events=(event,), reply=reply, messages=messages)

    def _update(self, command: UpdateAgent, now_ms: int) -> Outcome | Rejected:
        before = self._standing(command.agent, command.incarnation)
        if isinstance(before, Rejected):
            return before

        given = {name: value for name in _CONTENT if (value := getattr(command, name)) is not None}
        after = replace(before, **given)
        content = _json(after)
        if content == _json(before):
            reply = Updated(agent=before.agent, incarnation=before.incarnation, revision=before.revision)
            return Outcome(reply=reply)
        event = AgentUpdated(
            agent=after.agent,
            incarnation=after.incarnation,
            capabilities=after.capabilities,
            labels=after.labels,
            max_tasks=after.max_tasks,
            description=after.description,
            metadata=after.metadata,
            protocols=after.protocols,
            size_bytes=len(content),
            at_ms=now_ms,
        )
        refused = self._refuse_content(event, before)
        if refused is not None:
            return refused
        reply = Updated(agent=after.agent, incarnation=after.incarnation, revision=self.state.revision + 1)
        return Outcome(events=(event,), reply=reply, messages=self._notices((event,)))

    def _deregister(self, command: DeregisterAgent, now_ms: int) -> Outcome | Rejected:
        before = self._standing(command.agent, command.incarnation)
        if isinstance(before, Rejected):
            return before
        event = AgentDeregistered(agent=command.agent, at_ms=now_ms)
        return Outcome(events=(event,), reply=event, messages=self._notices((event,)))

    def _record_statuses(self, command: RecordStatuses, now_ms: int) -> Outcome:
        assert len(command.changes) <= MAX_STATUS_CHANGES, f"{len(command.changes)} changes of status at once"
        events: list[AgentStatusChanged] = []
        statuses: dict[str, Status] = {}
        for each in command.changes:
            record = self.state.agents.get(each.agent)
            if record is None or record.incarnation != each.incarnation:
                continue
            if statuses.get(each.agent, record.status) == each.status:
                continue
            statuses[each.agent] = each.status
            events.append(AgentStatusChanged(agent=each.agent, status=each.status, at_ms=now_ms))
        return Outcome(
            events=tuple(events),
            reply=StatusesRecorded(count=len(events)),
            messages=self._notices(events),
        )

    def _standing(self, agent: str, incarnation: int | None) -> Record | Rejected:
        """The agent's record, if it is registered as `incarnation`; None is whichever it is."""
        record = self.state.agents.get(agent)
        if record is None:
            return Rejected(code="unknown_agent", message=f"{agent} is not registered")
        if incarnation is not None and incarnation != record.incarnation:
            return Rejected(
                code="superseded",
                message=f"{agent} is registered as incarnation {record.incarnation}, not {incarnation}",
                details={"incarnation": record.incarnation},
            )
        return record

    def _refuse_content(
        self, event: AgentRegistered | AgentUpdated, before: Record | None
    ) -> Rejected | None:
        """Why what `event` wants to have registered cannot be; None if it can."""
        seen: set[str] = set()
        for capability in event.capabilities:
            if capability.name in seen:
                return Rejected(
                    code="duplicate_capability",
                    message=f"capability {capability.name} is named twice; "
                    "an agent has a capability in one version",
                )
            seen.add(capability.name)
        size_bytes = event.size_bytes
        if size_bytes > MAX_REGISTRATION_BYTES:
            return Rejected(
                code="registration_too_large",
                message=f"the registration has {size_bytes} bytes as JSON, "
                f"at most {MAX_REGISTRATION_BYTES} are taken",
            )
        known_bytes = 0 if before is None else before.size_bytes
        if self._size_bytes - known_bytes + size_bytes > MAX_REGISTRY_BYTES:
            return _full(f"all registrations together have {self._size_bytes} bytes")
        return None

    def _notices(self, events: Iterable[Event]) -> tuple[Notice, ...]:
        """What the world is told of `events`, which are next to be applied."""
        changes = (
            self._change(event, revision)
            for revision, event in enumerate(events, start=self.state.revision + 1)
        )
        return tuple(
            Notice(event=change.kind, aggregate=change.agent, body=change_body(change)) for change in changes
        )

    # --- applying

    def _change(self, event: Any, revision: int) -> Change:
        """The change that `event` is, if it comes next as `revision`."""
        record: Record | None = None
        kind: ChangeKind
        match event:
            case AgentRegistered():
                kind, at_ms, record = "registered", event.registered_at_ms, _registered(event, revision)
            case AgentUpdated():
                kind, at_ms = "updated", event.at_ms
                record = _updated(self.state.agents[event.agent], event, revision)
            case AgentStatusChanged():
                kind, at_ms = event.status, event.at_ms
            case AgentDeregistered():
                kind, at_ms = "deregistered", event.at_ms
            case AgentExpired():
                kind, at_ms = "expired", event.at_ms
            case _:
                raise AssertionError(f"not a registry event: {type(event).__name__}")
        incarnation = (record or self.state.agents[event.agent]).incarnation
        return Change(
            revision=revision,
            at_ms=at_ms,
            kind=kind,
            agent=event.agent,
            incarnation=incarnation,
            record=record,
        )

    def _replace(self, before: Record | None, after: Record | None) -> Record | None:
        """Have `after` instead of `before` in the state and in all that follows from it; returns it."""
        after = self.directory.replace(before, after)
        if before is not None:
            self._size_bytes -= before.size_bytes
            self._expiries.drop(before.agent)
        if after is None:
            assert before is not None
            del self.state.agents[before.agent]
            return None
        self._size_bytes += after.size_bytes
        self.state.agents[after.agent] = after
        if after.status == "offline":
            self._expiries.put(after.agent, (after.status_since_ms + self._retention_ms,))
        return after


def _registered(event: AgentRegistered, revision: int) -> Record:
    return Record(
        agent=event.agent,
        incarnation=event.incarnation,
        capabilities=event.capabilities,
        labels=event.labels,
        max_tasks=event.max_tasks,
        description=event.description,
        registered_at_ms=event.registered_at_ms,
        metadata=event.metadata,
        protocols=event.protocols,
        status_since_ms=event.registered_at_ms,
        revision=revision,
        size_bytes=event.size_bytes or len(_json(event)),
    )


def _updated(before: Record, event: AgentUpdated, revision: int) -> Record:
    return replace(
        before,
        capabilities=event.capabilities,
        labels=event.labels,
        max_tasks=event.max_tasks,
        description=event.description,
        metadata=event.metadata,
        protocols=event.protocols,
        revision=revision,
        size_bytes=event.size_bytes,
    )


def _sized(record: Record) -> Record:
    """`record` with its size, which records of older snapshots lack."""
    if record.size_bytes:
        return record
    since_ms = record.status_since_ms or record.registered_at_ms
    return replace(record, size_bytes=len(_json(record)), status_since_ms=since_ms)


_CONTENT: Final = ("capabilities", "labels", "max_tasks", "description", "metadata", "protocols")
"""What an agent registers and updates."""


def _json(content: RegisterAgent | AgentRegistered | Record) -> bytes:
    return registration_json(
        capabilities=content.capabilities,
        labels=content.labels,
        max_tasks=content.max_tasks,
        description=content.description,
        metadata=content.metadata,
        protocols=content.protocols,
    )


def _superseded(event: AgentRegistered) -> Push:
    body: Mapping[str, Any] = {"code": "superseded", "incarnation": event.incarnation}
    return Push(agent=event.agent, kind="registration", body=body)


def _full(why: str) -> Rejected:
    return Rejected(code="registry_full", message=f"{why}; try again later", retryable=True)
