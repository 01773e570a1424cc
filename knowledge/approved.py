"""Redeems the approvals that come with facts and changes, before anything of them is stored.

An execution is exactly the approved content in exactly its topic, so whoever asks again has the same one:
knowledge stores the same content once, however often it comes. An approval that is presented is redeemed in
any topic, and one whose name begins with ``approved-`` takes nothing without.
"""

from __future__ import annotations

from typing import Final

from coordination.approvals.artifact import Artifact
from coordination.approvals.redeeming import execution_of, redeem
from coordination.approvals.wire import Approval, Kind
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from knowledge import wire
from knowledge.artifact import APPROVED_PREFIX, change_artifact, fact_artifact, needs_approval
from knowledge.chunk import ChangeRefusedError, decode_change
from knowledge.facts import Fact
from knowledge.gate import check_author

KINDS: Final[frozenset[Kind]] = frozenset({"knowledge_validation"})
"""Kinds of proposals that may approve knowledge."""


async def redeem_for_fact(caller: Caller, request: wire.AssertRequest, fact: Fact) -> None:
    """Return when `fact` may be asserted.

    Args:
        caller: The knowledge service's own; approvals are redeemed in its name.
        request: In which it is stated.
        fact: As it will be stored.

    Raises:
        RejectedError: ``approval_required``; ``invalid_fact``: its time is not given; or as
            `coordination.approvals.redeeming.redeem`.
        UnavailableError: Consensus does not answer.
    """
    approval = _required(request.topic, request.approval)
    if approval is None:
        return
    if request.asserted_at_ms is None:
        raise RejectedError(
            "invalid_fact",
            "asserted_at_ms must be given with an approval: the time is part of what was approved",
            details={"field": "asserted_at_ms"},
        )
    await _redeem(caller, approval, fact_artifact(request.topic, fact), request.conditions_met)


async def redeem_for_change(caller: Caller, request: wire.PublishRequest, signer: str) -> None:
    """Return when the change may be stored as that of `signer`; otherwise as `redeem_for_fact`.

    Raises:
        RejectedError: ``invalid_change``: no replica would take it from `signer`, so no approval is spent.
    """
    approval = _required(request.topic, request.approval)
    if approval is None:
        return
    try:
        check_author(decode_change(request.content)[1], signer)
    except ChangeRefusedError as refusal:
        raise RejectedError("invalid_change", f"no replica would take it: {refusal}") from None
    artifact = change_artifact(request.topic, request.content)
    await _redeem(caller, approval, artifact, request.conditions_met)


def require_no_approval(topic: str) -> None:
    """Refuse what comes to a topic without a way to present an approval.

    Raises:
        RejectedError: ``approval_required``.
    """
    _required(topic, None)


def _required(topic: str, approval: Approval | None) -> Approval | None:
    if approval is None and needs_approval(topic):
        raise RejectedError(
            "approval_required",
            f"topic {topic} begins with {APPROVED_PREFIX!r} and takes only what a vote has approved; "
            "propose it, and present the approval with it",
        )
    return approval


async def _redeem(
    caller: Caller, approval: Approval, artifact: Artifact, conditions_met: tuple[str, ...]
) -> None:
    await redeem(
        caller,
        approval,
        artifact,
        kinds=KINDS,
        execution_id=execution_of(artifact.sha256),
        conditions_met=conditions_met,
    )
