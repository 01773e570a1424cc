"""The requests that wait for their host: bounded, and weighed."""

from __future__ import annotations

from collections import deque

from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_PENDING_COMMANDS, MIN_PIPELINED_BYTES, MIN_PIPELINED_COMMANDS
from coordination.runtime.requests import Request


class RequestQueue(deque[Request]):
    """Requests in the order in which they came; `put` and `take` are the only ways in and out."""

    def __init__(self) -> None:
        super().__init__()
        self._size_bytes = 0

    @property
    def is_heavy(self) -> bool:
        """Whether so much waits that it is not to wait for a record in flight."""
        return len(self) >= MIN_PIPELINED_COMMANDS or self._size_bytes >= MIN_PIPELINED_BYTES

    def put(self, request: Request) -> None:
        """Let `request` wait.

        Raises:
            RejectedError: ``overloaded``: too many do.
        """
        if len(self) >= MAX_PENDING_COMMANDS:
            raise RejectedError("overloaded", "too many requests are waiting, try again", retryable=True)
        self.append(request)
        self._size_bytes += request.size_bytes

    def take(self) -> Request:
        """The one that has waited longest."""
        request = self.popleft()
        self._size_bytes -= request.size_bytes
        return request

    def take_all(self) -> list[Request]:
        """All that wait."""
        return [self.take() for _ in range(len(self))]
