"""Consensus and its neighbours under the permissions that their users have in earnest."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conclave import connect
from conclave.deployment import deployed
from conclave.embedded import EmbeddedServer, embedded_server
from consensus.signing import attested_bytes, verify
from coordination.runtime.names import Subjects
from tests.support.processes import free_port
from tests.support.voting import ARTIFACT

WAIT_S = 20.0
NAMES = ("registry", "knowledge", "consensus")


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """Consensus and its neighbours on a server that asks for credentials; it knows two agents."""
    async with embedded_server(tmp_path / "store", port=free_port(), secured=Subjects()) as server:
        await server.identities.add("ada", "bob")
        async with deployed(server.url, names=NAMES, credentials=server.credentials):
            yield server


async def test_snapshots_presence_and_attestations_need_no_other_permissions(secured: EmbeddedServer) -> None:
    keys = secured.identities.directory
    async with contextlib.AsyncExitStack() as stack:
        ada, bob = [
            await stack.enter_async_context(connect(secured.url, agent=agent, credentials=keys))
            for agent in ("ada", "bob")
        ]
        for agent in (ada, bob):
            await agent.registry.register(labels={"role": "reviewer"})
        await ada.knowledge.assert_fact("peers", "bob", "trust", {"positive": 8, "negative": 0})
        proposed = await ada.consensus.propose(
            "t",
            artifact_sha256=ARTIFACT,
            electorate={"role": "reviewer"},
            weights={"trust": "peers"},
            offline_voters="release",
        )
        async with asyncio.timeout(WAIT_S):
            while (await ada.consensus.tally(proposed.proposal_id)).status == "pending":
                pass
            await bob.registry.deregister()
            while not (proposal := await ada.consensus.get(proposed.proposal_id)).released:
                pass
        assert proposal.weights == {"ada": 500, "bob": 900}
        assert proposal.released == ("bob",)
        trail = await ada.consensus.trail(proposed.proposal_id)
    word = trail.attestation
    assert word is not None
    assert word.public_key == secured.credentials["consensus"].public_key
    vouched = attested_bytes(proposal_id=proposed.proposal_id, sequence=word.sequence, head=trail.head)
    assert verify(word.public_key, word.signature, vouched)
    log = (secured.store / "nats-server.log").read_text(encoding="utf-8")
    assert [line for line in log.splitlines() if "Violation" in line] == []
