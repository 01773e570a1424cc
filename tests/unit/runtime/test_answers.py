"""The deduplication window is bounded and forgets the oldest answers first."""

from __future__ import annotations

from coordination.runtime.answers import Answers, CommandAnswered


def answered(command_id: str, *, caller: str = "ada", reply: str = "1") -> CommandAnswered:
    return CommandAnswered(caller=caller, command_id=command_id, fingerprint="f", reply=reply)


def test_an_answer_is_found_again_by_caller_and_id() -> None:
    answers = Answers()
    first = answered("c1")
    answers.apply(first)
    assert answers.get("ada", "c1") is first
    assert answers.get("ada", "c2") is None
    assert answers.get("bob", "c1") is None, "one agent must not see what another was answered"


def test_the_oldest_answers_are_forgotten_beyond_the_count() -> None:
    answers = Answers(max_count=2)
    for command_id in ("c1", "c2", "c3"):
        answers.apply(answered(command_id))
    assert [each.command_id for each in answers.snapshot()] == ["c2", "c3"]
    assert len(answers) == 2


def test_the_oldest_answers_are_forgotten_beyond_the_bytes() -> None:
    answers = Answers(max_bytes=10)
    for command_id in ("c1", "c2", "c3"):
        answers.apply(answered(command_id, reply="12345"))
    assert [each.command_id for each in answers.snapshot()] == ["c2", "c3"]


def test_bytes_are_counted_not_characters() -> None:
    answers = Answers(max_bytes=10)
    answers.apply(answered("c1", reply="ÄÖ"))
    answers.apply(answered("c2", reply="ÄÖÜ"))
    assert len(answers) == 2
    answers.apply(answered("c3", reply="x"))
    assert [each.command_id for each in answers.snapshot()] == ["c2", "c3"]


def test_a_single_answer_larger_than_the_bound_is_kept() -> None:
    answers = Answers(max_bytes=3)
    answers.apply(answered("c1", reply="12345"))
    assert answers.get("ada", "c1") is not None


def test_the_same_command_counts_once() -> None:
    answers = Answers(max_bytes=10)
    for _ in range(5):
        answers.apply(answered("c1", reply="12345"))
    answers.apply(answered("c2", reply="12345"))
    assert len(answers) == 2
