"""One shard's state as its journal determines it: model, deduplication window, epoch, position.

Everything here is a function of the records: no waiting, no clock, no randomness, no I/O. The host
feeds it time and requests, and stores what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter

from coordination.runtime.answers import (
    Answers,
    CommandAnswered,
    CommandKey,
    RememberedAnswer,
    encode_answered,
)
from coordination.runtime.errors import CorruptJournalError, PeerProtocolError, RejectedError
from coordination.runtime.framing import EventCodec, frame, unframe
from coordination.runtime.jsonwalk import JsonWalk
from coordination.runtime.limits import HEAVY_RECORD_BYTES, MAX_COMMAND_EVENTS_BYTES, MAX_RECORD_BYTES
from coordination.runtime.model import Model, Notice, Outcome, Push, Rejected
from coordination.runtime.stateform import form_of, written
from coordination.runtime.store import Entry
from coordination.runtime.wire import ReadyJson

ReplyType = TypeAdapter[Any] | Callable[[Any], str]
"""What writes a reply: its type, or where making an object of that takes too long a function of its own."""
M = TypeVar("M", bound=Model)
SNAPSHOT_VERSION: Final = 1
_EVENT_OVERHEAD_BYTES: Final = 256
_ANSWERS_PER_PART: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochBegan:
    """Journal event: `leader` leads from here on. Whoever wrote before it no longer does."""

    leader: str
    """Names one life of one host, for people who read the journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderResigned:
    """Journal event: the leader left in good order; nobody need wait until its lease has run out."""

    leader: str


class ApplyError(Exception):
    """A bug of ours: `apply` failed on an event of its own model, and the state may be half changed."""


@dataclass(slots=True)
class Batch:
    """What is decided and applied, and not yet durable: the content of one record."""

    now_ms: int
    events: list[bytes] = field(default_factory=list)
    """Encoded; each element holds those of one command, with commas between them."""
    size_bytes: int = 0
    messages: list[Push | Notice] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        """Whether the largest command might not fit any more."""
        return self.size_bytes >= MAX_RECORD_BYTES - MAX_COMMAND_EVENTS_BYTES

    @property
    def is_heavy(self) -> bool:
        """Whether the commands after it had better go into the next record."""
        return self.size_bytes >= HEAVY_RECORD_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    """What a snapshot says before ``state``, the state of the model."""

    v: int
    shard: str
    sequence: int
    epoch: int
    at_ms: int
    is_vacant: bool
    forgotten_at_ms: int
    answers: list[RememberedAnswer]


class ShardState(Generic[M]):
    """The state after record `sequence`, and how it goes on.

    Args:
        name: For errors, ``registry.0``.
        make_model: Makes the model in its initial state.
    """

    def __init__(self, name: str, make_model: Callable[[], M]) -> None:
        self.name = name
        self.model = make_model()
        self.answers = Answers()
        self.epoch = 0
        """Number of the leadership that wrote last; 0 before the first."""
        self.sequence = 0
        """Last record that is contained."""
        self.last_ms = 0
        """Latest time that the state has seen."""
        self.is_vacant = True
        """Whether nobody leads for certain: there was no leader yet, or the last one resigned."""
        self._codec = EventCodec(
            (*self.model.event_types, CommandAnswered, EpochBegan, LeaderResigned),
            encoders={**getattr(self.model, "encoders", {}), CommandAnswered: encode_answered},
        )
        state_type: type = type(self.model.snapshot())
        self._form = form_of(state_type)

    # --- following the journal

    def apply_entry(self, entry: Entry) -> None:
        """Take over the next record.

        Raises:
            CorruptJournalError: It cannot be read, is of an earlier epoch, or cannot be applied.
        """
        assert entry.sequence == self.sequence + 1, f"{self.name}: {entry.sequence} after {self.sequence}"
        try:
            record = unframe(entry.payload, self._codec)
            if record.epoch < self.epoch:
                raise PeerProtocolError(f"epoch {record.epoch} after epoch {self.epoch}")
            self.last_ms = max(self.last_ms, record.at_ms)
            self._apply(record.events)
        except (PeerProtocolError, ApplyError) as error:
            raise CorruptJournalError(self.name, entry.sequence, str(error)) from error
        self.epoch = record.epoch
        self.sequence = entry.sequence

    def snapshot(self) -> bytes:
        """The whole state as JSON."""
        return b"".join(self.snapshot_parts())

    def snapshot_parts(self) -> Iterator[bytes]:
        """The whole state as it is now as JSON, in parts; it may go on changing before the last one is taken.

        Raises:
            ValueError: It holds what its types do not allow; also while the parts are taken.
        """
        head = _Head(
            v=SNAPSHOT_VERSION,
            shard=self.name,
            sequence=self.sequence,
            epoch=self.epoch,
            at_ms=self.last_ms,
            is_vacant=self.is_vacant,
            forgotten_at_ms=self.answers.forgotten_at_ms,
            answers=self.answers.snapshot(),
        )
        state = self._form.parts(self.model.snapshot())
        return written([*form_of(_Head).members(head), ("state", state)])

    def restore(self, payload: bytes) -> None:
        """Replace the whole state by what `snapshot` returned; only on a fresh instance.

        Raises:
            CorruptJournalError: It cannot be read, or belongs to another shard.
        """
        for _ in self.restoring(payload):
            pass

    def restoring(self, payload: bytes) -> Generator[None, None, None]:
        """As `restore`, in parts: it is done when nothing more comes.

        Raises:
            CorruptJournalError: As for `restore`.
        """
        try:
            head, state = yield from self._read(JsonWalk(payload))
        except ValueError as error:
            raise CorruptJournalError(self.name, 0, f"snapshot: {error}") from None
        self.model.restore(state)
        yield
        for index, each in enumerate(head.answers):
            self.answers.apply(CommandAnswered(*each[:4]), each.at_ms)
            if index % _ANSWERS_PER_PART == 0:
                yield
        self.answers.forgotten_at_ms = max(self.answers.forgotten_at_ms, head.forgotten_at_ms)
        self.epoch, self.sequence = head.epoch, head.sequence
        self.last_ms, self.is_vacant = head.at_ms, head.is_vacant

    def _read(self, walk: JsonWalk) -> Generator[None, None, tuple[_Head, Any]]:
        form, values = form_of(_Head), dict[str, Any]()
        state = None
        for name in walk.members():
            if name != "state":
                yield from form.read_member(name, walk, values)
                continue
            version, shard = values.get("v"), values.get("shard", "")
            if version != SNAPSHOT_VERSION or shard != self.name:
                raise ValueError(f"that of {shard[:80]!r}, version {version}, is not ours")
            state = yield from self._form.read(walk)
        walk.end()
        if state is None:
            raise ValueError("it has no state")
        return form.made(values), state

    # --- going on as the leader

    def begin_batch(self, now_ms: int) -> Batch:
        """An empty batch at `now_ms`, but never earlier than what the state has seen."""
        self.last_ms = max(self.last_ms, now_ms)
        return Batch(self.last_ms)

    def tick(self, batch: Batch) -> bool:
        """Let the time of `batch` pass in the model, if something is due.

        Returns:
            Whether it did: False also if what it leads to has no room in the record any more. `Model.tick`
            changes nothing, so that simply stays due.
        """
        due_ms = self.model.next_deadline_ms()
        if due_ms is None or due_ms > batch.now_ms:
            return False
        outcome = self.model.tick(batch.now_ms)
        encoded = self._codec.encode_all(outcome.events)
        size_bytes = batch.size_bytes + len(encoded) + 1
        if batch.events and size_bytes > MAX_RECORD_BYTES:
            return False
        assert size_bytes <= MAX_RECORD_BYTES, f"{self.name}: tick stores more than a record can hold"
        self._stage(batch, outcome.events, encoded)
        batch.messages.extend(outcome.messages)
        due_ms = self.model.next_deadline_ms()
        progress = due_ms is None or due_ms > batch.now_ms or bool(outcome.events)
        assert progress, f"{self.name}: tick did nothing about a deadline in the past"
        return True

    def resume(self, batch: Batch) -> None:
        """Let the model make good that nobody could be heard for a while, if it has a way to (`Model`)."""
        resume: Callable[[int], Outcome] | None = getattr(self.model, "resume", None)
        if resume is None:
            return
        outcome = resume(batch.now_ms)
        encoded = self._codec.encode_all(outcome.events)
        assert len(encoded) < MAX_COMMAND_EVENTS_BYTES, f"{self.name}: resuming stores more than it may"
        self._stage(batch, outcome.events, encoded)
        batch.messages.extend(outcome.messages)

    def decide(
        self,
        batch: Batch,
        run: Callable[[M, int], Outcome | Rejected],
        *,
        reply_type: ReplyType,
        key: CommandKey | None,
    ) -> str:
        """Decide and apply one command; its JSON reply, to be given when `batch` is durable.

        Raises:
            RejectedError: The model refused, or what it wants to store is too large.
            ApplyError: The state is void.
        """
        if key is not None:
            known = self.answers.first_answer(key, batch.now_ms)
            if known is not None:
                return known
        outcome = run(self.model, batch.now_ms)
        if isinstance(outcome, Rejected):
            self.store(batch, outcome.events)
            raise RejectedError(
                outcome.code, outcome.message, retryable=outcome.retryable, details=outcome.details
            )
        reply = as_json(reply_type, outcome.reply)
        events = outcome.events
        if events:
            if key is not None:
                events = (*events, CommandAnswered(key.caller, key.command_id, key.fingerprint, reply))
            self.store(batch, events)
        if outcome.messages:
            batch.messages.extend(outcome.messages)
        return reply

    def store(self, batch: Batch, events: tuple[Any, ...]) -> None:
        """Stage what one command leads to; nothing of it is applied unless all of it can be stored.

        Raises:
            RejectedError: ``too_large``.
            ApplyError: The state is void.
        """
        encoded = self._codec.encode_all(events)
        if len(encoded) >= MAX_COMMAND_EVENTS_BYTES - _EVENT_OVERHEAD_BYTES:
            raise RejectedError("too_large", "the request would store more than one record can hold")
        self._stage(batch, events, encoded)

    def seal(self, batch: Batch) -> bytes:
        """The record of `batch`, which is now counted as the next one."""
        self.sequence += 1
        return frame(self.epoch, batch.now_ms, batch.events)

    def _stage(self, batch: Batch, events: tuple[Any, ...], encoded: bytes) -> None:
        self._apply(events)
        if encoded:
            batch.events.append(encoded)
            batch.size_bytes += len(encoded) + 1

    def _apply(self, events: tuple[Any, ...]) -> None:
        for event in events:
            kind = type(event)
            if kind is CommandAnswered:
                self.answers.apply(event, self.last_ms)
            elif kind is EpochBegan:
                self.is_vacant = False
            elif kind is LeaderResigned:
                self.is_vacant = True
            else:
                try:
                    self.model.apply(event)
                except Exception as error:
                    # The state may be half changed: only a replay can make it whole again.
                    raise ApplyError(f"{self.name}: applying {kind.__name__} failed") from error


def as_json(reply_type: ReplyType, value: Any) -> str:
    """The JSON of a reply, from an instance of its type, an object with its attributes, or `ReadyJson`."""
    if type(value) is ReadyJson:
        return value.text
    if not isinstance(reply_type, TypeAdapter):
        return reply_type(value)
    # Not the adapter's own methods: what they do before they get here takes 1 us.
    reply = reply_type.validator.validate_python(value, from_attributes=True)
    return reply_type.serializer.to_json(reply).decode()
