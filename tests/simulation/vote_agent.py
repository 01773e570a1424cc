"""One simulated agent that proposes, votes, stops and executes, sometimes as it should not, and may crash."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from consensus import wire
from consensus.ballot import normalised
from consensus.client import ConsensusClient
from consensus.signing import CredentialsSigner, new_nonce, signed_bytes
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from tests.simulation.vote_sightings import Attempt, Redemption, Sightings
from tests.simulation.vote_terms import artifact, draw_choice, draw_terms
from tests.support.voting import signer_of

T = TypeVar("T")
MAX_PROPOSALS: Final = 10
"""Of all agents in one run."""
_MAX_OPEN: Final = 3
"""At a time, as far as agents know; few, so that many meet in each."""
_CRASH: Final = 0.08
"""Chance that the agent dies while it waits for an answer."""
_VOTES: Final = {"plain": 50, "own": 14, "unsigned": 3, "altered": 3, "borrowed key": 3, "stale": 8}
_ENDED: Final = ("decided", "queued", "vetoed", "canceled")


class Crash(Exception):  # noqa: N818 - nothing is wrong
    """The process dies here; what was under way may happen or not."""


class VoteAgent:
    """See the module.

    Args:
        caller: The agent's way to the services.
        seen: What all agents did and saw.
        agents: All that may be proposed as electors.
        entropy: Decides what it does.
    """

    def __init__(
        self, caller: Caller, seen: Sightings, agents: Sequence[str], entropy: random.Random
    ) -> None:
        self._caller = caller
        self._seen = seen
        self._agents = agents
        self._entropy = entropy
        self._client = ConsensusClient(caller, signer_of(caller.agent))
        self._count = 0
        self._won: list[str] = []
        """Proposals that were heard to have succeeded, and not tried to execute yet."""

    @property
    def name(self) -> str:
        return self._caller.agent

    async def listen(self) -> None:
        """Hear pushes, and the notices that everybody may hear."""

        async def announced(proposal: wire.ProposalAnnounced) -> None:
            self._seen.see(proposal)

        async def decided(decision: wire.Decision) -> None:
            self._seen.ended(f"push to {self.name}", decision)
            if decision.status == "succeeded":
                self._won.append(decision.proposal_id)

        async def noticed(delivery: Delivery) -> None:
            decision = wire.Decision.model_validate_json(delivery.payload)
            self._seen.ended(f"notice to {self.name}", decision)

        await self._client.on_proposal(announced)
        await self._client.on_decision(decided)
        for event in _ENDED:
            await self._caller.bus.subscribe(self._caller.subjects.event("consensus", event, "*"), noticed)

    def restart(self) -> None:
        """Begin anew, as a process that knows nothing but what others know."""
        self._client = ConsensusClient(self._caller, signer_of(self.name))

    async def act(self) -> None:
        """Do one thing.

        Raises:
            Crash: The agent has died.
        """
        if self._won and self._entropy.random() < 0.7:
            await self._execute(self._won.pop(0))
            return
        if len(self._seen.open) < _MAX_OPEN and self._entropy.random() < 0.5:
            await self._propose()
        if not self._seen.proposals:
            return
        proposal = self._pick()
        acts: dict[Callable[[wire.ProposalSummary], Awaitable[None]], int] = {
            self._vote: 60,
            self._send_again: 8,
            self._steal: 4,
            self._look: 8,
            self._delegate: 6,
            self._amend: 8,
            self._stop: 3,
            self._execute_untold: 6,
            self._discuss: 2,
        }
        (act,) = self._entropy.choices(list(acts), list(acts.values()))
        await act(proposal)

    def _pick(self) -> wire.ProposalSummary:
        """A proposal, for the most part one that is not known to have ended."""
        known = self._seen.proposals
        considered = self._seen.open if self._entropy.random() < 0.85 else known
        return known[self._entropy.choice(list(considered or known))]

    def _label(self) -> str:
        self._count += 1
        return f"{self.name}-{self._count}"

    async def _ask(self, call: Awaitable[T]) -> T | RejectedError | None:
        """What comes of a call: its answer, its refusal, or nothing that is certain.

        Raises:
            Crash: The agent died before the answer was there.
        """
        within_s = self._entropy.uniform(0.0, 0.05) if self._entropy.random() < _CRASH else None
        try:
            async with asyncio.timeout(within_s):
                return await call
        except TimeoutError:
            return None
        except RejectedError as refusal:
            return refusal
        except UnavailableError:
            return None

    # --- votes

    async def _vote(self, proposal: wire.ProposalSummary) -> None:
        """Vote as one should, or not."""
        (kind,) = self._entropy.choices(list(_VOTES), list(_VOTES.values()))
        if kind == "stale":
            former = self._seen.before_amendment
            concerned = [former[each] for each in self._seen.open if each in former]
            if not concerned:
                return
            proposal = self._entropy.choice(concerned)
        attempt = self._attempt(kind, proposal)
        if kind == "plain":
            vote = self._client.vote(
                proposal.proposal_id,
                attempt.choice,
                scope=attempt.scope,  # type: ignore[arg-type]
                conditions=attempt.conditions,
                rationale=attempt.label,
            )
            self._note(attempt, await self._ask(vote))
            return
        body = self._body(attempt, proposal)
        if kind == "altered":
            body = body.model_copy(update={"nonce": f"{body.nonce[:-1]}_"})
        elif kind == "borrowed key":
            key = signer_of(self._entropy.choice([each for each in self._agents if each != self.name]))
            body = body.model_copy(update={"public_key": key.public_key})
        elif kind == "unsigned" or proposal.rules.signatures == "optional":
            # With its nonce: without one, nobody could tell a second vote from the first sent again.
            body = body.model_copy(update={"public_key": "", "signature": ""})
            if kind == "unsigned" and proposal.rules.signatures == "optional":
                attempt = replace(attempt, kind="own")
        await self._send(replace(attempt, body=body))

    def _attempt(self, kind: str, proposal: wire.ProposalSummary) -> Attempt:
        entropy, rules = self._entropy, proposal.rules.as_rules()
        choice = normalised(rules, draw_choice(entropy, rules))
        label = self._label()
        return Attempt(
            kind=kind,
            label=label,
            proposal_id=proposal.proposal_id,
            voter=self.name,
            choice=choice,
            scope=entropy.choice(("all", "all", "all", "own", "delegated")),
            conditions=(f"after {label}",) if choice == "for" and entropy.random() < 0.15 else (),
        )

    def _body(self, attempt: Attempt, proposal: wire.ProposalSummary) -> wire.VoteRequest:
        """The vote as this agent signs it."""
        signer: CredentialsSigner = signer_of(self.name)
        nonce = new_nonce(self._entropy)
        data = signed_bytes(
            proposal_id=proposal.proposal_id,
            artifact_sha256=proposal.artifact_sha256,
            rules=proposal.rules.as_rules(),
            voter=self.name,
            scope=attempt.scope,  # type: ignore[arg-type]
            choice=attempt.choice,
            conditions=attempt.conditions,
            rationale=attempt.label,
            nonce=nonce,
        )
        return wire.VoteRequest(
            proposal_id=proposal.proposal_id,
            choice=attempt.choice,
            scope=attempt.scope,
            conditions=attempt.conditions,
            rationale=attempt.label,
            artifact_sha256=proposal.artifact_sha256,
            nonce=nonce,
            public_key=signer.public_key,
            signature=signer.sign(data),
        )

    async def _send(self, attempt: Attempt) -> None:
        """Send what was made by hand, under a command id that survives a crash."""
        attempt = replace(attempt, command_id=attempt.command_id or f"{self._entropy.getrandbits(128):032x}")
        assert attempt.body is not None
        call = self._caller.command(
            "consensus", "vote", attempt.body, wire.VoteReply, command_id=attempt.command_id
        )
        self._note(attempt, await self._ask(call))

    def _note(self, attempt: Attempt, answer: wire.VoteReply | RejectedError | None) -> None:
        match answer:
            case wire.VoteReply():
                attempt = replace(attempt, reply=answer)
            case RejectedError():
                attempt = replace(attempt, refusal=answer)
        self._seen.attempted(attempt)
        if answer is None:
            raise Crash

    async def _send_again(self, _: wire.ProposalSummary) -> None:
        """Repeat a vote of one's own: the same command, or the same bytes in a new one."""
        former = [each for each in self._seen.attempts if each.body and each.voter == self.name]
        if former:
            # Where the vote still goes on; elsewhere both would be refused for another reason.
            open_now = [each for each in former if each.body and each.body.proposal_id in self._seen.open]
            attempt = replace(self._entropy.choice((open_now or former)[-4:]), reply=None, refusal=None)
            if self._entropy.random() < 0.5:
                await self._send(replace(attempt, kind="same command"))
            else:
                await self._send(replace(attempt, kind="replay", command_id=""))

    async def _steal(self, proposal: wire.ProposalSummary) -> None:
        """Hand in another's vote, signature and all, as one's own."""
        answer = await self._ask(self._client.votes(proposal.proposal_id))
        if not isinstance(answer, wire.VotesReply):
            return
        self._seen.votes += answer.votes
        others = [each for each in answer.votes if each.signature and each.voter != self.name]
        if not others:
            return
        stolen = self._entropy.choice(others)
        body = wire.VoteRequest(
            **stolen.model_dump(exclude={"sequence", "voter", "weight", "cast_at_ms", "rationale"}),
            rationale=stolen.rationale,
        )
        attempt = self._attempt("stolen", proposal)
        # In the trail it would stand with the words of the other, so it is told apart by its voter.
        attempt = replace(attempt, label=stolen.rationale, scope=stolen.scope, conditions=stolen.conditions)
        await self._send(replace(attempt, choice=body.choice, body=body))

    # --- what else becomes of proposals

    async def _propose(self) -> None:
        if len(self._seen.proposals) >= MAX_PROPOSALS:
            return
        label = self._label()
        terms = draw_terms(self._entropy, self._agents)
        answer = await self._ask(self._client.propose(label, artifact_sha256=artifact(label), **terms))
        if isinstance(answer, wire.ProposalSummary):
            self._seen.see(answer)
            self._seen.met[f"propose: {terms['protocol']}"] += 1
        elif isinstance(answer, RejectedError) and not answer.retryable:
            raise AssertionError(f"{terms} is refused: {answer}")

    async def _amend(self, proposal: wire.ProposalSummary) -> None:
        pending = [
            each
            for each in self._seen.proposals.values()
            if each.proposer == self.name and each.status == "pending"
        ]
        if not pending:
            return
        proposal = self._entropy.choice(pending)
        answer = await self._ask(self._client.amend(proposal.proposal_id, artifact(self._label())))
        if isinstance(answer, wire.ProposalSummary):
            # Every artifact is new, so the first one never comes back.
            first = proposal.model_copy(update={"artifact_sha256": artifact(proposal.title)})
            self._seen.before_amendment[proposal.proposal_id] = first
            self._seen.see(answer)
            self._seen.met["amended"] += 1

    async def _delegate(self, _: wire.ProposalSummary) -> None:
        delegate = self._entropy.choice((None, *self._agents))
        kind = self._entropy.choice(("", "custom"))
        if isinstance(await self._ask(self._client.delegate(delegate, kind=kind)), wire.Delegation):
            self._seen.met["delegated"] += 1

    async def _discuss(self, proposal: wire.ProposalSummary) -> None:
        await self._ask(self._client.discuss(proposal.proposal_id, self._label()))

    async def _stop(self, proposal: wire.ProposalSummary) -> None:
        if self.name in proposal.rules.veto_holders:
            call = self._client.veto(proposal.proposal_id, self._label())
        else:
            call = self._client.cancel(proposal.proposal_id, reason=self._label())
        answer = await self._ask(call)
        if isinstance(answer, wire.Decision):
            self._seen.endings.append(answer)
            self._seen.met[answer.status] += 1

    async def _look(self, proposal: wire.ProposalSummary) -> None:
        """See one proposal as it is now."""
        answer = await self._ask(self._client.get(proposal.proposal_id))
        if isinstance(answer, wire.Proposal):
            self._saw(answer)

    def _saw(self, proposal: wire.Proposal) -> None:
        self._seen.see(proposal)
        if proposal.decision is not None:
            self._seen.ended(f"answer to {self.name}", proposal.decision)
        if proposal.released:
            self._seen.met["released"] += 1

    # --- execution

    async def _execute_untold(self, proposal: wire.ProposalSummary) -> None:
        await self._execute(proposal.proposal_id)

    async def _execute(self, proposal_id: str) -> None:
        """Redeem an approval, perhaps in a wrong way, and say what came of it."""
        shown = await self._ask(self._client.get(proposal_id))
        if not isinstance(shown, wire.Proposal):
            return
        self._saw(shown)
        redemption = Redemption(
            kind=self._entropy.choice(("right",) * 6 + ("wrong artifact", "wrong token", "unmet")),
            proposal_id=proposal_id,
            executor=self.name,
            execution_id=self._label(),
        )
        terms = self._terms(redemption.kind, shown)
        for _ in range(2):  # a process that dies asks again under the same id
            call = self._client.execute(proposal_id, execution_id=redemption.execution_id, **terms)
            answer = await self._ask(call)
            match answer:
                case wire.Execution():
                    redemption = replace(redemption, reply=answer, refusal=None)
                case RejectedError():
                    redemption = replace(redemption, reply=None, refusal=answer)
            self._seen.redeemed(redemption)
            if answer is not None and self._entropy.random() < 0.9:
                break
        if redemption.reply is not None and self._entropy.random() < 0.8:
            receipt = await self._ask(self._client.report(proposal_id, success=True, note=self._label()))
            if isinstance(receipt, wire.Receipt):
                self._seen.receipts.append(receipt)

    def _terms(self, kind: str, proposal: wire.Proposal) -> dict[str, Any]:
        """What is presented; without an approval, something that must not be taken."""
        approval = proposal.approval
        if approval is None:
            return {"artifact_sha256": proposal.artifact_sha256}
        token = approval.model_dump(mode="json")
        terms = {
            "artifact_sha256": approval.artifact_sha256,
            "conditions_met": approval.conditions,
            "token": token,
        }
        if kind == "wrong artifact":
            terms["artifact_sha256"] = artifact("something else")
        elif kind == "wrong token":
            terms["token"] = {**token, "expires_at_ms": approval.expires_at_ms + 1}
        elif kind == "unmet":
            terms["conditions_met"] = approval.conditions[1:]
        return terms
