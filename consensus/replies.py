"""What consensus answers, pushes and tells: the replies of `consensus.wire`, which hands them on.

Times are Unix ms; hashes are 64 digits of lower-case hex.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import Field

from consensus.countreplies import Amendment, CountView
from consensus.lifecycle import Status
from consensus.rules import Level, Option, Rules, Threshold
from coordination.runtime.names import Id
from coordination.runtime.wire import Reply


class ThresholdView(Reply):
    """What share of the votes must be in favour."""

    numerator: int
    denominator: int
    inclusive: bool
    of: str
    """``cast`` or ``eligible``."""

    def as_threshold(self) -> Threshold:
        """The same as plain data."""
        return Threshold(
            numerator=self.numerator,
            denominator=self.denominator,
            is_inclusive=self.inclusive,
            of=cast("Any", self.of),
        )


class LevelView(Reply):
    """A count, or a fraction of the weight of the electorate."""

    count: int | None = None
    numerator: int | None = None
    denominator: int | None = None

    def as_level(self) -> Level:
        """The same as plain data."""
        if self.count is not None:
            return Level(numerator=self.count)
        return Level(numerator=self.numerator or 0, denominator=self.denominator)


class OptionView(Reply):
    """One of several things to choose among."""

    option: str
    title: str = ""
    artifact_sha256: str = ""


class RulesView(Reply):
    """How votes on a proposal are taken and counted; the fields of `consensus.wire.ProposeRequest`."""

    protocol: str
    options: tuple[OptionView, ...] = ()
    threshold: ThresholdView | None = None
    quorum: LevelView
    quorum_counts: str
    super_quorum: LevelView | None = None
    late_quorum_extension_ms: int
    early_decision: bool
    vote_changes: bool
    fractional: bool
    tie_rule: str
    credits: int
    minimum_electorate: int
    offline_voters: str
    veto_holders: tuple[Id, ...] = ()
    guardian: Id | None = None
    executors: tuple[Id, ...] = ()
    """Empty: its proposer, its electors, its guardian, and the services ``tasks`` and ``knowledge``."""
    timelock_ms: int | None = None
    execution_window_ms: int
    signatures: str

    def as_rules(self) -> Rules:
        """The same as the plain data that choices are judged by."""
        return Rules(
            protocol=cast("Any", self.protocol),
            options=tuple(
                Option(option=each.option, title=each.title, artifact_sha256=each.artifact_sha256)
                for each in self.options
            ),
            threshold=None if self.threshold is None else self.threshold.as_threshold(),
            quorum=self.quorum.as_level(),
            quorum_counts=cast("Any", self.quorum_counts),
            super_quorum=None if self.super_quorum is None else self.super_quorum.as_level(),
            late_quorum_extension_ms=self.late_quorum_extension_ms,
            is_early_decision=self.early_decision,
            may_change_vote=self.vote_changes,
            is_fractional=self.fractional,
            tie_rule=cast("Any", self.tie_rule),
            credits=self.credits,
            minimum_electorate=self.minimum_electorate,
            offline_voters=cast("Any", self.offline_voters),
            veto_holders=self.veto_holders,
            guardian=self.guardian,
            executors=self.executors,
            timelock_ms=self.timelock_ms,
            execution_window_ms=self.execution_window_ms,
            are_signatures_required=self.signatures == "required",
        )


class ElectorateView(Reply):
    """Who may vote, as proposed."""

    agents: tuple[Id, ...] = ()
    requirement: str = ""
    role: str = ""
    weights: str
    """``equal``, ``given`` or ``trust``."""
    trust_topic: str = ""


class ProposalSummary(Reply):
    """What identifies a proposal and where it stands."""

    proposal_id: Id
    number: int
    """Counts proposals from 1."""
    status: Status
    proposer: Id
    title: str
    kind: str
    artifact_sha256: str
    """What is voted on at present."""
    rules: RulesView
    elector_count: int
    """Before voting opens, of those that are named; 0 while it is not known."""
    created_at_ms: int
    snapshot_ms: int
    """Last instant before voting opens; with a delay of 0 it opens in that very instant."""
    deadline_ms: int | None
    """Last instant at which votes count; None while it hangs on a snapshot that is still to be taken."""
    conversation_id: Id | None
    trail_hash: str
    """Head of the audit trail, with this answer's own effect in it."""


class ProposalAnnounced(ProposalSummary):
    """Body of a ``proposal`` push."""

    description: str


class Tally(Reply):
    """The count so far; all numbers but the scores are sums of weights."""

    eligible_votes: int
    released_votes: int
    """Of electors that are left out at present because they are offline."""
    quorum_votes: int
    """What counts toward the quorum must reach this."""
    counted_votes: int
    for_votes: int
    """Of a choice among options: all that chose one."""
    against_votes: int
    abstain_votes: int
    remaining_votes: int
    scores: dict[str, str] = Field(default_factory=dict)
    """Option -> exact score (``12`` or ``7/2``), in the order of the options."""
    quorum_reached: bool


class Decision(Reply):
    """How a proposal ended; body of a ``decision`` push."""

    proposal_id: Id
    status: Literal["succeeded", "defeated", "canceled", "vetoed"]
    reason: str
    """``majority``, ``tie``, ``below_threshold``, ``not_unanimous``, ``no_quorum``, ``no_winner``,
    ``electorate_too_small``, ``electorate_too_large``, ``empty_electorate`` or ``no_snapshot``; of
    a cancellation or veto what its agent said."""
    agent: Id | None = None
    """Who canceled or vetoed it."""
    winner: str | None = None
    """The winning option, of a choice among options that succeeded."""
    artifact_sha256: str
    """What was decided on: the winning option's own artifact, if it has one."""
    conditions: tuple[str, ...] = ()
    """What the votes in favour ask for; whoever executes confirms each."""
    tally: Tally | None
    """None if it ended without a count."""
    early: bool
    """Before the deadline."""
    decided_at_ms: int
    eta_ms: int | None = None
    """From then on it may be executed, of one with a timelock."""


class Approval(Reply):
    """What a success entitles to; consumers hand it to ``execute`` as `token`."""

    proposal_id: Id
    kind: str
    artifact_sha256: str
    winner: str | None
    conditions: tuple[str, ...]
    not_before_ms: int
    expires_at_ms: int
    trail_hash: str


class Execution(Reply):
    """The approval is redeemed."""

    proposal_id: Id
    executor: Id
    execution_id: str
    conditions_met: tuple[str, ...]
    executed_at_ms: int


class Receipt(Reply):
    """What came of an execution."""

    proposal_id: Id
    executor: Id
    success: bool
    note: str
    result_sha256: str
    reported_at_ms: int


class Proposal(ProposalAnnounced):
    """A proposal without its votes and comments."""

    electorate: ElectorateView
    voting_delay_ms: int
    voting_period_ms: int
    waiting_for: str = ""
    """``registry`` or ``knowledge`` while voting cannot open because that service has not answered yet; or
    the code with which the snapshot was refused."""
    opened_at_ms: int | None
    weights: dict[Id, int]
    """Elector -> weight, fixed when voting opened; empty before."""
    delegations: dict[Id, Id]
    """Elector -> who stands in for it, fixed when voting opened."""
    released: tuple[Id, ...]
    """Electors that are left out at present because they are offline."""
    tally: Tally | None
    """None before voting opens."""
    count: CountView | None = None
    """How a choice among options is counted so far; None of others, and before voting opens."""
    vote_count: int
    comment_count: int
    amendment_count: int
    amendments: tuple[Amendment, ...] = ()
    """The latest 10, the oldest of them first; the trail has all."""
    conditions: tuple[str, ...]
    """What the votes in favour ask for so far."""
    decision: Decision | None
    """None while it is pending or active."""
    approval: Approval | None
    """Once it has succeeded, unless it is stopped or expires. After its execution it is spent, and good only
    for whoever executed to ask again."""
    execution: Execution | None
    receipt: Receipt | None


class Comment(Reply):
    """A comment on a proposal."""

    proposal_id: Id
    sequence: int
    """Position among the comments, from 1."""
    agent: Id
    text: str
    commented_at_ms: int


class VoteReply(Reply):
    """The vote counts; whoever keeps this can prove that it was taken."""

    proposal_id: Id
    sequence: int
    """Position among the votes, from 1."""
    weight: int
    """What it cast at that moment."""
    status: Status
    """After this vote."""
    trail_hash: str
    """Head of the audit trail with this vote in it."""


class Vote(Reply):
    """A vote on record."""

    proposal_id: Id
    sequence: int
    """Position among the votes."""
    voter: Id
    scope: str
    choice: Any
    """In its normal form."""
    weight: int
    conditions: tuple[str, ...]
    rationale: str
    nonce: str
    public_key: str
    signature: str
    cast_at_ms: int


class VotesReply(Reply):
    """Votes in the order in which they were cast."""

    votes: tuple[Vote, ...]
    is_complete: bool
    """Whether there are no further ones yet; otherwise ask again after the last sequence."""


class CommentsReply(Reply):
    """Comments in order."""

    comments: tuple[Comment, ...]
    is_complete: bool


class Standing(Reply):
    """What the vote would come to if no further vote were cast."""

    won: bool
    reason: str
    winner: str | None = None


class LiveTally(Reply):
    """How the vote on a proposal stands; small, whatever the electorate."""

    proposal_id: Id
    status: Status
    deadline_ms: int | None
    elector_count: int
    voter_count: int
    """Electors that have voted: the turnout by heads."""
    tally: Tally | None
    """None before voting opens."""
    quorum_reached: bool
    leading: str
    """``for``, ``against`` or the option with the best score; empty while nobody leads."""
    standing: Standing | None
    """None before voting opens; afterwards what was decided."""
    trail_hash: str


class TrailLink(Reply):
    """One link of a proposal's audit trail."""

    sequence: int
    """From 1."""
    event: str
    """Name of the event."""
    body: dict[str, Any]
    """The event as JSON."""
    hash: str
    """SHA-256 of the previous hash and the canonical form of this entry."""


class Attestation(Reply):
    """The service's word for the head of a trail: its nkey's signature."""

    sequence: int
    hash: str
    public_key: str
    signature: str
    """Ed25519 over the canonical form of purpose, proposal, sequence and hash, base64url."""


class TrailReply(Reply):
    """A page of the audit trail."""

    entries: tuple[TrailLink, ...]
    is_complete: bool
    head_sequence: int
    """Of the newest entry."""
    head: str
    """Its hash."""
    attestation: Attestation | None
    """Of the head; None if the service has no key."""


class Delegation(Reply):
    """Who stands in for an agent in votes that open later."""

    agent: Id
    kind: str
    """Of the proposals concerned; empty for all kinds without a delegation of their own."""
    delegate: Id | None
    set_at_ms: int


class DelegationsReply(Reply):
    """Standing delegations of one agent."""

    agent: Id
    given: tuple[Delegation, ...]
    """Those that it made."""
    received: tuple[Delegation, ...]
    """Those that name it."""
    received_count: int
    """How many there are; more than `received` if they do not fit."""


class ListReply(Reply):
    """Proposals ordered by number."""

    proposals: tuple[ProposalSummary, ...]
    next: int = 0
    """Where the next page begins; 0 after the last one."""
