"""Journal records: one message frames a batch of events, and that is the group commit.

A record is ``{"v":2,"crc":"<8 hex>","epoch","at_ms","events": [{"type", "data"}]}`` in JSON, so that
``nats stream view`` shows it; the CRC-32 is of every byte behind its comma, so that a flipped bit is found
even where it leaves valid JSON. Version 1 had no ``crc``; its records are still read. One record of 500
events costs about what a record of one costs; an atomic batch of 500 messages costs 35 times that
(measured, docs/adr/0001). Pure: bytes in, data out.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import Enum
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, TypeGuard, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from coordination.runtime.adapters import adapter_of
from coordination.runtime.errors import PeerProtocolError, UsageError

RECORD_VERSION: Final = 2
UNCHECKED_VERSION: Final = 1
"""Written before records had a checksum."""
_HEAD: Final = b'{"v":%d,"crc":"%%08x",' % RECORD_VERSION
_HEAD_BYTES: Final = len(_HEAD % 0)
_PLAIN_TYPES: Final = frozenset({str, int, bool, NoneType})
_MAX_SHAPES: Final = 64
_OTHER_VERSION: Final = (
    "perhaps another version of Conclave wrote it: go on with that one, or with another store"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A decoded journal record."""

    epoch: int
    """Number of the leadership under which it was written, from 1."""
    at_ms: int
    events: tuple[Any, ...]


class _PlainShapes:
    """Which instances of one event type hold nothing but what their fields' types allow.

    Asking pydantic to raise for anything else (``warnings="error"``) takes three times as long as writing
    the event. So fields of plain types are compared here, by exact type; an event with any other field,
    or with another value, is left to pydantic.
    """

    def __init__(self, event_type: type) -> None:
        self._values: Callable[[Any], Any] | None = None
        self._allowed: list[frozenset[type]] = []
        self._known: set[Any] = set()
        """Types of the fields' values, of events that were found plain."""
        try:
            hints = get_type_hints(event_type)
        except NameError:  # a type that is local to a function; pydantic finds it nevertheless
            return
        names = [field.name for field in fields(event_type)]
        for name in names:
            options = frozenset(_options(hints[name]))
            if not all(each in _PLAIN_TYPES or issubclass(each, Enum) for each in options):
                return
            self._allowed.append(options)
        if len(names) > 1:  # of one name, attrgetter returns the value and no tuple
            self._values = attrgetter(*names)

    def has(self, event: Any) -> bool:
        """Whether `event` is plain, and so can be written unchecked."""
        if self._values is None:
            return False
        shape = tuple(map(type, self._values(event)))
        if shape in self._known:
            return True
        is_plain = all(each in allowed for each, allowed in zip(shape, self._allowed, strict=True))
        if is_plain and len(self._known) < _MAX_SHAPES:
            self._known.add(shape)
        return is_plain


class _Encoder:
    """Writes events of one type in pydantic's way."""

    def __init__(self, event_type: type, adapter: TypeAdapter[Any]) -> None:
        self._head = b'{"type":"%s","data":' % event_type.__name__.encode()
        self._adapter = adapter
        self._write = adapter.serializer.to_json
        self._plain = _PlainShapes(event_type)

    def __call__(self, event: Any) -> bytes:
        """As `EventCodec.encode`."""
        if self._plain.has(event):
            return self._head + self._write(event) + b"}"
        data = self._write(event, warnings="error")
        if b"null" in data:  # a NaN or infinity is written as null without a warning
            self._adapter.validate_json(data)
        return self._head + data + b"}"


def _options(hint: Any) -> tuple[type, ...]:
    """The classes that `hint` allows; `object` stands for what is not a class."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(option for each in get_args(hint) for option in _options(each))
    return (hint,) if isinstance(hint, type) else (object,)


class EventCodec:
    """Writes and reads the events of one model; the class name is the type on disk.

    Args:
        event_types: All of them.
        encoders: For types that are written so often that they have a way of their own; each gives the
            whole element of ``events``, as `decode` reads it.
    """

    def __init__(
        self, event_types: Iterable[type], *, encoders: Mapping[type, Callable[[Any], bytes]] | None = None
    ) -> None:
        self._adapters: dict[str, TypeAdapter[Any]] = {}
        self._encoders: dict[type, Callable[[Any], bytes]] = {}
        for event_type in event_types:
            name = event_type.__name__
            if name in self._adapters:
                raise UsageError(f"two event types are named {name}")
            adapter = self._adapters[name] = adapter_of(event_type)
            self._encoders[event_type] = _Encoder(event_type, adapter)
        self._encoders |= encoders or {}

    def encode(self, event: Any) -> bytes:
        """The bytes of one event.

        Raises:
            ValueError: A field holds what its type does not allow (our mistake). Written all the same,
                the record could never be read again.
        """
        return self._encoders[type(event)](event)

    def encode_all(self, events: Iterable[Any]) -> bytes:
        """The bytes of several events, with commas between them; errors as of `encode`."""
        encoders = self._encoders
        return b",".join([encoders[type(event)](event) for event in events])

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
            raise PeerProtocolError(f"unknown event type {str(name)[:80]!r}; {_OTHER_VERSION}")
        try:
            return adapter.validate_python(raw["data"])
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            problem = f"event {name}: {place[:80]}: {first['msg'][:200]}"
            raise PeerProtocolError(f"{problem}; {_OTHER_VERSION}") from None


def frame(epoch: int, at_ms: int, encoded_events: Sequence[bytes]) -> bytes:
    """The bytes of one record from events that `EventCodec.encode` wrote, alone or joined by commas."""
    content = b'"epoch":%d,"at_ms":%d,"events":[%b]}' % (epoch, at_ms, b",".join(encoded_events))
    return _HEAD % zlib.crc32(content) + content


def unframe(payload: bytes, codec: EventCodec) -> Record:
    """Read one record.

    Raises:
        PeerProtocolError: The bytes are no record of a version we know, or were changed since they were
            written.
    """
    is_whole = payload[:_HEAD_BYTES] == _HEAD % zlib.crc32(memoryview(payload)[_HEAD_BYTES:])
    try:
        raw = from_json(payload)
    except ValueError:
        raise PeerProtocolError("not JSON") from None
    if not isinstance(raw, dict):
        raise PeerProtocolError("not a JSON object")
    if not is_whole:
        _require_unchecked(raw)
    epoch, at_ms, events = raw.get("epoch"), raw.get("at_ms"), raw.get("events")
    if not (_is_count(epoch) and _is_count(at_ms) and isinstance(events, list)):
        raise PeerProtocolError("epoch, at_ms or events is missing or of the wrong type")
    return Record(epoch=epoch, at_ms=at_ms, events=tuple(codec.decode(event) for event in events))


def _require_unchecked(raw: dict[str, Any]) -> None:
    """Refuse a record whose checksum is not right, unless it is of the version that had none."""
    version = raw.get("v")
    if version == RECORD_VERSION and _is_count(version):
        raise PeerProtocolError("its checksum does not match: the bytes were changed since they were written")
    if version != UNCHECKED_VERSION or not _is_count(version):
        known = f"{UNCHECKED_VERSION} or {RECORD_VERSION}"
        raise PeerProtocolError(f"record version {str(version)[:20]!r} is not {known}")
    if "crc" in raw:
        raise PeerProtocolError(f"a record of version {UNCHECKED_VERSION} has no checksum")


def _is_count(value: Any) -> TypeGuard[int]:
    """Whether `value` is a JSON integer of at least 0; to Python, ``true`` is an integer as well."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
