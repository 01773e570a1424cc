"""Processes that die or stand still in the middle of a vote: every acknowledged vote counts, none twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conclave.embedded import embedded_server
from coordination.runtime.names import Subjects
from tests.support.processes import conclave_process, free_port
from tests.support.voters import Voters, redeem

VOTERS = 40
FEW = 8
KILL_AFTER = 12


@contextlib.asynccontextmanager
async def secured_server(store: Path) -> AsyncIterator[tuple[str, tuple[str, ...]]]:
    """A server alone: its URL, and the arguments with which consensus is served on it."""
    async with embedded_server(store, port=free_port(), secured=Subjects()) as server:
        keys = str(server.identities.directory)
        yield server.url, ("serve", "consensus", "--nats", server.url, "--credentials", keys)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("by", "times"),
    [(signal.SIGKILL, 1), (signal.SIGKILL, 3), (signal.SIGTERM, 1)],
    ids=["killed", "killed three times", "stopped"],
)
async def test_whole_conclave_restarted_during_a_vote_loses_and_repeats_nothing(
    tmp_path: Path, by: signal.Signals, times: int
) -> None:
    port = free_port()
    arguments = ("up", "--store", str(tmp_path), "--port", str(port))
    async with contextlib.AsyncExitStack() as stack:
        async with conclave_process(*arguments) as (process, _):
            voters = await Voters.join(stack, f"nats://127.0.0.1:{port}", tmp_path, VOTERS)
            await voters.propose()
            voting = asyncio.create_task(voters.vote())
            await voters.acknowledged(KILL_AFTER)
            os.kill(process.pid, by)
        before = set(voters.receipts)
        assert KILL_AFTER <= len(before) < VOTERS, "the end must fall into the vote"
        for _ in range(times - 1):
            async with conclave_process(*arguments) as (process, _):
                os.kill(process.pid, signal.SIGKILL)
        async with conclave_process(*arguments):
            await voting
            assert before <= voters.receipts.keys()
            await voters.expect_one_result(tmp_path)
    # nats-py drops the stream of a handshake that a kill cut off without closing it; let it be
    # collected while there is a loop to close it on.
    gc.collect()


async def test_one_service_killed_during_a_vote_loses_and_repeats_nothing(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        url, arguments = await stack.enter_async_context(secured_server(tmp_path))
        async with conclave_process(*arguments) as (process, _):
            voters = await Voters.join(stack, url, tmp_path, VOTERS)
            await voters.propose()
            voting = asyncio.create_task(voters.vote())
            await voters.acknowledged(KILL_AFTER)
            os.kill(process.pid, signal.SIGKILL)
        assert len(voters.receipts) < VOTERS, "the kill must fall into the vote"
        async with conclave_process(*arguments):
            await voting
            await voters.expect_one_result(tmp_path)


async def test_a_leader_that_stands_still_during_a_vote_changes_nothing_when_it_wakes_up(
    tmp_path: Path,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        url, arguments = await stack.enter_async_context(secured_server(tmp_path))
        leader, _ = await stack.enter_async_context(conclave_process(*arguments))
        voters = await Voters.join(stack, url, tmp_path, FEW)
        await voters.propose()
        await stack.enter_async_context(conclave_process(*arguments))  # the standby
        voting = asyncio.create_task(voters.vote(hold_after=FEW // 2))
        await voters.acknowledged(1)
        leader.send_signal(signal.SIGSTOP)
        try:
            voters.go_on()
            await voters.acknowledged(FEW - 1)  # so another one leads
        finally:
            leader.send_signal(signal.SIGCONT)
        await voting
        await voters.expect_one_result(tmp_path)


async def test_an_approval_is_redeemed_once_though_the_service_is_killed_while_two_reach_for_it(
    tmp_path: Path,
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        url, arguments = await stack.enter_async_context(secured_server(tmp_path))
        async with conclave_process(*arguments) as (process, _):
            voters = await Voters.join(stack, url, tmp_path, FEW)
            proposal_id = await voters.propose()
            await voters.vote()
            first, second, *_ = voters.sessions
            racing = [
                asyncio.create_task(redeem(session, proposal_id, f"by {session.agent}".replace(" ", "-")))
                for session in (first, second)
            ]
            await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
            os.kill(process.pid, signal.SIGKILL)  # after somebody has redeemed, before anybody reports
        async with conclave_process(*arguments):
            answers = [await each for each in racing]
            (lost,) = (each for each in answers if isinstance(each, str))
            assert lost == "already_executed"
            (won,) = (each for each in answers if not isinstance(each, str))
            winner = next(each for each in (first, second) if each.agent == won.executor)
            loser = first if winner is second else second
            assert await redeem(winner, proposal_id, won.execution_id) == won, "the same answer again"
            assert await redeem(winner, proposal_id, "another") == "already_executed"
            assert await redeem(loser, proposal_id, won.execution_id) == "already_executed"
            await winner.consensus.report(proposal_id, success=True, note="done once")
            proposal = await voters.expect_one_result(tmp_path)
            assert proposal.execution == won
            assert proposal.receipt is not None
            assert proposal.receipt.note == "done once"
