"""The rules of a proposal, fixed when it is made: what counts, what wins, who may stop it. Plain data. Pure.

Terms are OpenZeppelin Governor's where it has them (docs/consensus.md gives the source of each rule).
Weights, counts and levels are integers; a share is a numerator and a denominator, so that nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Protocol = Literal[
    "simple_majority",
    "qualified_majority",
    "unanimous",
    "weighted",
    "approval",
    "ranked_choice",
    "borda",
    "copeland",
    "quadratic",
    "weighted_split",
]
BINARY: Final[frozenset[Protocol]] = frozenset(
    {"simple_majority", "qualified_majority", "unanimous", "weighted"}
)
"""Protocols whose choices are ``for``, ``against`` and ``abstain``; the others choose among options."""
QuorumCounts = Literal["for", "for_and_abstain", "all"]
TieRule = Literal["fails", "first_listed", "lot"]
OfflineVoters = Literal["remain", "release"]
Weights = Literal["equal", "given", "trust"]

DEFAULT_EXECUTION_WINDOW_MS: Final = 14 * 24 * 3600 * 1000
"""Compound's grace period."""
DEFAULT_CREDITS: Final = 100
"""Votes bought by a quadratic ballot cost their squares, and a ballot has so many credits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """An amount of voting weight: a count, or a fraction of the weight of the whole electorate."""

    numerator: int
    denominator: int | None = None
    """None: `numerator` is the count itself."""

    def votes(self, eligible_votes: int) -> int:
        """The smallest weight that reaches this level.

        A fraction is rounded up, so that reaching it and ``votes * denominator >= eligible * numerator``
        are the same thing.
        """
        if self.denominator is None:
            return self.numerator
        return -(-eligible_votes * self.numerator // self.denominator)


HALF: Final = Level(numerator=1, denominator=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """What share of the votes must be in favour (``qualified_majority``)."""

    numerator: int
    denominator: int
    is_inclusive: bool = True
    """Whether exactly this share is enough: ``>=`` rather than ``>``."""
    of: Literal["cast", "eligible"] = "cast"
    """The share of for + against, or of the weight of the whole electorate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One of several things to choose among."""

    option: str
    """Its id within the proposal."""
    title: str = ""
    artifact_sha256: str = ""
    """What is approved if it wins; empty for the proposal's own artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How votes on a proposal are taken and counted, and what may follow."""

    protocol: Protocol = "simple_majority"
    options: tuple[Option, ...] = ()
    """Two or more, for the protocols that choose among options; else empty."""
    threshold: Threshold | None = None
    """Of ``qualified_majority``; None for all others."""
    quorum: Level = HALF
    quorum_counts: QuorumCounts = "for_and_abstain"
    """What counts toward the quorum. ``for_and_abstain`` is Governor's; of a choice among options every
    ballot with an option counts as ``for``."""
    super_quorum: Level | None = None
    """In favour at least this, and a success otherwise: succeeded before the deadline."""
    late_quorum_extension_ms: int = 0
    """When the quorum is first reached, at least so long remains to vote; 0 for no extension."""
    is_early_decision: bool = True
    """Decide as soon as nothing that may still come can change the result."""
    may_change_vote: bool = False
    """Until voting ends, the last vote of a voter counts. Nothing is certain early then."""
    is_fractional: bool = False
    """A voter may split weight over for, against and abstain, in several votes, until it is spent
    (GovernorCountingFractional). Delegations are final then: who delegated does not vote."""
    tie_rule: TieRule = "fails"
    """Between options. ``lot`` draws by SHA-256 of the proposal id and the option."""
    credits: int = DEFAULT_CREDITS
    """Of ``quadratic``: what one ballot may spend, whatever its weight."""
    minimum_electorate: int = 1
    """With fewer electors at the opening the proposal is defeated."""
    offline_voters: OfflineVoters = "remain"
    """What becomes of the weight of an elector that goes offline before it has voted: it stays in the
    electorate, or is left out of quorum and thresholds until the elector is back or votes."""
    veto_holders: tuple[str, ...] = ()
    """Each may stop the proposal until it is executed, and must say why."""
    guardian: str | None = None
    """May cancel at any stage until execution. The proposer may only while the proposal is pending."""
    executors: tuple[str, ...] = ()
    """Each may redeem the approval, and nobody else; services by their names. Empty: the proposer, the
    electors, the guardian, and the services that act on approvals (`consensus.executors.CONSUMERS`)."""
    timelock_ms: int | None = None
    """Time between success and execution, in which the proposal is ``queued``; None for no queue."""
    execution_window_ms: int = DEFAULT_EXECUTION_WINDOW_MS
    """From when it may be executed on; later it is ``expired``."""
    are_signatures_required: bool = True
    """Whether a vote without a signature is refused."""

    @property
    def is_binary(self) -> bool:
        """Whether the choices are for, against and abstain."""
        return self.protocol in BINARY

    @property
    def option_ids(self) -> tuple[str, ...]:
        """Ids of the options, in order."""
        return tuple(each.option for each in self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ElectorateSpec:
    """Who may vote and with what weight, as proposed; exactly one of the first three is given."""

    agents: tuple[str, ...] = ()
    requirement: str = ""
    """Every agent that meets it when voting opens, offline ones left out; canonical text."""
    role: str = ""
    """Every agent whose registry label ``role`` is this when voting opens."""
    weights: Weights = "equal"
    given: Mapping[str, int] = field(default_factory=dict)
    """Agent -> weight, for ``given``; an elector that is not named has weight 1."""
    trust_topic: str = ""
    """Knowledge topic in which agents rate one another, for ``trust``."""

    @property
    def is_known(self) -> bool:
        """Whether electors and weights need no look at other services."""
        return bool(self.agents) and self.weights != "trust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """What every new proposal of a kind must satisfy."""

    kind: str
    electorate: ElectorateSpec | None = None
    """The proposal's must be this very one, weights included; None for any."""
    protocols: tuple[Protocol, ...] = ()
    """Those that may be chosen; empty for all."""
    quorum: Level | None = None
    """The proposal's must be at least this, in the same form: a fraction is not compared with a count. It
    counts no votes against then, and nobody is left out of it for being offline. None for any."""
    veto_holders: tuple[str, ...] = ()
    """Must be among the proposal's."""
    minimum_electorate: int = 1
    """The proposal's must be at least this."""
    minimum_voting_period_ms: int = 0
    minimum_timelock_ms: int = 0
    are_signatures_required: bool = True
    """Whether a proposal that takes votes without a signature is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Votes counted so far. All numbers but the scores are sums of weights.

    Invariants: for + against + abstain + undecided == eligible, for a binary protocol and a full count.
    """

    eligible_votes: int
    """All that could be cast, as of the opening of the vote; released electors included."""
    released_votes: int = 0
    """Of electors that are left out at present because they are offline."""
    quorum_votes: int
    """What counts toward the quorum must reach this."""
    counted_votes: int = 0
    """What counts toward the quorum."""
    for_votes: int = 0
    """Of a choice among options: all that chose one."""
    against_votes: int = 0
    abstain_votes: int = 0
    scores: tuple[tuple[str, str], ...] = ()
    """(option, exact score as text: ``12`` or ``7/2``), in the order of the options."""

    @property
    def is_quorum_reached(self) -> bool:
        """Whether enough have taken part."""
        return self.counted_votes >= self.quorum_votes

    @property
    def remaining_votes(self) -> int:
        """Not cast yet."""
        return self.eligible_votes - self.for_votes - self.against_votes - self.abstain_votes


DecisionReason = Literal[
    "majority",
    "tie",
    "below_threshold",
    "not_unanimous",
    "no_quorum",
    "no_winner",
    "electorate_too_small",
    "electorate_too_large",
    "empty_electorate",
    "no_snapshot",
]
"""Why a proposal succeeded (``majority``: what its protocol asks for was reached) or was defeated.
``no_snapshot``: nobody could tell in time who votes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a count comes to."""

    is_won: bool
    reason: DecisionReason
    winner: str | None = None
    """The winning option, of a choice among options that is won."""
