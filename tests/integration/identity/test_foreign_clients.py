"""Clients of the Synadia Agent Protocol, with a credential: what they may do, and that it is all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conclave import Agent, PromptContext, connect
from conclave.deployment import deployed
from conclave.embedded import EmbeddedServer
from conclave.identity import OPERATOR
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import AuthorizationError, UsageError
from tests.integration.identity.test_services_under_permissions import refused_by_the_server
from tests.support.prompting import Foreigner, foreigner, read
from tests.support.raw_client import RawClient, raw_client
from tests.support.waiting import wait_until


@pytest.fixture
async def carl(secured: EmbeddedServer) -> AsyncIterator[RawClient]:
    """A foreign client with bad intentions."""
    await secured.identities.add("carl", foreign=True)
    credentials = Credentials.read(secured.identities.path("carl"))
    async with raw_client(secured.url, credentials, inbox="_INBOX.foreign.carl") as client:
        yield client


@contextlib.asynccontextmanager
async def as_carl(server: EmbeddedServer, inbox: str) -> AsyncIterator[Foreigner]:
    """The protocol's own client library, with the credential of carl."""
    await server.identities.add("carl", foreign=True)
    seed = Credentials.read(server.identities.path("carl")).seed
    options: dict[str, Any] = {"nkeys_seed_str": seed, "inbox_prefix": inbox}
    async with foreigner(server.url, "conclave", **options) as client:
        yield client


@pytest.mark.parametrize("inbox", ["_INBOX.agents", "_INBOX.foreign.carl"])
async def test_a_foreign_client_does_all_it_can_do(secured: EmbeddedServer, inbox: str) -> None:
    agent = Agent("ada")

    @agent.prompt
    async def ask(text: str, context: PromptContext) -> str:
        return f"{await context.ask(text)}!"

    keys = secured.identities.directory
    async with (
        deployed(secured.url, credentials=secured.credentials),
        agent.running(secured.url, credentials=keys),
        as_carl(secured, inbox) as foreign,
    ):
        ada = await foreign.find("ada")
        assert (await read(ada.prompt("Well"), answer="yes"))[-2:] == ["Well?", "yes!"]
        assert (await ada.status()).instance_id == ada.instance_id
        assert await foreign.agents.ping(ada.instance_id)
        assert refused_by_the_server(secured) == []


async def test_a_foreign_client_hears_heartbeats(secured: EmbeddedServer) -> None:
    agent = Agent("ada")
    agent.prompt(lambda text: text)
    async with (
        deployed(secured.url, credentials=secured.credentials),
        as_carl(secured, "_INBOX.agents") as foreign,
    ):
        await foreign.agents.start_tracking()
        async with agent.running(secured.url, credentials=secured.identities.directory):
            ada = await foreign.find("ada")
            await wait_until(lambda: foreign.agents.liveness(ada.instance_id))


async def test_a_foreign_client_says_what_is_its_own(secured: EmbeddedServer, carl: RawClient) -> None:
    """The twin of the refusals below."""
    operator = Credentials.read(secured.identities.path(OPERATOR))
    async with raw_client(secured.url, operator) as overseer:
        heard = await overseer.hear(">")
        for subject in (
            "agents.prompt.conclave.conclave.ada",
            "agents.status.conclave.conclave.ada",
            "conclave.query.gateway.prompt.1",
            "$SRV.INFO.agents",
            "$SRV.PING.agents.instance",
        ):
            assert not await carl.refuses_to_publish(subject)
            async with asyncio.timeout(10):
                while (await heard.get()).subject != subject:
                    pass


@pytest.mark.parametrize(
    "subject",
    [
        "conclave.call.registry.list.carl",
        "conclave.call.gateway.respond.ada",
        "conclave.call.tasks.submit.carl",
        "conclave.inbox.ada.prompt",
        "conclave.presence.carl",
        "conclave.event.registry.online.ada",
        "conclave.journal.consensus.0",
        "conclave.shard.gateway.x.respond.ada",
        "agents.prompt.conclave.other.ada",
        "agents.prompt.claude-code.conclave.ada",
        "agents.hb.conclave.conclave.ada",
        "_INBOX.agents.forged",
        "_INBOX.foreign.carl.forged",
        "_INBOX_ada.forged",
        "$SRV.PING",
        "$SRV.INFO.conclave-registry",
        "$JS.API.INFO",
        "$SYS.REQ.USER.INFO",
    ],
)
async def test_a_foreign_client_cannot_say(carl: RawClient, subject: str) -> None:
    assert await carl.refuses_to_publish(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "conclave.>",
        "conclave.event.>",
        "conclave.query.>",
        "conclave.inbox.carl.>",
        "agents.prompt.>",
        "agents.status.>",
        "agents.>",
        "_INBOX.>",
        "_INBOX.foreign.>",
        "_INBOX.foreign.dora.>",
        "_INBOX_carl.>",
        "$SRV.PING.agents",
        "$SRV.>",
        ">",
    ],
)
async def test_a_foreign_client_cannot_listen_to(carl: RawClient, subject: str) -> None:
    assert await carl.refuses_to_subscribe(subject)


@pytest.mark.parametrize(
    "subject",
    [
        "agents.prompt.conclave.conclave.ada",
        "agents.status.conclave.conclave.ada",
        "agents.hb.conclave.conclave.mallory",
        "_INBOX.agents.forged",
        "conclave.query.gateway.prompt.1",
        "$SRV.INFO.agents",
    ],
)
async def test_an_agent_of_ours_cannot_speak_the_foreign_protocol(
    secured: EmbeddedServer, subject: str
) -> None:
    """What an agent could publish there, it could have answered anywhere; and it has a better way to ask."""
    mallory = Credentials.read(secured.identities.path("mallory"))
    async with raw_client(secured.url, mallory, inbox="_INBOX_mallory") as client:
        assert await client.refuses_to_publish(subject)


async def test_the_credential_of_the_gateway_reaches_no_agents_answers(secured: EmbeddedServer) -> None:
    gateway = secured.credentials["gateway"]
    async with raw_client(secured.url, gateway, inbox="_INBOX_gateway") as client:
        for subject in ("_INBOX_ada.forged", "conclave.call.consensus.vote.ada", "conclave.presence.ada"):
            assert await client.refuses_to_publish(subject)
        for subject in ("agents.prompt.>", "_INBOX.>", "conclave.inbox.>"):
            assert await client.refuses_to_subscribe(subject)


async def test_a_foreign_client_is_not_an_agent_by_another_name(secured: EmbeddedServer) -> None:
    await secured.identities.add("carl", foreign=True)
    assert {user.name: user.role for user in secured.identities.agents()} == {
        "ada": "agent",
        "mallory": "agent",
        "carl": "foreign",
    }
    with pytest.raises(UsageError, match="'ada' is of role agent, not foreign"):
        await secured.identities.add("ada", foreign=True, rotate=True)
    with pytest.raises(UsageError, match="'carl' is of role foreign, not agent"):
        await secured.identities.add("carl", rotate=True)
    await secured.identities.add("carl", foreign=True, rotate=True)
    await secured.identities.remove("carl")
    assert [user.name for user in secured.identities.agents()] == ["ada", "mallory"]


async def test_no_agent_takes_part_with_a_foreign_credential(secured: EmbeddedServer) -> None:
    (path,) = await secured.identities.add("carl", foreign=True)
    with pytest.raises(AuthorizationError, match="the credential is not that of carl"):
        await _take_part(secured.url, path)


async def _take_part(url: str, credentials: Path) -> None:
    async with connect(url, agent="carl", credentials=credentials):
        pytest.fail("it was let in")
