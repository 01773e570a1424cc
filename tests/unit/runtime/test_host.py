"""The host: order, refusals, faults of ours, and an end at which nobody is left waiting."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from coordination.runtime.errors import (
    ClosedError,
    CorruptJournalError,
    RejectedError,
    UnavailableError,
)
from coordination.runtime.framing import frame
from coordination.runtime.host import Host
from coordination.runtime.limits import MAX_BATCH_COMMANDS, MAX_COMMAND_EVENTS_BYTES, MAX_PENDING_COMMANDS
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.model import Notice, Outcome, Push
from tests.support.clock import ManualClock
from tests.support.stores import HeldStore, usurp, vacate
from tests.support.toy import ANYTHING, Add, Ledger, SetAlarm, labels_seen, ledger_host, send, stored_events
from tests.support.waiting import settle


@contextlib.asynccontextmanager
async def leading(host: Host[Ledger]) -> AsyncIterator[asyncio.Task[None]]:
    """`host` runs for the length of the block; how it ends is the block's business."""
    serving = asyncio.create_task(host.run())
    await settle(100)
    try:
        yield serving
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def in_background(work: Any) -> asyncio.Task[Any]:
    return asyncio.ensure_future(work)


async def test_commands_that_wait_together_share_one_record() -> None:
    store = MemoryStream()
    journal = HeldStore(store)
    host = ledger_host(journal)
    async with leading(host):
        journal.hold()
        requests = [in_background(send(host, Add(label="a0")))]
        await settle()
        requests += [in_background(send(host, Add(label=f"a{index}"))) for index in range(1, 50)]
        await settle()
        assert len(store.records) == 1, "only the epoch"
        journal.release()
        replies = await asyncio.gather(*requests)
    assert [reply["total"] for reply in replies] == list(range(1, 51))
    assert len(store.records) == 3, "epoch, the first command, all that gathered meanwhile"


async def test_neither_reply_nor_notice_leaves_before_the_record_is_durable() -> None:
    sent: list[Push | Notice] = []

    async def deliver(messages: Sequence[Push | Notice]) -> None:
        sent.extend(messages)

    journal = HeldStore(MemoryStream())
    host = ledger_host(journal, deliver=deliver)
    async with leading(host):
        journal.hold()
        waiting = {
            in_background(send(host, Add(label="a"))),
            in_background(send(host, Add(label="b", amount=-1))),
            in_background(labels_seen(host)),
        }
        await settle(100)
        assert journal.waiting == 1
        assert sent == []
        assert not any(task.done() for task in waiting)
        journal.release()
        await asyncio.wait(waiting)
        assert [message.aggregate for message in sent if isinstance(message, Notice)] == ["a"]
        for task in waiting:
            task.exception()


async def test_more_than_a_batch_is_split_over_records() -> None:
    store = MemoryStream()
    host = ledger_host(store)
    async with leading(host):
        count = MAX_BATCH_COMMANDS + 10
        await asyncio.gather(*(send(host, Add(label=f"a{index}")) for index in range(count)))
    sizes = [len(stored_events([payload])) for payload in store.payloads]
    assert sum(sizes) == count
    assert max(sizes) == MAX_BATCH_COMMANDS


async def test_large_commands_are_split_over_records_that_fit() -> None:
    store = MemoryStream()
    host = ledger_host(store)
    padding = "x" * (MAX_COMMAND_EVENTS_BYTES - 1_000)
    async with leading(host):
        await asyncio.gather(*(send(host, Add(label=f"a{index}", padding=padding)) for index in range(5)))
    assert len(stored_events(store.payloads)) == 5
    assert max(map(len, store.payloads)) < 1024 * 1024


async def test_a_command_that_no_record_can_hold_changes_nothing() -> None:
    host = ledger_host(MemoryStream())
    async with leading(host):
        with pytest.raises(RejectedError, match="too_large"):
            await send(host, Add(label="a", padding="x" * MAX_COMMAND_EVENTS_BYTES))
        assert await labels_seen(host) == []


async def test_a_refusal_is_passed_on_and_stores_nothing() -> None:
    store = MemoryStream()
    host = ledger_host(store)
    async with leading(host):
        with pytest.raises(RejectedError) as refused:
            await send(host, Add(label="a", amount=-5))
    assert (refused.value.code, refused.value.details) == ("negative", {"amount": -5})
    assert len(store.records) == 1


async def test_a_fault_in_a_decision_tells_the_caller_a_number_and_nothing_else() -> None:
    host = ledger_host(MemoryStream())
    async with leading(host) as serving:
        with pytest.raises(RejectedError) as refused:
            await send(host, Add(label="broken"))
        assert (refused.value.code, refused.value.retryable) == ("internal", False)
        assert len(refused.value.correlation_id) == 32
        assert "secret" not in str(refused.value)
        assert await send(host, Add(label="a")) == {"total": 1}, "everybody else goes on"
        assert not serving.done()


async def test_a_fault_in_apply_ends_the_host_and_nobody_waits() -> None:
    store = MemoryStream()
    host = ledger_host(store)
    async with leading(host) as serving:
        requests = [in_background(send(host, Add(label=label))) for label in ("a", "unappliable", "b")]
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError] * 3
        with pytest.raises(Exception, match="applying Added failed"):
            await serving
    assert stored_events(store.payloads) == [], "half a state is not written"


@pytest.mark.parametrize("fault", ["lost before", "lost after", "usurped", "cancelled"])
async def test_however_a_host_ends_everybody_waiting_is_told(fault: str) -> None:
    store = MemoryStream()
    journal = HeldStore(store)
    host = ledger_host(journal)
    async with leading(host) as serving:
        journal.hold()
        requests = [in_background(send(host, Add(label="a")))]
        await settle()
        requests += [in_background(send(host, Add(label="b"))), in_background(labels_seen(host))]
        await settle()
        match fault:
            case "lost before" | "lost after":
                journal.fault = fault
            case "usurped":
                usurp(store)
            case _:
                serving.cancel()
        journal.release()
        results = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError] * 3
        if fault == "usurped":
            assert "another process leads now" in str(results[0])
            assert not serving.done(), "it follows whoever leads now"
        else:
            with pytest.raises((ClosedError, asyncio.CancelledError)):
                await serving
        for late in (send(host, Add(label="c")), labels_seen(host)):
            with pytest.raises(UnavailableError):
                await late
    stored = [event["label"] for event in stored_events(store.payloads)]
    assert stored == (["a"] if fault == "lost after" else [])


async def test_stopping_finishes_what_was_accepted_and_takes_no_more() -> None:
    host = ledger_host(MemoryStream())
    async with leading(host) as serving:
        requests = [in_background(send(host, Add(label=f"a{index}"))) for index in range(3)]
        await settle(1)
        host.stop()
        with pytest.raises(UnavailableError, match="it is stopping"):
            await send(host, Add(label="late"))
        assert [(await each)["total"] for each in requests] == [1, 2, 3]
        await serving
    with pytest.raises(UnavailableError, match="it has stopped"):
        await send(host, Add(label="later"))


async def test_one_request_too_many_is_refused_at_once() -> None:
    journal = HeldStore(MemoryStream())
    host = ledger_host(journal)
    async with leading(host):
        journal.hold()
        first = in_background(send(host, Add(label="first")))
        await settle()
        waiting = [in_background(send(host, Add(label=f"a{n}"))) for n in range(MAX_PENDING_COMMANDS)]
        await settle(1)
        with pytest.raises(RejectedError) as refused:
            await send(host, Add(label="too much"))
        assert (refused.value.code, refused.value.retryable) == ("overloaded", True)
        journal.release()
        assert len(await asyncio.gather(first, *waiting)) == MAX_PENDING_COMMANDS + 1


async def test_a_push_that_cannot_be_sent_costs_nobody_a_reply() -> None:
    errors: list[Exception] = [
        UnavailableError("buffer full"),
        ValueError("no subject"),
        ClosedError("closed"),
    ]

    async def deliver(_: Sequence[Push | Notice]) -> None:
        raise errors.pop()

    host = ledger_host(MemoryStream(), deliver=deliver)
    async with leading(host) as serving:
        for total in (1, 2, 3):
            assert await send(host, Add(label=f"a{total}")) == {"total": total}
        assert errors == []
        assert not serving.done()


async def test_a_retry_in_the_same_batch_and_after_a_restart_gets_the_first_answer() -> None:
    store = MemoryStream()
    host = ledger_host(store)
    async with leading(host):
        twins = [in_background(send(host, Add(label="a"), command_id="c1")) for _ in range(2)]
        assert await asyncio.gather(*twins) == [{"total": 1}] * 2
        await send(host, Add(label="b"), command_id="c2")
        assert await send(host, Add(label="a"), command_id="c1", caller="bob") == {"total": 3}
    vacate(store)
    again = ledger_host(store)
    async with leading(again):
        assert await send(again, Add(label="a"), command_id="c1") == {"total": 1}
        with pytest.raises(RejectedError, match="command_id_reused"):
            await send(again, Add(label="other"), command_id="c1")


async def test_what_had_no_effect_is_decided_anew() -> None:
    host = ledger_host(MemoryStream())
    async with leading(host):
        assert await send(host, Add(label="look", amount=0), command_id="c1") == {"total": 0}
        await send(host, Add(label="a"))
        assert await send(host, Add(label="look", amount=0), command_id="c1") == {"total": 1}


async def test_alarms_ring_in_time_once_and_also_after_a_restart() -> None:
    store, clock = MemoryStream(), ManualClock()
    host = ledger_host(store, clock=clock)
    async with leading(host):
        for label, in_ms in (("soon", 10), ("later", 50)):
            await send(host, SetAlarm(label=label, at_ms=clock.now_ms() + in_ms))
        clock.advance(9)
        await settle()
        assert stored_events(store.payloads, "AlarmRang") == []
        clock.advance(1)
        await settle()
        assert stored_events(store.payloads, "AlarmRang") == [{"label": "soon"}]
    clock.advance(1_000)
    vacate(store)
    async with leading(ledger_host(store, clock=clock)):
        assert stored_events(store.payloads, "AlarmRang") == [{"label": "soon"}, {"label": "later"}]


async def test_a_model_that_does_nothing_about_a_deadline_does_not_spin() -> None:
    class Stuck(Ledger):
        def tick(self, now_ms: int) -> Outcome:  # noqa: ARG002
            return Outcome()

    clock = ManualClock()
    host = ledger_host(MemoryStream(), clock=clock, make_model=Stuck)
    async with leading(host) as serving:
        await send(host, SetAlarm(label="a", at_ms=clock.now_ms() + 1))
        clock.advance(5)
        await settle()
        with pytest.raises(AssertionError, match="tick did nothing"):
            await serving


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"garbage", "not JSON"),
        (frame(1, 0, [b'{"type":"Unknown","data":{}}']), "unknown event type"),
        (
            frame(1, 0, [b'{"type":"Added","data":{"label":"unappliable","amount":1}}']),
            "applying Added failed",
        ),
    ],
)
async def test_a_journal_that_cannot_be_read_is_named_and_nothing_is_served(
    payload: bytes, problem: str
) -> None:
    store = MemoryStream()
    async with leading(ledger_host(store)):
        pass
    store.append(payload, record_id="bad")
    host = ledger_host(store)
    with pytest.raises(CorruptJournalError, match=f"ledger.0, record 2: .*{problem}") as corrupt:
        await host.run()
    assert corrupt.value.sequence == 2
    assert not host.leading.is_set()
    with pytest.raises(UnavailableError, match="it has stopped"):
        await labels_seen(host)
    assert len(store.records) == 2, "nothing is written behind a record that cannot be read"


async def test_a_caller_that_gave_up_leaves_the_others_their_turn() -> None:
    journal = HeldStore(MemoryStream())
    host = ledger_host(journal)
    async with leading(host):
        journal.hold()
        in_flight = in_background(send(host, Add(label="in-flight")))
        await settle()
        queued, other = (
            in_background(send(host, Add(label="queued"))),
            in_background(send(host, Add(label="b"))),
        )
        await settle(1)
        in_flight.cancel()
        queued.cancel()
        journal.release()
        assert await other == {"total": 2}, "what was in flight took effect, what only waited did not"


async def test_replies_are_read_through_the_reply_type() -> None:
    host = ledger_host(MemoryStream())
    async with leading(host):
        assert await host.query(lambda model, _: model.state.total, reply_type=ANYTHING) == "0"
