"""A task that was voted on is queued once, and only as it was voted on; its approval does nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest

import consensus.service
from consensus.client import ConsensusClient
from coordination.approvals.wire import presented
from coordination.requirements import parse
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from coordination.runtime.memory_store import MemoryStream
from coordination.tasks import service as tasks
from coordination.tasks import wire
from coordination.tasks.artifact import task_artifact
from coordination.tasks.client import TasksClient
from coordination.tasks.limits import Policy
from tests.support.approving import WINDOW_MS, Hall, a_hall, token_of
from tests.support.stores import HeldStore, vacate
from tests.support.tasking import Tasking
from tests.support.waiting import wait_until

PAYLOAD = {"host": "alpha", "share": 0.5}
ARTIFACT = task_artifact("restart", PAYLOAD)
OTHER = "0" * 64


class Desk:
    """The task service in a hall, and its clients."""

    def __init__(self, hall: Hall) -> None:
        self.hall = hall
        self.stream = MemoryStream()

    async def serve(self, *, policy: Policy | None = None) -> HeldStore:
        store = HeldStore(self.stream)
        await self.hall.serve(tasks.NAME, partial(tasks.define, policy=policy), store=store)
        return store

    def client(self, agent: str = "ada", *, patience_s: float = 2.0) -> TasksClient:
        return TasksClient(self.hall.caller(agent, patience_s=patience_s))

    async def submit_once(self, approval: Any, *, patience_s: float = 2.0) -> wire.SubmitReply:
        """Submit the approved task, under one and the same command id each time."""
        caller = self.hall.caller("ada", patience_s=patience_s)
        body = wire.SubmitRequest(capability="restart", payload=PAYLOAD, approval=presented(approval))
        return await caller.command(tasks.NAME, "submit", body, wire.SubmitReply, command_id="once")

    async def count(self) -> int:
        return len(await self.client().list())

    async def refused(self, submitting: Awaitable[Any]) -> str:
        """The code with which a submission is refused; no task came of it."""
        before = await self.count()
        with pytest.raises(RejectedError) as refused:
            await submitting
        assert await self.count() == before
        return refused.value.code


@contextlib.asynccontextmanager
async def a_desk(policy: Policy | None = None) -> AsyncIterator[Desk]:
    async with a_hall() as hall:
        desk = Desk(hall)
        await desk.serve(policy=policy)
        yield desk


def test_the_artifact_of_a_task_is_its_canonical_document() -> None:
    assert ARTIFACT.content == (
        b'{"payload":{"host":"alpha","share":0.5},"purpose":"conclave.task.1","requirement":"restart"}'
    )
    assert task_artifact(parse("restart"), {"share": 0.50, "host": "alpha"}) == ARTIFACT
    assert task_artifact("restart>=2", PAYLOAD).sha256 != ARTIFACT.sha256


async def test_an_approved_task_is_queued_under_its_proposals_id_and_says_who_approved_it() -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        queued = await desk.client().submit("restart", PAYLOAD, approval=proposal.approval)
        assert (queued.task_id, queued.duplicate) == (proposal.proposal_id, False)
        record = await desk.client().get(queued.task_id)
        assert record.approved_by == proposal.proposal_id
        executed = await ConsensusClient(desk.hall.caller("bob")).get(proposal.proposal_id)
        assert (executed.status, executed.execution and executed.execution.executor) == ("executed", "tasks")


async def test_a_task_without_an_approval_says_so_and_asks_nobody() -> None:
    async with a_desk() as desk:
        queued = await desk.client().submit("restart", PAYLOAD)
        assert (await desk.client().get(queued.task_id)).approved_by == ""


async def test_the_same_task_may_be_submitted_again_and_is_queued_once() -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        for is_again in (False, True):
            queued = await desk.client().submit("restart", PAYLOAD, approval=proposal.approval)
            assert queued.duplicate is is_again
        assert await desk.count() == 1


@pytest.mark.parametrize(
    ("again", "code"),
    [
        (lambda desk, token: desk.client().submit("restart", PAYLOAD, approval=token, task_id="t2"),
         "already_executed"),
        (lambda desk, token: desk.client("bob").submit("restart", PAYLOAD, approval=token),
         "already_executed"),
        (lambda desk, token: desk.client("bob").submit("restart", PAYLOAD, approval=token, task_id="t2"),
         "already_executed"),
        (lambda desk, token: desk.client().submit("restart", {}, approval=token, task_id="t2"),
         "already_executed"),
        (lambda desk, token: desk.client().submit("restart", {}, approval=token), "already_executed"),
    ],
)  # fmt: skip
async def test_an_approval_is_good_for_one_task(
    again: Callable[[Desk, Any], Awaitable[Any]], code: str
) -> None:
    async with a_desk() as desk:
        token = (await desk.hall.approved(ARTIFACT, "task_assignment")).approval
        await desk.client().submit("restart", PAYLOAD, approval=token)
        assert await desk.refused(again(desk, token)) == code


async def test_a_colleague_who_replays_an_approval_is_not_told_to_choose_another_id() -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        await desk.client().submit("restart", PAYLOAD, approval=proposal.approval)
        with pytest.raises(RejectedError) as refused:
            await desk.client("bob").submit("restart", PAYLOAD, approval=proposal.approval)
        assert refused.value.details == {"task_id": proposal.proposal_id}
        assert refused.value.message == (
            f"the approval of proposal {proposal.proposal_id} was used for task {proposal.proposal_id}; an "
            "approval is good for one task: follow that one, or propose anew"
        )


async def test_an_approval_that_its_proposer_executed_is_refused() -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        ada = ConsensusClient(desk.hall.caller("ada"))
        await ada.execute(proposal.proposal_id, artifact_sha256=ARTIFACT.sha256)
        submitting = desk.client().submit("restart", PAYLOAD, approval=proposal.approval)
        assert await desk.refused(submitting) == "already_executed"


async def test_nobody_without_a_part_in_it_can_use_an_approval_up() -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        for agent in ("bob", "registry"):
            stranger = ConsensusClient(desk.hall.caller(agent))
            executing = stranger.execute(proposal.proposal_id, artifact_sha256=ARTIFACT.sha256)
            assert await desk.refused(executing) == "may_not_execute"
        await desk.client().submit("restart", PAYLOAD, approval=proposal.approval)
        assert await desk.hall.status(proposal.proposal_id) == "executed"


async def test_an_approval_for_other_executors_makes_no_task() -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment", executors=["bob"])
        submitting = desk.client().submit("restart", PAYLOAD, approval=proposal.approval)
        assert await desk.refused(submitting) == "may_not_execute"
        assert await desk.hall.status(proposal.proposal_id) == "succeeded"


@pytest.mark.parametrize(
    ("requirement", "payload"),
    [("restart", {"host": "beta", "share": 0.5}), ("restart>=1", PAYLOAD), ("stop", PAYLOAD)],
)
async def test_another_task_than_the_approved_one_is_refused_and_spends_nothing(
    requirement: str, payload: dict[str, Any]
) -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        submitting = desk.client().submit(requirement, payload, approval=proposal.approval)
        assert await desk.refused(submitting) == "wrong_artifact"
        assert await desk.hall.status(proposal.proposal_id) == "succeeded"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"kind": "custom"}, "wrong_kind"),
        ({"artifact_sha256": OTHER}, "token_mismatch"),
        ({"winner": "a"}, "token_mismatch"),
        ({"conditions": ["be quick"]}, "token_mismatch"),
        ({"not_before_ms": 0}, "token_mismatch"),
        ({"expires_at_ms": 2**53 - 1}, "token_mismatch"),
        ({"trail_hash": OTHER}, "token_mismatch"),
        ({"proposal_id": "nobody"}, "unknown_proposal"),
        ({"kind": "infrastructure_change"}, "wrong_kind"),
    ],
)
async def test_an_altered_token_is_refused_and_spends_nothing(changed: dict[str, Any], code: str) -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        submitting = desk.client().submit("restart", PAYLOAD, approval=token_of(proposal, **changed))
        assert await desk.refused(submitting) == code
        assert await desk.hall.status(proposal.proposal_id) == "succeeded"


async def test_the_token_of_another_proposal_is_refused() -> None:
    async with a_desk() as desk:
        mine = await desk.hall.approved(ARTIFACT, "task_assignment")
        other = await desk.hall.approved(task_artifact("restart", {"host": "beta"}), "task_assignment")
        submitting = desk.client().submit("restart", PAYLOAD, approval=other.approval)
        assert await desk.refused(submitting) == "wrong_artifact"
        mixed = token_of(other, proposal_id=mine.proposal_id)
        assert (
            await desk.refused(desk.client().submit("restart", PAYLOAD, approval=mixed)) == "token_mismatch"
        )


async def test_a_proposal_that_was_defeated_approves_nothing() -> None:
    async with a_desk() as desk:
        good = await desk.hall.approved(ARTIFACT, "task_assignment")
        bad = await desk.hall.approved(ARTIFACT, "task_assignment", choice="against")
        token = token_of(good, proposal_id=bad.proposal_id)
        assert await desk.refused(desk.client().submit("restart", PAYLOAD, approval=token)) == "not_succeeded"


async def test_a_queued_approval_waits_for_its_timelock_and_an_old_one_has_expired() -> None:
    async with a_desk() as desk:
        token = (await desk.hall.approved(ARTIFACT, "task_assignment", timelock_ms=5_000)).approval
        early = desk.client().submit("restart", PAYLOAD, approval=token)
        assert await desk.refused(early) == "timelock_pending"
        desk.hall.clock.advance(5_000 + WINDOW_MS + 1)
        late = desk.client().submit("restart", PAYLOAD, approval=token)
        assert await desk.refused(late) == "approval_expired"


async def test_a_queued_approval_is_good_when_its_timelock_has_run_out() -> None:
    async with a_desk() as desk:
        token = (await desk.hall.approved(ARTIFACT, "task_assignment", timelock_ms=5_000)).approval
        desk.hall.clock.advance(5_000)
        await desk.client().submit("restart", PAYLOAD, approval=token)
        assert await desk.count() == 1


async def test_whoever_submits_confirms_every_condition() -> None:
    async with a_desk() as desk:
        token = (await desk.hall.approved(ARTIFACT, "task_assignment", conditions=["backup made"])).approval
        submitting = desk.client().submit("restart", PAYLOAD, approval=token)
        assert await desk.refused(submitting) == "conditions_unmet"
        await desk.client().submit("restart", PAYLOAD, approval=token, conditions_met=["backup made"])
        assert await desk.count() == 1


async def test_an_approval_is_not_spent_on_a_task_that_would_be_refused() -> None:
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        await desk.client("eve").submit("restart", PAYLOAD, task_id=proposal.proposal_id)
        ada = desk.client()
        taken = ada.submit("restart", PAYLOAD, approval=proposal.approval)
        assert await desk.refused(taken) == "task_id_taken"
        late = ada.submit("restart", PAYLOAD, approval=proposal.approval, task_id="t", deadline_ms=1)
        assert await desk.refused(late) == "deadline_passed"
        await ada.submit("restart", PAYLOAD, approval=proposal.approval, task_id="t")
        assert (await ada.get("t")).approved_by == proposal.proposal_id


async def test_an_approval_is_remembered_for_longer_than_its_task() -> None:
    async with a_desk(Policy(max_finished_tasks=1)) as desk:
        ada, proposal = desk.client(), await desk.hall.approved(ARTIFACT, "task_assignment")
        await ada.submit("restart", PAYLOAD, approval=proposal.approval)
        await ada.cancel(proposal.proposal_id)
        await ada.submit("restart", task_id="next")
        await ada.cancel("next")
        with pytest.raises(RejectedError, match="unknown_task"):
            await ada.get(proposal.proposal_id)
        submitting = ada.submit("restart", PAYLOAD, approval=proposal.approval)
        assert await desk.refused(submitting) == "already_executed"


async def test_a_service_killed_between_redemption_and_queue_queues_the_task_when_asked_again() -> None:
    async with a_hall() as hall:
        desk = Desk(hall)
        store = await desk.serve()
        proposal = await hall.approved(ARTIFACT, "task_assignment")
        store.hold()
        store.fault = "lost before"
        asking = asyncio.ensure_future(desk.submit_once(proposal.approval, patience_s=0.2))
        await wait_until(lambda: store.waiting == 1)
        assert await hall.status(proposal.proposal_id) == "executed"
        store.release()
        await hall.ended(tasks.NAME)
        with pytest.raises((UnavailableError, RejectedError)):
            await asking
        vacate(desk.stream)
        await desk.serve()
        assert await desk.count() == 0
        for submitter, payload, task_id in (
            ("ada", PAYLOAD, "t2"),
            ("bob", PAYLOAD, None),
            ("ada", {"host": "beta"}, None),
        ):
            again = desk.client(submitter).submit(
                "restart", payload, approval=proposal.approval, task_id=task_id
            )
            assert await desk.refused(again) == "already_executed"
        for _ in range(2):  # the second time it is the first answer that is given again
            queued = await desk.submit_once(proposal.approval)
            assert (queued.task_id, queued.duplicate) == (proposal.proposal_id, False)
        assert await desk.count() == 1


async def test_without_consensus_nothing_is_queued_and_asking_again_is_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coordination.approvals.redeeming.PATIENCE_S", 0.05)
    async with a_desk() as desk:
        proposal = await desk.hall.approved(ARTIFACT, "task_assignment")
        await desk.hall.stop_one(consensus.service.NAME)
        with pytest.raises((UnavailableError, RejectedError), match="consensus does not answer"):
            await desk.client(patience_s=0.2).submit("restart", PAYLOAD, approval=proposal.approval)
        assert await desk.count() == 0


async def test_mistakes_of_the_submitter_are_told_before_anything_is_sent() -> None:
    async with a_desk() as desk:
        with pytest.raises(UsageError, match="artifact_sha256"):
            await desk.client().submit("restart", approval={"proposal_id": "p"})
        with pytest.raises(UsageError, match="of which approval"):
            await desk.client().submit("restart", conditions_met=["backup made"])
        token = (await desk.hall.approved(ARTIFACT, "task_assignment")).approval
        submitting = desk.client().submit("restart", {"n": 2**60}, approval=token)
        assert await desk.refused(submitting) == "invalid_request"


def approved(tasking: Tasking, task_id: str, *, by: str, expires_ms: int) -> Any:
    return tasking.submit(task_id, approved_by=by, approval_expires_ms=expires_ms)


def test_spent_approvals_are_part_of_the_state_until_they_have_expired() -> None:
    tasking = Tasking()
    tasking.now_ms = 1_000
    approved(tasking, "a", by="p1", expires_ms=2_000)
    approved(tasking, "b", by="p2", expires_ms=1_500)
    tasking.check_replay()
    tasking.check_snapshot()
    tasking.restart()
    again = approved(tasking, "c", by="p1", expires_ms=2_000)
    assert (again.code, again.details) == ("already_executed", {"task_id": "a"})
    tasking.now_ms = 1_501
    approved(tasking, "d", by="p3", expires_ms=2_000)
    assert set(tasking.model.state.spent_approvals) == {"p1", "p3"}
    assert approved(tasking, "e", by="p2", expires_ms=1_500).code == "approval_expired"


def test_approvals_that_are_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordination.tasks.submitting.MAX_SPENT_APPROVALS", 1)
    tasking = Tasking()
    approved(tasking, "a", by="p1", expires_ms=2_000)
    full = approved(tasking, "b", by="p2", expires_ms=2_000)
    assert (full.code, full.retryable) == ("overloaded", True)
    assert tasking.submit("c").reply.task_id == "c"
