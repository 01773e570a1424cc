"""What was said on a mesh can be looked up by subject, and does not grow without bound."""

from __future__ import annotations

import pytest

from conclave.testing import MemoryMesh, Record, Said
from conclave.testing import record as module


def said(subject: str, payload: bytes = b"{}") -> Said:
    return Said(at_s=0.0, subject=subject, payload=payload, headers={})


def test_messages_are_found_by_subject_in_order() -> None:
    record = Record()
    for number, subject in enumerate(("a.b.c", "a.b", "a.x.c", "a.b.d")):
        record.add(said(subject, b"%d" % number))
    assert record.bodies("a.*.c") == [0, 2]
    assert record.bodies("a.b.>") == [0, 3]
    record.clear()
    assert (len(record), list(record)) == (0, [])


def test_what_is_no_json_has_no_body() -> None:
    assert said("a", b"\xff").body is None
    assert said("a", b"").body is None


def test_a_long_message_is_shown_cut_and_a_refusal_with_its_code() -> None:
    shown = str(said("a", b"x" * 1000))
    assert shown.endswith("x…")
    assert len(shown) < 200
    refused = Said(at_s=1.5, subject="a", payload=b"{}", headers={"Nats-Service-Error-Code": "unknown_task"})
    assert str(refused) == "     1.500 s  a  [unknown_task] {}"


def test_the_oldest_messages_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGES", 3)
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    record = Record()
    for number in range(5):
        record.add(said(f"s.{number}"))
    assert [each.subject for each in record] == ["s.2", "s.3", "s.4"]
    record.add(said("large", b"x" * 99))
    assert [each.subject for each in record] == ["large"]
    assert record.forgotten_count == 5


async def test_calls_answers_and_heartbeats_are_all_there(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("guide") as guide:
        await guide.tasks.submit("greeting", {"name": "Ada"})
    (call,) = memory_mesh.record.on("conclave.call.tasks.submit.guide")
    assert call.body["payload"] == {"name": "Ada"}
    assert memory_mesh.record.on("_INBOX_guide.>")
