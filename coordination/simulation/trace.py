"""What happened in a run, as one hash: the same seed and commit give the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

_SHOWN_BYTES: Final = 400


class Trace:
    """Hashes every event of a run with its virtual time; keeps readable lines if asked to.

    Args:
        time: Gives the virtual time in seconds.
        write: Takes each readable line; None to keep none.
    """

    def __init__(self, time: Callable[[], float], *, write: Callable[[str], object] | None = None) -> None:
        self._time = time
        self._write = write
        self._hash = hashlib.sha256()
        self.events = 0

    @property
    def digest(self) -> str:
        """SHA-256 of everything so far, in hex."""
        return self._hash.hexdigest()

    def note(self, event: str, *parts: object, payload: bytes = b"") -> None:
        """Record that `event` happened now; `parts` must have a ``str`` that depends on nothing random."""
        self.events += 1
        line = f"{self._time():.6f} {event} {' '.join(map(str, parts))}"
        self._hash.update(line.encode())
        self._hash.update(len(payload).to_bytes(4, "big"))
        self._hash.update(payload)
        if self._write is not None:
            shown = payload[:_SHOWN_BYTES].decode(errors="replace")
            self._write(f"{line} {shown}\n" if payload else f"{line}\n")

    def remark(self, text: str) -> None:
        """Write a line that is not part of the hash."""
        if self._write is not None:
            self._write(f"{self._time():.6f} # {text}\n")
