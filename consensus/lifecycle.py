"""The states of a proposal and what leads from one to another. Pure.

Names and order are OpenZeppelin Governor's: ``pending`` (discussion) -> ``active`` (voting) -> ``succeeded``
or ``defeated``; ``succeeded`` -> ``queued`` (timelock) -> ``executed`` or ``expired``; ``canceled`` and
``vetoed`` at any stage before that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from consensus.events import (
    CommentAdded,
    DeadlineExtended,
    ElectorReleased,
    ElectorRestored,
    ExecutionReported,
    ProposalAmended,
    ProposalCanceled,
    ProposalDecided,
    ProposalEvent,
    ProposalExecuted,
    ProposalExpired,
    ProposalQueued,
    ProposalVetoed,
    VoteCast,
    VotingOpened,
)

Status = Literal[
    "pending",
    "active",
    "succeeded",
    "defeated",
    "queued",
    "executed",
    "expired",
    "canceled",
    "vetoed",
]
Input = Literal[
    "discuss",
    "amend",
    "open",
    "vote",
    "extend",
    "release",
    "restore",
    "win",
    "lose",
    "queue",
    "execute",
    "report",
    "expire",
    "cancel",
    "veto",
]

LIFECYCLE: Final[Mapping[tuple[Status, Input], Status]] = {
    ("pending", "discuss"): "pending",
    ("pending", "amend"): "pending",
    ("pending", "open"): "active",
    ("pending", "cancel"): "canceled",
    ("pending", "veto"): "vetoed",
    ("active", "discuss"): "active",
    ("active", "vote"): "active",
    ("active", "extend"): "active",
    ("active", "release"): "active",
    ("active", "restore"): "active",
    ("active", "win"): "succeeded",
    ("active", "lose"): "defeated",
    ("active", "cancel"): "canceled",
    ("active", "veto"): "vetoed",
    ("succeeded", "queue"): "queued",
    ("succeeded", "execute"): "executed",
    ("succeeded", "expire"): "expired",
    ("succeeded", "cancel"): "canceled",
    ("succeeded", "veto"): "vetoed",
    ("queued", "execute"): "executed",
    ("queued", "expire"): "expired",
    ("queued", "cancel"): "canceled",
    ("queued", "veto"): "vetoed",
    ("executed", "report"): "executed",
}
"""What may happen to a proposal, and what it becomes; any other pair is refused."""

SETTLED: Final[frozenset[Status]] = frozenset({"defeated", "executed", "expired", "canceled", "vetoed"})
"""Nothing becomes of these any more; a receipt may still be added to ``executed``."""

_INPUTS: Final[Mapping[type, Input]] = {
    CommentAdded: "discuss",
    ProposalAmended: "amend",
    VotingOpened: "open",
    VoteCast: "vote",
    DeadlineExtended: "extend",
    ElectorReleased: "release",
    ElectorRestored: "restore",
    ProposalQueued: "queue",
    ProposalExecuted: "execute",
    ExecutionReported: "report",
    ProposalExpired: "expire",
    ProposalCanceled: "cancel",
    ProposalVetoed: "veto",
}


def status_after(status: Status, event: ProposalEvent) -> Status:
    """What a proposal becomes by `event`.

    Raises:
        KeyError: Nothing of the kind happens to a proposal in `status`.
    """
    if isinstance(event, ProposalDecided):
        return LIFECYCLE[status, "win" if event.status == "succeeded" else "lose"]
    return LIFECYCLE[status, _INPUTS[type(event)]]
