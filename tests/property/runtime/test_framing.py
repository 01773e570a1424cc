"""Any events round-trip; any bytes are a record or a `PeerProtocolError`, and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.errors import PeerProtocolError
from coordination.runtime.framing import EventCodec, frame, unframe


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    x: int
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    text: str
    points: tuple[Point, ...] = ()
    flags: dict[str, bool | int | str | None] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tagged:
    """Of plain types only, and so written by the short way."""

    name: str
    count: int
    flag: bool
    note: str | int | None


CODEC = EventCodec((Drawn, Erased))
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
POINTS = st.builds(
    Point,
    x=st.integers(-(2**63), 2**63),
    y=st.floats(allow_nan=False, allow_infinity=False),
)
FLAGS = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, max_size=4)
EVENTS = st.lists(
    st.builds(
        Drawn, text=TEXT, points=st.lists(POINTS, max_size=3).map(tuple), flags=FLAGS, note=st.none() | TEXT
    )
    | st.builds(Erased, text=TEXT),
    max_size=5,
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.integers(0, 2**62), st.integers(0, 2**62), EVENTS)
def test_any_record_round_trips(epoch: int, at_ms: int, events: list[Any]) -> None:
    read = unframe(frame(epoch, at_ms, [CODEC.encode(event) for event in events]), CODEC)
    assert read.epoch == epoch
    assert read.at_ms == at_ms
    assert list(read.events) == events
    assert [type(each) for each in read.events] == [type(each) for each in events]


def reads_or_refuses(payload: bytes) -> None:
    try:
        unframe(payload, CODEC)
    except PeerProtocolError as error:
        assert len(str(error)) < 500  # noqa: PT017 - not raising is as good


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    reads_or_refuses(payload)


@given(EVENTS, st.data())
def test_a_damaged_record_is_read_or_refused(events: list[Any], data: st.DataObject) -> None:
    payload = bytearray(frame(1, 2, [CODEC.encode(event) for event in events]))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    reads_or_refuses(bytes(payload[: data.draw(st.integers(0, len(payload)))]))
    reads_or_refuses(bytes(payload))


@given(EVENTS, st.data())
def test_any_changed_byte_is_found(events: list[Any], data: st.DataObject) -> None:
    payload = bytearray(frame(1, 2, [CODEC.encode(event) for event in events]))
    place = data.draw(st.integers(0, len(payload) - 1))
    payload[place] = data.draw(st.integers(0, 255).filter(lambda value: value != payload[place]))
    with pytest.raises(PeerProtocolError):
        unframe(bytes(payload), CODEC)


@given(EVENTS, st.data())
def test_a_record_that_is_cut_short_or_went_on_is_refused(events: list[Any], data: st.DataObject) -> None:
    payload = frame(1, 2, [CODEC.encode(event) for event in events])
    with pytest.raises(PeerProtocolError):
        unframe(payload[: data.draw(st.integers(0, len(payload) - 1))], CODEC)
    with pytest.raises(PeerProtocolError):
        unframe(payload + data.draw(st.binary(min_size=1, max_size=3)), CODEC)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=2)


@given(st.lists(st.builds(Tagged, name=PLAIN, count=PLAIN, flag=PLAIN, note=PLAIN), max_size=8))
def test_an_event_that_is_written_can_be_read_and_any_other_is_refused(events: list[Any]) -> None:
    codec = EventCodec((Tagged,))
    for event in events:
        try:
            encoded = codec.encode(event)
        except ValueError:
            continue
        read = unframe(frame(1, 2, [encoded]), codec).events
        assert read == (event,)


@given(JSON, JSON, JSON, st.lists(JSON | st.fixed_dictionaries({"type": JSON, "data": JSON}), max_size=3))
def test_any_json_in_the_right_places_is_read_or_refused(v: Any, epoch: Any, at_ms: Any, events: Any) -> None:
    for version in (1, 2, v):
        record = {"v": version, "epoch": epoch, "at_ms": at_ms, "events": events}
        reads_or_refuses(json.dumps(record).encode("utf-8", "surrogatepass"))


@given(st.sampled_from(["Drawn", "Erased"]), JSON)
def test_any_json_as_fields_of_an_event_is_read_or_refused(name: str, fields: Any) -> None:
    record = {"v": 1, "epoch": 1, "at_ms": 1, "events": [{"type": name, "data": fields}]}
    reads_or_refuses(json.dumps(record).encode("utf-8", "surrogatepass"))
