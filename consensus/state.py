"""What of consensus survives a restart: the trails, from which all else is rebuilt. Plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Final, get_args

from pydantic import Discriminator, Tag

from consensus.events import (
    CharterSet,
    CommentAdded,
    DeadlineExtended,
    DelegationSet,
    ElectorReleased,
    ElectorRestored,
    ExecutionReported,
    ProposalAmended,
    ProposalCanceled,
    ProposalCreated,
    ProposalDecided,
    ProposalEvent,
    ProposalExecuted,
    ProposalExpired,
    ProposalQueued,
    ProposalVetoed,
    VoteCast,
    VotingOpened,
)

EVENT_TYPES: Final[tuple[type, ...]] = get_args(ProposalEvent)
"""The events that stand in trails."""


def _time_field(event_type: type) -> str:
    """The field that says when an event happened, such as ``created_at_ms``."""
    names = [each.name for each in fields(event_type)]
    return next(name for name in reversed(names) if name.endswith("_at_ms"))


_NAMES_BY_TIME: Final = {_time_field(each): each.__name__ for each in EVENT_TYPES}
assert len(_NAMES_BY_TIME) == len(EVENT_TYPES), "events are told apart by the name of their time"


def _name_of(event: Any) -> str | None:
    """Name of the class of an event, or of what an object was written from; None if it is neither."""
    if not isinstance(event, dict):
        return type(event).__name__
    return next((_NAMES_BY_TIME[name] for name in event if name in _NAMES_BY_TIME), None)


StoredEvent = Annotated[
    Annotated[ProposalCreated, Tag("ProposalCreated")]
    | Annotated[CommentAdded, Tag("CommentAdded")]
    | Annotated[ProposalAmended, Tag("ProposalAmended")]
    | Annotated[VotingOpened, Tag("VotingOpened")]
    | Annotated[VoteCast, Tag("VoteCast")]
    | Annotated[DeadlineExtended, Tag("DeadlineExtended")]
    | Annotated[ElectorReleased, Tag("ElectorReleased")]
    | Annotated[ElectorRestored, Tag("ElectorRestored")]
    | Annotated[ProposalDecided, Tag("ProposalDecided")]
    | Annotated[ProposalQueued, Tag("ProposalQueued")]
    | Annotated[ProposalExecuted, Tag("ProposalExecuted")]
    | Annotated[ExecutionReported, Tag("ExecutionReported")]
    | Annotated[ProposalExpired, Tag("ProposalExpired")]
    | Annotated[ProposalCanceled, Tag("ProposalCanceled")]
    | Annotated[ProposalVetoed, Tag("ProposalVetoed")],
    Discriminator(_name_of),
]
"""A `ProposalEvent` that pydantic reads back as what it was, without trying one class after the other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusState:
    """Everything that survives a restart."""

    trails: dict[str, list[StoredEvent]] = field(default_factory=dict)
    """Proposal -> its events in order; proposals by their numbers."""
    delegations: list[DelegationSet] = field(default_factory=list)
    """Those that stand, by kind and agent."""
    charters: list[CharterSet] = field(default_factory=list)
    """Those that hold, by kind."""
    last_number: int = 0
    """Of the newest proposal, archived ones included."""
