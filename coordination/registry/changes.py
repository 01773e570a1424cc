"""What changed in the registry, revision by revision: the recent past that watchers catch up from. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, Literal

from coordination.registry.record import Record, record_body

ChangeKind = Literal["registered", "updated", "deregistered", "online", "suspect", "offline", "expired"]
MAX_CHANGES: Final = 4096
MAX_CHANGES_BYTES: Final = 16 * 1024 * 1024
"""Of remembered changes with their records, as JSON."""
_CHANGE_BYTES: Final = 256
"""What a change takes beside its record: ids of at most 63 characters, numbers, names of fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one agent."""

    revision: int
    at_ms: int
    kind: ChangeKind
    agent: str
    incarnation: int
    record: Record | None = None
    """What is registered now; only for ``registered`` and ``updated``."""

    @property
    def size_bytes(self) -> int:
        """About what it takes as JSON, and never less."""
        return _CHANGE_BYTES + (0 if self.record is None else _CHANGE_BYTES + self.record.size_bytes)


@dataclass(slots=True)
class ChangeHistory:
    """The latest changes, without a gap; part of the registry's state.

    Invariants: revisions are consecutive; never more than `MAX_CHANGES` changes, nor more than
    `MAX_CHANGES_BYTES` unless a single change alone has more.
    """

    changes: deque[Change] = field(default_factory=deque)
    size_bytes: int = 0

    def append(self, change: Change) -> None:
        """Remember the next change, and forget the oldest beyond the bounds."""
        changes = self.changes
        assert not changes or change.revision == changes[-1].revision + 1
        changes.append(change)
        self.size_bytes += change.size_bytes
        while len(changes) > MAX_CHANGES or (self.size_bytes > MAX_CHANGES_BYTES and len(changes) > 1):
            self.size_bytes -= changes.popleft().size_bytes

    def after(self, revision: int, *, limit: int, max_bytes: int) -> tuple[Change, ...] | None:
        """The changes that follow on `revision`; None if the first of them is forgotten.

        Args:
            revision: Not later than the last one.
            limit: How many at most.
            max_bytes: How many bytes of JSON at most; one change may have more.
        """
        if not self.changes:
            return ()
        skipped = revision + 1 - self.changes[0].revision
        if skipped < 0:
            return None
        taken: list[Change] = []
        for change in islice(self.changes, skipped, skipped + limit):
            max_bytes -= change.size_bytes
            if taken and max_bytes < 0:
                break
            taken.append(change)
        return tuple(taken)


def change_body(change: Change) -> dict[str, Any]:
    """What the world is told of a change; read as `wire.Change`."""
    return {
        "revision": change.revision,
        "at_ms": change.at_ms,
        "kind": change.kind,
        "agent": change.agent,
        "incarnation": change.incarnation,
        "record": None if change.record is None else record_body(change.record),
    }
