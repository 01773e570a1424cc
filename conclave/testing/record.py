"""What was said on the bus of a mesh, for tests to look at."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from coordination.runtime.memory import subject_matches

MAX_MESSAGES: Final = 50_000
"""Kept at a time; of more, the oldest go."""
MAX_BYTES: Final = 64 * 1024 * 1024
"""Payloads kept at a time; of more, the oldest go."""
_SHOWN_BYTES: Final = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One message, as it was published; whether it arrived is another matter."""

    at_s: float
    """Seconds since the mesh started; virtual ones in a `MemoryMesh`."""
    subject: str
    payload: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        """The payload read as JSON; None if it is empty or no JSON."""
        try:
            return from_json(self.payload)
        except ValueError:
            return None

    def __str__(self) -> str:
        """One line, the payload cut at 160 bytes."""
        cut = "…" if len(self.payload) > _SHOWN_BYTES else ""
        shown = self.payload[:_SHOWN_BYTES].decode(errors="replace")
        code = self.headers.get("Nats-Service-Error-Code", "")
        return f"{self.at_s:10.3f} s  {self.subject}  {f'[{code}] ' if code else ''}{shown}{cut}"


class Record:
    """Everything that was said, oldest first: calls, pushes, notices, heartbeats, and answers to agents.

    Bounded: at most `MAX_MESSAGES` messages and `MAX_BYTES` of payload; `forgotten_count` tells of more.
    """

    def __init__(self) -> None:
        self.forgotten_count: int = 0
        """Messages that were dropped because there were too many."""
        self._said: deque[Said] = deque()
        self._size_bytes = 0

    def on(self, pattern: str) -> list[Said]:
        """The messages whose subject matches `pattern`; ``*`` is one token, a final ``>`` all the rest."""
        return [said for said in self._said if subject_matches(pattern, said.subject)]

    def bodies(self, pattern: str) -> list[Any]:
        """The bodies of the messages whose subject matches `pattern`."""
        return [said.body for said in self.on(pattern)]

    def clear(self) -> None:
        """Forget everything said so far."""
        self._said.clear()
        self._size_bytes = 0

    def add(self, said: Said) -> None:
        """Append a message."""
        self._said.append(said)
        self._size_bytes += len(said.payload)
        while len(self._said) > MAX_MESSAGES or self._size_bytes > MAX_BYTES:
            self._size_bytes -= len(self._said.popleft().payload)
            self.forgotten_count += 1

    def __len__(self) -> int:
        return len(self._said)

    def __iter__(self) -> Iterator[Said]:
        return iter(self._said)
