"""Which uploads are going on, and how much room they hold. Plain data; the caller brings the time."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass

from coordination.artifacts.limits import MAX_CALLER_UPLOAD_BYTES, MAX_UPLOAD_BYTES, UPLOAD_AGE_S
from coordination.runtime.errors import RejectedError


@dataclass(frozen=True, slots=True)
class Upload:
    """An artifact that a caller is putting, chunk by chunk."""

    caller: str
    sha256: str


class Uploads:
    """The room that uncommitted artifacts hold, each for its whole size from its first chunk on.

    Invariants: at most `MAX_CALLER_UPLOAD_BYTES` of one caller and `MAX_UPLOAD_BYTES` of all; nothing is
    held longer than `UPLOAD_AGE_S` after its last chunk.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[Upload, tuple[int, float]] = OrderedDict()
        """Size in bytes and time of the last chunk in seconds, by that time."""
        self._by_caller: Counter[str] = Counter()

    def admit(self, upload: Upload, size_bytes: int, now_s: float) -> None:
        """Hold room for `upload`, or hold it longer.

        Raises:
            RejectedError: ``overloaded``; retry when other uploads have been committed or have expired.
        """
        self._expire(now_s)
        held_bytes = self._held.get(upload, (0, 0.0))[0]
        caller_bytes = self._by_caller[upload.caller] - held_bytes + size_bytes
        if caller_bytes > MAX_CALLER_UPLOAD_BYTES:
            message = f"{upload.caller} has too much uncommitted; commit it, or wait {UPLOAD_AGE_S} s"
            raise RejectedError("overloaded", message, retryable=True)
        if self._by_caller.total() - held_bytes + size_bytes > MAX_UPLOAD_BYTES:
            raise RejectedError("overloaded", "too much is being uploaded at once, try again", retryable=True)
        self.release(upload)
        self._held[upload] = (size_bytes, now_s)
        self._by_caller[upload.caller] += size_bytes

    def release(self, upload: Upload) -> None:
        """Hold no more room for `upload`; idempotent."""
        size_bytes, _ = self._held.pop(upload, (0, 0.0))
        self._by_caller[upload.caller] -= size_bytes
        if not self._by_caller[upload.caller]:
            del self._by_caller[upload.caller]

    def _expire(self, now_s: float) -> None:
        while self._held:
            oldest, (_, last_s) = next(iter(self._held.items()))
            if now_s - last_s < UPLOAD_AGE_S:
                return
            self.release(oldest)
