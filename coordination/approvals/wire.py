"""The approval token, and what is asked of consensus to redeem it.

The token is what ``consensus.get`` shows as `approval` of a proposal that succeeded. It is no secret: it says
what was approved and until when, and consensus compares every field with its record. Redeeming is
``conclave.call.consensus.execute.<executor>``, once for each approval: the same executor may ask again with
the same execution id, and gets the same answer; anything else is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, Field, StringConstraints

from coordination.runtime.asking import mapping, request
from coordination.runtime.names import Id
from coordination.runtime.wire import Body, Reply

MAX_CONDITIONS: Final = 1024
MAX_CONDITION_CHARS: Final = 512
"""Of one condition, as consensus bounds it."""
MAX_WINNER_CHARS: Final = 64

Kind: TypeAlias = Literal[
    "infrastructure_change", "task_assignment", "knowledge_validation", "conflict_resolution", "custom"
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
"""64 digits of lower-case hex."""
EpochMs = Annotated[int, Field(ge=0, lt=2**53)]
"""Milliseconds since the Unix epoch."""
Condition = Annotated[str, StringConstraints(max_length=MAX_CONDITION_CHARS)]
Conditions = Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)]


class Approval(Body):
    """What a success entitles to; every field is needed, and every field is compared."""

    proposal_id: Id
    kind: Kind
    artifact_sha256: Sha256
    """The only artifact that it is about."""
    winner: Annotated[str, StringConstraints(max_length=MAX_WINNER_CHARS)] | None
    """The winning option, of a choice among options."""
    conditions: Conditions
    """What the votes in favour asked for; whoever presents the token confirms each."""
    not_before_ms: EpochMs
    expires_at_ms: EpochMs
    """Last instant at which it may be redeemed."""
    trail_hash: Sha256
    """Head of the proposal's audit trail when it was decided, or queued."""


def presented(approval: BaseModel | Mapping[str, Any] | None) -> Approval | None:
    """The token as a request carries it, from whatever a client was given it as.

    Raises:
        UsageError: It is no approval token; names what is wrong with it.
    """
    if approval is None or isinstance(approval, Approval):
        return approval
    given = approval.model_dump() if isinstance(approval, BaseModel) else mapping("approval", approval)
    return request(Approval, **given)


class RedeemRequest(Body):
    """What is asked of ``consensus.execute``."""

    proposal_id: Id
    execution_id: Id
    artifact_sha256: Sha256
    conditions_met: Conditions
    token: Approval


class Redeemed(Reply):
    """What is read of the answer: the approval is spent, on this."""

    proposal_id: Id
    executor: Id
    execution_id: str
    executed_at_ms: int
