"""Requests that wait for their answers, and how long: one timer for all of them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final

from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import ConclaveError, UnavailableError

_LIMIT_STEP_S: Final = 0.01
"""How much later than in time requests may be given up: so the timer rings for many of them at once."""

Answered = Callable[[Delivery | ConclaveError], None]
"""Gets the answer, or why there is none. Must not raise."""


class Question:
    """A request, until its answer comes or it is given up."""

    __slots__ = ("_asked", "_token", "deadline_s", "on_answer", "subject", "timeout_s")

    def __init__(
        self, asked: dict[str, Question], token: str, subject: str, timeout_s: float, on_answer: Answered
    ) -> None:
        self.subject = subject
        self.timeout_s = timeout_s
        self.deadline_s = asyncio.get_running_loop().time() + timeout_s
        """When to give up, by the loop's clock."""
        self.on_answer = on_answer
        self._asked = asked
        self._token = token
        asked[token] = self

    def cancel(self) -> None:
        """Want no answer any more; idempotent."""
        self._asked.pop(self._token, None)


class Questions:
    """All that one connection was asked to ask and that is not answered yet."""

    def __init__(self) -> None:
        self._asked: dict[str, Question] = {}
        self._limit: asyncio.TimerHandle | None = None
        """Rings no later than the first deadline. It stays when an answer comes, so it often rings for
        nothing: far less often than one would be made and cancelled for each request."""
        self._limit_s = math.inf
        """When it rings."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked now."""
        return not self._asked

    def add(self, token: str, subject: str, timeout_s: float, on_answer: Answered) -> Question:
        """Expect the answer with `token`, which no other request has.

        Args:
            token: What tells the answer.
            subject: What was asked, for errors.
            timeout_s: When to give up.
            on_answer: Called once, unless the question is cancelled.
        """
        question = Question(self._asked, token, subject, timeout_s, on_answer)
        if question.deadline_s < self._limit_s:
            self._ring_at(question.deadline_s)
        return question

    def answered(self, token: str) -> Question | None:
        """What was asked with `token`, and is now asked no more; None if it was not, or was given up."""
        return self._asked.pop(token, None)

    def end(
        self, why: Callable[[Question], ConclaveError], *, only: Callable[[Question], bool] | None = None
    ) -> None:
        """Give questions up: all, or `only` those."""
        ending = [each for each in self._asked.values() if only is None or only(each)]
        for question in ending:
            question.cancel()
        if not self._asked:
            self._silence()
        for question in ending:
            question.on_answer(why(question))

    def _ring_at(self, limit_s: float) -> None:
        self._silence()
        self._limit_s = limit_s
        self._limit = asyncio.get_running_loop().call_at(limit_s, self._give_up)

    def _silence(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
        self._limit, self._limit_s = None, math.inf

    def _give_up(self) -> None:
        """End what was not answered in time."""
        self._silence()
        now_s = asyncio.get_running_loop().time()
        self.end(_too_late, only=lambda each: each.deadline_s <= now_s)
        first_s = min((each.deadline_s for each in self._asked.values()), default=math.inf)
        if first_s < self._limit_s:  # whoever heard that it was too late may have asked anew
            self._ring_at(max(first_s, now_s + _LIMIT_STEP_S))


def _too_late(question: Question) -> ConclaveError:
    return UnavailableError(f"no answer on {question.subject} within {question.timeout_s:g} s")


def settle(answer: asyncio.Future[Delivery], outcome: Delivery | ConclaveError) -> None:
    """Hand `outcome` to whoever awaits `answer`, if anybody still does."""
    if answer.done():
        return
    if isinstance(outcome, Delivery):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)
