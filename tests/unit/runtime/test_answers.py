"""The deduplication window is bounded, forgets the oldest answers first, and knows what it forgot."""

from __future__ import annotations

import pytest

from coordination.runtime.answers import Answers, CommandAnswered, CommandKey
from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import RETRY_SLACK_MS


def answered(command_id: str, *, caller: str = "ada", reply: str = "1") -> CommandAnswered:
    return CommandAnswered(caller=caller, command_id=command_id, fingerprint="f", reply=reply)


def key(command_id: str, *, caller: str = "ada", fingerprint: str = "f", age_ms: int = 0) -> CommandKey:
    return CommandKey(caller, command_id, fingerprint, age_ms)


def remembered(answers: Answers) -> list[str]:
    return [each.command_id for each in answers.snapshot()]


def test_an_answer_is_found_again_by_caller_and_id() -> None:
    answers = Answers()
    answers.apply(answered("c1", reply="7"), 0)
    assert answers.first_answer(key("c1"), 0) == "7"
    assert answers.first_answer(key("c2"), 0) is None
    assert answers.first_answer(key("c1", caller="bob"), 0) is None, "agents do not see others' answers"


def test_an_id_used_for_another_request_is_refused() -> None:
    answers = Answers()
    answers.apply(answered("c1"), 0)
    with pytest.raises(RejectedError, match="command_id_reused"):
        answers.first_answer(key("c1", fingerprint="g"), 0)


def test_the_oldest_answers_are_forgotten_beyond_the_count() -> None:
    answers = Answers(max_count=2)
    for at_ms, command_id in enumerate(("c1", "c2", "c3"), start=1):
        answers.apply(answered(command_id), at_ms)
    assert remembered(answers) == ["c2", "c3"]
    assert len(answers) == 2
    assert answers.forgotten_at_ms == 1


def test_the_oldest_answers_are_forgotten_beyond_the_bytes() -> None:
    answers = Answers(max_bytes=10)
    for command_id in ("c1", "c2", "c3"):
        answers.apply(answered(command_id, reply="12345"), 0)
    assert remembered(answers) == ["c2", "c3"]


def test_bytes_are_counted_not_characters() -> None:
    answers = Answers(max_bytes=10)
    answers.apply(answered("c1", reply="ÄÖ"), 0)
    answers.apply(answered("c2", reply="ÄÖÜ"), 0)
    assert len(answers) == 2
    answers.apply(answered("c3", reply="x"), 0)
    assert remembered(answers) == ["c2", "c3"]


def test_a_single_answer_larger_than_the_bound_is_kept() -> None:
    answers = Answers(max_bytes=3)
    answers.apply(answered("c1", reply="12345"), 0)
    assert answers.first_answer(key("c1"), 0) == "12345"


def test_the_same_command_counts_once() -> None:
    answers = Answers(max_bytes=10)
    for _ in range(5):
        answers.apply(answered("c1", reply="12345"), 0)
    answers.apply(answered("c2", reply="12345"), 0)
    assert len(answers) == 2


NOW_MS = 1_000_000
FORGOTTEN_AT_MS = NOW_MS - 60_000


def forgetful() -> Answers:
    answers = Answers(max_count=1)
    answers.apply(answered("c1"), FORGOTTEN_AT_MS)
    answers.apply(answered("c2"), NOW_MS)
    return answers


@pytest.mark.parametrize("age_ms", [60_000, 60_000 - RETRY_SLACK_MS, 3_600_000])
def test_a_retry_that_may_have_been_forgotten_is_not_done_again(age_ms: int) -> None:
    with pytest.raises(RejectedError, match=r"outcome_unknown: command c1 was first sent"):
        forgetful().first_answer(key("c1", age_ms=age_ms), NOW_MS)


@pytest.mark.parametrize("age_ms", [0, 1, 60_000 - RETRY_SLACK_MS - 1])
def test_a_command_younger_than_anything_forgotten_is_done(age_ms: int) -> None:
    assert forgetful().first_answer(key("c9", age_ms=age_ms), NOW_MS) is None


def test_a_window_that_forgot_nothing_knows_every_retry() -> None:
    assert Answers().first_answer(key("c1", age_ms=3_600_000), NOW_MS) is None
