"""What a service answers to plain NATS requests, good and bad."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from coordination.registry.client import RegistryClient
from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.errors import UnavailableError
from coordination.runtime.limits import MAX_REQUEST_BYTES
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until


async def ask(
    bus: NatsBus, subjects: Subjects, verb: str, body: bytes, *, command_id: str = "", caller: str = "ada"
) -> Delivery:
    headers = {"Nats-Msg-Id": command_id} if command_id else {}
    return await bus.request(subjects.call("registry", verb, caller), body, timeout_s=10, headers=headers)


def refusal(answer: Delivery) -> dict[str, Any]:
    """The body of an error reply, after checking that it is one."""
    body: dict[str, Any] = json.loads(answer.payload)
    assert set(body) == {"code", "message", "retryable", "details", "correlation_id"}
    assert answer.headers["Nats-Service-Error-Code"] == body["code"]
    assert answer.headers["Nats-Service-Error"]
    for leak in ("Traceback", "Error(", ".py", "pydantic", " object at 0x"):
        assert leak not in answer.payload.decode()
        assert leak not in answer.headers["Nats-Service-Error"]
    return body


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("register", b"{"),
        ("register", b"\xff\xfe"),
        ("register", b"null"),
        ("register", b"[]"),
        ("register", b"[" * 50_000),
        ("register", b'{"max_tasks": -1}'),
        ("register", b'{"max_tasks": "many"}'),
        ("register", b'{"labels": {"team\\n": "x"}}'),
        ("register", b'{"capabilities": [{"name": "python", "version": "three"}]}'),
        ("register", b'{"capabilities": [{"name": "a", "attributes": {"x": NaN}}]}'),
        ("register", json.dumps({"a" * 100_000 + str(n): 1 for n in range(2)}).encode()),
        ("find", b'{"requirement": 7}'),
        ("get", b'{"agent": "Ada\\n"}'),
        ("get", b'{"agent": "ada", "misspelt": 1}'),
    ],
)
async def test_a_malformed_body_is_refused_with_the_place(
    registry: Runner, ada: NatsBus, subjects: Subjects, verb: str, body: bytes
) -> None:
    answer = await ask(ada, subjects, verb, body)
    error = refusal(answer)
    assert (error["code"], error["retryable"]) == ("invalid_request", False)
    assert error["message"].startswith(("field ", "the body: "))
    assert error["details"]["problems"]
    assert len(answer.payload) < 8_000


async def test_an_unknown_verb_is_told_which_there_are(
    registry: Runner, ada: NatsBus, subjects: Subjects
) -> None:
    error = refusal(await ask(ada, subjects, "destroy-ä", b"{}"))
    assert error["code"] == "unknown_verb"
    assert "deregister, find, get, list, register" in error["message"]


async def test_an_empty_body_is_an_empty_object(registry: Runner, ada: NatsBus, subjects: Subjects) -> None:
    assert json.loads((await ask(ada, subjects, "list", b"")).payload) == {"agents": [], "next": ""}


async def test_too_large_a_body_is_refused(registry: Runner, ada: NatsBus, subjects: Subjects) -> None:
    error = refusal(await ask(ada, subjects, "list", b" " * (MAX_REQUEST_BYTES + 1)))
    assert error["code"] == "too_large"
    assert json.loads((await ask(ada, subjects, "list", b" " * (MAX_REQUEST_BYTES - 2) + b"{}")).payload) == {
        "agents": [],
        "next": "",
    }


@pytest.mark.parametrize("caller", ["Ada", "a-_-" * 20, "$SYS", "ä"])
async def test_a_caller_that_is_no_agent_id_gets_no_service(
    registry: Runner, nats_server: RealServer, subjects: Subjects, caller: str
) -> None:
    plain = await nats.connect(nats_server.url)
    try:
        answer = await plain.request(subjects.call("registry", "list", caller), b"{}", timeout=10)
        assert json.loads(answer.data)["code"] == "invalid_caller"
    finally:
        await plain.close()


async def test_a_client_with_the_default_inbox_is_told_what_to_change(
    registry: Runner, nats_server: RealServer, subjects: Subjects, client: RegistryClient
) -> None:
    plain = await nats.connect(nats_server.url)
    try:
        answer: Msg = await plain.request(subjects.call("registry", "register", "bob"), b"{}", timeout=10)
        error = json.loads(answer.data)
        assert error["code"] == "foreign_reply_subject"
        assert "--inbox-prefix _INBOX_bob" in error["message"]
        assert (answer.headers or {})["Nats-Service-Error-Code"] == "foreign_reply_subject"
    finally:
        await plain.close()
    assert await client.list() == (), "nothing was done"


@pytest.mark.parametrize(
    "target", ["{p}.call.registry.deregister.bob", "{p}.inbox.bob.task", "_INBOX_bob.x", "x"]
)
@pytest.mark.parametrize("body", [b"{}", b"broken"])
async def test_a_service_does_not_speak_on_a_foreign_subject(
    registry: Runner, ada: NatsBus, subjects: Subjects, client: RegistryClient, target: str, body: bytes
) -> None:
    heard: list[Delivery] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery)

    target = target.format(p=subjects.prefix)
    await ada.subscribe(target, hear)
    await ada.flush()
    await ada.publish(subjects.call("registry", "register", "ada"), body, reply_to=target)
    await client.list()  # one subscription, in order: the request before it has been looked at
    await client.list()
    await ada.flush()
    assert heard == []
    assert await client.list() == ()


async def test_a_command_without_a_reply_subject_is_still_done(
    registry: Runner, ada: NatsBus, subjects: Subjects, client: RegistryClient
) -> None:
    await ada.publish(subjects.call("registry", "register", "ada"), b"{}")
    while not await client.list():
        pass
    assert (await client.get("ada")).incarnation == 1


async def test_the_trace_context_comes_back(registry: Runner, ada: NatsBus, subjects: Subjects) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    for body in (b"{}", b"broken"):
        answer = await ada.request(
            subjects.call("registry", "list", "ada"), body, timeout_s=10, headers={"traceparent": trace}
        )
        assert answer.headers["traceparent"] == trace


async def test_a_retried_command_gets_the_first_answer(
    registry: Runner, ada: NatsBus, subjects: Subjects
) -> None:
    first = await ask(ada, subjects, "register", b"{}", command_id="c1")
    answers = await asyncio.gather(
        *(ask(ada, subjects, "register", b"{}", command_id="c1") for _ in range(10))
    )
    assert {answer.payload for answer in answers} == {first.payload}
    assert json.loads(first.payload)["incarnation"] == 1
    another = await ask(ada, subjects, "register", b"{}", command_id="c2")
    assert json.loads(another.payload)["incarnation"] == 2


async def test_the_same_command_id_with_another_request_is_refused(
    registry: Runner, ada: NatsBus, subjects: Subjects
) -> None:
    await ask(ada, subjects, "register", b"{}", command_id="c1")
    for verb, body in (("register", b'{"max_tasks":2}'), ("deregister", b"{}")):
        error = refusal(await ask(ada, subjects, verb, body, command_id="c1"))
        assert error["code"] == "command_id_reused"
    assert (
        refusal(await ask(ada, subjects, "register", b"{}", command_id="x" * 129))["code"]
        == "invalid_request"
    )


async def test_many_requests_at_once_are_all_answered(
    registry: Runner, ada: NatsBus, subjects: Subjects
) -> None:
    answers = await asyncio.gather(
        *(ask(ada, subjects, "register", b"{}", command_id=f"c{index}") for index in range(300))
    )
    incarnations = sorted(json.loads(answer.payload)["incarnation"] for answer in answers)
    assert incarnations == list(range(1, 301))
    assert registry.hosts
    assert registry.hosts[0].sequence < 200, "waiting commands share a record"


async def test_a_stopped_service_is_gone_at_once(registry: Runner, ada: NatsBus, subjects: Subjects) -> None:
    await ask(ada, subjects, "list", b"{}")
    registry.stop()
    gone: list[str] = []

    async def try_once() -> None:
        try:
            await ask(ada, subjects, "list", b"{}")
        except UnavailableError as error:
            gone.append(str(error))

    while not gone:
        await try_once()
    await wait_until(lambda: gone)
    assert "nobody serves" in gone[0]


@pytest.mark.parametrize("hostile", ["a long reply subject", "a long trace", "a long trace and no reply"])
async def test_an_answer_that_cannot_be_sent_ends_nobody(
    nats_server: RealServer, subjects: Subjects, registry: Runner, client: RegistryClient, hostile: str
) -> None:
    """The reply subject and the headers are the caller's; what they provoke concerns nobody else."""
    reply_to = {
        "a long reply subject": "_INBOX_mallory." + "x" * 3_000,
        "a long trace": "_INBOX_mallory.1",
        "a long trace and no reply": "",
    }[hostile]
    headers = {"Nats-Msg-Id": "c1"}
    if "trace" in hostile:
        headers["traceparent"] = "0" * 1_000_000
    connection = await nats.connect(nats_server.url)
    for verb in ("register", "list", "no-such-verb"):
        await connection.publish(
            subjects.call("registry", verb, "mallory"), b"{}", reply=reply_to, headers=dict(headers)
        )
    await connection.flush()
    await connection.close()
    assert (await client.register()).agent == "ada"
    assert registry.is_leading
    assert registry.hosts[0].epoch == 1
