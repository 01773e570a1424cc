"""Typed client of consensus."""

from __future__ import annotations

import asyncio
import builtins
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, Final, TypeVar

from pydantic import JsonValue, ValidationError

from consensus import asking, rules, wire
from consensus.ballot import ChoiceError, normalised
from consensus.chartering import CharterClient
from consensus.signing import Signer, new_nonce, signed_bytes
from coordination.runtime.asking import items, mapping, request
from coordination.runtime.bus import Delivery, Subscription
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.wire import Body, Reply

B = TypeVar("B", bound=Reply)
_SERVICE: Final = "consensus"
_POLL_S: Final = 1.0
"""A notice may be lost; asking again bounds what that costs."""
_VOTING: Final = frozenset({"pending", "active"})
_MAX_KNOWN: Final = 256
"""Proposals whose artifact and rules are remembered for votes to come."""
_log = get_logger(__name__)


class ConsensusClient(CharterClient):
    """What one agent proposes and votes; errors as in `coordination.runtime.client.Caller`.

    Args:
        caller: The agent.
        signer: Signs the agent's votes. Without one votes are not signed, and most proposals refuse them
            (``signature_required``).
        converse: Opens a dialog, for proposals that are to be discussed in one.
    """

    def __init__(
        self, caller: Caller, signer: Signer | None = None, converse: asking.Converse = asking.alone
    ) -> None:
        self._caller = caller
        self._signer = signer
        self._converse = converse
        self._known: dict[str, wire.ProposalSummary] = {}
        """Proposals that were asked for in order to sign a vote on them."""

    # --- what changes proposals

    async def propose(
        self,
        title: str,
        *,
        artifact_sha256: str,
        electorate: Iterable[str] | Mapping[str, Any] | wire.Electorate,
        weights: str | Mapping[str, int] | Mapping[str, str] = "equal",
        kind: wire.Kind = "custom",
        description: str = "",
        protocol: wire.Protocol = "simple_majority",
        options: Iterable[str | Mapping[str, str] | rules.Option | wire.Option] = (),
        threshold: Fraction | float | str | rules.Threshold | wire.Threshold | None = None,
        quorum: int | Fraction | str | rules.Level | wire.Level = Fraction(1, 2),
        quorum_counts: rules.QuorumCounts = "for_and_abstain",
        super_quorum: int | Fraction | str | rules.Level | wire.Level | None = None,
        late_quorum_extension_ms: int = 0,
        early_decision: bool = True,
        vote_changes: bool = False,
        fractional: bool = False,
        tie_rule: rules.TieRule = "fails",
        credits: int = rules.DEFAULT_CREDITS,  # noqa: A002 - the name on the wire
        minimum_electorate: int = 1,
        offline_voters: rules.OfflineVoters = "remain",
        veto_holders: Iterable[str] = (),
        guardian: str | None = None,
        executors: Iterable[str] = (),
        timelock_ms: int | None = None,
        execution_window_ms: int = rules.DEFAULT_EXECUTION_WINDOW_MS,
        signatures: wire.Signatures = "required",
        voting_delay_ms: int = 0,
        voting_period_ms: int = 60_000,
        conversation_id: str | None = None,
        discuss: bool = False,
    ) -> wire.ProposalSummary:
        """Put an artifact to the vote; the arguments are the fields of `consensus.wire.ProposeRequest`.

        Args:
            title: One line.
            artifact_sha256: Hash of exactly what is voted on: 64 digits of lower-case hex.
            electorate: Agents, or ``{"requirement": "python>=3.11"}`` or ``{"role": "reviewer"}``, which are
                looked up when voting opens.
            weights: ``equal``, a weight by agent, or ``{"trust": TOPIC}``.
            kind: What it is about.
            description: What a voter should know.
            protocol: What it takes to win.
            options: Ids, or options with title and artifact, for the protocols that choose among several.
            threshold: Of ``qualified_majority``: ``Fraction(2, 3)`` or ``">2/3"``; a Fraction is inclusive.
            quorum: What must take part: a count, or a fraction of the weight of the electorate.
            quorum_counts: What counts toward it.
            super_quorum: So much in favour ends a vote that is won, early.
            late_quorum_extension_ms: Remains to vote, at least, when the quorum is first reached.
            early_decision: End the vote as soon as the outcome is certain.
            vote_changes: The last vote of a voter counts.
            fractional: A voter may split its weight.
            tie_rule: Between options.
            credits: Of a ``quadratic`` ballot.
            minimum_electorate: With fewer electors it is defeated.
            offline_voters: Whether electors that go offline before they voted are left out.
            veto_holders: Who may stop it, saying why.
            guardian: Who may cancel it at any stage.
            executors: Who may execute it; by default all with a part in it, and services that act on votes.
            timelock_ms: Time between success and execution.
            execution_window_ms: Time in which it may be executed.
            signatures: Whether votes must be signed.
            voting_delay_ms: Discussion period before voting opens.
            voting_period_ms: How long votes are taken.
            conversation_id: The dialog in which it is discussed.
            discuss: Open a dialog with the electorate, which must be named; it stays if this is refused.

        Raises:
            UsageError: An argument has no form that the contract knows.
        """
        body = request(
            wire.ProposeRequest,
            title=title,
            artifact_sha256=artifact_sha256,
            **asking.electors(electorate, weights, minimum_electorate),
            kind=kind,
            description=description,
            **asking.won_by(protocol, options, threshold),
            **asking.quorums(quorum, quorum_counts, super_quorum),
            late_quorum_extension_ms=late_quorum_extension_ms,
            early_decision=early_decision,
            vote_changes=vote_changes,
            fractional=fractional,
            tie_rule=tie_rule,
            credits=credits,
            offline_voters=offline_voters,
            **asking.powers(veto_holders, guardian, executors),
            timelock_ms=timelock_ms,
            execution_window_ms=execution_window_ms,
            signatures=signatures,
            voting_delay_ms=voting_delay_ms,
            voting_period_ms=voting_period_ms,
            conversation_id=conversation_id,
        )
        body = await asking.discussed(body, self._caller.agent, self._converse) if discuss else body
        return await self._command("propose", body, wire.ProposalSummary)

    async def discuss(self, proposal_id: str, text: str) -> wire.Comment:
        """Comment on a proposal."""
        body = request(wire.DiscussRequest, proposal_id=proposal_id, text=text)
        return await self._command("discuss", body, wire.Comment)

    async def amend(
        self,
        proposal_id: str,
        artifact_sha256: str,
        *,
        description: str | None = None,
        options: Iterable[str | Mapping[str, str] | rules.Option | wire.Option] | None = None,
        reason: str = "",
    ) -> wire.ProposalSummary:
        """Put another artifact in the place of the present one, while one's own proposal is pending.

        Args:
            proposal_id: The proposal.
            artifact_sha256: Hash of what is voted on from now on.
            description: None: as it is.
            options: The same ids with other titles and artifacts. None: as they are.
            reason: Why.
        """
        body = request(
            wire.AmendRequest,
            proposal_id=proposal_id,
            artifact_sha256=artifact_sha256,
            description=description,
            options=None if options is None else asking.options_of(options),
            reason=reason,
        )
        return await self._command("amend", body, wire.ProposalSummary)

    async def vote(
        self,
        proposal_id: str,
        choice: Any,
        *,
        scope: wire.Scope = "all",
        conditions: Iterable[str] = (),
        rationale: str = "",
        proposal: wire.ProposalSummary | None = None,
    ) -> wire.VoteReply:
        """Vote; signed, if the client has a signer.

        Args:
            proposal_id: The proposal.
            choice: ``"for"``, ``"against"``, ``"abstain"``; ``["a", ["b", "c"]]``; ``{"a": 3}``.
            scope: Which weight to cast.
            conditions: What must be met for the approval to stand.
            rationale: Why.
            proposal: What the voter has read, as announced or as asked for; its artifact is what the vote is
                about. Without it a signing client asks for the proposal, once.

        Raises:
            RejectedError: ``stale_artifact``: the proposal was amended since. Nothing was signed for the
                new artifact; whoever has read that may vote again. Or another code of `consensus.wire`.
        """
        body = request(
            wire.VoteRequest,
            proposal_id=proposal_id,
            choice=choice,
            scope=scope,
            conditions=items("conditions", conditions, of="texts"),
            rationale=rationale,
            artifact_sha256="" if proposal is None else proposal.artifact_sha256,
        )
        if self._signer is not None:
            body = self._signed(body, proposal or await self._known_proposal(proposal_id), self._signer)
        try:
            return await self._command("vote", body, wire.VoteReply)
        except RejectedError as error:
            if error.code in ("stale_artifact", "bad_signature"):  # it was amended since
                self._known.pop(proposal_id, None)
            raise

    async def _known_proposal(self, proposal_id: str) -> wire.ProposalSummary:
        known = self._known.get(proposal_id)
        if known is None:
            known = await self.get(proposal_id)
            if len(self._known) >= _MAX_KNOWN:
                del self._known[next(iter(self._known))]
            self._known[proposal_id] = known
        return known

    def _signed(
        self, body: wire.VoteRequest, proposal: wire.ProposalSummary, signer: Signer
    ) -> wire.VoteRequest:
        decided_by = proposal.rules.as_rules()
        try:
            choice = normalised(decided_by, body.choice)
        except ChoiceError as error:
            raise RejectedError("invalid_choice", str(error)) from None
        nonce = new_nonce(self._caller.entropy)
        data = signed_bytes(
            proposal_id=body.proposal_id,
            artifact_sha256=proposal.artifact_sha256,
            rules=decided_by,
            voter=self._caller.agent,
            scope=body.scope,
            choice=choice,
            conditions=body.conditions,
            rationale=body.rationale,
            nonce=nonce,
        )
        proof = {"nonce": nonce, "public_key": signer.public_key, "signature": signer.sign(data)}
        return body.model_copy(update={"artifact_sha256": proposal.artifact_sha256, **proof})

    async def delegate(self, delegate: str | None, *, kind: wire.Kind | str = "") -> wire.Delegation:
        """Choose who stands in for the caller in votes that open later; None for nobody any more.

        Args:
            delegate: Agent id.
            kind: Of the proposals concerned; empty for all kinds without a delegation of their own.
        """
        body = request(wire.DelegateRequest, delegate=delegate, kind=kind)
        return await self._command("delegate", body, wire.Delegation)

    async def cancel(self, proposal_id: str, *, reason: str = "") -> wire.Decision:
        """Take back one's own proposal before voting opens, or stop one as its guardian."""
        body = request(wire.CancelRequest, proposal_id=proposal_id, reason=reason)
        return await self._command("cancel", body, wire.Decision)

    async def veto(self, proposal_id: str, reason: str) -> wire.Decision:
        """Stop a proposal as one of its veto holders."""
        body = request(wire.VetoRequest, proposal_id=proposal_id, reason=reason)
        return await self._command("veto", body, wire.Decision)

    async def execute(
        self,
        proposal_id: str,
        *,
        artifact_sha256: str,
        conditions_met: Iterable[str] = (),
        token: Mapping[str, JsonValue] | None = None,
        execution_id: str | None = None,
    ) -> wire.Execution:
        """Redeem the approval of a proposal that succeeded.

        Args:
            proposal_id: The proposal.
            artifact_sha256: Hash of what is executed.
            conditions_met: Every condition of the decision.
            token: The approval token, if one was presented.
            execution_id: Give the same to ask again; by default a new one.
        """
        body = request(
            wire.ExecuteRequest,
            proposal_id=proposal_id,
            execution_id=execution_id or f"{self._caller.entropy.getrandbits(128):032x}",
            artifact_sha256=artifact_sha256,
            conditions_met=items("conditions_met", conditions_met, of="texts"),
            token=mapping("token", token),
        )
        return await self._command("execute", body, wire.Execution)

    async def report(
        self, proposal_id: str, *, success: bool, note: str = "", result_sha256: str = ""
    ) -> wire.Receipt:
        """Say what came of an execution of one's own; once."""
        body = request(
            wire.ReportRequest,
            proposal_id=proposal_id,
            success=success,
            note=note,
            result_sha256=result_sha256,
        )
        return await self._command("report", body, wire.Receipt)

    # --- what reads them

    async def get(self, proposal_id: str) -> wire.Proposal:
        """One proposal."""
        return await self._query("get", request(wire.GetRequest, proposal_id=proposal_id), wire.Proposal)

    async def tally(self, proposal_id: str) -> wire.LiveTally:
        """How the vote on one proposal stands; small, whatever the electorate."""
        body = request(wire.TallyRequest, proposal_id=proposal_id)
        return await self._query("tally", body, wire.LiveTally)

    async def list(
        self,
        *,
        after_number: int = 0,
        limit: int = 100,
        newest_first: bool = False,
        status: wire.Status | Iterable[wire.Status] | None = None,
        kind: wire.Kind | None = None,
        proposer: str | None = None,
        to_vote: bool = False,
    ) -> tuple[wire.ProposalSummary, ...]:
        """As `page`, without where the next page begins."""
        page = await self.page(
            after_number=after_number,
            limit=limit,
            newest_first=newest_first,
            status=status,
            kind=kind,
            proposer=proposer,
            to_vote=to_vote,
        )
        return page.proposals

    async def page(
        self,
        *,
        after_number: int = 0,
        limit: int = 100,
        newest_first: bool = False,
        status: wire.Status | Iterable[wire.Status] | None = None,
        kind: wire.Kind | None = None,
        proposer: str | None = None,
        to_vote: bool = False,
    ) -> wire.ListReply:
        """A page of the proposals that meet every filter, ordered by number.

        Args:
            after_number: `next` of the page before; 0 for the first.
            limit: How many at most; fewer come if more do not fit into a message.
            newest_first: Begin with the newest.
            status: One or several; None for all.
            kind: None for all.
            proposer: None for all.
            to_vote: Only those that are open to the caller's vote and have none of it yet.
        """
        body = request(
            wire.ListRequest,
            after_number=after_number,
            limit=limit,
            newest_first=newest_first,
            status=asking.statuses_of(status),
            kind=kind,
            proposer=proposer,
            to_vote=to_vote,
        )
        return await self._query("list", body, wire.ListReply)

    async def votes(self, proposal_id: str, *, after_sequence: int = 0, limit: int = 100) -> wire.VotesReply:
        """A page of the votes on a proposal, in the order in which they were cast."""
        return await self._query("votes", _history(proposal_id, after_sequence, limit), wire.VotesReply)

    async def comments(
        self, proposal_id: str, *, after_sequence: int = 0, limit: int = 100
    ) -> wire.CommentsReply:
        """A page of the comments on a proposal, in order."""
        return await self._query("comments", _history(proposal_id, after_sequence, limit), wire.CommentsReply)

    async def trail(self, proposal_id: str, *, after_sequence: int = 0, limit: int = 100) -> wire.TrailReply:
        """A page of the audit trail of a proposal, with its head and the service's word for it."""
        return await self._query("trail", _history(proposal_id, after_sequence, limit), wire.TrailReply)

    async def delegations(self, agent: str | None = None) -> wire.DelegationsReply:
        """Whom `agent` has chosen to stand in for it, and for whom it stands in; by default the caller."""
        body = request(wire.DelegationsRequest, agent=agent)
        return await self._query("delegations", body, wire.DelegationsReply)

    async def decision(self, proposal_id: str, *, timeout_s: float) -> wire.Decision:
        """Wait until a proposal has succeeded, or was defeated, canceled or vetoed; anybody may.

        Raises:
            UnavailableError: It has not within `timeout_s`.
            RejectedError: There is no such proposal.
        """
        try:
            async with asyncio.timeout(timeout_s), contextlib.aclosing(self.watch(proposal_id)) as tallies:
                async for tally in tallies:
                    if tally.status not in _VOTING:
                        break
                decision = (await self.get(proposal_id)).decision
        except TimeoutError:
            raise UnavailableError(f"proposal {proposal_id} not settled within {timeout_s:g} s") from None
        if decision is None:
            raise UnavailableError(f"proposal {proposal_id} is not settled after all")
        return decision

    async def watch(self, proposal_id: str) -> AsyncGenerator[wire.LiveTally]:
        """How the vote stands now, and again whenever that changed, until voting is over.

        The last one tells how it ended. Notices say when to look; they may be lost, so it looks once in a
        while without one. End it early with ``aclose`` (`contextlib.aclosing`).
        """
        async with self._noticing(proposal_id) as noticed:
            shown: wire.LiveTally | None = None
            while True:
                noticed.clear()
                tally = await self.tally(proposal_id)
                if tally != shown:
                    shown = tally
                    yield tally
                if tally.status not in _VOTING:
                    return
                await _wait(noticed, _POLL_S)

    @contextlib.asynccontextmanager
    async def _noticing(self, proposal_id: str) -> AsyncIterator[asyncio.Event]:
        """Set at each notice about a proposal."""
        noticed = asyncio.Event()

        async def notice(_: Delivery) -> None:
            noticed.set()

        subject = self._caller.subjects.event(_SERVICE, "*", proposal_id)
        subscription = await self._caller.bus.subscribe(subject, notice)
        try:
            await self._caller.bus.flush()
            yield noticed
        finally:
            await subscription.unsubscribe()

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

    async def _command(self, verb: str, body: Body, reply: builtins.type[B]) -> B:
        return await self._caller.command(_SERVICE, verb, body, reply)

    async def _query(self, verb: str, body: Body, reply: builtins.type[B]) -> B:
        return await self._caller.query(_SERVICE, verb, body, reply)


def _history(proposal_id: str, after_sequence: int, limit: int) -> wire.HistoryRequest:
    return request(wire.HistoryRequest, proposal_id=proposal_id, after_sequence=after_sequence, limit=limit)


async def _wait(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
