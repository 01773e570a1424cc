"""Where a vote stands, what it comes to, and what is certain already. Pure, exact."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from consensus import certainty, choosing
from consensus.casting import Votes
from consensus.certainty import Sides
from consensus.counting import Count
from consensus.rules import Rules, Tally, Verdict


class Prospect:
    """What follows from the votes cast so far, whoever cast them.

    Of a choice among options a count is made when it is asked for, and kept until more is cast.

    Args:
        rules: Of the proposal.
        fixed: Cast for good.
        lent: Cast by delegates; its owners may still move it.
        eligible_votes: All weight there is.
        seed: What lots are drawn from: the id of the proposal.
    """

    def __init__(self, rules: Rules, fixed: Votes, lent: Votes, eligible_votes: int, seed: str) -> None:
        self.rules = rules
        self.fixed = fixed
        self.lent = lent
        self.eligible_votes = eligible_votes
        self.released_votes = 0
        """Weight left out at present."""
        self._seed = seed
        self.counted: Count | None = None
        """The count of these votes, once it was asked for; see `count`."""
        self.lead = choosing.Lead(winner=None, next_free_votes=eligible_votes)
        """What was found when it was last looked whether an option is out of reach."""

    def turnout(self) -> Tally:
        """Where the vote stands, without the scores of options: always constant in cost."""
        fixed, lent = _sides(self.fixed), _sides(self.lent)
        sides = Sides(
            for_votes=fixed.for_votes + lent.for_votes,
            against_votes=fixed.against_votes + lent.against_votes,
            abstain_votes=fixed.abstain_votes + lent.abstain_votes,
        )
        return certainty.tally_of(
            self.rules, sides, eligible_votes=self.eligible_votes, released_votes=self.released_votes
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
        if self.counted is None:
            votes = chain(self.fixed.by_key.items(), self.lent.by_key.items())
            self.counted = choosing.count(self.rules, votes, self._seed)
        return self.counted

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
        fixed, lent = _sides(self.fixed), _sides(self.lent)
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
        return Verdict(is_won=True, reason="majority", winner=self.lead.winner)

    def _is_led(self, free_votes: int) -> bool:
        """Whether an option is out of reach; counts only if enough has been fixed since it last did."""
        if self.lead.winner is None and free_votes <= self.lead.next_free_votes:
            self.lead = choosing.lead(self.rules, self.fixed.by_key, free_votes, self._seed, self.lead)
        return self.lead.winner is not None

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
