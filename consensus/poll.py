"""One vote from its opening to its count: who may cast what, where it stands, what is certain. Pure, exact.

A poll is built from the snapshot taken when voting opened, and changed by ballots and by electors that are
released or restored; the same calls in the same order give the same poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy

from consensus.ballot import Ballot, Scope
from consensus.casting import Books, FractionalBooks, OverridableBooks, Problem
from consensus.prospect import Prospect
from consensus.rules import Rules


class PollError(ValueError):
    """A poll that cannot be, or a ballot that `Poll.problem` refuses."""


class Poll(Prospect):
    """The state of one vote.

    A *released* elector is one that is away and whose weight nobody has cast: its weight is left out of the
    electorate for quorum and thresholds. As weight once cast never becomes uncast, whoever has voted (itself,
    or through a delegate that has) is not released any more, and never again; so the electorate is never
    smaller than what was cast. The weight of an elector is its own; where delegations are final
    (`Rules.is_fractional`) it is all that it may spend, and one that has delegated has none to release.

    Invariants: for + against + abstain + uncast == eligible; released electors' weight is part of the uncast.

    Complexity: `cast` the length of the delegation chain, amortised; all else of a binary protocol constant.
    Of a choice among options `tally` and `verdict` count once after each change, `outlook` when it matters.
    """

    def __init__(
        self, rules: Rules, weights: Mapping[str, int], delegations: Mapping[str, str], seed: str
    ) -> None:
        """Open a vote.

        Args:
            rules: Of the proposal.
            weights: Elector -> weight, at least 0.
            delegations: Elector -> the elector that stands in for it, without cycles (`delegations.resolve`).
            seed: What lots are drawn from: the id of the proposal.

        Raises:
            PollError: A weight is negative, or a delegation names somebody that is no elector.
            DelegationError: The delegations hold a cycle.
        """
        negative = next((agent for agent, weight in weights.items() if weight < 0), None)
        if negative is not None:
            raise PollError(f"the weight of {negative} is {weights[negative]}; it must be at least 0")
        for agent, delegate in delegations.items():
            if agent not in weights or delegate not in weights:
                raise PollError(f"{agent} delegates to {delegate}: both must be electors")
        self.weights = dict(weights)
        books = FractionalBooks if rules.is_fractional and rules.is_binary else OverridableBooks
        self.books: Books = books(self.weights, dict(delegations), may_change_vote=rules.may_change_vote)
        self.released_weights: dict[str, int] = {}
        self._foreseen: tuple[Ballot, Prospect] | None = None
        super().__init__(rules, self.books.fixed, self.books.lent, sum(weights.values()), seed)

    def copy(self) -> Poll:
        """A poll that stands where this one does and goes its own way from here.

        Complexity: linear in votes, by copying references.
        """
        other = copy(self)
        other.books = self.books.copy()
        other.fixed, other.lent = other.books.fixed, other.books.lent
        other.released_weights = self.released_weights.copy()
        return other

    def problem(self, ballot: Ballot) -> Problem | None:
        """Why a ballot cannot be cast: code and message, or None if it can.

        Args:
            ballot: Its choice is in normal form (`ballot.normalised`).

        Returns:
            ``not_in_electorate``, ``delegated_away``, ``already_voted``, ``nothing_to_cast``, ``overspent``
            or ``invalid_choice`` (of a scope that the rules do not know).
        """
        if ballot.voter not in self.weights:
            return "not_in_electorate", f"{ballot.voter} does not vote on this proposal"
        return self.books.problem(ballot)

    def cast(self, ballot: Ballot) -> None:
        """Count a ballot; released electors whose weight it casts are released no longer.

        Raises:
            PollError: The ballot has a `problem`; nothing has changed.
        """
        problem = self.problem(ballot)
        if problem is not None:
            raise PollError(f"{problem[0]}: {problem[1]}")
        foreseen, self._foreseen, self.counted = self._foreseen, None, None
        self.books.cast(ballot)
        if foreseen is not None and foreseen[0] == ballot:
            self.counted, self.lead = foreseen[1].counted, foreseen[1].lead
        if self.released_weights:
            for agent in self.books.covered_by(ballot):
                self.restore(agent)

    def after(self, ballot: Ballot) -> Prospect:
        """Where the vote would stand with a ballot that has no `problem`; changes nothing that can be seen.

        What is counted to find that out is not counted again if this very ballot is cast next.

        Complexity: that of `cast`, and a copy of as many references as there are different choices.
        """
        prospect = Prospect(self.rules, *self.books.after(ballot), self.eligible_votes, self._seed)
        prospect.lead = self.lead
        prospect.released_votes = self.released_votes
        if self.released_weights:
            covered = set(self.books.covered_by(ballot))
            prospect.released_votes -= sum(self.released_weights.get(agent, 0) for agent in covered)
        self._foreseen = ballot, prospect
        return prospect

    def weight_of(self, voter: str, scope: Scope = "all") -> int:
        """The weight that a vote of `voter` with this scope would cast now; 0 for whoever is no elector.

        Of a fractional vote: what is left to spend. Where votes may be changed, what the voter has cast
        already is included.
        """
        return self.books.weight_of(voter, scope) if voter in self.weights else 0

    def weight_cast_by(self, ballot: Ballot) -> int:
        """The weight that this ballot would cast now: less than `weight_of` if it spends only a part."""
        if self.rules.is_binary and isinstance(ballot.choice, Mapping):
            return sum(ballot.choice.values())
        return self.weight_of(ballot.voter, ballot.scope)

    def has_voted(self, agent: str) -> bool:
        """Whether `agent` itself has cast a vote, in any scope."""
        return self.books.has_voted(agent)

    def favours(self, voter: str, scope: Scope = "all") -> bool:
        """Whether something that `voter` cast, in this scope, counts in favour: for, or any option.

        A vote whose weight others have taken back entirely counts for nothing.
        """
        return self.books.favours(voter, scope)

    def is_releasable(self, agent: str) -> bool:
        """Whether `release` would leave `agent` out.

        That is: the rules release who goes offline, `agent` is an elector and not released yet, nobody has
        cast its weight, and at least `Rules.minimum_electorate` electors remain without it.
        """
        return (
            self.rules.offline_voters == "release"
            and agent in self.weights
            and agent not in self.released_weights
            and self.books.is_uncast(agent)
            and len(self.weights) - len(self.released_weights) > self.rules.minimum_electorate
        )

    def release(self, agent: str) -> bool:
        """Leave the weight of an elector that is away out of the electorate.

        Returns:
            Whether it was; nothing happens unless `is_releasable`.
        """
        if not self.is_releasable(agent):
            return False
        weight = self.books.weight_at_hand(agent)
        self.released_weights[agent] = weight
        self.released_votes += weight
        return True

    def restore(self, agent: str) -> bool:
        """Count a released elector's weight toward the electorate again.

        Returns:
            Whether it was released.
        """
        weight = self.released_weights.pop(agent, None)
        if weight is None:
            return False
        self.released_votes -= weight
        return True

    @property
    def released(self) -> tuple[str, ...]:
        """The electors that are left out at present, in the order in which they were released."""
        return tuple(self.released_weights)
