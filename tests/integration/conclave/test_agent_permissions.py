"""What an agent may do is enough: it reaches artifacts and knowledge without JetStream's own interface."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from conclave.identity import agent_permissions
from conclave.session import Session
from coordination.artifacts.limits import CHUNK_BYTES
from coordination.artifacts.service import NAME as ARTIFACTS
from coordination.artifacts.service import define as define_artifacts
from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import PermissionDeniedError, RejectedError
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from knowledge.facts import Fact
from knowledge.service import NAME as KNOWLEDGE
from knowledge.service import define as define_knowledge
from tests.support.artifacts import content_of, running
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until

AGENTS = ("ada", "bob")
SUBJECTS = Subjects()


def user(agent: str) -> str:
    permissions = agent_permissions(agent, SUBJECTS)
    publish, subscribe = list(permissions.publish), list(permissions.subscribe)
    allowed = f"publish: {{ allow: {publish} }}, subscribe: {{ allow: {subscribe} }}".replace("'", '"')
    return f'{{ user: "{agent}", password: "{agent}", permissions: {{ {allowed} }} }}'


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server with one user that may do everything, and the agents."""
    users = ['{ user: "service", password: "service" }', *map(user, AGENTS)]
    block = f"authorization {{ users: [ {', '.join(users)} ] }}\n"
    server = RealServer(tmp_path_factory.mktemp("permissions"), extra=block)
    server.start()
    yield server
    server.stop()


async def connected(server: RealServer, user: str, agent: str) -> NatsBus:
    return await NatsBus.connect(server.url.replace("://", f"://{user}:{user}@"), agent=agent)


@pytest.fixture
async def sessions(server: RealServer) -> AsyncIterator[list[Session]]:
    """The agents, with both services running."""
    async with contextlib.AsyncExitStack() as stack:
        for name, define in ((ARTIFACTS, define_artifacts), (KNOWLEDGE, define_knowledge)):
            bus = await connected(server, "service", name)
            stack.push_async_callback(bus.close)
            shell = Shell.of(bus, service=name, subjects=SUBJECTS)
            await stack.enter_async_context(running(define(shell, bus), shell))
        found = []
        for agent in AGENTS:
            bus = await connected(server, agent, agent)
            stack.push_async_callback(bus.close)
            found.append(Session(bus, agent=agent, subjects=SUBJECTS))
        yield found


def fact(source: str, number: int) -> Fact:
    return Fact.of(subject=f"s{number}", predicate="is", object=number, source=source, asserted_at_ms=number)


async def test_an_agent_puts_and_gets_artifacts(sessions: list[Session], server: RealServer) -> None:
    ada, bob = sessions
    for size_bytes in (0, 100, 5 * CHUNK_BYTES + 1):
        digest, content = content_of(size_bytes)
        assert await ada.artifacts.put(content) == digest
        assert await bob.artifacts.get(digest) == content
    assert "Violation" not in server.log()


async def test_agents_with_replicas_hear_each_other(sessions: list[Session], server: RealServer) -> None:
    ada, bob = sessions
    async with ada.replica() as ours, bob.replica() as theirs:
        for number in range(20):
            assert await ours.assert_fact("sky", fact("ada", number))
            assert await theirs.assert_fact("sky", fact("bob", number))
            await theirs.wait_for("sky", fact("ada", number).fact_id, timeout_s=20)
            await ours.wait_for("sky", fact("bob", number).fact_id, timeout_s=20)
        await wait_until(lambda: ours.heads("sky") == theirs.heads("sky"))
    async with bob.replica() as late:
        assert late.heads("sky") == ours.heads("sky"), "whoever joins later has caught up on entry"
    assert "Violation" not in server.log()


async def test_an_agent_reaches_no_space_that_the_service_does_not_keep(sessions: list[Session]) -> None:
    with pytest.raises(RejectedError) as refused:
        async with sessions[0].replica(space="attic"):
            pass
    assert refused.value.code == "unknown_space"


async def test_the_server_holds_agents_to_these_permissions(
    sessions: list[Session], server: RealServer
) -> None:
    """Without this the tests above would show nothing."""
    ada = sessions[0].bus
    forbidden = ("$JS.API.STREAM.NAMES", SUBJECTS.change("main", "sky", "ada"), "conclave.upload.ada.x.0")
    for subject in forbidden:
        with pytest.raises(PermissionDeniedError):
            await ada.request(subject, b"", timeout_s=5)
    assert server.log().count("Publish Violation") == len(forbidden)
    assert all(f'Publish Violation - Subject "{subject}"' in server.log() for subject in forbidden)
    await asyncio.gather(*(session.artifacts.put(b"x") for session in sessions))
