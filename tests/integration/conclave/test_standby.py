"""What a person sees of standbys: the greeting says who leads."""

from __future__ import annotations

from coordination.runtime.names import Subjects
from tests.support.nats_server import RealServer
from tests.support.processes import conclave_process


async def test_the_greeting_says_who_leads_and_who_stands_by(
    nats_server: RealServer, subjects: Subjects
) -> None:
    on_server = ("--nats", nats_server.url, "--prefix", subjects.prefix)
    async with conclave_process("serve", "registry", *on_server) as (_, first):
        assert first == f"serving registry on {nats_server.url}; stop with Ctrl-C\n"
        async with conclave_process("serve", "registry", "tasks", *on_server) as (_, second):
            doing = "serving tasks, standing by for registry"
            assert second == f"{doing} on {nats_server.url}; stop with Ctrl-C\n"
