"""Drives a model as the host does: tick what is due, decide, apply; and checks it against its journal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from coordination.runtime.adapters import adapter_of
from coordination.runtime.framing import EventCodec, frame, unframe
from coordination.runtime.model import Model, Notice, Outcome, Push, Rejected

M = TypeVar("M", bound=Model)


class Driver(Generic[M]):
    """A model with its journal and a clock in the hands of a test."""

    def __init__(self, make: Callable[[], M], state_type: type, *, now_ms: int = 0) -> None:
        self._make = make
        self._state = adapter_of(state_type)
        self.model = make()
        self.now_ms = now_ms
        self.events: list[Any] = []
        self.messages: list[Push | Notice] = []

    def send(self, command: Any) -> Outcome | Rejected:
        """Decide `command` now and apply what follows."""
        outcome = self.model.decide(command, self.now_ms)
        self._take(outcome.events)
        if isinstance(outcome, Outcome):
            self.messages += outcome.messages
        return outcome

    def accept(self, command: Any) -> Any:
        """The reply to a command that must not be refused."""
        outcome = self.send(command)
        assert isinstance(outcome, Outcome), outcome
        return outcome.reply

    def refuse(self, command: Any) -> str:
        """The code with which a command is refused; unless on record, it changes nothing."""
        before = self._state.dump_json(self.model.snapshot())
        outcome = self.send(command)
        assert isinstance(outcome, Rejected), outcome
        assert outcome.message
        assert outcome.events or self._state.dump_json(self.model.snapshot()) == before
        return outcome.code

    def advance(self, to_ms: int) -> None:
        """Let time pass, stopping at every deadline on the way as the host would."""
        while (due_ms := self.model.next_deadline_ms()) is not None and due_ms <= to_ms:
            self.tick(max(due_ms, self.now_ms))
        self.now_ms = to_ms

    def tick(self, now_ms: int) -> None:
        """Tick once, at `now_ms`."""
        self.now_ms = now_ms
        outcome = self.model.tick(now_ms)
        self._take(outcome.events)
        self.messages += outcome.messages
        due_ms = self.model.next_deadline_ms()
        assert due_ms is None or due_ms > now_ms or outcome.events

    def pushes(self, kind: str) -> list[Push]:
        """Everything pushed so far of one kind."""
        return [each for each in self.messages if isinstance(each, Push) and each.kind == kind]

    def check_replay(self) -> None:
        """A model that reads all events from their bytes in the journal is equal to the live one."""
        codec = EventCodec(self.model.event_types, encoders=getattr(self.model, "encoders", None))
        encoded = [codec.encode(event) for event in self.events]
        record = unframe(frame(1, self.now_ms, encoded), codec)
        again = self._make()
        for event in record.events:
            again.apply(event)
        self._check_equal(again)

    def check_snapshot(self) -> None:
        """A model restored from the JSON of a snapshot is equal to the live one."""
        again = self._make()
        again.restore(self._state.validate_json(self._state.dump_json(self.model.snapshot())))
        self._check_equal(again)

    def restart(self) -> None:
        """Go on with a model restored from a snapshot."""
        state = self._state.validate_json(self._state.dump_json(self.model.snapshot()))
        self.model = self._make()
        self.model.restore(state)

    def _take(self, events: tuple[Any, ...]) -> None:
        for event in events:
            self.model.apply(event)
        self.events += events

    def _check_equal(self, again: M) -> None:
        assert again.snapshot() == self.model.snapshot()
        assert again.next_deadline_ms() == self.model.next_deadline_ms()
