"""The life of one prompt as its client sees it: what is sent when, and how it ends. Pure.

What comes in is a chunk of the agent's, an answer of the client's, time, or the news that the agent has gone;
what comes out are the frames to be sent, in order. However it goes, there is one ``ack`` at the beginning and
one end, and nothing after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from coordination.gateway import foreign
from coordination.gateway.foreign import END, Code, Envelope, EnvelopeError, Frame
from coordination.gateway.limits import MAX_KEPT_QUERIES, MAX_OPEN_QUERIES, Timing
from coordination.gateway.wire import (
    AnswerReply,
    Chunk,
    DoneChunk,
    ErrorChunk,
    QueryChunk,
    ResponseChunk,
    StatusChunk,
)
from coordination.runtime.errors import RejectedError


class State(Enum):
    """Where a prompt stands."""

    OFFERED = "offered"
    """The agent has shown no sign of it yet."""
    RUNNING = "running"
    ENDED = "ended"


class Input(Enum):
    """What moves a prompt on."""

    HEARD = "heard"
    """The agent said something that is not the end."""
    OVER = "over"
    """The agent, or its silence, ended it."""


TRANSITIONS: Final[dict[tuple[State, Input], State]] = {
    (State.OFFERED, Input.HEARD): State.RUNNING,
    (State.OFFERED, Input.OVER): State.ENDED,
    (State.RUNNING, Input.HEARD): State.RUNNING,
    (State.RUNNING, Input.OVER): State.ENDED,
}
"""What is not here does not happen: nothing moves a prompt that has ended."""


@dataclass(slots=True)
class _Question:
    due_ms: int
    answer: Envelope | None = None
    is_over: bool = False

    def pass_time(self, now_ms: int) -> None:
        self.is_over = self.is_over or now_ms >= self.due_ms


class PromptStream:
    """One prompt and the stream of its answer.

    Invariants: frames come out in the order of the chunks' numbers, each chunk once; after `END` comes none.

    Args:
        answers_at: What the subjects for answers to its questions begin with.
        timing: How long what may take.
        now_ms: When it began, by any clock that does not run backwards; all other times by the same.
    """

    def __init__(self, answers_at: str, timing: Timing, now_ms: int) -> None:
        self.state = State.OFFERED
        self.last_sequence = 0
        """Number of the last chunk taken."""
        self._answers_at = answers_at
        self._timing = timing
        self._began_ms = now_ms
        self._heard_ms = now_ms
        self._sent_ms = now_ms
        self._questions: dict[int, _Question] = {}

    def begin(self) -> tuple[Frame, ...]:
        """What opens the stream (section 6.4)."""
        return (foreign.status("ack"),)

    def take(self, sequence: int, chunk: Chunk, now_ms: int) -> tuple[Frame, ...]:
        """Take the agent's next chunk; nothing comes of one that was taken before.

        Raises:
            RejectedError: ``unknown_prompt``: it has ended. ``out_of_order``: chunks are missing before it.
                ``too_many_queries``.
        """
        if sequence <= self.last_sequence:
            return ()
        self._require_open()
        if sequence != self.last_sequence + 1:
            message = f"chunk {sequence} after chunk {self.last_sequence}; send them one after another"
            raise RejectedError("out_of_order", message)
        frames = self._frames(sequence, chunk, now_ms)
        self.last_sequence = sequence
        self._heard_ms = now_ms
        if frames:
            self._sent_ms = now_ms
        self._move(Input.OVER if frames and frames[-1] is END else Input.HEARD)
        return frames

    def _frames(self, sequence: int, chunk: Chunk, now_ms: int) -> tuple[Frame, ...]:
        match chunk:
            case ResponseChunk():
                return (foreign.response(chunk.text, chunk.attachments),)
            case StatusChunk():
                return (foreign.status(chunk.status),)
            case QueryChunk():
                self._ask(sequence, now_ms, chunk.wait_ms)
                reply_to = f"{self._answers_at}.{sequence}"
                return (
                    foreign.query(reply_to.partition(".query.")[2], reply_to, chunk.text, chunk.attachments),
                )
            case DoneChunk():
                return (END,)
            case ErrorChunk():
                return foreign.failure(chunk.code, chunk.message)

    def _ask(self, sequence: int, now_ms: int, wait_ms: int) -> None:
        for question in self._questions.values():
            question.pass_time(now_ms)  # nobody may have asked for its answer since
        if sum(not each.is_over for each in self._questions.values()) >= MAX_OPEN_QUERIES:
            message = f"{MAX_OPEN_QUERIES} questions wait for an answer already; wait for one of them"
            raise RejectedError("too_many_queries", message, retryable=True)
        self._questions[sequence] = _Question(now_ms + wait_ms)
        if len(self._questions) > MAX_KEPT_QUERIES:
            del self._questions[next(key for key, each in self._questions.items() if each.is_over)]

    def take_answer(self, sequence: int, payload: bytes) -> None:
        """Take the client's answer to question `sequence`; the first one counts.

        One that is not an envelope counts as none, and there will be no other (section 7.2).
        """
        question = self._questions.get(sequence)
        if question is None or question.is_over:
            return
        question.is_over = True
        try:
            question.answer = foreign.parse_envelope(payload)
        except EnvelopeError:
            return

    def look_for_answer(self, sequence: int, now_ms: int) -> AnswerReply:
        """Where the agent's question `sequence` stands; that it asks shows that it lives.

        Raises:
            RejectedError: ``unknown_prompt``: it has ended. ``unknown_query``: never asked, or long over.
        """
        self._require_open()
        self._heard_ms = now_ms
        question = self._questions.get(sequence)
        if question is None:
            raise RejectedError("unknown_query", f"chunk {sequence} was no question, or one of long ago")
        question.pass_time(now_ms)
        if not question.is_over:
            return AnswerReply(state="waiting")
        if question.answer is None:
            return AnswerReply(state="expired")
        return AnswerReply(
            state="answered",
            text=question.answer.prompt,
            attachments=question.answer.attachments or (),
            unknown=question.answer.unknown,
        )

    def answer_due_ms(self, sequence: int) -> int:
        """When question `sequence`, which `look_for_answer` knows, expires."""
        return self._questions[sequence].due_ms

    def due_ms(self) -> int | None:
        """When `pass_time` has something to do next; None when it has ended."""
        if self.state is State.ENDED:
            return None
        timing = self._timing
        return min(self._began_ms + timing.total_ms, self._silent_ms, self._sent_ms + timing.keepalive_ms)

    @property
    def _silent_ms(self) -> int:
        """When the agent has been silent for too long."""
        if self.state is State.OFFERED:
            return self._began_ms + self._timing.accept_ms
        return self._heard_ms + self._timing.silence_ms

    def pass_time(self, now_ms: int) -> tuple[Frame, ...]:
        """Keep the stream alive, or end it when the agent is silent or takes too long."""
        if self.state is State.ENDED:
            return ()
        if now_ms >= self._began_ms + self._timing.total_ms:
            return self.fail(500, "the agent took too long")
        if now_ms >= self._silent_ms:
            did_accept = self.state is State.RUNNING
            return self.fail(500, "the agent fell silent" if did_accept else "the agent did not respond")
        if now_ms >= self._sent_ms + self._timing.keepalive_ms:
            self._sent_ms = now_ms
            return (foreign.status(foreign.WORKING),)
        return ()

    def fail(self, code: Code, message: str) -> tuple[Frame, ...]:
        """End it with an error, unless it has ended."""
        if self.state is State.ENDED:
            return ()
        self._move(Input.OVER)
        return foreign.failure(code, message)

    def _require_open(self) -> None:
        if self.state is State.ENDED:
            raise unknown_prompt()

    def _move(self, entered: Input) -> None:
        self.state = TRANSITIONS[self.state, entered]
        if self.state is State.ENDED:
            self._questions.clear()  # nobody may fetch the answers any more, and they may be large


def unknown_prompt() -> RejectedError:
    """What an agent is told about a prompt that is not, or no longer, in flight."""
    return RejectedError("unknown_prompt", "no such prompt is in flight; stop working on it")
