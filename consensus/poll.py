"""One vote from its opening to its count: who may cast what, where it stands, what is certain. Pure, exact.

A poll is built from the snapshot taken when voting opened, and changed by ballots and by electors that are
released or restored; the same calls in the same order give the same poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from itertools import chain

from consensus import certainty, choosing
from consensus.ballot import Ballot, Scope
from consensus.casting import Books, FractionalBooks, OverridableBooks, Problem, Votes
from consensus.certainty import Sides
from consensus.counting import Count
from consensus.rules import Rules, Tally, Verdict


class PollError(ValueError):
    """A poll that cannot be, or a ballot that `Poll.problem` refuses."""


class Poll:
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
        self.rules = rules
        self.eligible_votes = sum(weights.values())
        self.weights = dict(weights)
        self._seed = seed
        books = FractionalBooks if rules.is_fractional and rules.is_binary else OverridableBooks
        self.books: Books = books(self.weights, dict(delegations), may_change_vote=rules.may_change_vote)
        self.released_weights: dict[str, int] = {}
        self._released_votes = 0
        self._count: Count | None = None
        self._lead = choosing.Lead(winner=None, next_free_votes=self.eligible_votes)

    def copy(self) -> Poll:
        """A poll that stands where this one does and goes its own way from here.

        Complexity: linear in votes, by copying references.
        """
        other = copy(self)
        other.books = self.books.copy()
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
        self.books.cast(ballot)
        self._count = None
        if self.released_weights:
            for agent in self.books.covered_by(ballot):
                self.restore(agent)

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
        self._released_votes += weight
        return True

    def restore(self, agent: str) -> bool:
        """Count a released elector's weight toward the electorate again.

        Returns:
            Whether it was released.
        """
        weight = self.released_weights.pop(agent, None)
        if weight is None:
            return False
        self._released_votes -= weight
        return True

    @property
    def released(self) -> tuple[str, ...]:
        """The electors that are left out at present, in the order in which they were released."""
        return tuple(self.released_weights)

    def turnout(self) -> Tally:
        """Where the vote stands, without the scores of options: always constant in cost."""
        fixed, lent = _sides(self.books.fixed), _sides(self.books.lent)
        sides = Sides(
            for_votes=fixed.for_votes + lent.for_votes,
            against_votes=fixed.against_votes + lent.against_votes,
            abstain_votes=fixed.abstain_votes + lent.abstain_votes,
        )
        return certainty.tally_of(
            self.rules, sides, eligible_votes=self.eligible_votes, released_votes=self._released_votes
        )

    def tally(self) -> Tally:
        """Where the vote stands."""
        turnout = self.turnout()
        return turnout if self.rules.is_binary else replace(turnout, scores=choosing.scores(self.count()))

    @property
    def is_quorum_reached(self) -> bool:
        """Whether enough have taken part so far."""
        return self.turnout().is_quorum_reached

    def count(self) -> Count:
        """All that is to be known of the count of a choice among options, such as rounds and pairs."""
        assert not self.rules.is_binary, "a vote by for and against is not counted by options"
        if self._count is None:
            votes = chain(self.books.fixed.by_key.items(), self.books.lent.by_key.items())
            self._count = choosing.count(self.rules, votes, self._seed)
        return self._count

    def verdict(self) -> Verdict:
        """What the vote comes to if no further vote is cast."""
        turnout = self.turnout()
        if self.rules.is_binary:
            return certainty.verdict(self.rules, turnout)
        return choosing.verdict(turnout, self.count())

    def has_super_quorum(self) -> bool:
        """Whether the super-quorum makes a success of this vote at once.

        By rule, as in Governor, not because nothing could change any more. Of a choice among options: so much
        weight has chosen any of them, and one wins.
        """
        return certainty.has_super_quorum(self.rules, self.turnout()) and self.verdict().is_won

    def outlook(self) -> Verdict | None:
        """What is certain already, however the vote goes on; None while anything is open.

        Free is what nobody has cast, or a delegate has whose word is not final: it may be cast in any way or
        not at all, and electors may be released or restored. The outlook never differs from the verdict in
        the end, whatever becomes of that (but for the reason of a loss, which is the one at best). A vote by
        for and against is decided as early as can be; a choice among options where its method allows a
        simple proof (`choosing.lead`).

        Nothing is certain while votes may be changed. It says nothing of a super-quorum (`has_super_quorum`)
        and does not ask for `Rules.is_early_decision`; see `early_verdict`.
        """
        if self.rules.may_change_vote:
            return None
        fixed, lent = _sides(self.books.fixed), _sides(self.books.lent)
        if self.rules.is_binary:
            return certainty.outlook(self.rules, fixed, lent, self.eligible_votes)
        prospect = certainty.quorum_prospect(self.rules, fixed, lent, self.eligible_votes)
        if prospect is False:
            return Verdict(is_won=False, reason="no_quorum")
        free_votes = self.eligible_votes - fixed.total
        if not free_votes:
            return self.verdict()
        if prospect is None or not self._is_led(free_votes):
            return None
        return Verdict(is_won=True, reason="majority", winner=self._lead.winner)

    def _is_led(self, free_votes: int) -> bool:
        """Whether an option is out of reach; counts only if enough has been fixed since it last did."""
        if self._lead.winner is None and free_votes <= self._lead.next_free_votes:
            self._lead = choosing.lead(self.rules, self.books.fixed.by_key.items(), free_votes, self._seed)
        return self._lead.winner is not None

    def early_verdict(self) -> Verdict | None:
        """The verdict that ends the vote now, before its deadline; None if it goes on.

        Either the super-quorum is reached and the vote won otherwise, or the rules ask for early decisions
        and the result is certain.
        """
        if self.rules.super_quorum is not None and self.has_super_quorum():
            return self.verdict()
        return self.outlook() if self.rules.is_early_decision else None


def _sides(votes: Votes) -> Sides:
    """Any option counts as for."""
    against_votes, abstain_votes = votes.of("against"), votes.of("abstain")
    return Sides(
        for_votes=votes.total - against_votes - abstain_votes,
        against_votes=against_votes,
        abstain_votes=abstain_votes,
    )
