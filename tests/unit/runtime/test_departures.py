"""In which order what a durable batch has to say leaves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import pytest

from coordination.runtime.departures import MAX_FEW, Departures
from coordination.runtime.flight import Flight
from coordination.runtime.model import Notice, Push
from coordination.runtime.requests import FutureRequest
from coordination.runtime.shard import Batch
from tests.support.toy import ANYTHING

NOTICE = Notice(event="said", aggregate="all", body={})
PUSH = Push(agent="ann", kind="word", body={})


class Line:
    """What has left, in order; ``|`` is the end of a scope."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.fails = False

    async def deliver(self, messages: Sequence[Push | Notice]) -> None:
        if self.fails:
            raise OSError
        self.sent += ["push" if isinstance(each, Push) else "notice" for each in messages]

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        yield
        self.sent.append("|")

    def flight(self, *messages: Push | Notice, answers: int = 1) -> Flight:
        line = self

        class Answered(FutureRequest):
            async def respond(self, answer: str | Exception) -> None:
                line.sent.append(str(answer))

        request = Answered(lambda *_: None, reply_type=ANYTHING)
        return Flight(Batch(0, messages=list(messages)), 0.0, answers=[(request, "answer")] * answers)

    async def released(self, flight: Flight) -> list[str]:
        departures = Departures("ledger.0", deliver=self.deliver, together=self.together)
        departures.prepare(flight)
        await departures.release(flight)
        return self.sent


async def test_pushes_of_a_small_batch_are_written_before_the_rest_is_sent() -> None:
    line = Line()
    assert await line.released(line.flight(NOTICE, PUSH)) == ["push", "|", "notice", "answer", "|"]


async def test_a_batch_with_answers_alone_takes_one_write() -> None:
    line = Line()
    assert await line.released(line.flight(answers=2)) == ["answer", "answer", "|"]


@pytest.mark.parametrize(("pushes", "answers"), [(MAX_FEW, 1), (1, MAX_FEW)])
async def test_all_of_a_large_batch_leaves_together_and_in_order(pushes: int, answers: int) -> None:
    line = Line()
    sent = await line.released(line.flight(NOTICE, *[PUSH] * pushes, answers=answers))
    assert [each for each in sent if each != "|"] == ["notice", *["push"] * pushes, *["answer"] * answers]
    assert sent[-2:] == ["|", "|"], "the scopes within end with the one around them"


async def test_answers_are_given_though_nothing_could_be_delivered() -> None:
    line = Line()
    line.fails = True
    assert [each for each in await line.released(line.flight(NOTICE, PUSH)) if each != "|"] == ["answer"]
