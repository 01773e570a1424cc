"""Redeems approvals at consensus, in the name of whoever acts on them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from hashlib import sha256
from typing import Final

from coordination.approvals.artifact import Artifact
from coordination.approvals.wire import Approval, Kind, Redeemed, RedeemRequest
from coordination.runtime.asking import items, request
from coordination.runtime.canonical import canonical_json
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError

CONSENSUS: Final = "consensus"
PATIENCE_S: Final = 4.0
"""Longer than a leader of consensus takes to be replaced, shorter than a caller's second attempt."""


def execution_of(*parts: str) -> str:
    """The execution id of the effect that `parts` name: the same parts give the same id, others another.

    Made of everything that makes the effect what it is: then nobody can have it take the place of another
    that was redeemed and not done yet.
    """
    return sha256(canonical_json(list(parts)).encode()).hexdigest()[:32]


async def redeem(
    caller: Caller,
    approval: Approval,
    artifact: Artifact,
    *,
    kinds: Collection[Kind],
    execution_id: str,
    conditions_met: Iterable[str] = (),
) -> Redeemed:
    """Spend `approval` on exactly this effect; afterwards it is good for no other.

    Do it before the effect, and make the effect idempotent under `execution_id`: who is killed between
    the two asks again with the same one, and gets the same answer.

    Args:
        caller: Whoever acts; the approval is redeemed in its name.
        approval: As it was presented.
        artifact: What the effect consists of, computed by whoever acts and not taken from the presenter.
        kinds: The kinds of proposals that may approve such an effect.
        execution_id: Names the effect: `execution_of` whatever it is made of.
        conditions_met: The conditions of the approval that the presenter confirms.

    Raises:
        RejectedError: ``wrong_kind``; or as consensus refuses it: ``may_not_execute``, ``wrong_artifact``,
            ``token_mismatch``, ``not_succeeded``, ``timelock_pending``, ``approval_expired``,
            ``already_executed``, ``conditions_unmet``, ``unknown_proposal``.
        UnavailableError: Consensus does not answer; asking again is safe.
    """
    if approval.kind not in kinds:
        raise RejectedError(
            "wrong_kind",
            f"proposal {approval.proposal_id} is a {approval.kind}; this takes {' or '.join(sorted(kinds))}",
        )
    body = request(
        RedeemRequest,
        proposal_id=approval.proposal_id,
        execution_id=execution_id,
        artifact_sha256=artifact.sha256,
        conditions_met=items("conditions_met", conditions_met, of="texts"),
        token=approval,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await caller.command(CONSENSUS, "execute", body, Redeemed)
    except TimeoutError:
        raise UnavailableError("consensus does not answer, so the approval is not redeemed") from None
