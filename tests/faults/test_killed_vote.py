"""kill -9 of the service process in the middle of a vote: every acknowledged vote counts, none twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from pathlib import Path

import pytest

from conclave import Session, connect
from conclave.embedded import embedded_server
from conclave.identity import Identities
from coordination.runtime.names import Subjects
from tests.support.processes import conclave_process, free_port

VOTERS = 40
KILL_AFTER = 12
PATIENCE_S = 90.0
"""Longer than the restarts take on a busy machine."""
DIGEST = "ab" * 32


class Poll:
    """Many voters, each on a connection of its own, voting a few at a time."""

    def __init__(self, sessions: list[Session]) -> None:
        self.acknowledged: set[str] = set()
        self.enough = asyncio.Event()
        self._sessions = sessions
        self._slots = asyncio.Semaphore(4)

    async def vote(self, proposal_id: str) -> None:
        async with asyncio.TaskGroup() as group:
            for session in self._sessions:
                group.create_task(self._vote(session, proposal_id))

    async def _vote(self, session: Session, proposal_id: str) -> None:
        async with self._slots:
            await session.consensus.vote(proposal_id, "for", rationale=session.agent)
            self.acknowledged.add(session.agent)
            if len(self.acknowledged) >= KILL_AFTER:
                self.enough.set()


async def expect_every_vote_once(session: Session, proposal_id: str) -> None:
    votes = (await session.consensus.votes(proposal_id)).votes
    assert sorted(vote.voter for vote in votes) == sorted(f"voter-{n}" for n in range(VOTERS))
    settled = await session.consensus.decision(proposal_id, timeout_s=30)
    assert settled.status == "succeeded"
    assert settled.tally is not None
    assert settled.tally.for_votes == VOTERS


async def open_sessions(stack: contextlib.AsyncExitStack, url: str, store: Path) -> list[Session]:
    """A session for each voter, each with a credential of its own."""
    voters = [f"voter-{n}" for n in range(VOTERS)]
    await Identities(store).ensure(*voters)
    keys = Identities(store).directory
    return [
        await stack.enter_async_context(connect(url, agent=voter, credentials=keys, patience_s=PATIENCE_S))
        for voter in voters
    ]


async def propose(session: Session) -> str:
    proposal = await session.consensus.propose(
        "Survive",
        artifact_sha256=DIGEST,
        electorate=[f"voter-{n}" for n in range(VOTERS)],
        quorum=VOTERS,  # nothing is certain before all have voted
        voting_period_ms=120_000,
    )
    return proposal.proposal_id


@pytest.mark.timeout(240)
@pytest.mark.parametrize("times", [1, 3])
async def test_whole_conclave_killed_during_a_vote_loses_and_repeats_nothing(
    tmp_path: Path, times: int
) -> None:
    port = free_port()
    arguments = ("up", "--store", str(tmp_path), "--port", str(port))
    async with contextlib.AsyncExitStack() as stack:
        async with conclave_process(*arguments) as (process, _):
            sessions = await open_sessions(stack, f"nats://127.0.0.1:{port}", tmp_path)
            proposal_id = await propose(sessions[0])
            poll = Poll(sessions)
            voting = asyncio.create_task(poll.vote(proposal_id))
            await poll.enough.wait()
            os.kill(process.pid, signal.SIGKILL)
        before = set(poll.acknowledged)
        assert KILL_AFTER <= len(before) < VOTERS, "the kill must fall into the vote"
        for _ in range(times - 1):
            async with conclave_process(*arguments) as (process, _):
                os.kill(process.pid, signal.SIGKILL)
        async with conclave_process(*arguments):
            await voting
            assert before <= poll.acknowledged
            await expect_every_vote_once(sessions[0], proposal_id)
    # nats-py drops the stream of a handshake that a kill cut off without closing it; let it be
    # collected while there is a loop to close it on.
    gc.collect()


async def test_one_service_killed_during_a_vote_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        secured = embedded_server(tmp_path, port=free_port(), secured=Subjects())
        server = await stack.enter_async_context(secured)
        keys = str(server.identities.directory)
        arguments = ("serve", "consensus", "--nats", server.url, "--credentials", keys)
        async with conclave_process(*arguments) as (process, _):
            sessions = await open_sessions(stack, server.url, tmp_path)
            proposal_id = await propose(sessions[0])
            poll = Poll(sessions)
            voting = asyncio.create_task(poll.vote(proposal_id))
            await poll.enough.wait()
            os.kill(process.pid, signal.SIGKILL)
        assert len(poll.acknowledged) < VOTERS, "the kill must fall into the vote"
        async with conclave_process(*arguments):
            await voting
            await expect_every_vote_once(sessions[0], proposal_id)
