"""What waits in a host's queue: a request, and the way its answer goes."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from coordination.runtime.answers import CommandKey
from coordination.runtime.shard import ReplyType


class Request(ABC):
    """A command or query in the queue.

    Args:
        run: Command: (model, now_ms) -> Outcome or Rejected. Query: -> the answer.
        reply_type: Writes the answer as JSON.
        is_query: Whether it only reads.
        key: Makes a command idempotent.
        deadline_s: When nobody waits any more, by the event loop's clock; None for never.
    """

    __slots__ = ("deadline_s", "is_query", "key", "reply_type", "run")

    def __init__(
        self,
        run: Callable[[Any, int], Any],
        *,
        reply_type: ReplyType,
        is_query: bool = False,
        key: CommandKey | None = None,
        deadline_s: float | None = None,
    ) -> None:
        self.run = run
        self.reply_type = reply_type
        self.is_query = is_query
        self.key = key
        self.deadline_s = deadline_s

    @property
    def size_bytes(self) -> int:
        """How large its body is, which says how much work it may be; 0 if it came from within the process."""
        return 0

    @abstractmethod
    def is_abandoned(self) -> bool:
        """Whether nobody waits for the answer any more."""

    @abstractmethod
    async def respond(self, answer: str | Exception) -> None:
        """Give the JSON reply, or the refusal."""

    @abstractmethod
    def refuse(self, error: Exception) -> None:
        """Give a refusal without waiting, when the host ends."""


class FutureRequest(Request):
    """A request from within the process; its answer is awaited as `result`."""

    __slots__ = ("result",)

    def __init__(self, run: Callable[[Any, int], Any], **options: Any) -> None:
        super().__init__(run, **options)
        self.result: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def is_abandoned(self) -> bool:
        """Whether the caller was cancelled."""
        return self.result.done()

    async def respond(self, answer: str | Exception) -> None:
        """Wake the caller."""
        if self.result.done():
            return
        if isinstance(answer, Exception):
            self.result.set_exception(answer)
        else:
            self.result.set_result(answer)

    def refuse(self, error: Exception) -> None:
        """Wake the caller with an error."""
        if not self.result.done():
            self.result.set_exception(error)
