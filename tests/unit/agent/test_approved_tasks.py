"""A handler that insists on approval works on what was voted on, and passes on everything else."""

from __future__ import annotations

from typing import Any

import pytest

from conclave import Agent, TaskContext, UsageError
from conclave.testing import MemoryMesh
from coordination.tasks.artifact import task_artifact
from coordination.tasks.wire import TaskOffer
from tests.support.virtual import pass_time

PAYLOAD = {"host": "alpha"}


def operator(name: str, done: list[str], **how: Any) -> Agent:
    agent = Agent(name)

    @agent.task("restart", **how)
    def restart(host: str, context: TaskContext) -> str:
        done.append(host)
        return f"{host} by {context.agent}, approved by {context.offer.approved_by or 'nobody'}"

    return agent


async def test_an_approved_task_is_done_and_knows_its_proposal(memory_mesh: MemoryMesh) -> None:
    done: list[str] = []
    agent = operator("careful", done, requires_approval=True)
    async with memory_mesh.join(agent) as session, memory_mesh.connect("ada") as ada:
        artifact = task_artifact("restart", PAYLOAD)
        made = await ada.consensus.propose(
            "Restart", kind="task_assignment", artifact_sha256=artifact.sha256, electorate=["ada"]
        )
        await ada.consensus.vote(made.proposal_id, "for")
        proposal = await ada.consensus.get(made.proposal_id)
        queued = await ada.tasks.submit("restart", PAYLOAD, approval=proposal.approval)
        record = await ada.tasks.ended(queued.task_id, timeout_s=60)
        (known,) = (await session.registry.get("careful")).capabilities
    assert record.result == {"result": f"alpha by careful, approved by {made.proposal_id}"}
    assert known.attributes == {"requires_approval": True}


async def test_a_task_that_nobody_approved_goes_to_whoever_takes_such(memory_mesh: MemoryMesh) -> None:
    done: list[str] = []
    careful = operator("a-careful", done, attributes={"requires_approval": True})
    async with memory_mesh.join(careful), memory_mesh.join(operator("b-easy", done)):
        # Of two equally free agents the first by id is asked first.
        assert await memory_mesh.run_task("restart", PAYLOAD) == {
            "result": "alpha by b-easy, approved by nobody"
        }


async def test_a_task_that_nobody_approved_waits_and_says_why(memory_mesh: MemoryMesh) -> None:
    done: list[str] = []
    agent = operator("careful", done, requires_approval=True)
    async with memory_mesh.join(agent), memory_mesh.connect("ada") as ada:
        waiting = await ada.submit("restart", PAYLOAD)
        await pass_time(60)
        (why,) = (await waiting.explain()).agents
        record = await waiting.cancel()
    assert (why.agent, why.verdict) == ("careful", "needs_approval")
    assert (record.refusals, record.attempts, done) == ((), (), [])


async def test_an_offer_that_nobody_approved_is_refused_with_the_reason(memory_mesh: MemoryMesh) -> None:
    done: list[str] = []
    agent = operator("careful", done, requires_approval=True)
    # As of a task service that does not know what the capability insists on.
    offer = TaskOffer(
        task_id="t",
        fencing_token=1,
        capability="restart",
        payload=PAYLOAD,
        submitter="ada",
        priority=0,
        attempt=1,
        max_attempts=1,
        lease_ms=30_000,
        offer_expires_ms=memory_mesh.clock.now_ms() + 5_000,
    )
    async with memory_mesh.join(agent), memory_mesh.connect("ada") as ada:
        await ada.bus.publish(ada.subjects.inbox("careful", "task"), offer.model_dump_json().encode())
        (body,) = await memory_mesh.until(lambda: memory_mesh.record.bodies("conclave.call.tasks.report.*"))
    (refusal,) = body["items"]
    assert refusal["do"] == "refuse"
    assert refusal["reason"].startswith("requires_approval: ")
    assert "with the approval of its proposal" in refusal["reason"]
    assert done == []


def test_only_a_capability_can_insist_on_approval() -> None:
    with pytest.raises(UsageError, match="of which capability"):
        Agent("careful").task(requires_approval=True)(lambda: None)
