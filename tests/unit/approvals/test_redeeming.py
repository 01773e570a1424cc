"""Redeeming at consensus: what is sent, what is refused without asking, and who may ask again."""

from __future__ import annotations

from typing import Any

import pytest

from consensus.client import ConsensusClient
from coordination.approvals.artifact import Artifact, artifact
from coordination.approvals.redeeming import execution_of, redeem
from coordination.approvals.wire import Approval, Redeemed, presented
from coordination.runtime.canonical import NotCanonicalError
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from tests.support.approving import WINDOW_MS, Hall, a_hall, token_of

ARTIFACT = Artifact(b"what was approved")
OTHER = "0" * 64
RULES: dict[str, Any] = {"timelock_ms": 1_000}


async def redeemed(hall: Hall, token: Approval, *, agent: str = "tasks", **changed: Any) -> Redeemed:
    given = {"kinds": {"custom"}, "execution_id": "first", "artifact": ARTIFACT, **changed}
    return await redeem(hall.caller(agent), token, given.pop("artifact"), **given)


async def refusal(hall: Hall, token: Approval, **changed: Any) -> str:
    with pytest.raises(RejectedError) as refused:
        await redeemed(hall, token, **changed)
    assert not refused.value.retryable
    return refused.value.code


async def test_an_approval_is_redeemed_once_and_who_did_may_ask_again() -> None:
    async with a_hall() as hall:
        proposal = await hall.approved(ARTIFACT)
        first = await redeemed(hall, token_of(proposal))
        assert (first.proposal_id, first.executor, first.execution_id) == (
            proposal.proposal_id,
            "tasks",
            "first",
        )
        hall.clock.advance(WINDOW_MS + 1)
        assert await redeemed(hall, token_of(proposal)) == first
        assert await refusal(hall, token_of(proposal), agent="knowledge") == "already_executed"
        assert await refusal(hall, token_of(proposal), execution_id="second") == "already_executed"


async def test_asking_again_for_something_else_or_with_another_token_is_refused() -> None:
    async with a_hall() as hall:
        proposal = await hall.approved(ARTIFACT, conditions=["backup made"])
        await redeemed(hall, token_of(proposal), conditions_met=["backup made"])
        met: dict[str, Any] = {"conditions_met": ["backup made"]}
        assert await refusal(hall, token_of(proposal), artifact=Artifact(b"else"), **met) == "wrong_artifact"
        altered = token_of(proposal, trail_hash=OTHER)
        assert await refusal(hall, altered, **met) == "token_mismatch"
        assert await refusal(hall, token_of(proposal)) == "conditions_unmet"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"kind": "conflict_resolution"}, "kind"),
        ({"artifact_sha256": OTHER}, "artifact_sha256"),
        ({"winner": "a"}, "winner"),
        ({"conditions": ["x"]}, "conditions"),
        ({"not_before_ms": 1}, "not_before_ms"),
        ({"expires_at_ms": 1}, "expires_at_ms"),
        ({"trail_hash": OTHER}, "trail_hash"),
    ],
)
async def test_every_field_of_the_token_is_compared(changed: dict[str, Any], field: str) -> None:
    async with a_hall() as hall:
        proposal = await hall.approved(ARTIFACT)
        with pytest.raises(RejectedError, match=f"token: {field} ") as refused:
            await redeemed(hall, token_of(proposal, **changed), kinds={"custom", "conflict_resolution"})
        assert refused.value.code == "token_mismatch"
        assert await hall.status(proposal.proposal_id) == "succeeded"


async def test_an_approval_counts_from_the_end_of_its_timelock_until_it_expires() -> None:
    async with a_hall() as hall:
        first, second, third = [await hall.approved(ARTIFACT, **RULES) for _ in range(3)]
        hall.clock.advance(999)
        assert await refusal(hall, token_of(first)) == "timelock_pending"
        hall.clock.advance(1)
        await redeemed(hall, token_of(first))
        hall.clock.advance(WINDOW_MS)
        await redeemed(hall, token_of(second))
        hall.clock.advance(1)
        assert await refusal(hall, token_of(third)) == "approval_expired"


async def test_a_proposal_that_was_stopped_after_its_success_approves_nothing() -> None:
    async with a_hall() as hall:
        vetoed = await hall.approved(ARTIFACT, veto_holders=["bob"], **RULES)
        canceled = await hall.approved(ARTIFACT, guardian="bob", **RULES)
        bob = ConsensusClient(hall.caller("bob"))
        await bob.veto(vetoed.proposal_id, "too risky")
        await bob.cancel(canceled.proposal_id)
        hall.clock.advance(1_000)
        assert [await refusal(hall, token_of(each)) for each in (vetoed, canceled)] == ["not_succeeded"] * 2


async def test_another_kind_of_proposal_is_refused_without_asking_consensus() -> None:
    async with a_hall() as hall:
        token = token_of(await hall.approved(ARTIFACT, "task_assignment"))
        await hall.stop_one("consensus")
        with pytest.raises(RejectedError, match="is a task_assignment; this takes a or b") as refused:
            await redeemed(hall, token, kinds={"b", "a"})
        assert refused.value.code == "wrong_kind"


async def test_without_consensus_asking_again_is_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordination.approvals.redeeming.PATIENCE_S", 0.05)
    async with a_hall() as hall:
        token = token_of(await hall.approved(ARTIFACT))
        await hall.stop_one("consensus")
        with pytest.raises(UnavailableError, match="consensus does not answer"):
            await redeemed(hall, token)


def test_executions_are_told_apart_by_every_part() -> None:
    ids = {
        execution_of(*parts) for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("bc", "a"))
    }
    assert len(ids) == 5
    assert execution_of("a", "bc") == execution_of("a", "bc")
    assert all(len(each) == 32 for each in ids)


def test_a_document_names_its_purpose_and_has_one_spelling() -> None:
    assert artifact("p", b=1.0, a=[None]).content == b'{"a":[null],"b":1,"purpose":"p"}'
    assert artifact("p", b=1, a=[None]) == artifact("p", a=(None,), b=1.0)
    assert artifact("q", b=1, a=[None]).sha256 != artifact("p", b=1, a=[None]).sha256
    deep: Any = None
    for _ in range(64):
        deep = [deep]
    with pytest.raises(NotCanonicalError, match="nested more than 64 deep"):
        artifact("p", a=deep)


async def test_a_token_is_presented_as_consensus_showed_it() -> None:
    async with a_hall() as hall:
        proposal = await hall.approved(ARTIFACT, conditions=["backup made"])
    assert proposal.approval is not None
    token = token_of(proposal)
    assert presented(proposal.approval) == presented(token) == token
    assert presented(proposal.approval.model_dump(mode="json")) == token
    assert presented(None) is None
    plain = proposal.approval.model_dump()
    for wrong in ({**plain, "trail_hash": "x"}, {**plain, "more": 1}, {"proposal_id": "p"}):
        with pytest.raises(UsageError):
            presented(wrong)
    with pytest.raises(UsageError, match="a JSON object"):
        presented("token")  # type: ignore[arg-type]  # it is a mistake
