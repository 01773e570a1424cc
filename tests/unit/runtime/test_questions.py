"""Requests that wait for their answers: each is answered or given up once, by one timer for all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import ClosedError, ConclaveError, UnavailableError
from coordination.runtime.questions import Questions, settle
from coordination.simulation.loop import run_virtual
from tests.support.virtual import pass_time

ANSWER = Delivery(subject="inbox.1", payload=b"yes")


class Asked:
    """Questions, and what was heard of them and when, in ms."""

    def __init__(self) -> None:
        self.questions = Questions()
        self.heard: list[tuple[str, int, str]] = []

    def ask(self, token: str, timeout_s: float) -> Any:
        def hear(outcome: Delivery | ConclaveError) -> None:
            at_ms = round(asyncio.get_running_loop().time() * 1000)
            self.heard.append(
                (token, at_ms, str(outcome) if isinstance(outcome, ConclaveError) else "answer")
            )

        return self.questions.add(token, f"to.{token}", timeout_s, hear)

    def answer(self, token: str) -> None:
        question = self.questions.answered(token)
        if question is not None:
            question.on_answer(ANSWER)


def test_what_is_not_answered_in_time_is_given_up_in_time() -> None:
    async def run() -> None:
        asked = Asked()
        for token, timeout_s in (("a", 5.0), ("b", 1.0), ("c", 2.0)):
            asked.ask(token, timeout_s)
        await pass_time(1.5)
        asked.answer("c")
        asked.ask("d", 1.0)
        await pass_time(10)
        assert asked.heard == [
            ("b", 1000, "no answer on to.b within 1 s"),
            ("c", 1500, "answer"),
            ("d", 2500, "no answer on to.d within 1 s"),
            ("a", 5000, "no answer on to.a within 5 s"),
        ]

    run_virtual(lambda _: run())


def test_many_deadlines_close_together_are_dealt_with_together() -> None:
    async def run() -> None:
        asked = Asked()
        for number in range(1000):
            asked.ask(str(number), 1 + number / 100_000)
        await pass_time(2)
        assert len(asked.heard) == 1000
        assert len({at_ms for _, at_ms, _ in asked.heard}) <= 3
        assert max(at_ms for _, at_ms, _ in asked.heard) <= 1020

    run_virtual(lambda _: run())


def test_an_answer_that_comes_twice_or_too_late_is_nobodys() -> None:
    async def run() -> None:
        asked = Asked()
        asked.ask("a", 1.0)
        asked.answer("a")
        asked.answer("a")
        asked.ask("b", 1.0)
        await pass_time(2)
        asked.answer("b")
        asked.ask("c", 1.0).cancel()
        asked.answer("c")
        await pass_time(2)
        assert [token for token, _, _ in asked.heard] == ["a", "b"]

    run_virtual(lambda _: run())


def test_all_are_ended_at_once_or_only_those_meant() -> None:
    async def run() -> None:
        asked = Asked()
        for token in "abc":
            asked.ask(token, 1.0)
        asked.questions.end(lambda _: UnavailableError("away"), only=lambda each: each.subject == "to.b")
        assert asked.heard == [("b", 0, "away")]
        asked.questions.end(lambda _: ClosedError("closed"))
        assert asked.heard[1:] == [("a", 0, "closed"), ("c", 0, "closed")]
        await pass_time(2)
        assert len(asked.heard) == 3

    run_virtual(lambda _: run())


def test_who_no_longer_waits_is_told_nothing() -> None:
    async def run() -> None:
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        settle(answer, ANSWER)
        settle(answer, UnavailableError("too late"))
        assert await answer is ANSWER
        refused: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        settle(refused, UnavailableError("away"))
        with pytest.raises(UnavailableError, match="away"):
            await refused

    run_virtual(lambda _: run())
