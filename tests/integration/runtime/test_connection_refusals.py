"""A server that does not let us in, or not everywhere, is named at once instead of waited for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import (
    AuthorizationError,
    PermissionDeniedError,
    UnavailableError,
    UsageError,
)
from tests.support.nats_server import RealServer
from tests.support.nats_users import EVERYTHING, new_credentials, permissions_of, users
from tests.support.waiting import wait_until

ADA, OPS = new_credentials(), new_credentials()
Enter = Callable[[str, Credentials], Awaitable[NatsBus]]


@pytest.fixture
def guarded(own_server: RealServer) -> RealServer:
    """A server that knows ada, and ops who may do everything."""
    own_server.stop()
    own_server.extra = users((ADA, permissions_of("ada")), (OPS, EVERYTHING))
    own_server.start()
    return own_server


@pytest.fixture
async def enter(guarded: RealServer) -> AsyncIterator[Enter]:
    async with contextlib.AsyncExitStack() as stack:

        async def connect(agent: str, credentials: Credentials) -> NatsBus:
            bus = await NatsBus.connect(guarded.url, agent=agent, credentials=credentials)
            stack.push_async_callback(bus.close)
            return bus

        yield connect


async def silent(_: Delivery) -> None:
    return


@pytest.mark.parametrize("credentials", [None, new_credentials()])
async def test_an_unknown_agent_is_refused_at_once(
    guarded: RealServer, credentials: Credentials | None
) -> None:
    with pytest.raises(AuthorizationError, match=r"does not let eve in .* conclave agent add eve") as caught:
        async with asyncio.timeout(5):
            await NatsBus.connect(guarded.url, agent="eve", credentials=credentials)
    assert credentials is None or credentials.seed not in str(caught.value)
    assert not isinstance(caught.value, UnavailableError), "nobody should retry this"
    await wait_until(lambda: guarded.connections() == [])


async def test_credentials_do_no_harm_where_nobody_asks_for_them(own_server: RealServer) -> None:
    bus = await NatsBus.connect(own_server.url, agent="ada", credentials=ADA)
    await bus.flush()
    await bus.close()


async def test_an_agent_that_is_no_id_is_refused(own_server: RealServer) -> None:
    with pytest.raises(UsageError, match="agent id"):
        await NatsBus.connect(own_server.url, agent="a.>")


@pytest.mark.parametrize(
    "url",
    [
        "nats://127.0.0.1:1",
        "nats://127.0.0.1:1,nats://127.0.0.1:2",
        "nats://user:secret@127.0.0.1:1",
    ],
)
async def test_a_server_that_is_not_there_is_named_without_secrets(url: str) -> None:
    with pytest.raises(UnavailableError, match="no NATS server at") as caught:
        async with asyncio.timeout(5):
            await NatsBus.connect(url, agent="ada")
    assert "secret" not in str(caught.value)


async def test_a_known_agent_calls_and_is_answered(enter: Enter) -> None:
    ada, service = await enter("ada", ADA), await enter("echo", OPS)

    async def answer(delivery: Delivery) -> None:
        await service.publish(delivery.reply_to, delivery.payload)

    await service.subscribe("call.*.*", answer)
    await service.flush()
    assert (await ada.request("call.say.ada", b"hi", timeout_s=5)).payload == b"hi"


async def test_a_request_on_a_forbidden_subject_fails_at_once(enter: Enter) -> None:
    ada = await enter("ada", ADA)
    async with asyncio.timeout(5):
        for subject in ("call.say.bob", "Call.Say.Ada", 'odd"sub\\ject'):
            with pytest.raises(PermissionDeniedError, match="does not let ada publish to"):
                await ada.request(subject, b"", timeout_s=60)
        with pytest.raises(UnavailableError, match="nobody serves"):
            await ada.request("call.say.ada", b"", timeout_s=60)


async def test_a_refused_request_ends_no_other(enter: Enter) -> None:
    ada, service = await enter("ada", ADA), await enter("mute", OPS)
    await service.subscribe("call.>", silent)
    await service.flush()
    waiting = asyncio.create_task(ada.request("call.say.ada", b"", timeout_s=0.5))
    with pytest.raises(PermissionDeniedError):
        await ada.request("call.say.bob", b"", timeout_s=60)
    with pytest.raises(UnavailableError, match=r"within 0\.5 s"):
        await waiting


async def test_a_forbidden_subscription_shows_at_the_flush(enter: Enter) -> None:
    ada = await enter("ada", ADA)
    await ada.subscribe("to.ada.>", silent)
    await ada.flush()
    forbidden = [
        await ada.subscribe("To.Bob.>", silent),
        await ada.subscribe("to.bob.task", silent, queue="q"),
    ]
    for subscription, subject in zip(forbidden, ["To.Bob.>", "to.bob.task"], strict=True):
        with pytest.raises(PermissionDeniedError, match=rf"does not let ada subscribe to {subject}"):
            await ada.flush()
        await subscription.unsubscribe()
    await ada.flush()


async def test_each_refused_subject_is_logged_once(enter: Enter) -> None:
    ada = await enter("ada", ADA)
    with capture_logs() as logs:
        for _ in range(5):
            await ada.publish("call.say.bob", b"")
            await ada.publish("call.say.eve", b"")
        await ada.flush()
    refused = [entry["subject"] for entry in logs if entry["event"] == "not permitted"]
    assert refused == ["call.say.bob", "call.say.eve"]


async def test_what_is_remembered_of_refusals_is_bounded(enter: Enter) -> None:
    ada = await enter("ada", ADA)
    with capture_logs():
        for number in range(1000):
            await ada.publish(f"call.say.n{number}", b"")
        await ada.flush()
    assert 0 < len(ada._connection._denials) <= 256


async def test_an_agent_taken_off_the_list_comes_back_when_it_is_on_it_again(
    guarded: RealServer, enter: Enter
) -> None:
    ada = await enter("ada", ADA)
    with capture_logs() as logs:
        guarded.extra = users((OPS, EVERYTHING))
        guarded.reload()
        await wait_until(lambda: any("conclave agent add ada" in entry.get("reason", "") for entry in logs))
        guarded.extra = users((ADA, permissions_of("ada")), (OPS, EVERYTHING))
        guarded.reload()
        await wait_until(lambda: ada.client.is_connected)
    assert ADA.seed not in str(logs)
    await ada.flush()


async def test_a_subscription_that_becomes_permitted_is_heard_after_the_next_connection(
    guarded: RealServer, enter: Enter
) -> None:
    ada, ops = await enter("ada", ADA), await enter("ops", OPS)
    heard: list[Delivery] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery)

    await ada.subscribe("news", hear)
    with pytest.raises(PermissionDeniedError):
        await ada.flush()
    guarded.kill()
    guarded.extra = users((ADA, EVERYTHING), (OPS, EVERYTHING))
    guarded.start()
    await ada.flush()
    await ops.publish("news", b"")
    await wait_until(lambda: heard)
