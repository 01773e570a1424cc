"""Two small services to be simulated: a ledger whose entries carry labels, and registers.

The ledger's labels let a checker tell from the journal's bytes alone what took effect, and how often;
the registers' answers are checked for linearizability.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from coordination.runtime.model import NOTHING, Notice, Outcome, Rejected
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, Query, ServiceDefinition
from coordination.runtime.wire import Body

LEDGER: Final = "ledger"
REGISTERS: Final = "registers"


class AddRequest(Body):
    """One entry."""

    label: str
    amount: int = 1


class TotalReply(Body):
    """The sum of all entries."""

    total: int


class AlarmRequest(Body):
    """Ring at a time, by the service's clock."""

    label: str
    in_ms: int


class AlarmReply(Body):
    """When it will ring."""

    at_ms: int


class Nothing(Body):
    """An empty request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Command: enter an amount."""

    label: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAlarm:
    """Command: ring in a while."""

    label: str
    in_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Event."""

    label: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSet:
    """Event."""

    label: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRang:
    """Event."""

    label: str


@dataclass(slots=True)
class LedgerState:
    """All that the ledger knows."""

    total: int = 0
    count: int = 0
    alarms: dict[str, int] = field(default_factory=dict)


class LedgerModel:
    """The ledger; negative amounts are refused."""

    event_types: ClassVar[tuple[type, ...]] = (Added, AlarmSet, AlarmRang)

    def __init__(self) -> None:
        self.state = LedgerState()

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """See `Model.decide`."""
        match command:
            case Add(amount=amount) if amount < 0:
                return Rejected(code="negative", message="amounts are positive")
            case Add():
                event = Added(label=command.label, amount=command.amount)
                notice = Notice(event="added", aggregate=command.label, body={"amount": command.amount})
                reply = TotalReply(total=self.state.total + command.amount)
                return Outcome(events=(event,), reply=reply, messages=(notice,))
            case SetAlarm():
                at_ms = now_ms + command.in_ms
                return Outcome(
                    events=(AlarmSet(label=command.label, at_ms=at_ms),), reply=AlarmReply(at_ms=at_ms)
                )
            case _:
                raise AssertionError(type(command).__name__)

    def apply(self, event: Any) -> None:
        """See `Model.apply`."""
        match event:
            case Added():
                self.state.total += event.amount
                self.state.count += 1
            case AlarmSet():
                self.state.alarms[event.label] = event.at_ms
            case AlarmRang():
                del self.state.alarms[event.label]

    def next_deadline_ms(self) -> int | None:
        """See `Model.next_deadline_ms`."""
        return min(self.state.alarms.values(), default=None)

    def tick(self, now_ms: int) -> Outcome:
        """See `Model.tick`."""
        due = sorted(label for label, at_ms in self.state.alarms.items() if at_ms <= now_ms)
        return Outcome(events=tuple(AlarmRang(label=label) for label in due)) if due else NOTHING

    def snapshot(self) -> LedgerState:
        """See `Model.snapshot`."""
        return self.state

    def restore(self, state: LedgerState) -> None:
        """See `Model.restore`."""
        self.state = state


def define_ledger(_: Shell) -> ServiceDefinition:
    """The ledger service; it cannot be sharded, because its total is one."""
    return ServiceDefinition(
        name=LEDGER,
        version="1.0.0",
        description="Adds up labelled amounts.",
        model=LedgerModel,
        endpoints=(
            Command(
                verb="add",
                description="Enter an amount.",
                request=AddRequest,
                reply=TotalReply,
                build=lambda _, request: Add(label=request.label, amount=request.amount),
            ),
            Command(
                verb="set_alarm",
                description="Ring in a while.",
                request=AlarmRequest,
                reply=AlarmReply,
                build=lambda _, request: SetAlarm(label=request.label, in_ms=request.in_ms),
            ),
            Query(
                verb="total",
                description="The sum of all entries.",
                request=Nothing,
                reply=TotalReply,
                answer=lambda model, _call, _request, _now_ms: TotalReply(total=model.state.total),
            ),
        ),
    )


class KeyRequest(Body):
    """Which register."""

    key: str


class WriteRequest(Body):
    """Store a value."""

    key: str
    value: str


class SwapRequest(Body):
    """Store a value if another one is there."""

    key: str
    expected: str | None
    value: str


class ValueReply(Body):
    """What is stored; None before the first write."""

    value: str | None


class SwapReply(Body):
    """Whether the expected value was there."""

    swapped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Command: store a value."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """Command: store a value if another one is there."""

    key: str
    expected: str | None
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Event."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapFailed:
    """Event: something else was there.

    Stored so that the answer is remembered: the kernel does not keep the answers of commands without
    effect, and a copy of one that arrives late could then take effect after all.
    """

    key: str


@dataclass(slots=True)
class RegistersState:
    """All registers that were written to."""

    values: dict[str, str] = field(default_factory=dict)


class RegistersModel:
    """Registers by key."""

    event_types: ClassVar[tuple[type, ...]] = (Written, SwapFailed)

    def __init__(self) -> None:
        self.state = RegistersState()

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """See `Model.decide`."""
        del now_ms
        match command:
            case Write():
                event = Written(key=command.key, value=command.value)
                return Outcome(events=(event,), reply=ValueReply(value=command.value))
            case Swap():
                if self.state.values.get(command.key) != command.expected:
                    return Outcome(events=(SwapFailed(key=command.key),), reply=SwapReply(swapped=False))
                event = Written(key=command.key, value=command.value)
                return Outcome(events=(event,), reply=SwapReply(swapped=True))
            case _:
                raise AssertionError(type(command).__name__)

    def apply(self, event: Any) -> None:
        """See `Model.apply`."""
        if isinstance(event, Written):
            self.state.values[event.key] = event.value

    def next_deadline_ms(self) -> int | None:
        """See `Model.next_deadline_ms`."""
        return None

    def tick(self, now_ms: int) -> Outcome:
        """See `Model.tick`."""
        del now_ms
        return NOTHING

    def snapshot(self) -> RegistersState:
        """See `Model.snapshot`."""
        return self.state

    def restore(self, state: RegistersState) -> None:
        """See `Model.restore`."""
        self.state = state


def _key(_: Call, request: Any) -> str:
    key: str = request.key
    return key


def define_registers(_: Shell) -> ServiceDefinition:
    """The register service; every request names its key, so it can be sharded."""
    return ServiceDefinition(
        name=REGISTERS,
        version="1.0.0",
        description="Keeps one value for each key.",
        model=RegistersModel,
        endpoints=(
            Command(
                verb="write",
                description="Store a value.",
                request=WriteRequest,
                reply=ValueReply,
                build=lambda _, request: Write(key=request.key, value=request.value),
                shard_by=_key,
            ),
            Command(
                verb="swap",
                description="Store a value if another one is there.",
                request=SwapRequest,
                reply=SwapReply,
                build=lambda _, request: Swap(
                    key=request.key, expected=request.expected, value=request.value
                ),
                shard_by=_key,
            ),
            Query(
                verb="read",
                description="The value of one register.",
                request=KeyRequest,
                reply=ValueReply,
                answer=lambda model, _call, request, _now_ms: ValueReply(
                    value=model.state.values.get(request.key)
                ),
                shard_by=_key,
            ),
        ),
    )
