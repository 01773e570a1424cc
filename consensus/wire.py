"""Wire contract of consensus: ``conclave.call.consensus.<verb>.<caller>``.

Requests are here, replies and pushes in `consensus.replies`. Requests are liberal in form: a threshold may be
``"2/3"`` or an object, an electorate a bare list. What is no such form at all is refused as
``invalid_request`` with its place; what makes no sense (a threshold of 1.5) has a code of its own.

Pushes: ``conclave.inbox.<agent>.proposal`` carries a `ProposalAnnounced` to each elector that is known, when
discussion begins, when the proposal is amended and when voting opens (`status` tells which);
``conclave.inbox.<agent>.decision`` carries a `Decision` to electorate and proposer.

Notices: ``conclave.event.consensus.<event>.<proposal id>`` with event ``created``, ``commented``,
``amended``, ``opened``, ``voted``, ``extended``, ``released``, ``restored``, ``decided``, ``queued``,
``executed``, ``reported``, ``expired``, ``canceled`` or ``vetoed``.

Refusals, each told by `consensus.refusals` with how to mend it. Of ``propose``: ``empty_electorate``,
``duplicate_voter``, ``electorate_too_large``, ``invalid_quorum``, ``invalid_threshold``, ``invalid_rules``,
``invalid_options``, ``invalid_artifact``, ``charter_unmet``, ``too_many_proposals`` (retryable),
``proposal_exists`` (retryable). Of ``vote``: ``not_active``, ``voting_closed``, ``not_in_electorate``,
``invalid_artifact``, ``stale_artifact``, ``invalid_choice``, ``invalid_conditions``, ``signature_required``,
``nonce_reused``,
``bad_signature``, ``already_voted``, ``delegated_away``, ``nothing_to_cast``, ``overspent``,
``too_many_votes``. Of ``execute`` and ``report``: ``may_not_execute``, ``not_succeeded``,
``timelock_pending``, ``approval_expired``, ``already_executed``, ``wrong_artifact``, ``token_mismatch``,
``conditions_unmet``, ``not_executed``, ``not_executor``, ``already_reported``. Of the others:
``discussion_closed``, ``too_many_comments``, ``not_proposer``, ``not_pending``, ``too_many_amendments``,
``not_guardian``, ``not_veto_holder``, ``reason_required``, ``already_settled``, ``delegation_cycle``,
``too_many_delegations``. Of all that name a proposal: ``unknown_proposal``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from consensus.forms import (
    PlainForm,
    ShortForm,
    choice_form,
    electorate_form,
    level_form,
    list_form,
    option_form,
    threshold_form,
    weights_form,
)
from consensus.lifecycle import Status
from consensus.limits import (
    MAX_COMMENT_CHARS,
    MAX_CONDITION_CHARS,
    MAX_CONDITIONS,
    MAX_DESCRIPTION_CHARS,
    MAX_NONCE_CHARS,
    MAX_NOTE_CHARS,
    MAX_OPTION_CHARS,
    MAX_PAGE,
    MAX_QUORUM_TERM,
    MAX_RATIONALE_CHARS,
    MAX_REASON_CHARS,
    MAX_SIGNATURE_CHARS,
    MAX_TITLE_CHARS,
    MAX_VOTING_DELAY_MS,
    MAX_VOTING_PERIOD_MS,
)
from consensus.replies import (
    Approval,
    Attestation,
    Comment,
    CommentsReply,
    Decision,
    Delegation,
    DelegationsReply,
    ElectorateView,
    Execution,
    ListReply,
    LiveTally,
    Proposal,
    ProposalAnnounced,
    ProposalSummary,
    Receipt,
    RulesView,
    Standing,
    Tally,
    TrailLink,
    TrailReply,
    Vote,
    VoteReply,
    VotesReply,
)
from consensus.rules import (
    DEFAULT_CREDITS,
    DEFAULT_EXECUTION_WINDOW_MS,
    OfflineVoters,
    Protocol,
    QuorumCounts,
    TieRule,
)
from coordination.requirements import RequirementField
from coordination.runtime.names import Id
from coordination.runtime.wire import Body

__all__ = [
    "HALF",
    "AmendRequest",
    "Approval",
    "Attestation",
    "CancelRequest",
    "Choice",
    "Comment",
    "CommentsReply",
    "Decision",
    "DelegateRequest",
    "Delegation",
    "DelegationsReply",
    "DelegationsRequest",
    "DiscussRequest",
    "Electorate",
    "ElectorateView",
    "ExecuteRequest",
    "Execution",
    "GetRequest",
    "HistoryRequest",
    "Kind",
    "Level",
    "ListReply",
    "ListRequest",
    "LiveTally",
    "Option",
    "Proposal",
    "ProposalAnnounced",
    "ProposalSummary",
    "ProposeRequest",
    "Protocol",
    "Receipt",
    "ReportRequest",
    "RulesView",
    "Scope",
    "Signatures",
    "Standing",
    "Status",
    "Tally",
    "TallyRequest",
    "Threshold",
    "TrailLink",
    "TrailReply",
    "VetoRequest",
    "Vote",
    "VoteReply",
    "VoteRequest",
    "VotesReply",
    "Weights",
]

Kind = Literal[
    "infrastructure_change", "task_assignment", "knowledge_validation", "conflict_resolution", "custom"
]
Scope = Literal["all", "own", "delegated"]
Signatures = Literal["required", "optional"]
Title = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TITLE_CHARS)]
Description = Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARS)]
Rationale = Annotated[str, StringConstraints(max_length=MAX_RATIONALE_CHARS)]
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON_CHARS)]
CommentText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_COMMENT_CHARS)]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CONDITION_CHARS)]
Digest = Annotated[str, StringConstraints(max_length=128)]
"""SHA-256 as 64 digits of lower-case hex; anything else is refused as ``invalid_artifact``."""
Term = Annotated[int, Field(ge=-MAX_QUORUM_TERM, le=MAX_QUORUM_TERM)]
Role = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Duration = Annotated[int, Field(ge=0, le=MAX_QUORUM_TERM)]


class Threshold(Body):
    """What share of the votes must be in favour; also as text: ``"2/3"``, ``">1/2 of eligible"``."""

    numerator: Term
    denominator: Term = 1
    inclusive: bool = True
    """Whether exactly this share is enough: ``>=`` rather than ``>``."""
    of: Literal["cast", "eligible"] = "cast"
    """The share of for + against, or of the weight of the whole electorate."""


class Level(Body):
    """An amount of weight: ``count``, or ``numerator/denominator`` of all; also ``3`` or ``"1/2"``."""

    count: Term | None = None
    numerator: Term | None = None
    denominator: Term | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        fraction = (self.numerator is not None, self.denominator is not None)
        if fraction != ((self.count is None),) * 2:
            raise ValueError("give either count, or numerator and denominator")
        return self


class Option(Body):
    """One of several things to choose among; also just its id."""

    option: Annotated[str, StringConstraints(max_length=MAX_OPTION_CHARS)]
    """Its id within the proposal."""
    title: Annotated[str, StringConstraints(max_length=MAX_TITLE_CHARS)] = ""
    artifact_sha256: Digest = ""
    """What is approved if it wins; empty for the proposal's own artifact."""


class Electorate(Body):
    """Who may vote: exactly one of the three; also a bare list of agents."""

    agents: tuple[Id, ...] | None = None
    requirement: RequirementField | None = None
    """Every agent that meets it when voting opens and is not offline then: ``python>=3.11, region=eu``."""
    role: Role | None = None
    """Every agent whose label ``role`` is this when voting opens and that is not offline then."""

    @model_validator(mode="after")
    def _is_one_of_three(self) -> Self:
        if sum(each is not None for each in (self.agents, self.requirement, self.role)) != 1:
            raise ValueError("give agents, a requirement or a role")
        return self


_SHARE = {"type": "string", "examples": ["2/3", ">2/3", ">1/2 of eligible", "66.7%"]}
_COUNT_OR_SHARE = {"anyOf": [{"type": "number"}, {"type": "string", "examples": ["1/2", "10%", "3"]}]}
_AGENTS = {"type": "array", "items": {"type": "string"}, "examples": [["ada", "bob"]]}
_WEIGHTS = {
    "anyOf": [
        {"const": "equal"},
        {"type": "object", "additionalProperties": {"type": "integer"}, "examples": [{"ada": 2}]},
        {"type": "object", "properties": {"trust": {"type": "string"}}, "required": ["trust"]},
    ],
    "default": "equal",
}
_CHOICE = {
    "anyOf": [
        {"type": "string", "examples": ["for", "against", "abstain"]},
        {"type": "array", "examples": [["a", "b"], ["a", ["b", "c"]]]},
        {"type": "object", "additionalProperties": {"type": "integer"}, "examples": [{"a": 3}]},
    ]
}
AnyThreshold = Annotated[Threshold, ShortForm(threshold_form, {"anyOf": [{"type": "number"}, _SHARE]})]
AnyLevel = Annotated[Level, ShortForm(level_form, _COUNT_OR_SHARE)]
AnyOption = Annotated[Option, ShortForm(option_form, {"type": "string"})]
AnyElectorate = Annotated[Electorate, ShortForm(electorate_form, _AGENTS)]
Weights = Annotated[str | dict[str, int] | dict[str, str], PlainForm(weights_form, _WEIGHTS)]
"""``equal``; agent -> weight, 1 for those not named; or ``{"trust": TOPIC}``: from what others say there."""
Choice = Annotated[Any, PlainForm(choice_form, _CHOICE)]
"""``"for"``; a ranking or approval ``["a", ["b", "c"]]``; points ``{"a": 3}``; or ``"abstain"``."""
HALF = Level(numerator=1, denominator=2)


class ProposeRequest(Body):
    """Put an artifact to the vote."""

    title: Title
    artifact_sha256: Digest
    """Hash of exactly what is voted on."""
    electorate: AnyElectorate
    weights: Weights = "equal"
    kind: Kind = "custom"
    description: Description = ""
    """What a voter should know."""
    protocol: Protocol = "simple_majority"
    options: tuple[AnyOption, ...] = ()
    """Two or more for the protocols that choose among options; the others have none."""
    threshold: AnyThreshold | None = None
    """Of ``qualified_majority``, which needs one."""
    quorum: AnyLevel = HALF
    quorum_counts: QuorumCounts = "for_and_abstain"
    """What counts toward the quorum."""
    super_quorum: AnyLevel | None = None
    """In favour at least this, and a success otherwise: succeeded before the deadline."""
    late_quorum_extension_ms: Duration = 0
    """When the quorum is first reached, at least so long remains to vote."""
    early_decision: bool = True
    """End the vote as soon as nothing that may still come can change the result."""
    vote_changes: bool = False
    """Whether a voter may vote again; the last vote counts."""
    fractional: bool = False
    """Whether a voter may split its weight: ``{"for": 2, "abstain": 1}``. Delegations are final then."""
    tie_rule: TieRule = "fails"
    """Between options."""
    credits: Annotated[int, Field(ge=1, le=MAX_QUORUM_TERM)] = DEFAULT_CREDITS
    """Of ``quadratic``: what one ballot may spend."""
    minimum_electorate: Annotated[int, Field(ge=0, le=MAX_QUORUM_TERM)] = 1
    """With fewer electors when voting opens the proposal is defeated."""
    offline_voters: OfflineVoters = "remain"
    """``release``: an elector that goes offline before it voted is left out until it is back or votes."""
    veto_holders: tuple[Id, ...] = ()
    """Each may stop the proposal until it is executed, and must say why."""
    guardian: Id | None = None
    """May cancel until it is executed."""
    executors: tuple[Id, ...] = ()
    """Who may execute it, and nobody else; services by their names. By default proposer, electors, guardian,
    and the services ``tasks`` and ``knowledge``."""
    timelock_ms: Duration | None = None
    """Time between success and execution; without it there is no queue."""
    execution_window_ms: Duration = DEFAULT_EXECUTION_WINDOW_MS
    """From when it may be executed on; later it is expired."""
    signatures: Signatures = "required"
    """Whether a vote without a signature is refused."""
    voting_delay_ms: int = Field(default=0, ge=0, le=MAX_VOTING_DELAY_MS)
    """Discussion period before voting opens; 0 opens it at once. Only in it the artifact can be amended."""
    voting_period_ms: int = Field(default=60_000, ge=1, le=MAX_VOTING_PERIOD_MS)
    conversation_id: Id | None = None
    """The dialog in which it is discussed."""


class DiscussRequest(Body):
    """Comment on a proposal."""

    proposal_id: Id
    text: CommentText


class AmendRequest(Body):
    """Put another artifact in the place of the present one; the discussion begins anew. Proposer only."""

    proposal_id: Id
    artifact_sha256: Digest
    description: Description | None = None
    """By default as it is."""
    options: tuple[AnyOption, ...] | None = None
    """The same ids as before, with other titles and artifacts; by default as they are."""
    reason: Reason = ""


class VoteRequest(Body):
    """Vote."""

    proposal_id: Id
    choice: Choice
    scope: Scope = "all"
    """Which weight to cast: all at hand, only one's own (overriding one's delegate), or only what others
    delegated."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=MAX_CONDITIONS)] = ()
    """What must be met for the approval to stand."""
    rationale: Rationale = ""
    artifact_sha256: Digest = ""
    """What the voter believes to vote on; another than the present one is refused as ``stale_artifact``."""
    nonce: Annotated[str, StringConstraints(max_length=MAX_NONCE_CHARS)] = ""
    """16 to 64 of base64url, never used before by this voter; with a signature."""
    public_key: Annotated[str, StringConstraints(max_length=MAX_SIGNATURE_CHARS)] = ""
    """The voter's nkey, ``U...``."""
    signature: Annotated[str, StringConstraints(max_length=MAX_SIGNATURE_CHARS)] = ""
    """Ed25519 over the canonical vote, base64url without padding: docs/audit.md says of which bytes."""


class DelegateRequest(Body):
    """Choose who stands in for the caller in votes that open later."""

    delegate: Id | None
    """None: nobody any more."""
    kind: Kind | Literal[""] = ""
    """Of the proposals concerned; empty for all kinds without a delegation of their own."""


class CancelRequest(Body):
    """Stop a proposal: its proposer before voting opens, its guardian until it is executed."""

    proposal_id: Id
    reason: Reason = ""


class VetoRequest(Body):
    """Stop a proposal as one of its veto holders."""

    proposal_id: Id
    reason: Reason = ""
    """Must not be empty (``reason_required``)."""


class ExecuteRequest(Body):
    """Redeem the approval of a proposal that succeeded: once."""

    proposal_id: Id
    execution_id: Id
    """Chosen by the caller: with the same id it may ask again and gets the same answer."""
    artifact_sha256: Digest
    """What is executed; anything but the approved artifact is refused."""
    conditions_met: tuple[str, ...] = ()
    """Every condition of the decision."""
    token: dict[str, JsonValue] = Field(default_factory=dict)
    """The approval token as presented; each field that is given must be right."""


class ReportRequest(Body):
    """Say what came of the execution; once, by whoever executed."""

    proposal_id: Id
    success: bool
    note: Annotated[str, StringConstraints(max_length=MAX_NOTE_CHARS)] = ""
    result_sha256: Digest = ""
    """Hash of what was made, if anything was."""


class GetRequest(Body):
    """Ask for one proposal."""

    proposal_id: Id


class TallyRequest(Body):
    """Ask how the vote on one proposal stands; cheap, whatever the electorate."""

    proposal_id: Id


class ListRequest(Body):
    """Ask for a page of the proposals that meet every filter, ordered by number."""

    after_number: int = Field(default=0, ge=0)
    """`next` of the page before; 0 for the first page."""
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)
    newest_first: bool = False
    status: Annotated[tuple[Status, ...], ShortForm(list_form, {"type": "string"})] = ()
    """One or several; by default all."""
    kind: Kind | None = None
    proposer: Id | None = None
    to_vote: bool = False
    """Only those that are open to the caller's vote and have none of it yet."""


class HistoryRequest(Body):
    """Ask for the votes, comments or trail of a proposal after a sequence."""

    proposal_id: Id
    after_sequence: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class DelegationsRequest(Body):
    """Ask whom an agent has chosen to stand in for it, and for whom it stands in."""

    agent: Id | None = None
    """By default the caller."""
