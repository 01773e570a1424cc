"""The life of one prompt: what its client is sent, for whatever comes in and in whatever order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.gateway.foreign import END, Frame
from coordination.gateway.limits import MAX_KEPT_QUERIES, MAX_OPEN_QUERIES, Timing
from coordination.gateway.stream import TRANSITIONS, Input, PromptStream, State
from coordination.gateway.wire import (
    Chunk,
    DoneChunk,
    ErrorChunk,
    QueryChunk,
    ResponseChunk,
    StatusChunk,
)
from coordination.runtime.errors import RejectedError

TIMING = Timing(accept_ms=1000, silence_ms=5000, keepalive_ms=2000, total_ms=60_000)
WAIT_MS = 3000


def stream() -> PromptStream:
    return PromptStream("conclave.query.g.p", TIMING, 0)


def shown(frames: tuple[Frame, ...]) -> list[Any]:
    """What a client makes of them: chunks as (type, data), errors as their code, the end as None."""
    seen: list[Any] = []
    for frame in frames:
        if frame.code is not None:
            seen.append(frame.code)
        elif frame.payload:
            body = json.loads(frame.payload)
            seen.append((body["type"], body["data"]))
        else:
            seen.append(None)
    return seen


def refusal(prompt: PromptStream, sequence: int, chunk: Chunk) -> str:
    with pytest.raises(RejectedError) as caught:
        prompt.take(sequence, chunk, 0)
    return caught.value.code


def test_a_stream_begins_with_an_ack() -> None:
    assert shown(stream().begin()) == [("status", "ack")]


def test_chunks_go_out_as_they_come() -> None:
    prompt = stream()
    assert shown(prompt.take(1, StatusChunk(status="thinking"), 1)) == [("status", "thinking")]
    assert shown(prompt.take(2, ResponseChunk(text="Hel"), 2)) == [("response", "Hel")]
    assert shown(prompt.take(3, ResponseChunk(text="lo"), 3)) == [("response", "lo")]
    assert shown(prompt.take(4, DoneChunk(), 4)) == [None]
    assert prompt.state is State.ENDED
    assert prompt.due_ms() is None


def test_an_error_is_followed_by_the_end() -> None:
    prompt = stream()
    assert shown(prompt.take(1, ErrorChunk(code=429, message="busy"), 1)) == [429, None]
    assert prompt.state is State.ENDED


def test_a_chunk_that_comes_again_is_not_sent_again_also_after_the_end() -> None:
    prompt = stream()
    prompt.take(1, ResponseChunk(text="once"), 1)
    assert prompt.take(1, ResponseChunk(text="once"), 2) == ()
    prompt.take(2, DoneChunk(), 3)
    assert prompt.take(2, DoneChunk(), 4) == ()
    assert refusal(prompt, 3, ResponseChunk(text="late")) == "unknown_prompt"


def test_a_chunk_too_early_is_refused_and_can_be_sent_in_its_turn() -> None:
    prompt = stream()
    assert refusal(prompt, 2, ResponseChunk(text="second")) == "out_of_order"
    prompt.take(1, ResponseChunk(text="first"), 1)
    assert shown(prompt.take(2, ResponseChunk(text="second"), 1)) == [("response", "second")]


@pytest.mark.parametrize(
    ("chunks", "at_ms", "expected"),
    [
        ([], 999, []),
        ([], 1000, [500, None]),
        ([(1, StatusChunk(), 500)], 2499, []),
        ([(1, StatusChunk(), 500)], 2500, [("status", "working")]),
        ([(1, StatusChunk(), 500)], 5500, [500, None]),
        ([(1, StatusChunk(), 500), (2, StatusChunk(), 4000)], 5500, []),
        ([(number, StatusChunk(), number * 4000 - 3999) for number in range(1, 16)], 60_000, [500, None]),
        ([(1, DoneChunk(), 500)], 99_000, []),
    ],
)
def test_time_keeps_a_stream_alive_or_ends_it(
    chunks: list[tuple[int, Chunk, int]], at_ms: int, expected: list[Any]
) -> None:
    prompt = stream()
    for sequence, chunk, now_ms in chunks:
        prompt.take(sequence, chunk, now_ms)
    assert shown(prompt.pass_time(at_ms)) == expected


def test_a_stream_that_was_failed_says_so_once() -> None:
    prompt = stream()
    assert shown(prompt.fail(500, "the agent has gone")) == [500, None]
    assert prompt.fail(500, "again") == ()
    assert prompt.pass_time(99_000) == ()


def test_an_answer_finds_its_question() -> None:
    prompt = stream()
    (asked,) = shown(prompt.take(1, QueryChunk(text="Which?", wait_ms=WAIT_MS), 0))
    assert asked == ("query", {"id": "g.p.1", "reply_subject": "conclave.query.g.p.1", "prompt": "Which?"})
    assert prompt.look_for_answer(1, 10).state == "waiting"
    prompt.take_answer(1, b"the blue one")
    reply = prompt.look_for_answer(1, 20)
    assert (reply.state, reply.text) == ("answered", "the blue one")
    assert prompt.look_for_answer(1, 99_000).text == "the blue one", "asked again, because the reply was lost"


def test_the_first_answer_counts() -> None:
    prompt = stream()
    prompt.take(1, QueryChunk(text="Which?", wait_ms=WAIT_MS), 0)
    prompt.take_answer(1, b'{"prompt": "blue"}')
    prompt.take_answer(1, b"red")
    assert prompt.look_for_answer(1, 1).text == "blue"


@pytest.mark.parametrize("payload", [b"", b"{", b'{"prompt": ""}'])
def test_an_answer_that_is_none_ends_the_waiting(payload: bytes) -> None:
    prompt = stream()
    prompt.take(1, QueryChunk(text="Which?", wait_ms=WAIT_MS), 0)
    prompt.take_answer(1, payload)
    assert prompt.look_for_answer(1, 1).state == "expired"


def test_a_question_expires_and_takes_no_late_answer() -> None:
    prompt = stream()
    prompt.take(1, QueryChunk(text="Which?", wait_ms=WAIT_MS), 0)
    assert prompt.look_for_answer(1, WAIT_MS - 1).state == "waiting"
    assert prompt.look_for_answer(1, WAIT_MS).state == "expired"
    prompt.take_answer(1, b"late")
    assert prompt.look_for_answer(1, WAIT_MS + 1).state == "expired"


def test_what_was_never_asked_has_no_answer() -> None:
    prompt = stream()
    prompt.take(1, ResponseChunk(text="no question"), 0)
    prompt.take_answer(1, b"?")
    with pytest.raises(RejectedError, match="unknown_query"):
        prompt.look_for_answer(1, 0)


def test_questions_are_bounded_until_one_is_over() -> None:
    prompt = stream()
    for sequence in range(1, MAX_OPEN_QUERIES + 1):
        prompt.take(sequence, QueryChunk(text="?", wait_ms=WAIT_MS), 0)
    too_many = MAX_OPEN_QUERIES + 1
    assert refusal(prompt, too_many, QueryChunk(text="?", wait_ms=WAIT_MS)) == "too_many_queries"
    prompt.take_answer(1, b"yes")
    assert prompt.take(too_many, QueryChunk(text="?", wait_ms=WAIT_MS), 0)


def test_an_answer_can_be_fetched_after_further_questions_until_there_were_very_many() -> None:
    prompt = stream()
    for sequence in range(1, MAX_KEPT_QUERIES + 2):
        if sequence == MAX_KEPT_QUERIES + 1:
            assert prompt.look_for_answer(1, 1).text == "yes"
        prompt.take(sequence, QueryChunk(text="?", wait_ms=WAIT_MS), 0)
        prompt.take_answer(sequence, b"yes")
    assert prompt.look_for_answer(2, 1).text == "yes"
    with pytest.raises(RejectedError, match="unknown_query"):
        prompt.look_for_answer(1, 1)


def test_nothing_moves_a_prompt_that_has_ended() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.ENDED}
    assert {entered for _, entered in TRANSITIONS} == set(Input)


CHUNKS = st.sampled_from(
    [
        ResponseChunk(text="x"),
        StatusChunk(),
        QueryChunk(text="?", wait_ms=WAIT_MS),
        DoneChunk(),
        ErrorChunk(message="no"),
    ]
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(1, 8), CHUNKS),
        st.tuples(st.just("answer"), st.integers(1, 8), st.sampled_from([b"yes", b"", b"{"])),
        st.tuples(st.just("wait"), st.integers(0, 7000), st.none()),
        st.tuples(st.just("gone"), st.just(0), st.none()),
    ),
    max_size=30,
)


@given(STEPS)
def test_however_it_goes_there_is_one_end_and_nothing_after_it(steps: list[tuple[str, int, Any]]) -> None:
    prompt, now_ms = stream(), 0
    sent = list(prompt.begin())
    taken: list[int] = []
    for what, number, detail in steps:
        match what:
            case "take":
                before = prompt.last_sequence
                try:
                    sent += prompt.take(number, detail, now_ms)
                except RejectedError:
                    assert prompt.last_sequence == before
                taken += range(before + 1, prompt.last_sequence + 1)
            case "answer":
                prompt.take_answer(number, detail)
            case "wait":
                now_ms += number
                sent += prompt.pass_time(now_ms)
            case _:
                sent += prompt.fail(500, "gone")
    while (due_ms := prompt.due_ms()) is not None:
        assert due_ms <= TIMING.total_ms, "it ends, whatever the agent does"
        now_ms = max(now_ms, due_ms)
        sent += prompt.pass_time(now_ms)
    assert sent.count(END) == 1
    assert sent[-1] == END
    errors = [place for place, frame in enumerate(sent) if frame.code is not None]
    assert errors in ([], [len(sent) - 2])
    assert taken == sorted(set(taken)), "each chunk once, in order"
