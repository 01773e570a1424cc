"""Typed client of consensus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable
from fractions import Fraction
from typing import Final, TypeVar

from pydantic import ValidationError

from consensus import wire
from coordination.runtime.asking import items, request
from coordination.runtime.bus import Delivery, Subscription
from coordination.runtime.client import Caller
from coordination.runtime.errors import UnavailableError, UsageError
from coordination.runtime.logs import get_logger
from coordination.runtime.wire import Body

B = TypeVar("B", bound=Body)
_SERVICE: Final = "consensus"
_POLL_S: Final = 1.0
"""A notice may be lost; asking again bounds what that costs."""
_log = get_logger(__name__)


class ConsensusClient:
    """What one agent proposes and votes; errors as in `coordination.runtime.client.Caller`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def propose(
        self,
        title: str,
        *,
        artifact_sha256: str,
        electorate: Iterable[str],
        kind: wire.Kind = "custom",
        description: str = "",
        voting_delay_ms: int = 0,
        voting_period_ms: int = 60_000,
        quorum: int | Fraction = Fraction(1, 2),
        early_decision: bool = True,
        conversation_id: str | None = None,
    ) -> wire.ProposalSummary:
        """Put an artifact to the vote.

        Args:
            title: One line.
            artifact_sha256: Hash of exactly what is voted on: 64 digits of lower-case hex.
            electorate: Who may vote.
            kind: What it is about.
            description: What a voter should know.
            voting_delay_ms: Discussion period before voting opens.
            voting_period_ms: How long votes are taken.
            quorum: How many must vote for or abstain: a count, or a fraction of the electorate.
            early_decision: End the vote as soon as the outcome is certain.
            conversation_id: The dialog in which it is discussed.
        """
        body = request(
            wire.ProposeRequest,
            title=title,
            kind=kind,
            description=description,
            artifact_sha256=artifact_sha256,
            electorate=items("electorate", electorate, of="agent ids"),
            voting_delay_ms=voting_delay_ms,
            voting_period_ms=voting_period_ms,
            quorum=_quorum(quorum),
            early_decision=early_decision,
            conversation_id=conversation_id,
        )
        return await self._caller.command(_SERVICE, "propose", body, wire.ProposalSummary)

    async def discuss(self, proposal_id: str, text: str) -> wire.Comment:
        """Comment on a proposal."""
        body = request(wire.DiscussRequest, proposal_id=proposal_id, text=text)
        return await self._caller.command(_SERVICE, "discuss", body, wire.Comment)

    async def vote(self, proposal_id: str, choice: wire.Choice, *, rationale: str = "") -> wire.VoteReply:
        """Vote, once."""
        body = request(wire.VoteRequest, proposal_id=proposal_id, choice=choice, rationale=rationale)
        return await self._caller.command(_SERVICE, "vote", body, wire.VoteReply)

    async def cancel(self, proposal_id: str) -> wire.Decision:
        """Take back one's own proposal before voting opens."""
        body = request(wire.CancelRequest, proposal_id=proposal_id)
        return await self._caller.command(_SERVICE, "cancel", body, wire.Decision)

    async def get(self, proposal_id: str) -> wire.Proposal:
        """One proposal."""
        body = request(wire.GetRequest, proposal_id=proposal_id)
        return await self._caller.query(_SERVICE, "get", body, wire.Proposal)

    async def list(
        self, *, after_number: int = 0, limit: int = 100, status: wire.Status | None = None
    ) -> tuple[wire.ProposalSummary, ...]:
        """A page of all proposals, ordered by number."""
        body = request(wire.ListRequest, after_number=after_number, limit=limit, status=status)
        return (await self._caller.query(_SERVICE, "list", body, wire.ListReply)).proposals

    async def votes(self, proposal_id: str, *, after_sequence: int = 0, limit: int = 100) -> wire.VotesReply:
        """A page of the votes on a proposal, in the order in which they were cast."""
        body = request(
            wire.HistoryRequest, proposal_id=proposal_id, after_sequence=after_sequence, limit=limit
        )
        return await self._caller.query(_SERVICE, "votes", body, wire.VotesReply)

    async def comments(
        self, proposal_id: str, *, after_sequence: int = 0, limit: int = 100
    ) -> wire.CommentsReply:
        """A page of the comments on a proposal, in order."""
        body = request(
            wire.HistoryRequest, proposal_id=proposal_id, after_sequence=after_sequence, limit=limit
        )
        return await self._caller.query(_SERVICE, "comments", body, wire.CommentsReply)

    async def decision(self, proposal_id: str, *, timeout_s: float) -> wire.Decision:
        """Wait until a proposal is settled; anybody may.

        Raises:
            UnavailableError: It is not settled within `timeout_s`.
            RejectedError: There is no such proposal.
        """
        settled = asyncio.Event()

        async def notice(_: Delivery) -> None:
            settled.set()

        events = (
            self._caller.subjects.event(_SERVICE, event, proposal_id) for event in ("decided", "canceled")
        )
        async with contextlib.AsyncExitStack() as stack:
            for event in events:
                subscription = await self._caller.bus.subscribe(event, notice)
                stack.push_async_callback(subscription.unsubscribe)
            await self._caller.bus.flush()
            return await self._settled(proposal_id, settled, timeout_s)

    async def _settled(self, proposal_id: str, noticed: asyncio.Event, timeout_s: float) -> wire.Decision:
        try:
            async with asyncio.timeout(timeout_s):
                while (decision := (await self.get(proposal_id)).decision) is None:
                    await _wait(noticed, _POLL_S)
                    noticed.clear()
                return decision
        except TimeoutError:
            raise UnavailableError(f"proposal {proposal_id} not settled within {timeout_s:g} s") from None

    async def on_proposal(self, handler: Callable[[wire.ProposalAnnounced], Awaitable[None]]) -> Subscription:
        """Call `handler` for each proposal on which the caller may vote, and again when voting opens."""
        return await self._on("proposal", wire.ProposalAnnounced, handler)

    async def on_decision(self, handler: Callable[[wire.Decision], Awaitable[None]]) -> Subscription:
        """Call `handler` for each decision on a proposal that the caller made or may vote on."""
        return await self._on("decision", wire.Decision, handler)

    async def _on(self, kind: str, body: type[B], handler: Callable[[B], Awaitable[None]]) -> Subscription:
        async def receive(delivery: Delivery) -> None:
            try:
                parsed = body.model_validate_json(delivery.payload)
            except ValidationError:
                _log.warning("push ignored", agent=self._caller.agent, reason=f"not a {kind}")
                return
            await handler(parsed)

        subject = self._caller.subjects.inbox(self._caller.agent, kind)
        return await self._caller.bus.subscribe(subject, receive)


def _quorum(quorum: int | Fraction) -> wire.Quorum:
    if not isinstance(quorum, (int, Fraction)):
        raise UsageError("quorum is a number of votes or a Fraction of the electorate: Fraction(1, 2)")
    if isinstance(quorum, int):
        return request(wire.Quorum, count=quorum)
    return request(wire.Quorum, numerator=quorum.numerator, denominator=quorum.denominator)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
