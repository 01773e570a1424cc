"""Journal records: one message frames a batch of events, and that is the group commit.

A record is ``{"v", "epoch", "at_ms", "events": [{"type", "data"}]}`` in JSON. One record of 500
events costs about what a record of one costs; an atomic batch of 500 messages costs 35 times that
(measured, docs/adr/0001). Pure: bytes in, data out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeGuard

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from coordination.runtime.errors import PeerProtocolError, UsageError

RECORD_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A decoded journal record."""

    epoch: int
    """Number of the leadership under which it was written, from 1."""
    at_ms: int
    events: tuple[Any, ...]


class EventCodec:
    """Writes and reads the events of one model; the class name is the type on disk."""

    def __init__(self, event_types: Iterable[type]) -> None:
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        self._heads: dict[type, bytes] = {}
        for event_type in event_types:
            name = event_type.__name__
            if name in self._adapters:
                raise UsageError(f"two event types are named {name}")
            self._adapters[name] = TypeAdapter(event_type)
            self._heads[event_type] = b'{"type":"%s","data":' % name.encode()

    def encode(self, event: Any) -> bytes:
        """The bytes of one event.

        Raises:
            ValueError: A field holds what its type does not allow (our mistake). Written all the same,
                the record could never be read again.
        """
        head = self._heads[type(event)]
        adapter = self._adapters[type(event).__name__]
        data = adapter.dump_json(event, warnings="error")
        if b"null" in data:  # a NaN or infinity is written as null without a warning
            adapter.validate_json(data)
        return head + data + b"}"

    def decode(self, raw: Any) -> Any:
        """The event behind one element of ``events``.

        Raises:
            PeerProtocolError: Unknown type, or fields that are not the type's.
        """
        if not isinstance(raw, dict) or "type" not in raw or "data" not in raw:
            raise PeerProtocolError("an event is not an object with type and data")
        name = raw["type"]
        adapter = self._adapters.get(name) if isinstance(name, str) else None
        if adapter is None:
            raise PeerProtocolError(f"unknown event type {str(name)[:80]!r}")
        try:
            return adapter.validate_python(raw["data"])
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise PeerProtocolError(f"event {name}: {place[:80]}: {first['msg'][:200]}") from None


def frame(epoch: int, at_ms: int, encoded_events: Sequence[bytes]) -> bytes:
    """The bytes of one record from events that `EventCodec.encode` wrote."""
    head = b'{"v":%d,"epoch":%d,"at_ms":%d,"events":[' % (RECORD_VERSION, epoch, at_ms)
    return head + b",".join(encoded_events) + b"]}"


def unframe(payload: bytes, codec: EventCodec) -> Record:
    """Read one record.

    Raises:
        PeerProtocolError: The bytes are no record of a version we know.
    """
    try:
        raw = from_json(payload)
    except ValueError:
        raise PeerProtocolError("not JSON") from None
    if not isinstance(raw, dict):
        raise PeerProtocolError("not a JSON object")
    if not _is_count(raw.get("v")) or raw["v"] != RECORD_VERSION:
        raise PeerProtocolError(f"record version {str(raw.get('v'))[:20]} is not {RECORD_VERSION}")
    epoch, at_ms, events = raw.get("epoch"), raw.get("at_ms"), raw.get("events")
    if not (_is_count(epoch) and _is_count(at_ms) and isinstance(events, list)):
        raise PeerProtocolError("epoch, at_ms or events is missing or of the wrong type")
    return Record(epoch=epoch, at_ms=at_ms, events=tuple(codec.decode(event) for event in events))


def _is_count(value: Any) -> TypeGuard[int]:
    """Whether `value` is a JSON integer of at least 0; to Python, ``true`` is an integer as well."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
