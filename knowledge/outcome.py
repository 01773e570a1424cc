"""What became of a change that a peer sent: plain data, pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from knowledge.chunk import Reason
from knowledge.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """The change was refused and left no trace."""

    change_hash: str | None
    """Its hash (hex), or None if not even that could be read."""
    reason: Reason
    """Stable code."""
    detail: str
    """One clause for a person."""

    @property
    def retryable(self) -> bool:
        """Whether the same bytes may be taken later: only when there was no room to let them wait."""
        return self.reason is Reason.PENDING_FULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The change is in, with all waiting changes that it released."""

    change_hashes: tuple[str, ...]
    """What was applied, in order; the change itself first."""
    facts: tuple[Fact, ...]
    """Facts that are new to this replica."""
    refused: tuple[Quarantined, ...] = ()
    """Waiting changes that turned out not to fit when their dependencies came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The change waits; it is applied as soon as what it depends on is."""

    change_hash: str
    """Its hash (hex)."""
    missing: tuple[str, ...]
    """Hashes of the dependencies that are not here yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """The change was in already; nothing happened."""

    change_hash: str
    """Its hash (hex)."""


Outcome: TypeAlias = Applied | Pending | Duplicate | Quarantined
