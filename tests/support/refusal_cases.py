"""The refusals of consensus before voting opens, and how such a case is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from consensus.commands import (
    Amend,
    CancelProposal,
    Discuss,
    ExecuteProposal,
    OpenVoting,
    ReportExecution,
    SetCharter,
    VetoProposal,
)
from consensus.rules import Charter, ElectorateSpec, Level, Option, Threshold
from tests.support.proposals import (
    ARTIFACT,
    OTHER_ARTIFACT,
    House,
    count,
    proposal,
    proposed,
    vote,
    voting,
)

AMEND = Amend(proposal_id="p", agent="ada", artifact_sha256=OTHER_ARTIFACT)
CANCEL = CancelProposal(proposal_id="p", agent="ada")
VETO = VetoProposal(proposal_id="p", agent="vi", reason="untested")
EXECUTE = ExecuteProposal(proposal_id="p", executor="dan", execution_id="1", artifact_sha256=ARTIFACT)
REPORT = ReportExecution(proposal_id="p", executor="dan", is_success=True)
OPTIONS = (Option(option="x"), Option(option="y"))
SIGNED = {"are_signatures_required": True}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One refusal: in the `house`, `command` meets `code` with exactly `message`."""

    code: str
    message: str
    house: Callable[[], House] = House
    command: Any
    """A command, or what makes one of the house."""
    limits: Mapping[str, int] = field(default_factory=dict)
    """Bounds for this case, by module and name."""
    is_retryable: bool = False


def comment(agent: str = "bob") -> Discuss:
    return Discuss(proposal_id="p", agent=agent, text="why not four?")


def after(house: House, *commands: Any) -> House:
    for command in commands:
        house.accept(command(house) if callable(command) else command)
    return house


def succeeded(**changes: Any) -> House:
    return after(voting(**changes), vote("bob"), vote("cy"))


def proposing(code: str, message: str, **changes: Any) -> Case:
    return Case(code=code, message=message, command=proposal(**changes))


def quorum(message: str, **changes: Any) -> Case:
    return proposing("invalid_quorum", message, **changes)


def threshold(message: str, *terms: Any, protocol: str = "qualified_majority") -> Case:
    given = Threshold(numerator=terms[0], denominator=terms[1], is_inclusive=terms[2]) if terms else None
    return proposing("invalid_threshold", message, protocol=protocol, threshold=given)


def options(message: str, *names: str, protocol: str = "approval", artifact: str = "") -> Case:
    listed = tuple(Option(option=name, artifact_sha256=artifact) for name in names)
    code = "invalid_artifact" if artifact else "invalid_options"
    return proposing(code, message, protocol=protocol, options=listed)


def rules(message: str, **changes: Any) -> Case:
    return proposing("invalid_rules", message, **changes)


PROPOSING = (
    proposing("empty_electorate", "electorate: name at least one agent that may vote", agents=()),
    proposing("duplicate_voter", "electorate: cy is named twice", agents=("bob", "cy", "cy")),
    replace(
        proposing("electorate_too_large", "electorate: 3 agents; at most 2 may vote on one proposal"),
        limits={"consensus.judging.MAX_ELECTORATE": 2},
    ),
    quorum("quorum: a count from 0 to 3, the weight there is, not 4", quorum=count(4)),
    quorum("quorum: a count from 0 to 3, the weight there is, not -1", quorum=count(-1)),
    quorum("quorum: a fraction from 0 to 1, such as 1/2, not 3/2", quorum=Level(numerator=3, denominator=2)),
    quorum("quorum: a fraction from 0 to 1, such as 1/2, not 0/0", quorum=Level(numerator=0, denominator=0)),
    quorum("super_quorum: a count from 0 to 3, the weight there is, not 4", super_quorum=count(4)),
    quorum("super_quorum: it is below the quorum; raise it at least to that", super_quorum=count(1)),
    quorum(
        "super_quorum: it is below the quorum; raise it at least to that",
        quorum=Level(numerator=1, denominator=2),
        super_quorum=Level(numerator=1, denominator=3),
    ),
    threshold("threshold: qualified_majority needs one, such as 2/3"),
    threshold(
        "threshold: only qualified_majority has one, not weighted; leave it out",
        *(1, 2, True),
        protocol="weighted",
    ),
    *(
        threshold(
            f"threshold: {share} can never be met or means nothing; give a share from 0 to 1, such as 2/3",
            *terms,
        )
        for share, terms in {
            ">=3/2": (3, 2, True),
            ">1/1": (1, 1, False),
            ">=-1/2": (-1, 2, True),
            ">=0/0": (0, 0, True),
        }.items()
    ),
    options("options: approval needs 2 to 32 options, not 1", "x"),
    options("options: x is listed twice", "x", "y", "x"),
    options("options: abstain is a word of its own; choose another id", "x", "abstain"),
    options("options: an id has 1 to 64 printable characters, not ' x'", " x", "y"),
    options("options: an id has 1 to 64 printable characters, not ''", "", "y"),
    options(
        "options: weighted is a vote for or against; leave the options out", "x", "y", protocol="weighted"
    ),
    options(
        "options: artifact_sha256 of x is a SHA-256 in 64 digits of lower-case hex, not 'ABC'",
        *("x", "y"),
        artifact="ABC",
    ),
    proposing(
        "invalid_artifact",
        f"artifact_sha256 is a SHA-256 in 64 digits of lower-case hex, not '{'A' * 64}'",
        artifact_sha256="A" * 64,
    ),
    rules(
        "electorate: give one of agents, requirement and role, not several",
        electorate=ElectorateSpec(agents=("bob",), role="reviewer"),
    ),
    rules("electorate: 'Bob' is no agent id", agents=("Bob",)),
    rules(
        "weights: zoe has a weight, but is no elector",
        electorate=ElectorateSpec(agents=("bob",), weights="given", given={"bob": 1, "zoe": 1}),
    ),
    rules("weights: that of cy is -1; it must be at least 0", weights={"bob": 1, "cy": -1}),
    rules(f"weights: their sum must stay below {2**53 - 1 - 1500}", weights={"bob": 2**53 - 1}),
    rules(
        "weights: name weights if they are given, and only then",
        electorate=ElectorateSpec(agents=("bob",), weights="given"),
    ),
    rules(
        "weights: trust comes from a topic of at most 128 characters, nothing else does",
        electorate=ElectorateSpec(agents=("bob",), weights="trust"),
    ),
    rules("voting_delay_ms: from 0 to 2592000000, not -1", voting_delay_ms=-1),
    rules("voting_period_ms: from 1 to 2592000000, not 0", voting_period_ms=0),
    rules("late_quorum_extension_ms: from 0 to the voting period, not 101", late_quorum_extension_ms=101),
    rules("timelock_ms: from 0 to 2592000000, not -1", timelock_ms=-1),
    rules("execution_window_ms: from 1 to 31622400000, not 0", execution_window_ms=0),
    rules(
        "fractional: weight is split over for, against and abstain; approval has options",
        protocol="approval",
        options=OPTIONS,
        is_fractional=True,
    ),
    rules(
        "fractional: a split vote adds to the one before, so votes cannot be changed too; choose one",
        is_fractional=True,
        may_change_vote=True,
    ),
    rules(f"credits: from 1 to {2**53 - 1}, not 0", credits=0),
    rules("minimum_electorate: from 0 to 1500, not 1501", minimum_electorate=1501),
    rules("veto_holders: vi is named twice", veto_holders=("vi", "vi")),
    rules("veto_holders: at most 32, not 33", veto_holders=tuple(f"v{index}" for index in range(33))),
    rules("guardian: 'a.b' is no agent id", guardian="a.b"),
    rules("executors: ex is named twice", executors=("ex", "ex")),
    rules("executors: at most 32, not 33", executors=tuple(f"e{index}" for index in range(33))),
    rules("executors: 'a.b' is no agent id", executors=("ex", "a.b")),
    Case(
        code="too_many_proposals",
        message="1 proposals with 1 events are all there is room for, and ada has no approval that could "
        "give way; cancel one, or let votes end",
        house=proposed,
        command=proposal(proposal_id="q"),
        limits={"consensus.model.MAX_PROPOSALS": 1},
        is_retryable=True,
    ),
    Case(
        code="proposal_exists",
        message="the new id is taken; try again",
        house=proposed,
        command=proposal(),
        is_retryable=True,
    ),
)

KIND = "infrastructure_change"
COUNCIL = ElectorateSpec(agents=("bob", "cy"), weights="given", given={"bob": 2})
TWO_THIRDS = Level(numerator=2, denominator=3)


def chartering(code: str, message: str, agent: str = "operator", **terms: Any) -> Case:
    charter = Charter(kind=KIND, **terms)
    return Case(code=code, message=message, command=SetCharter(agent=agent, kind=KIND, charter=charter))


def unmet(message: str, changes: Mapping[str, Any], **terms: Any) -> Case:
    """A proposal with `changes` under a charter with `terms`."""
    charter = Charter(kind=KIND, **{"are_signatures_required": False, **terms})
    ruled = SetCharter(agent="operator", kind=KIND, charter=charter)
    return Case(
        code="charter_unmet",
        message=message.replace("CHARTER", f"the charter of {KIND} asks for"),
        house=lambda: after(House(), ruled),
        command=proposal(**changes),
    )


CHARTERING = (
    chartering(
        "not_operator", "charters are set by operator, not by eve; ask whoever runs this server", agent="eve"
    ),
    chartering(
        "duplicate_voter", "electorate: bob is named twice", electorate=ElectorateSpec(agents=("bob", "bob"))
    ),
    chartering(
        "invalid_quorum",
        "quorum: a fraction from 0 to 1, such as 1/2, not 3/2",
        quorum=Level(numerator=3, denominator=2),
    ),
    chartering(
        "invalid_rules",
        "minimum_electorate: at most 2, the electorate, not 3",
        electorate=COUNCIL,
        minimum_electorate=3,
    ),
    unmet("electorate: CHARTER exactly bob, cy, with weights bob=2; name that one", {}, electorate=COUNCIL),
    unmet(
        "electorate: CHARTER exactly whoever meets review>=2, with equal weights; name that one",
        {},
        electorate=ElectorateSpec(requirement="review>=2"),
    ),
    unmet(
        "electorate: CHARTER exactly the role judge, weighed by trust in peers; name that one",
        {},
        electorate=ElectorateSpec(role="judge", weights="trust", trust_topic="peers"),
    ),
    unmet(
        "protocol: CHARTER unanimous or weighted; choose it instead of simple_majority",
        {},
        protocols=("unanimous", "weighted"),
    ),
    unmet(
        "threshold: CHARTER more than 1/2; raise it from 0/1",
        {"protocol": "qualified_majority", "threshold": Threshold(numerator=0, denominator=1)},
    ),
    unmet("quorum: CHARTER at least 2/3; raise it from 1/2, as a fraction", {}, quorum=TWO_THIRDS),
    unmet("quorum: CHARTER at least 2; raise it from 1/2, as a count", {}, quorum=count(2)),
    unmet(
        "quorum_counts: CHARTER for or for_and_abstain; leave votes against out of it",
        {"quorum": TWO_THIRDS, "quorum_counts": "all"},
        quorum=TWO_THIRDS,
    ),
    unmet(
        "offline_voters: CHARTER remain; do not release them",
        {"quorum": TWO_THIRDS, "offline_voters": "release"},
        quorum=TWO_THIRDS,
    ),
    unmet("veto_holders: CHARTER al, vi; add al", {"veto_holders": ("vi",)}, veto_holders=("al", "vi")),
    unmet("minimum_electorate: CHARTER at least 3; raise it from 1", {}, minimum_electorate=3),
    unmet("voting_period_ms: CHARTER at least 101; raise it from 100", {}, minimum_voting_period_ms=101),
    unmet("timelock_ms: CHARTER at least 5; raise it from 0", {}, minimum_timelock_ms=5),
    unmet("signatures: CHARTER required; do not make them optional", {}, are_signatures_required=True),
)

DISCUSSING = (
    Case(
        code="discussion_closed",
        message="proposal p is succeeded; it is discussed until voting ends",
        house=succeeded,
        command=comment(),
    ),
    Case(
        code="not_in_electorate",
        message="eve has no say in this proposal: electors and its proposer discuss it",
        house=proposed,
        command=comment("eve"),
    ),
    Case(
        code="too_many_comments",
        message="a proposal has at most 1 comments; go on in a dialog",
        house=lambda: after(proposed(), comment("ada")),
        command=comment(),
        limits={"consensus.discussion.MAX_COMMENTS": 1},
    ),
    Case(
        code="too_many_comments",
        message="an agent comments on a proposal at most 1 times; go on in a dialog",
        house=lambda: after(proposed(), comment()),
        command=comment(),
        limits={"consensus.discussion.MAX_COMMENTS_PER_AGENT": 1},
    ),
    Case(
        code="too_many_comments",
        message="the comments on a proposal have at most 3 bytes; go on in a dialog",
        house=proposed,
        command=comment(),
        limits={"consensus.discussion.MAX_DISCUSSION_BYTES": 3},
    ),
    Case(
        code="not_proposer",
        message="only ada, who proposed it, may amend it",
        house=proposed,
        command=replace(AMEND, agent="bob"),
    ),
    Case(
        code="not_pending",
        message="it is active: a proposal is amended only before voting opens",
        house=voting,
        command=AMEND,
    ),
    Case(
        code="not_pending",
        message="it has no discussion (voting_delay_ms is 0), so it cannot be amended",
        house=lambda: voting(electorate=ElectorateSpec(role="reviewer")),
        command=AMEND,
    ),
    Case(
        code="too_many_amendments",
        message="it was amended 1 times; cancel it and propose anew",
        house=lambda: after(proposed(), AMEND),
        command=AMEND,
        limits={"consensus.judging.MAX_AMENDMENTS": 1},
    ),
    Case(
        code="invalid_options",
        message="an amendment keeps ids and order of the options (x, y); propose anew",
        house=lambda: proposed(protocol="approval", options=OPTIONS),
        command=replace(AMEND, options=OPTIONS[::-1]),
    ),
    Case(
        code="stale_snapshot",
        message="no snapshot of 1009 is asked for; take one of what awaits it",
        house=lambda: after(proposed(electorate=ElectorateSpec(role="reviewer"))),
        command=OpenVoting(proposal_id="p", weights={"bob": 1}, snapshot_ms=1_009),
    ),
    Case(
        code="invalid_rules",
        message=f"weights: each must be at least 0, and their sum at most {2**53 - 1}",
        house=lambda: voting(electorate=ElectorateSpec(role="reviewer")),
        command=OpenVoting(proposal_id="p", weights={"bob": -1}, snapshot_ms=1_000),
    ),
)
