"""The deduplication window agrees with a plain list that is searched every time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.answers import Answers, CommandAnswered, CommandKey, encode_answered
from coordination.runtime.framing import EventCodec, frame, unframe

ANSWERED = st.builds(
    CommandAnswered,
    caller=st.sampled_from(["ada", "bob"]),
    command_id=st.sampled_from([f"c{index}" for index in range(6)]),
    fingerprint=st.sampled_from(["f", "g"]),
    reply=st.text(alphabet="aä€😀", max_size=6),
)


def key(answered: CommandAnswered) -> tuple[str, str]:
    return answered.caller, answered.command_id


def window(history: list[CommandAnswered], max_count: int, max_bytes: int) -> list[CommandAnswered]:
    """What should be remembered after `history`, worked out the slow way."""
    kept: list[CommandAnswered] = []
    for answered in history:
        kept = [each for each in kept if key(each) != key(answered)] + [answered]
        while len(kept) > max_count or (
            len(kept) > 1 and sum(len(k.reply.encode()) for k in kept) > max_bytes
        ):
            kept = kept[1:]
    return kept


@given(st.lists(ANSWERED, max_size=40), st.integers(1, 8), st.integers(0, 60))
def test_the_window_is_what_a_naive_one_would_be(
    history: list[CommandAnswered], max_count: int, max_bytes: int
) -> None:
    answers = Answers(max_count=max_count, max_bytes=max_bytes)
    for answered in history:
        answers.apply(answered, 0)
    expected = window(history, max_count, max_bytes)
    assert [CommandAnswered(*each[:4]) for each in answers.snapshot()] == expected
    assert len(answers) == len(expected)
    by_key = {key(answered): answered for answered in expected}
    for answered in history:
        known = by_key.get(key(answered))
        looked_up = CommandKey(*key(answered), known.fingerprint if known is not None else "new")
        assert answers.first_answer(looked_up, 0) == (known.reply if known is not None else None)


@given(st.lists(ANSWERED, max_size=40), st.integers(0, 40))
def test_a_window_restored_from_its_answers_goes_on_as_before(
    history: list[CommandAnswered], cut: int
) -> None:
    whole, restored = Answers(max_count=5, max_bytes=30), Answers(max_count=5, max_bytes=30)
    first = Answers(max_count=5, max_bytes=30)
    for answered in history:
        whole.apply(answered, 0)
    for answered in history[:cut]:
        first.apply(answered, 0)
    for answered in (*(CommandAnswered(*each[:4]) for each in first.snapshot()), *history[cut:]):
        restored.apply(answered, 0)
    assert restored.snapshot() == whole.snapshot()


@given(
    st.builds(
        CommandAnswered,
        caller=st.text(),
        command_id=st.text(),
        fingerprint=st.text(),
        reply=st.text(),
    )
)
def test_an_answer_is_read_back_as_it_was_written(answered: CommandAnswered) -> None:
    codec = EventCodec((CommandAnswered,), encoders={CommandAnswered: encode_answered})
    record = unframe(frame(1, 0, [codec.encode(answered)]), codec)
    assert record.events == (answered,)
