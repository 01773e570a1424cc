"""What a count of for, against and abstain comes to, and what is certain before all have voted. Pure.

Certainty rests on extremes: more votes in favour instead of any others never harm, and more votes against
instead of any others never help, so what holds with all free weight in favour and with all of it against
holds however the vote goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from consensus.rules import Rules, Tally, Threshold, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Weight by side."""

    for_votes: int = 0
    """Of a choice among options: for any of them."""
    against_votes: int = 0
    abstain_votes: int = 0

    @property
    def total(self) -> int:
        """All that was cast."""
        return self.for_votes + self.against_votes + self.abstain_votes


def tally_of(rules: Rules, sides: Sides, *, eligible_votes: int, released_votes: int = 0) -> Tally:
    """The count of these sides, with the quorum that `rules` ask for."""
    assert 0 <= released_votes <= eligible_votes - sides.total, "released or cast more than there is"
    match rules.quorum_counts:
        case "for":
            counted_votes = sides.for_votes
        case "for_and_abstain":
            counted_votes = sides.for_votes + sides.abstain_votes
        case "all":
            counted_votes = sides.total
    return Tally(
        eligible_votes=eligible_votes,
        released_votes=released_votes,
        quorum_votes=rules.quorum.votes(eligible_votes - released_votes),
        counted_votes=counted_votes,
        for_votes=sides.for_votes,
        against_votes=sides.against_votes,
        abstain_votes=sides.abstain_votes,
    )


def verdict(rules: Rules, tally: Tally) -> Verdict:
    """Won or lost by for, against and abstain, if no further vote is cast.

    Returns:
        A loss for want of a quorum says so before all else. A majority missed by equal votes is a ``tie``.
    """
    if not tally.is_quorum_reached:
        return Verdict(is_won=False, reason="no_quorum")
    match rules.protocol:
        case "unanimous":
            if tally.against_votes or not tally.for_votes:
                return Verdict(is_won=False, reason="not_unanimous")
        case "qualified_majority":
            assert rules.threshold is not None, "a qualified majority without a threshold"
            if not _reaches(rules.threshold, tally):
                return Verdict(is_won=False, reason="below_threshold")
        case _:
            if tally.for_votes <= tally.against_votes:
                is_tie = tally.for_votes == tally.against_votes > 0
                return Verdict(is_won=False, reason="tie" if is_tie else "below_threshold")
    return Verdict(is_won=True, reason="majority")


def _reaches(threshold: Threshold, tally: Tally) -> bool:
    """Whether for is a sufficient share. Without a vote in favour it never is."""
    if threshold.of == "cast":
        whole = tally.for_votes + tally.against_votes
    else:
        whole = tally.eligible_votes - tally.released_votes
    share, required = tally.for_votes * threshold.denominator, whole * threshold.numerator
    return tally.for_votes > 0 and (share > required or (threshold.is_inclusive and share == required))


def has_super_quorum(rules: Rules, tally: Tally) -> bool:
    """Whether so many are in favour that a success ends the vote, by rule rather than by certainty."""
    if rules.super_quorum is None:
        return False
    return tally.for_votes >= rules.super_quorum.votes(tally.eligible_votes - tally.released_votes)


def quorum_prospect(rules: Rules, fixed: Sides, lent: Sides, eligible_votes: int) -> bool | None:
    """Whether the quorum is reached for certain (True), or certainly never (False).

    Args:
        rules: Of the vote.
        fixed: Weight that nobody can move any more.
        lent: Weight that delegates have cast: its owners may move it to another side, but never uncast it.
        eligible_votes: All weight, that of released electors included: the worst for the quorum is that they
            come back and do not vote.
    """
    free_votes = eligible_votes - fixed.total
    best = Sides(
        for_votes=fixed.for_votes + free_votes,
        against_votes=fixed.against_votes,
        abstain_votes=fixed.abstain_votes,
    )
    if not tally_of(rules, best, eligible_votes=eligible_votes).is_quorum_reached:
        return False
    # What has been cast stays cast: for `all` it counts on any side. For the other kinds it counts least
    # on the side of those against, among options (which nobody can be against) as an abstention.
    if rules.is_binary:
        worst = Sides(
            for_votes=fixed.for_votes,
            against_votes=fixed.against_votes + lent.total,
            abstain_votes=fixed.abstain_votes,
        )
    else:
        worst = Sides(for_votes=fixed.for_votes, abstain_votes=fixed.abstain_votes + lent.total)
    return tally_of(rules, worst, eligible_votes=eligible_votes).is_quorum_reached or None


def outlook(rules: Rules, fixed: Sides, lent: Sides, eligible_votes: int) -> Verdict | None:
    """What is certain of a vote by for, against and abstain, however it goes on; None: nothing yet.

    Free is what is not `fixed`: whoever has not voted may vote in any way, or not at all, or be released or
    restored; and weight that a delegate has cast (`lent`) may be moved by its owner. Sound and complete: None
    means that both results are still possible.

    Returns:
        The verdict. The reason of a loss is the one that would remain if all the free weight was in favour.
    """
    free_votes = eligible_votes - fixed.total
    # Releasing an elector lowers a fraction of the electorate by less than its vote in favour adds, so the
    # best case is that all vote; the worst for shares of the electorate is that nobody stays released.
    best = Sides(
        for_votes=fixed.for_votes + free_votes,
        against_votes=fixed.against_votes,
        abstain_votes=fixed.abstain_votes,
    )
    at_best = verdict(rules, tally_of(rules, best, eligible_votes=eligible_votes))
    if not at_best.is_won:
        return at_best
    worst = Sides(
        for_votes=fixed.for_votes,
        against_votes=fixed.against_votes + free_votes,
        abstain_votes=fixed.abstain_votes,
    )
    at_worst = verdict(rules, tally_of(rules, worst, eligible_votes=eligible_votes))
    is_certain = at_worst.is_won and quorum_prospect(rules, fixed, lent, eligible_votes) is True
    return at_worst if is_certain else None
