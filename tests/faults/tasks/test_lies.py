"""What authenticated agents may say of tasks that are not theirs, or not any more: nothing that counts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conclave import Session
from conclave.deployment import deployed
from conclave.embedded import embedded_server
from conclave.work import TaskHandle
from coordination.registry.client import RegistryClient
from coordination.registry.wire import Capability
from coordination.runtime.credentials import Credentials
from coordination.runtime.names import Subjects
from coordination.tasks.wire import TaskRecord
from tests.support.liars import Liar
from tests.support.processes import free_port
from tests.support.raw_client import raw_client
from tests.support.taskservice import client, record_when

SUBJECTS = Subjects()
LEASE_MS = 120_000
SAID: dict[str, dict[str, Any]] = {
    "accept": {},
    "refuse": {"reason": "I say so"},
    "progress": {"share": 0.5},
    "complete": {"result": {"by": "a liar"}},
    "fail": {"reason": "I say so", "retryable": False},
    "confirm": {},
}
"""Everything that a worker may say, and with what."""


@dataclass
class Scene:
    """Ada hands work out; bob and cy can do it; mallory is nobody's."""

    ada: Session
    bob: Liar
    cy: Liar
    mallory: Liar

    async def offered(self, **options: Any) -> tuple[TaskHandle, TaskRecord]:
        """A task that bob was offered."""
        handle = await self.ada.submit("work, name=bob", {"n": 1}, lease_ms=LEASE_MS, **options)
        return handle, await record_when(handle, lambda record: record.state == "offered")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A secured deployment, and connections with the credentials of each."""
    names = ("ada", "bob", "cy", "mallory")
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            embedded_server(tmp_path, port=free_port(), secured=SUBJECTS)
        )
        await server.identities.ensure(*names)
        keys = server.identities.directory
        await stack.enter_async_context(
            deployed(server.url, names=["registry", "tasks"], credentials=server.credentials)
        )
        liars = {}
        for name in names[1:]:
            session = await stack.enter_async_context(client(server.url, SUBJECTS, name, credentials=keys))
            abilities = [Capability(name="work" if name != "mallory" else "lying")]
            await RegistryClient(session.caller).register(
                capabilities=abilities, labels={"name": name}, max_tasks=5
            )
            raw = await stack.enter_async_context(
                raw_client(server.url, Credentials.read(keys / f"{name}.nk"), inbox=f"_INBOX_{name}")
            )
            liars[name] = Liar(raw, name, SUBJECTS)
        ada = await stack.enter_async_context(client(server.url, SUBJECTS, credentials=keys))
        yield Scene(ada, **liars)


async def test_nothing_that_is_said_of_somebody_elses_task_counts(scene: Scene) -> None:
    handle, record = await scene.offered()
    task_id, token = handle.task_id, record.fencing_token
    assert await scene.bob.say("accept", task_id, fencing_token=token) == ""
    before = await handle.record()
    for verb, said in SAID.items():
        assert await scene.mallory.say(verb, task_id, fencing_token=token, **said) == "not_holder"
        for guessed in (0, token - 1, token + 1, token + 1_000_000, 2**62):
            code = await scene.mallory.say(verb, task_id, fencing_token=guessed, **said)
            assert code == ("stale_token" if guessed else "invalid_request"), (verb, guessed)
    items = [{"do": "complete", "task_id": task_id, "fencing_token": token, "result": 1}]
    assert await scene.mallory.report(*items) == ["not_holder"]
    assert await scene.mallory.say("complete", "no-such-task", fencing_token=token) == "unknown_task"
    subject = SUBJECTS.call("tasks", "complete", "bob")
    assert await scene.mallory.raw.refuses_to_publish(subject), "the server lets nobody speak as bob"
    assert await handle.record() == before
    assert await scene.bob.say("complete", task_id, fencing_token=token, result={"by": "bob"}) == ""
    assert (await handle.record()).result == {"by": "bob"}


async def test_a_token_counts_only_while_its_offer_stands_even_for_the_same_agent(scene: Scene) -> None:
    handle, record = await scene.offered(max_attempts=3, backoff={"first_ms": 10, "last_ms": 10})
    task_id, old = handle.task_id, record.fencing_token
    assert await scene.bob.say("accept", task_id, fencing_token=old) == ""
    assert await scene.bob.say("fail", task_id, fencing_token=old, reason="try again") == ""
    record = await record_when(
        handle, lambda record: record.fencing_token > old and record.state == "offered"
    )
    new = record.fencing_token
    for verb, said in SAID.items():
        for token in (old, new + 1):
            assert await scene.bob.say(verb, task_id, fencing_token=token, **said) == "stale_token"
    assert await scene.bob.say("accept", task_id, fencing_token=new) == ""
    running = await handle.record()
    assert await scene.bob.say("accept", task_id, fencing_token=new) == "wrong_state"
    assert await scene.bob.say("refuse", task_id, fencing_token=new) == "wrong_state"
    assert await scene.bob.say("confirm", task_id, fencing_token=new) == "wrong_state"
    assert await scene.bob.say("complete", task_id, fencing_token=old, result="old") == "stale_token"
    assert await handle.record() == running
    assert await scene.bob.say("complete", task_id, fencing_token=new, result="new") == ""
    for verb, said in SAID.items():
        assert await scene.bob.say(verb, task_id, fencing_token=new, **said) == "stale_token"
    record = await handle.record()
    assert (record.state, record.result) == ("completed", "new")
    assert [attempt.fencing_token for attempt in record.attempts] == [old, new]


async def test_a_bid_counts_once_and_only_from_whoever_was_called_in_time(scene: Scene) -> None:
    handle = await scene.ada.submit(
        "work", {}, strategy="contract_net", bidding={"bid_ms": 60_000}, lease_ms=LEASE_MS
    )
    record = await record_when(handle, lambda record: record.state == "announced")
    assert record.call is not None
    assert set(record.call.agents) == {"bob", "cy"}
    task_id, call = handle.task_id, record.call.call
    assert await scene.mallory.say("propose", task_id, call=call, cost=0) == "not_called"
    assert await scene.bob.say("propose", task_id, call=call + 1, cost=0) == "bid_closed"
    assert await scene.bob.say("propose", task_id, call=call, cost=5) == ""
    assert await scene.bob.say("propose", task_id, call=call, cost=1) == "already_bid"
    assert await scene.bob.say("propose", task_id, call=call, refuse=True) == "already_bid"
    assert await scene.bob.say("accept", task_id, fencing_token=call) == "stale_token", "it is no offer"
    assert await scene.cy.say("propose", task_id, call=call, cost=2) == ""
    won = await record_when(handle, lambda record: record.state == "offered")
    assert won.holder is not None
    assert won.holder.agent == "cy", "all have answered, and 2 is less than 5"
    assert await scene.cy.say("accept", task_id, fencing_token=won.fencing_token) == ""
    running = await handle.record()
    for late, code in ((scene.mallory, "not_called"), (scene.bob, "already_bid"), (scene.cy, "already_bid")):
        assert await late.say("propose", task_id, call=call, cost=0.5) == code
    assert await scene.bob.say("complete", task_id, fencing_token=won.fencing_token) == "not_holder"
    assert await scene.bob.say("complete", task_id, fencing_token=call, result=1) == "stale_token"
    assert await handle.record() == running
