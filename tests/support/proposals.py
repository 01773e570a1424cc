"""Proposals for tests of the model: what is proposed, voted and read in few words."""

from __future__ import annotations

import base64
import random
from dataclasses import fields, replace
from functools import cache
from typing import Any

from consensus.ballot import normalised
from consensus.commands import CastVote, Propose
from consensus.model import ConsensusModel
from consensus.record import Proposal
from consensus.rules import ElectorateSpec, Level, Rules
from consensus.signing import new_nonce, signed_bytes
from consensus.state import ConsensusState
from coordination.runtime.credentials import Credentials
from coordination.runtime.model import Notice, Rejected
from tests.support.driving import Driver

ARTIFACT = "a" * 64
OTHER_ARTIFACT = "b" * 64
CREATED_MS = 1_000
OPENS_MS = 1_011
"""With the base proposal: first instant of the vote."""
ENDS_MS = 1_111
"""With the base proposal: first instant after the vote."""
BASE = Propose(
    proposal_id="p",
    proposer="ada",
    title="Move to three hosts",
    kind="infrastructure_change",
    description="more room",
    artifact_sha256=ARTIFACT,
    electorate=ElectorateSpec(agents=("bob", "cy", "dan")),
    rules=Rules(are_signatures_required=False),
    voting_delay_ms=10,
    voting_period_ms=100,
    conversation_id="review",
)
_RULES = {each.name for each in fields(Rules)}


def proposal(**changes: Any) -> Propose:
    """The base proposal with other fields, of its own or of its rules; `agents` and `weights` in short."""
    rules = {name: changes.pop(name) for name in list(changes) if name in _RULES}
    if "weights" in changes:
        given = changes.pop("weights")
        changes["electorate"] = ElectorateSpec(agents=tuple(given), weights="given", given=given)
    elif "agents" in changes:
        changes["electorate"] = ElectorateSpec(agents=tuple(changes.pop("agents")))
    return replace(BASE, rules=replace(BASE.rules, **rules), **changes)


def vote(voter: str, choice: Any = "for", **changes: Any) -> CastVote:
    """A vote on the base proposal."""
    return replace(CastVote(proposal_id="p", voter=voter, choice=choice), **changes)


def percent(part: int) -> Level:
    return Level(numerator=part, denominator=100)


def count(votes: int) -> Level:
    return Level(numerator=votes)


@cache
def key_of(agent: str) -> Credentials:
    """The credentials of an agent; always the same."""
    return Credentials.generate(random.Random(agent).randbytes(32))


def signed(command: CastVote, record: Proposal, *, nonce: str = "", by: str = "") -> CastVote:
    """`command` with the signature of its voter, or of `by`, over the proposal as it is."""
    nonce = nonce or new_nonce(random.Random(repr(command)))
    credentials = key_of(by or command.voter)
    data = signed_bytes(
        proposal_id=command.proposal_id,
        artifact_sha256=record.artifact_sha256,
        rules=record.rules,
        voter=command.voter,
        scope=command.scope,
        choice=normalised(record.rules, command.choice),
        conditions=command.conditions,
        rationale=command.rationale,
        nonce=nonce,
    )
    signature = base64.urlsafe_b64encode(credentials.sign(data)).rstrip(b"=").decode()
    return replace(command, nonce=nonce, public_key=credentials.public_key, signature=signature)


class House(Driver[ConsensusModel]):
    """A driven model of consensus; its questions are about the proposal ``p`` unless they say otherwise."""

    def __init__(self, *, now_ms: int = CREATED_MS) -> None:
        super().__init__(ConsensusModel, ConsensusState, now_ms=now_ms)

    def record(self, proposal_id: str = "p") -> Proposal:
        return self.model.proposals[proposal_id]

    @property
    def status(self) -> str:
        return self.record().status

    @property
    def votes(self) -> tuple[int, int, int]:
        """[against, for, abstain], in Governor's order."""
        tally = self.record().tally
        assert tally is not None
        return tally.against_votes, tally.for_votes, tally.abstain_votes

    @property
    def notices(self) -> list[str]:
        return [each.event for each in self.messages if isinstance(each, Notice)]

    def refusal(self, command: Any) -> Rejected:
        """How a command is refused, which changes nothing."""
        outcome = self.model.decide(command, self.now_ms)
        assert isinstance(outcome, Rejected), outcome
        self.refuse(command)
        return outcome


def proposed(**changes: Any) -> House:
    """A house in which the base proposal was made with `changes`."""
    house = House()
    house.accept(proposal(**changes))
    return house


def voting(**changes: Any) -> House:
    """A house in which the vote on the base proposal is open."""
    return proposed(**{"voting_delay_ms": 0, **changes})
