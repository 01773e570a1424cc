"""What a prompt handler gets, and how what it says reaches whoever prompts."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conclave.agent.cancellation import Cancellation
from conclave.agent.context import Context
from conclave.agent.errors import WorkCancelledError
from conclave.session import Session
from coordination.gateway.client import GatewayClient
from coordination.gateway.foreign import Attachment
from coordination.gateway.limits import (
    MAX_ATTACHMENTS,
    MAX_CHUNK_CHARS,
    MAX_CHUNK_FILES_BYTES,
    MAX_FILENAME_CHARS,
    MAX_QUERY_WAIT_MS,
)
from coordination.gateway.wire import (
    Chunk,
    DoneChunk,
    ErrorChunk,
    PromptPush,
    QueryChunk,
    ResponseChunk,
    StatusChunk,
)
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError, UsageError
from coordination.runtime.trace import TraceContext

ANSWER_TIMEOUT_S: Final = 60.0
"""How long an answer to a question is waited for by default."""
GONE: Final = "nobody waits for the answer any more"
_OVER: Final = frozenset({"unknown_prompt", "not_yours"})
"""Codes of refusals after which nothing more can be said."""


class NoAnswerError(ConclaveError):
    """Raised by `PromptContext.ask`: nobody has answered in time."""


@dataclass(frozen=True, slots=True)
class File:
    """A file that comes with a prompt or goes with an answer."""

    name: str
    """From somebody else: never use it as a path without looking at it."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Piece:
    """Returned or yielded by a prompt handler: a piece of the answer that has files."""

    text: str = ""
    files: tuple[File, ...] = ()
    """At most 160 KiB each."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What whoever prompts has answered to a question."""

    text: str
    files: tuple[File, ...] = ()

    def __str__(self) -> str:
        return self.text


class Stream:
    """The answer to one prompt, chunk by chunk.

    Args:
        client: The agent's way to the gateway.
        push: The prompt.
    """

    def __init__(self, client: GatewayClient, push: PromptPush) -> None:
        self._client = client
        self._push = push
        self._sequence = 0
        self._cut: Chunk | None = None
        """The chunk with the last number, if its sending was cut short: it may have arrived, or not."""
        self._turn = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self.spoken_s: float = self._loop.time()
        """When something was last said, by the event loop's clock."""
        self.gone: asyncio.Future[None] = self._loop.create_future()
        """Done when nobody waits for the answer any more."""
        self.cancelled: Cancellation = Cancellation()
        """Set then, too, before anybody is told of it."""

    async def send(self, chunk: Chunk) -> int:
        """Send the next chunk; its number.

        Raises:
            WorkCancelledError: Nobody waits for it any more.
            RejectedError: The gateway does not take this chunk; the next one may be another.
        """
        async with self._turn:
            if self._cut is not None:
                # No other chunk may have its number; if it has arrived, nothing comes of it.
                with contextlib.suppress(RejectedError):
                    await self._send(self._cut)
            self._sequence += 1
            await self._send(chunk)
            return self._sequence

    async def _send(self, chunk: Chunk) -> None:
        """Send `chunk` under the present number, which is free again if it was refused."""
        self._require_listener()
        self._cut = chunk
        try:
            await self._client.respond(self._push, self._sequence, chunk)
        except RejectedError as error:
            if error.code not in _OVER:
                self._cut = None
                self._sequence -= 1
                raise
            self._lose()
        except UnavailableError:
            self._lose()  # there is no other gateway that knows whom to answer
        self._cut = None
        self._require_listener()
        self.spoken_s = self._loop.time()

    async def ask(self, chunk: QueryChunk) -> Answer | None:
        """Ask, and wait for the answer; None if there is none. Errors as `send`."""
        sequence = await self.send(chunk)
        try:
            while True:
                reply = await self._client.answer(self._push, sequence)
                if reply.state == "answered":
                    return Answer(reply.text, files_of(reply.attachments))
                if reply.state == "expired":
                    return None
        except UnavailableError:
            self._lose()
        except RejectedError as error:
            if error.code not in _OVER:
                raise
            self._lose()
        raise WorkCancelledError(GONE)

    async def keep_alive(self, interval_s: float) -> None:
        """Say something whenever nothing was said for `interval_s`, until nobody waits any more."""
        while not self.gone.done():
            silent_s = self._loop.time() - self.spoken_s
            if silent_s < interval_s:
                await asyncio.sleep(interval_s - silent_s)
                continue
            try:
                await self.send(StatusChunk())
            except WorkCancelledError:
                return
            except RejectedError:  # too much to do for it at this moment
                await asyncio.sleep(interval_s)

    async def end(self, chunk: DoneChunk | ErrorChunk) -> None:
        """Send the last chunk, if anybody waits for it."""
        with contextlib.suppress(WorkCancelledError):
            await self.send(chunk)

    def _require_listener(self) -> None:
        if self.gone.done():
            raise WorkCancelledError(GONE)

    def _lose(self) -> None:
        self.cancelled.set(GONE)
        if not self.gone.done():
            self.gone.set_result(None)


class PromptContext(Context):
    """A prompt being answered.

    Attributes:
        files: What came with the prompt.
        unknown: Fields of the prompt that the protocol does not define, such as those of an extension.
        cancelled: Set when nobody waits for the answer any more, or the agent stops. Async handlers are
            cancelled besides.
    """

    def __init__(
        self, session: Session, *, log: Any, trace: TraceContext, push: PromptPush, stream: Stream
    ) -> None:
        super().__init__(session, log=log, trace=trace)
        self.files: tuple[File, ...] = files_of(push.attachments)
        self.unknown: dict[str, Any] = push.unknown
        self.cancelled: Cancellation = stream.cancelled
        self._push = push
        self._stream = stream

    @property
    def prompt_id(self) -> str:
        """Names the prompt in logs."""
        return self._push.prompt_id

    async def say(self, text: str, *, files: Sequence[File] = ()) -> None:
        """Send a piece of the answer now; what the handler returns comes after it.

        Raises:
            UsageError: A file is too large, or has no name.
            WorkCancelledError: Nobody waits for the answer any more.
        """
        for chunk in chunks_of(Piece(text, tuple(files))):
            await self._stream.send(chunk)

    async def ask(
        self, question: str, *, files: Sequence[File] = (), timeout_s: float = ANSWER_TIMEOUT_S
    ) -> Answer:
        """Ask whoever prompts, and wait for the answer.

        Args:
            question: At most 32 Ki characters.
            files: To go with it.
            timeout_s: How long the answer is waited for, at most 600 s.

        Raises:
            NoAnswerError: There was none in time.
            WorkCancelledError: Nobody waits for the answer any more.
            UsageError: Something is out of bounds.
            RejectedError: ``too_many_queries``: 4 questions wait for an answer already.
        """
        if not 0 < timeout_s <= MAX_QUERY_WAIT_MS / 1000:
            raise UsageError(f"ask: timeout_s is {timeout_s}; at most {MAX_QUERY_WAIT_MS // 1000}")
        _require_text(question, "ask: the question")
        if len(question) > MAX_CHUNK_CHARS:
            raise UsageError(f"ask: the question has {len(question)} characters; at most {MAX_CHUNK_CHARS}")
        groups = list(_grouped(files))
        if len(groups) > 1:
            raise UsageError(f"ask: the files have more than {MAX_CHUNK_FILES_BYTES} bytes, or are too many")
        chunk = QueryChunk(
            text=question,
            attachments=groups[0] if groups else (),
            wait_ms=max(int(timeout_s * 1000), 1),
        )
        answer = await self._stream.ask(chunk)
        if answer is None:
            raise NoAnswerError(f"no answer to {question[:80]!r} within {timeout_s:g} s")
        return answer


def files_of(attachments: Iterable[Attachment]) -> tuple[File, ...]:
    """What was attached, decoded; the gateway has looked at the encoding."""
    return tuple(File(each.filename, base64.b64decode(each.content)) for each in attachments)


def chunks_of(piece: Piece) -> Iterator[ResponseChunk]:
    """The chunks that `piece` travels in: text first, cut where it is too long, then its files.

    Raises:
        UsageError: A file is too large, or has no name; or something cannot be sent as text.
    """
    _require_text(piece.text, "the text")
    groups = list(_grouped(piece.files))
    for start in range(0, len(piece.text), MAX_CHUNK_CHARS):
        yield ResponseChunk(text=piece.text[start : start + MAX_CHUNK_CHARS])
    for attachments in groups:
        yield ResponseChunk(text="", attachments=attachments)


def _require_text(text: str, what: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} holds half a surrogate pair, which cannot be sent as text") from None


def _grouped(files: Iterable[File]) -> Iterator[tuple[Attachment, ...]]:
    group: list[Attachment] = []
    size_bytes = 0
    for file in files:
        _require_text(file.name, f"file {file.name[:80]!r}: the name")
        if not 0 < len(file.name) <= MAX_FILENAME_CHARS:
            raise UsageError(f"file {file.name[:80]!r}: a name has 1 to {MAX_FILENAME_CHARS} characters")
        if len(file.content) > MAX_CHUNK_FILES_BYTES:
            raise UsageError(
                f"file {file.name[:80]!r} has {len(file.content)} bytes; at most {MAX_CHUNK_FILES_BYTES} can "
                "be sent: put it into an artifact and say its SHA-256"
            )
        size_bytes += len(file.content)
        if group and (size_bytes > MAX_CHUNK_FILES_BYTES or len(group) == MAX_ATTACHMENTS):
            yield tuple(group)
            group, size_bytes = [], len(file.content)
        group.append(Attachment(filename=file.name, content=base64.b64encode(file.content).decode()))
    if group:
        yield tuple(group)
