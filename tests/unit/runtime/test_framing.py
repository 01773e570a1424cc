"""What is written to the journal can be read back, and nothing else is taken for a record."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pytest

from coordination.runtime.errors import PeerProtocolError, UsageError
from coordination.runtime.framing import EventCodec, frame, unframe


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    piece: str
    weight: float = 1.0
    path: tuple[int, ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    winner: str | None = None


class Colour(StrEnum):
    WHITE = "white"
    BLACK = "black"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seated:
    """All of its fields are of plain types."""

    name: str
    table: int
    colour: Colour
    rated: bool = True
    club: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Nothing."""


CODEC = EventCodec((Moved, Ended, Seated, Left))


def record(**changes: Any) -> bytes:
    """A good record, except for `changes`."""
    return json.dumps({"v": 1, "epoch": 1, "at_ms": 5, "events": []} | changes).encode()


def test_events_come_back_in_order_and_equal() -> None:
    events = (
        Moved(piece="ä\n", weight=0.1, path=(1, 2), notes={"a": [None, True]}),
        Ended(),
        Ended(winner="x"),
    )
    read = unframe(frame(7, 123, [CODEC.encode(event) for event in events]), CODEC)
    assert (read.epoch, read.at_ms, read.events) == (7, 123, events)


def test_an_empty_record_is_a_record() -> None:
    assert unframe(frame(1, 0, []), CODEC).events == ()


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (record(v=3), "version '3' is not 1 or 2"),
        (record(v=True), "version 'True'"),
        (record(v=2.0), "version '2.0'"),
        (record(v="1"), "version '1' is not 1 or 2"),
        (record(v=2), "its checksum does not match"),
        (record(v=2, crc="00000000"), "its checksum does not match"),
        (record(crc="00000000"), "a record of version 1 has no checksum"),
        (record(epoch="1"), "wrong type"),
        (record(epoch=True), "wrong type"),
        (record(epoch=-1), "wrong type"),
        (record(at_ms=1.5), "wrong type"),
        (record(events={}), "wrong type"),
        (record(events=[1]), "not an object with type and data"),
        (record(events=[{"type": "Moved"}]), "not an object with type and data"),
        (record(events=[{"type": "Gone", "data": {}}]), "unknown event type 'Gone'"),
        (record(events=[{"type": [], "data": {}}]), "unknown event type"),
        (record(events=[{"type": None, "data": {}}]), "unknown event type"),
        (record(events=[{"type": "Moved", "data": {}}]), "event Moved: piece"),
        (record(events=[{"type": "Moved", "data": {"piece": 1}}]), "event Moved: piece"),
        (record(events=[{"type": "Moved", "data": None}]), "event Moved"),
    ],
)
def test_what_is_no_record_is_refused_by_name(payload: bytes, problem: str) -> None:
    with pytest.raises(PeerProtocolError, match=problem):
        unframe(payload, CODEC)


@pytest.mark.parametrize(
    "event",
    [
        Moved(piece=1),  # type: ignore[arg-type]
        Moved(piece="a", weight=math.nan),
        Moved(piece="a", weight=math.inf),
        Moved(piece="a", path=("x",)),  # type: ignore[arg-type]
    ],
)
def test_an_event_that_could_not_be_read_back_is_not_written(event: Moved) -> None:
    with pytest.raises(ValueError, match=r"."):
        CODEC.encode(event)


SEATED: dict[str, Any] = {"name": "ada", "table": 1, "colour": Colour.BLACK}


@pytest.mark.parametrize(
    "event",
    [Seated(**SEATED), Seated(**SEATED, club="q", rated=False), Seated(**SEATED | {"table": 10**30}), Left()],
)
def test_an_event_of_plain_fields_comes_back_equal_however_often_it_was_written(event: Any) -> None:
    for _ in range(3):
        assert unframe(frame(1, 2, [CODEC.encode(event)]), CODEC).events == (event,)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"name": 1},
        {"name": b"ada"},
        {"name": "\ud800"},
        {"table": "1"},
        {"table": 1.5},
        {"table": None},
        {"colour": "red"},
        {"rated": "yes"},
        {"rated": None},
        {"club": 7},
        {"club": ("a",)},
    ],
)
def test_an_event_with_a_wrong_plain_field_is_not_written(changes: dict[str, Any]) -> None:
    codec = EventCodec((Seated,))
    codec.encode(Seated(**SEATED))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"."):
            codec.encode(Seated(**SEATED | changes))


def test_a_record_of_the_version_before_checksums_is_still_read() -> None:
    events = [{"type": "Ended", "data": {"winner": "x"}}]
    read = unframe(record(v=1, epoch=3, at_ms=9, events=events), CODEC)
    assert (read.epoch, read.at_ms, read.events) == (3, 9, (Ended(winner="x"),))


def test_a_record_is_json_with_its_version_in_front() -> None:
    payload = frame(7, 123, [CODEC.encode(Ended(winner="x"))])
    content = json.loads(payload)
    assert list(content) == ["v", "crc", "epoch", "at_ms", "events"]
    assert content["v"] == 2
    assert content["events"] == [{"type": "Ended", "data": {"winner": "x"}}]


def test_a_changed_value_that_leaves_valid_json_is_found() -> None:
    payload = frame(7, 123, [CODEC.encode(Ended(winner="x"))])
    with pytest.raises(PeerProtocolError, match="its checksum does not match"):
        unframe(payload.replace(b'"winner":"x"', b'"winner":"y"'), CODEC)


def test_two_event_types_of_one_name_are_refused() -> None:
    def another() -> type:
        @dataclass(frozen=True, slots=True, kw_only=True)
        class Moved:
            x: int

        return Moved

    with pytest.raises(UsageError, match="two event types are named Moved"):
        EventCodec((Moved, another()))
