"""What a service and its callers hold on the server is the same after the twentieth reconnect as before."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import nats
import pytest

from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from tests.support.nats_server import RealServer
from tests.support.registry import registry_runner, running
from tests.support.waiting import wait_until

RECONNECTS = 20
KILLS_OF_THE_SERVER = (7, 14)
"""In these rounds all connections are lost with the server; in the others it cuts each of them."""
ACCOUNTS = """\
accounts {
  SYS { users: [ { user: "operator", password: "of this test" } ] }
  AGENTS { jetstream: enabled, users: [ { user: "anybody", password: "of this test" } ] }
}
system_account: SYS
no_auth_user: "anybody"
"""
AGENTS = ("registry", "ada")
RANDOM = re.compile(r"\b[0-9a-f]{16,}\b")


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server whose operator can cut connections."""
    server = RealServer(tmp_path_factory.mktemp("operated-nats"), extra=ACCOUNTS)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def buses(server: RealServer) -> AsyncIterator[tuple[NatsBus, NatsBus]]:
    """The connections of the registry and of ada."""
    registry = await NatsBus.connect(server.url, agent="registry")
    ada = await NatsBus.connect(server.url, agent="ada")
    yield registry, ada
    await ada.close()
    await registry.close()


def connection_ids(server: RealServer) -> dict[str, int]:
    """The number that the server has given to each agent's connection."""
    found = {str(each["name"]): int(each["cid"]) for each in server.connections() if "name" in each}
    return {name: found[name] for name in AGENTS if name in found}


def subscriptions(server: RealServer) -> Counter[tuple[str, str]]:
    """How often each connection has subscribed to each subject, whatever random words are in it."""
    return Counter(
        (str(each.get("name")), RANDOM.sub("#", subject))
        for each in server.connections()
        for subject in each.get("subscriptions_list", ())
    )


async def consumers(bus: NatsBus) -> dict[str, int]:
    """How many consumers each stream has."""
    return {
        info.config.name or "": info.state.consumer_count for info in await bus.jetstream().streams_info()
    }


async def cut_all(server: RealServer) -> None:
    """Have the server end every connection of an agent."""
    client = await nats.connect(server.url, user="operator", password="of this test", allow_reconnect=False)
    subject = f"$SYS.REQ.SERVER.{client._server_info['server_id']}.KICK"
    for cid in connection_ids(server).values():
        answer = json.loads((await client.request(subject, json.dumps({"cid": cid}).encode())).data)
        assert "error" not in answer, answer
    await client.close()


async def lose_all(server: RealServer, count: int) -> None:
    """Lose every agent's connection, and return when each has a new one."""
    lost = connection_ids(server)
    assert len(lost) == len(AGENTS)
    if count in KILLS_OF_THE_SERVER:
        server.kill()
        server.start()
        lost = {}  # it counts from the beginning
    else:
        await cut_all(server)

    def are_back() -> bool:
        now = connection_ids(server)
        return len(now) == len(AGENTS) and all(lost.get(name) != cid for name, cid in now.items())

    await wait_until(are_back)


async def test_consumers_and_subscriptions_stay_the_same_over_twenty_reconnects(
    server: RealServer, buses: tuple[NatsBus, NatsBus], subjects: Subjects
) -> None:
    bus, ada = buses
    client = RegistryClient(Caller(ada, agent="ada", subjects=subjects))
    async with running(registry_runner(bus, subjects)):
        assert (await client.register()).incarnation == 1
        subscribed, consuming = subscriptions(server), await consumers(ada)
        assert subscribed["registry", subjects.call("registry", "*", "*")] == 1
        assert set(subscribed.values()) == {1}
        for count in range(1, RECONNECTS + 1):
            await lose_all(server, count)
            assert (await client.register()).incarnation == count + 1
            assert (await client.get("ada")).incarnation == count + 1
            await wait_until(lambda: subscriptions(server) == subscribed)
            assert await consumers(ada) == consuming
