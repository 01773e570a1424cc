"""How votes among options were counted, as sentences that people read. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

from consensus.countreplies import CountView, RoundView, TieView
from consensus.replies import Proposal

_WINS_BY: Final = {
    "first_listed": "the one listed first",
    "lot": "by a hash of the proposal's id",
}
_OUT_BY: Final = {
    "backward": "with less in the latest round before in which they differ",
    "first_listed": "as the one listed last",
    "lot": "by a hash of the proposal's id",
    "immaterial": "whoever does, the same one wins",
}


def count_sentences(proposal: Proposal) -> Iterator[tuple[str, str]]:
    """Rounds, duels and ties of a count among options, as (name, sentence).

    Nothing where the scores say all, and before anything is cast.
    """
    count = proposal.count
    if count is None or proposal.tally is None or not proposal.tally.for_votes:
        return
    for number, each in enumerate(count.rounds, start=1):
        ties = [tie for tie in count.ties if tie.round == number and tie.purpose == "elimination"]
        is_last = number == len(count.rounds)
        yield f"round {number}", _round_sentence(count, each, ties, is_last=is_last)
    if count.pairwise is not None:
        for option, row in zip(count.options, _duels(count), strict=True):
            yield "duels", f"{option} {row}"
    for tie in count.ties:
        if tie.purpose == "win":
            yield "tied", _win_sentence(tie, count)


def _round_sentence(count: CountView, each: RoundView, ties: list[TieView], *, is_last: bool) -> str:
    scores = [
        (option, score) for option, score in zip(count.options, each.scores, strict=True) if score is not None
    ]
    scores.sort(key=lambda entry: -Fraction(entry[1]))
    parts = [", ".join(f"{option} {score}" for option, score in scores)]
    if Fraction(each.exhausted):
        parts.append(f"{each.exhausted} for nobody who is left")
    parts += [_out_sentence(tie) for tie in ties]
    if each.eliminated and not ties:
        parts.append(f"{_joined(each.eliminated)} goes out")
    if is_last and not ties:
        most = Fraction(scores[0][1])
        total = sum(Fraction(score) for _, score in scores)
        if 2 * most > total:
            parts.append(f"{scores[0][0]} has more than half")
    return "; ".join(parts)


def _out_sentence(tie: TieView) -> str:
    level = f"{_joined(tie.options)} are tied for the last place"
    if not tie.chosen:
        return f"{level}, no round before tells them apart, and by the rules a tie fails"
    return f"{level}: {_joined(tie.chosen)} goes out, {_OUT_BY.get(tie.rule, tie.rule)}"


def _win_sentence(tie: TieView, count: CountView) -> str:
    where = f" in round {tie.round or len(count.rounds)}" if count.rounds else ""
    level = f"{_joined(tie.options)} are tied for the first place{where}"
    if not tie.chosen:
        return f"{level}, and by the rules a tie fails"
    return f"{level}: {_joined(tie.chosen)} wins, {_WINS_BY.get(tie.rule, tie.rule)}"


def _duels(count: CountView) -> Iterator[str]:
    """Of each option: whom it beats, and whom it is level with."""
    assert count.pairwise is not None, "asked for only where there is one"
    for one, row in enumerate(count.pairwise):
        won: list[str] = []
        drawn: list[str] = []
        for other, name in enumerate(count.options):
            ours, theirs = Fraction(row[other]), Fraction(count.pairwise[other][one])
            if other == one or ours < theirs:
                continue
            (won if ours > theirs else drawn).append(f"{name} {row[other]}:{count.pairwise[other][one]}")
        parts = [f"beats {', '.join(won)}" if won else "beats nobody"]
        if drawn:
            parts.append(f"draws with {', '.join(drawn)}")
        yield "; ".join(parts)


def _joined(options: tuple[str, ...]) -> str:
    return " and ".join(filter(None, (", ".join(options[:-1]), *options[-1:])))
