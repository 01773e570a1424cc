"""Many voters on the real server, each on a connection of its own, and what must become of their votes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from pathlib import Path

from conclave import Session, connect
from conclave.identity import Identities
from consensus.audit import check, collect
from consensus.wire import Execution, Proposal, VoteReply
from coordination.runtime.errors import RejectedError
from tests.support.waiting import wait_until

PATIENCE_S = 90.0
"""Longer than restarts take on a busy machine."""
DIGEST = "ab" * 32
_AT_A_TIME = 4


class Voters:
    """Voters of one proposal, who vote a few at a time."""

    def __init__(self, sessions: list[Session]) -> None:
        self.sessions = sessions
        self.names = [session.agent for session in sessions]
        self.receipts: dict[str, VoteReply] = {}
        """Voter -> what it was answered."""
        self.proposal_id = ""
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._others = asyncio.Event()

    @classmethod
    async def join(cls, stack: contextlib.AsyncExitStack, url: str, store: Path, count: int) -> Voters:
        """Connect voters, each with a credential of its own; connected until `stack` ends."""
        names = [f"voter-{number}" for number in range(count)]
        await Identities(store).ensure(*names)
        keys = Identities(store).directory
        return cls(
            [
                await stack.enter_async_context(
                    connect(url, agent=name, credentials=keys, patience_s=PATIENCE_S)
                )
                for name in names
            ]
        )

    async def propose(self) -> str:
        """A vote in which nothing is certain before all have voted."""
        proposal = await self.sessions[0].consensus.propose(
            "Survive",
            artifact_sha256=DIGEST,
            electorate=self.names,
            quorum=len(self.names),
            voting_period_ms=120_000,
        )
        self.proposal_id = proposal.proposal_id
        return self.proposal_id

    async def vote(self, *, hold_after: int | None = None) -> None:
        """All of them vote.

        Args:
            hold_after: So many vote; the others wait for `go_on`.
        """
        async with asyncio.TaskGroup() as group:
            for index, session in enumerate(self.sessions):
                waits = hold_after is not None and index >= hold_after
                group.create_task(self._vote(session, waits=waits))

    def go_on(self) -> None:
        """Let those vote who were held back."""
        self._others.set()

    async def _vote(self, session: Session, *, waits: bool) -> None:
        if waits:
            await self._others.wait()
        async with self._slots:
            self.receipts[session.agent] = await session.consensus.vote(
                self.proposal_id, "for", rationale=f"I am {session.agent}"
            )

    async def acknowledged(self, count: int) -> None:
        """Return when so many votes were acknowledged."""
        await wait_until(lambda: len(self.receipts) >= count, timeout_s=PATIENCE_S)

    async def expect_one_result(self, store: Path) -> Proposal:
        """Every vote is on record once, as it was acknowledged; result and audit follow from them."""
        consensus = self.sessions[0].consensus
        assert sorted(self.receipts) == sorted(self.names)
        votes = (await consensus.votes(self.proposal_id)).votes
        assert [each.sequence for each in votes] == list(range(1, len(self.names) + 1))
        cast = {each.voter: (each.sequence, each.weight, each.rationale) for each in votes}
        told = {
            voter: (reply.sequence, reply.weight, f"I am {voter}") for voter, reply in self.receipts.items()
        }
        assert cast == told
        decision = await consensus.decision(self.proposal_id, timeout_s=30)
        assert decision.status == "succeeded"
        assert decision.tally is not None
        assert decision.tally.for_votes == len(self.names)
        audit = await collect(consensus, self.proposal_id)
        users = json.loads((store / "users.json").read_text())["users"]
        keys = {each["name"]: {each["public_key"]} for each in users}
        heads = [reply.trail_hash for reply in self.receipts.values()]
        report = check(
            io.BytesIO(audit), keys=keys, heads=heads, service_key=next(iter(keys["consensus"]), None)
        )
        assert report.problems == []
        assert report.signed_vote_count == len(self.names)
        return await consensus.get(self.proposal_id)


async def redeem(session: Session, proposal_id: str, execution_id: str) -> Execution | str:
    """Execute what was approved; the code of the refusal, if it is refused."""
    try:
        return await session.consensus.execute(proposal_id, artifact_sha256=DIGEST, execution_id=execution_id)
    except RejectedError as refusal:
        return refusal.code
