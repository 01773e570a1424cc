"""What a service's state machine is: pure data in, pure data out.

Must not import anything that waits, tells the time, draws at random or talks to a network. The only
input of a model is the ordered journal; see docs/adr/0001-deterministic-state-machines.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from coordination.runtime.fast_init import fast_init


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A message for one agent's inbox; leaves after the record it rests on is durable."""

    agent: str
    kind: str
    """``message``, ``task``, ``proposal``, …: the last token of the inbox subject."""
    body: Mapping[str, Any]


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notification to whoever listens; the journal stays the truth."""

    event: str
    aggregate: str
    """Id of what it is about: the last token of the event subject."""
    body: Mapping[str, Any]


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All that one input leads to, in the order in which the host carries it out.

    Ordering: events are persisted and applied first, then messages leave and the reply is given.
    """

    events: tuple[Any, ...] = ()
    reply: Any = None
    """Read through the endpoint's reply type (``from_attributes``)."""
    messages: tuple[Push | Notice, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """An expected refusal; nothing is persisted, unless the refusal itself must be on record."""

    code: str
    message: str
    retryable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Any, ...] = ()
    """Persisted and applied before the caller is refused. A retry is decided anew, so the model must
    not record the same refusal twice."""


NOTHING = Outcome()
"""An input that changes nothing."""


class Model(Protocol):
    """A deterministic state machine over a journal.

    Two models that applied the same events are equal; `decide` and `tick` only read. A model may also have
    ``encoders``: for event types that are written often, ways to write them (see `framing.EventCodec`); and
    ``resume(now_ms) -> Outcome``: what it leads to that requests could not be heard for a while, because
    leaders changed, or the journal or the process stood still. It is asked before time passes, so that
    nobody is taken for silent who could not be heard; it only reads, and its events are few.
    """

    event_types: ClassVar[tuple[type, ...]]
    """Every event class it applies; the class name is the event's name in the journal."""

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What `command` leads to at `now_ms`; changes nothing."""

    def apply(self, event: Any) -> None:
        """The only mutation. Never fails on an event that `decide` or `tick` produced."""

    def next_deadline_ms(self) -> int | None:
        """When `tick` has something to do at the earliest; None for never."""

    def tick(self, now_ms: int) -> Outcome:
        """What the passing of time leads to, and what follows from what has happened; changes nothing.

        The host asks before the commands of a batch, and again behind them while something is due: what a
        command leads to then is in the same record, if it leaves `next_deadline_ms` in the past.
        Bounded: its events fit into one record. What is left over stays due, and the host asks again.
        Invariants: after its events are applied, `next_deadline_ms` is later than `now_ms`, unless there
        were events.
        """

    def snapshot(self) -> Any:
        """The whole state as a dataclass that pydantic can write as JSON and read back."""

    def restore(self, state: Any) -> None:
        """Replace the whole state by what `snapshot` returned."""
