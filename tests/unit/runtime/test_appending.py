"""A record that is sent without a task: what takes over when the first attempt does not succeed."""

from __future__ import annotations

import asyncio

import pytest

from coordination.runtime import journal as journal_module
from coordination.runtime.appending import Append
from coordination.runtime.errors import ClosedError, NotLeaderError, UnavailableError, UsageError
from coordination.runtime.journal import Journal
from coordination.runtime.memory_store import MAX_PAYLOAD_BYTES, MemoryStream
from tests.support.journals import Fault, FaultyStore
from tests.support.stores import HeldStore
from tests.support.waiting import settle


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between attempts."""
    monkeypatch.setattr(journal_module, "_RETRY_FIRST_S", 0.0)
    monkeypatch.setattr(journal_module, "_RETRY_LAST_S", 0.0)


class Sending:
    """A journal on a store with faults, and the ends that were told of."""

    def __init__(self, *faults: Fault) -> None:
        self.stream = MemoryStream()
        self.store = FaultyStore(self.stream, *faults)
        self.journal = Journal(self.store)
        self.ended: list[str] = []

    def send(self, index: int, payload: bytes = b"x") -> Append:
        name = f"r{index + 1}"
        return self.journal.send(
            payload, expected=index, record_id=name, on_end=lambda: self.ended.append(name)
        )


async def test_a_record_is_in_flight_until_it_is_stored() -> None:
    sending = Sending()
    append = sending.send(0)
    assert sending.ended == []
    with pytest.raises(AssertionError, match="not known yet"):
        append.result()
    await settle()
    assert append.result() == 1
    assert sending.ended == ["r1"]
    assert len(sending.store.calls) == 1
    assert append.payload == b"", "what is stored is not kept"


@pytest.mark.parametrize("faults", [["lost before"], ["lost after"], ["lost before"] * 5, ["late"]])
async def test_a_first_attempt_without_an_answer_is_repeated(faults: list[Fault]) -> None:
    sending = Sending(*faults)
    append = sending.send(0)
    await settle(100)
    assert append.result() == 1
    assert sending.ended == ["r1"]
    assert len(sending.stream.records) == 1
    assert {call["record_id"] for call in sending.store.calls} == {"r1"}


async def test_a_refusal_of_our_own_record_is_no_failure() -> None:
    sending = Sending()
    sending.stream.append(b"x", record_id="r1")  # as after an attempt that nobody answered
    append = sending.send(0)
    await settle()
    assert append.result() == 1
    assert len(sending.store.calls) == 1, "found by reading, not by writing again"


async def test_a_refusal_for_a_rivals_record_is_told_once_and_ends_those_behind() -> None:
    sending = Sending()
    sending.stream.append(b"theirs", record_id="rival")
    appends = [sending.send(index) for index in range(3)]
    await settle(100)
    assert sorted(sending.ended) == ["r1", "r2", "r3"]
    for append in appends:
        with pytest.raises(NotLeaderError):
            append.result()
    later = sending.send(3)
    assert later.is_ended, "it would rest on what was never stored"
    assert sending.ended[-1] == "r4"
    assert len(sending.stream.records) == 1


@pytest.mark.parametrize(
    ("fault", "size_bytes", "kind"), [("closed", 1, ClosedError), ("none", MAX_PAYLOAD_BYTES + 1, UsageError)]
)
async def test_what_repeating_cannot_mend_is_not_repeated(
    fault: Fault, size_bytes: int, kind: type[Exception]
) -> None:
    sending = Sending(fault)
    append = sending.send(0, b"x" * size_bytes)
    await settle()
    with pytest.raises(kind):
        append.result()
    assert len(sending.store.calls) == 1


async def test_an_attempt_that_cannot_even_be_sent_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    sending = Sending()

    def refuse(*_: object, **__: object) -> None:
        raise UnavailableError("the connection is down")

    monkeypatch.setattr(sending.store, "send", refuse)
    append = sending.send(0)
    assert not append.is_ended
    await settle()
    assert append.result() == 1


@pytest.mark.parametrize("turns", [0, 1, 3, 20])
async def test_abandoned_appends_leave_nothing_behind_and_tell_nobody(turns: int) -> None:
    sending = Sending(*["lost before"] * 1000)  # type: ignore[arg-type]
    appends = [sending.send(index) for index in range(3)]
    await settle(turns)
    await sending.journal.abandon(appends)
    assert all(append.is_ended for append in appends)
    assert sending.ended == []
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await sending.journal.abandon(appends)
    assert sending.send(3).is_ended, "nobody knows what became of those before"


async def test_a_chain_of_appends_does_not_keep_those_that_have_ended() -> None:
    stream = MemoryStream()
    store = HeldStore(stream)
    journal = Journal(store)
    first = journal.send(b"a", expected=0, record_id="r1")
    second = journal.send(b"b", expected=1, record_id="r2")
    assert second.before is first
    await settle()
    assert second.is_ended
    assert second.before is None
