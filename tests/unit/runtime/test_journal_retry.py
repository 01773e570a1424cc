"""An append whose answer is lost: its outcome is found out, whatever it was."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import nats.errors
import nats.js.errors
import pytest
from nats.js import JetStreamContext

from coordination.runtime import journal as journal_module
from coordination.runtime.errors import (
    ClosedError,
    CorruptJournalError,
    NotLeaderError,
    UnavailableError,
    UsageError,
)
from coordination.runtime.journal import JetStreamJournal

CONFLICT = nats.js.errors.BadRequestError(code=400, err_code=10071, description="wrong last sequence")
UNAVAILABLE = nats.js.errors.ServiceUnavailableError(code=503, err_code=10008, description="not now")
ABSENT = nats.js.errors.NotFoundError(code=404, err_code=10037, description="no message found")


class ScriptedStream:
    """A JetStream context that does what its script says, one step a call."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def _step(self, call: str, **arguments: Any) -> Any:
        self.calls.append((call, arguments))
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    async def publish(self, subject: str, payload: bytes, **arguments: Any) -> Any:  # noqa: ARG002
        return self._step("publish", **arguments)

    async def get_msg(self, stream: str, **arguments: Any) -> Any:  # noqa: ARG002
        return self._step("get_msg", **arguments)

    async def stream_info(self, stream: str) -> Any:  # noqa: ARG002
        return self._step("stream_info")

    async def add_stream(self, config: Any) -> Any:
        return self._step("add_stream", config=config)


def ack(sequence: int) -> Any:
    return SimpleNamespace(seq=sequence)


def stored(record_id: str | None) -> Any:
    return SimpleNamespace(headers=None if record_id is None else {"Nats-Msg-Id": record_id})


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[ScriptedStream, JetStreamJournal]]:
    monkeypatch.setattr(journal_module, "_RETRY_FIRST_S", 0.0)

    def with_steps(*steps: Any) -> tuple[ScriptedStream, JetStreamJournal]:
        stream = ScriptedStream(*steps)
        return stream, JetStreamJournal(cast("JetStreamContext", stream), stream="s", subject="s.0")

    return with_steps


@pytest.mark.parametrize(
    "trouble",
    [
        [nats.errors.TimeoutError()],
        [UNAVAILABLE, nats.js.errors.NoStreamResponseError(), nats.errors.OutboundBufferLimitError()],
        [OSError(), nats.errors.StaleConnectionError(), nats.errors.TimeoutError()],
    ],
)
async def test_an_outage_is_waited_out_under_one_record_id(script: Any, trouble: list[Exception]) -> None:
    stream, journal = script(*trouble, ack(8))
    assert await journal.append(b"x", expected=7, record_id="r8") == 8
    headers = [arguments["headers"] for _, arguments in stream.calls]
    assert headers == [{"Nats-Expected-Last-Subject-Sequence": "7", "Nats-Msg-Id": "r8"}] * (len(trouble) + 1)


async def test_an_unanswered_append_that_was_stored_is_recognised(script: Any) -> None:
    stream, journal = script(nats.errors.TimeoutError(), CONFLICT, stored("r8"))
    assert await journal.append(b"x", expected=7, record_id="r8") == 8
    assert stream.calls[-1] == ("get_msg", {"seq": 8})


async def test_finding_out_survives_an_outage_of_its_own(script: Any) -> None:
    steps = (CONFLICT, nats.errors.TimeoutError(), nats.errors.TimeoutError(), CONFLICT, stored("r8"))
    stream, journal = script(*steps)
    assert await journal.append(b"x", expected=7, record_id="r8") == 8
    assert stream.steps == []


@pytest.mark.parametrize("found", [stored("somebody-elses"), stored(None), ABSENT])
async def test_a_record_of_somebody_else_means_the_leadership_is_lost(script: Any, found: Any) -> None:
    _, journal = script(CONFLICT, found)
    with pytest.raises(NotLeaderError, match="s: record 8 was written by somebody else"):
        await journal.append(b"x", expected=7, record_id="r8")


async def test_a_closed_connection_ends_the_waiting(script: Any) -> None:
    _, journal = script(nats.errors.TimeoutError(), nats.errors.ConnectionClosedError())
    with pytest.raises(ClosedError):
        await journal.append(b"x", expected=7, record_id="r8")


async def test_a_record_that_will_never_fit_is_not_retried(script: Any) -> None:
    _, journal = script(nats.errors.MaxPayloadError())
    with pytest.raises(UsageError, match="larger than the server takes"):
        await journal.append(b"x", expected=7, record_id="r8")


async def test_waiting_for_a_store_gives_up_with_a_reason(script: Any) -> None:
    _, journal = script(*[UNAVAILABLE] * 3)
    with pytest.raises(UnavailableError, match=r"s: JetStream does not answer \(not now\)"):
        await journal._until_answered(journal._state, patience_s=-1.0)


async def test_opening_makes_the_stream_only_where_there_is_none(script: Any) -> None:
    stream, journal = script(ABSENT, UNAVAILABLE, ABSENT, None)
    await journal.open()
    assert [call for call, _ in stream.calls] == ["stream_info", "add_stream", "stream_info", "add_stream"]
    stream, journal = script(SimpleNamespace())
    await journal.open()
    assert [call for call, _ in stream.calls] == ["stream_info"]


async def test_a_journal_whose_beginning_is_gone_is_refused(script: Any) -> None:
    _, journal = script(SimpleNamespace(state=SimpleNamespace(first_seq=4, last_seq=9, messages=6)))
    with pytest.raises(CorruptJournalError, match="record 1: missing, the first one there is 4"):
        await anext(journal.replay())
