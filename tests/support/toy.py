"""A toy model for tests of the kernel: a ledger of labelled amounts, and alarms.

Every effect carries the label of its cause, so that a checker that knows nothing of the kernel can
tell from the journal's bytes alone what took effect, and how often.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import TypeAdapter

from coordination.runtime.answers import CommandKey
from coordination.runtime.clock import Clock
from coordination.runtime.departures import Deliver
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.model import NOTHING, Notice, Outcome, Push, Rejected
from coordination.runtime.snapshots import SnapshotPolicy
from coordination.runtime.store import JournalStore
from tests.support.clock import ManualClock

ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    label: str
    amount: int = 1
    padding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAlarm:
    label: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    label: str
    amount: int
    padding: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSet:
    label: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRang:
    label: str


@dataclass(slots=True)
class LedgerState:
    labels: list[str] = field(default_factory=list)
    total: int = 0
    alarms: dict[str, int] = field(default_factory=dict)


class Ledger:
    """The toy. Negative amounts are refused; the label ``broken`` shows a fault in `decide`."""

    event_types: ClassVar[tuple[type, ...]] = (Added, AlarmSet, AlarmRang)

    def __init__(self) -> None:
        self.state = LedgerState()

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        match command:
            case Add(label="broken"):
                raise ZeroDivisionError("secret of the implementation")
            case Add(label="unappliable"):
                return Outcome(events=(Added(label="unappliable", amount=0),))
            case Add(amount=amount) if amount < 0:
                return Rejected(code="negative", message="amounts are positive", details={"amount": amount})
            case Add(amount=0):
                return Outcome(reply={"total": self.state.total})
            case Add():
                event = Added(label=command.label, amount=command.amount, padding=command.padding)
                notice = Notice(event="added", aggregate=command.label, body={"amount": command.amount})
                reply = {"total": self.state.total + command.amount}
                return Outcome(events=(event,), reply=reply, messages=(notice,))
            case SetAlarm():
                at_ms = max(command.at_ms, now_ms + 1)
                return Outcome(events=(AlarmSet(label=command.label, at_ms=at_ms),), reply={"at_ms": at_ms})
            case _:
                raise AssertionError(type(command).__name__)

    def apply(self, event: Any) -> None:
        match event:
            case Added(label="unappliable"):
                raise KeyError(event.label)
            case Added():
                self.state.labels.append(event.label)
                self.state.total += event.amount
            case AlarmSet():
                self.state.alarms[event.label] = event.at_ms
            case AlarmRang():
                del self.state.alarms[event.label]

    def next_deadline_ms(self) -> int | None:
        return min(self.state.alarms.values(), default=None)

    def tick(self, now_ms: int) -> Outcome:
        due = sorted(label for label, at_ms in self.state.alarms.items() if at_ms <= now_ms)
        return Outcome(events=tuple(AlarmRang(label=label) for label in due)) if due else NOTHING

    def snapshot(self) -> LedgerState:
        return self.state

    def restore(self, state: LedgerState) -> None:
        self.state = state


async def ignore(_: Sequence[Push | Notice]) -> None:
    """Deliver nowhere."""


def ledger_host(
    store: MemoryStream | JournalStore,
    *,
    clock: Clock | None = None,
    deliver: Deliver = ignore,
    make_model: Callable[[], Ledger] = Ledger,
    snapshots: SnapshotPolicy | None = None,
) -> Host[Ledger]:
    """A host of the toy on a store, or on a stream through a store of its own."""
    return Host(
        name="ledger.0",
        make_model=make_model,
        journal=Journal(MemoryStore(store) if isinstance(store, MemoryStream) else store),
        clock=clock or ManualClock(),
        deliver=deliver,
        snapshots=snapshots,
    )


async def send(host: Host[Ledger], command: Any, *, command_id: str = "", caller: str = "ada") -> Any:
    """The reply to `command`, as plain data."""
    key = None
    if command_id:
        key = CommandKey(caller, command_id, repr(command))
    reply = await host.command(
        lambda model, now_ms: model.decide(command, now_ms), reply_type=ANYTHING, key=key
    )
    return json.loads(reply)


async def labels_seen(host: Host[Ledger]) -> list[str]:
    """What a query shows."""
    reply = await host.query(lambda model, _: model.state.labels, reply_type=ANYTHING)
    labels: list[str] = json.loads(reply)
    return labels


def stored_events(records: list[bytes], kind: str = "Added") -> list[dict[str, Any]]:
    """The events of one kind in the bytes of a journal, read without the kernel's help."""
    return [
        event["data"] for record in records for event in json.loads(record)["events"] if event["type"] == kind
    ]
