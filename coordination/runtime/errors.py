"""Errors of the kernel: whose fault, and what the caller can do about it.

The wire code of an error is part of its class or instance; nothing else of it (no ``repr``, no
traceback, no path) ever leaves the process. Shape of the tree: trio and h2, see docs/adr/0001.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ConclaveError(Exception):
    """Root of every error that Conclave raises on purpose."""


class RejectedError(ConclaveError):
    """A service refused a request, as its rules say it must; nothing changed.

    Attributes:
        code: Stable, machine-readable reason (``unknown_agent``).
        message: One sentence for a person: what, where and how to mend it.
        retryable: Whether the same request may succeed later without being changed.
        details: Further plain JSON about the refusal.
        correlation_id: Names the refusal in the service's log; empty when there is none.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retryable: bool = False,
        details: Mapping[str, Any] | None = None,
        correlation_id: str = "",
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retryable = retryable
        self.details: Mapping[str, Any] = details or {}
        self.correlation_id = correlation_id


class UsageError(ConclaveError):
    """Our caller's mistake: an argument that can never be right."""


class PeerProtocolError(ConclaveError):
    """A peer sent bytes that are not what the wire contract says."""


class ClosedError(ConclaveError):
    """We closed it ourselves; the operation came too late."""


class UnavailableError(ConclaveError):
    """An outside cause (server down, nobody listens, timeout); the outcome may be unknown, retry."""


class BufferFullError(UnavailableError):
    """The connection is down and what waits to be sent has reached its bound; the message was not taken."""


class AuthorizationError(ConclaveError):
    """The NATS server does not let this agent in; trying again changes nothing until somebody mends it."""


class PermissionDeniedError(ConclaveError):
    """The NATS server lets this agent in, but not publish to or subscribe to that subject."""


class NotLeaderError(ConclaveError):
    """Somebody else writes this shard's journal now; our state is void."""


class CompactedError(ConclaveError):
    """The records asked for are covered by a snapshot and were removed; load the snapshot."""


class CorruptJournalError(ConclaveError):
    """A journal record is missing or unreadable. Named and refused, never skipped.

    Attributes:
        sequence: Stream sequence of the record in question.
    """

    def __init__(self, journal: str, sequence: int, problem: str) -> None:
        super().__init__(f"journal {journal}, record {sequence}: {problem}")
        self.sequence = sequence
