"""Where changes wait for what they depend on: outside the engine, bounded; pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from knowledge.chunk import Change, ChangeRefusedError, Reason
from knowledge.facts import Fact
from knowledge.limits import MAX_PENDING_BYTES, MAX_PENDING_CHANGES, MAX_PENDING_CHANGES_PER_SIGNER


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change that passed all checks which need no history."""

    change: Change
    """The change."""
    signer: str
    """Agent id of who published it."""
    facts: tuple[Fact, ...]
    """Facts it asserts."""
    size_bytes: int
    """Its size on the wire."""


class PendingBuffer:
    """Changes that wait for a dependency, bounded in number, per signer and in bytes."""

    __slots__ = ("_by_hash", "_by_missing", "_per_signer", "_size_bytes")

    def __init__(self) -> None:
        self._by_hash: dict[str, Waiting] = {}
        self._by_missing: dict[str, list[str]] = {}
        self._per_signer: Counter[str] = Counter()
        self._size_bytes = 0

    def __contains__(self, change_hash: str) -> bool:
        return change_hash in self._by_hash

    def __len__(self) -> int:
        return len(self._by_hash)

    def add(self, change_hash: str, waiting: Waiting, missing: str) -> None:
        """Let a change wait for `missing`, one of its missing dependencies.

        Raises:
            ChangeRefusedError: There is no room.
        """
        if (
            len(self._by_hash) >= MAX_PENDING_CHANGES
            or self._per_signer[waiting.signer] >= MAX_PENDING_CHANGES_PER_SIGNER
            or self._size_bytes + waiting.size_bytes > MAX_PENDING_BYTES
        ):
            raise ChangeRefusedError(Reason.PENDING_FULL, "too many changes wait for their dependencies")
        self._by_hash[change_hash] = waiting
        self._by_missing.setdefault(missing, []).append(change_hash)
        self._per_signer[waiting.signer] += 1
        self._size_bytes += waiting.size_bytes

    def release(self, arrived: str) -> list[tuple[str, Waiting]]:
        """Take out the changes that waited for `arrived`; they may still miss something else."""
        released = [(name, self._by_hash.pop(name)) for name in self._by_missing.pop(arrived, ())]
        for _, waiting in released:
            self._per_signer[waiting.signer] -= 1
            self._size_bytes -= waiting.size_bytes
        return released
