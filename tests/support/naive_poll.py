"""The naive twin of `consensus.poll.Poll`: a list of what happened, counted anew for every question.

Nothing is kept but the list. Who speaks for whom is found by walking up from each elector; all amounts are
fractions, and ballots are never joined. It shares no code with the poll but the plain data, and of the
counting library it uses only the elimination rounds of ranked choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from hashlib import sha256
from itertools import combinations
from math import ceil
from typing import Any

from consensus.ballot import Ballot, Choice
from consensus.counting import Method, Ranking, TieRule, Weighted, count
from consensus.rules import Level, Rules, Tally, Verdict

SIDES = ("for", "against", "abstain")
Happening = tuple[str, str, Ballot | None]
"""(``cast``, voter, ballot), (``release``, agent, None) or (``restore``, agent, None)."""


class NaivePoll:
    """See `consensus.poll.Poll`; the same questions, answered from the definitions."""

    def __init__(
        self, rules: Rules, weights: Mapping[str, int], delegations: Mapping[str, str], seed: str
    ) -> None:
        self.rules = rules
        self.weights = weights
        self.delegations = delegations
        self.seed = seed
        self.happened: list[Happening] = []

    @property
    def is_fractional(self) -> bool:
        return self.rules.is_fractional and self.rules.is_binary

    def cast(self, ballot: Ballot) -> None:
        self.happened.append(("cast", ballot.voter, ballot))

    def release(self, agent: str) -> None:
        self.happened.append(("release", agent, None))

    def restore(self, agent: str) -> None:
        self.happened.append(("restore", agent, None))

    # Who says what.

    def ballots(self, voter: str) -> list[Ballot]:
        return [ballot for _, _, ballot in self.happened if ballot is not None and ballot.voter == voter]

    def said(self, voter: str, part: str) -> Choice | None:
        """The last choice of `voter` for its ``own`` weight, or for what is ``delegated`` to it."""
        choices = [ballot.choice for ballot in self.ballots(voter) if ballot.scope in (part, "all")]
        return choices[-1] if choices else None

    def above(self, agent: str) -> Iterator[str]:
        while agent in self.delegations:
            agent = self.delegations[agent]
            yield agent

    def speaker(self, elector: str) -> tuple[str, str] | None:
        """(who, part) casts the weight of an elector: itself, or the nearest delegate that has voted."""
        if self.said(elector, "own") is not None:
            return elector, "own"
        for agent in self.above(elector):
            if self.said(agent, "delegated") is not None:
                return agent, "delegated"
        return None

    def power(self, agent: str) -> int:
        """What an agent may spend where delegations are final."""
        if agent in self.delegations:
            return 0
        return sum(self.weights[each] for each in self.weights if [each, *self.above(each)][-1] == agent)

    def spent(self, voter: str) -> dict[str, int]:
        amounts = dict.fromkeys(SIDES, 0)
        for ballot in self.ballots(voter):
            if self.rules.may_change_vote:
                amounts = dict.fromkeys(SIDES, 0)
            if isinstance(ballot.choice, Mapping):
                for side, amount in ballot.choice.items():
                    amounts[side] += amount
            else:
                amounts[str(ballot.choice)] += self.power(voter) - sum(amounts.values())
        return amounts

    def pieces(self) -> list[tuple[Choice, int]]:
        """(choice, weight), elector by elector."""
        if self.is_fractional:
            return [piece for voter in self.weights for piece in self.spent(voter).items()]
        pieces: list[tuple[Choice, int]] = []
        for elector, weight in self.weights.items():
            speaker = self.speaker(elector)
            if speaker is not None:
                choice = self.said(*speaker)
                assert choice is not None
                pieces.append((choice, weight))
        return pieces

    # What may be cast.

    def weight_of(self, voter: str, scope: str) -> int:
        if voter not in self.weights:
            return 0
        if self.is_fractional:
            spent = 0 if self.rules.may_change_vote else sum(self.spent(voter).values())
            return self.power(voter) - spent if scope == "all" else 0
        own = self.weights[voter] if scope != "delegated" else 0
        if scope == "own":
            return own
        below = 0
        for elector, weight in self.weights.items():
            chain = [elector, *self.above(elector)]
            if voter not in chain[1:] or self.said(elector, "own") is not None:
                continue
            between = chain[1 : chain.index(voter)]
            if all(self.said(agent, "delegated") is None for agent in between):
                below += weight
        return own + below

    def code(self, ballot: Ballot) -> str | None:
        voter = ballot.voter
        if voter not in self.weights:
            return "not_in_electorate"
        if self.is_fractional:
            return self.fractional_code(ballot)
        parts = ("own", "delegated") if ballot.scope == "all" else (ballot.scope,)
        if not self.rules.may_change_vote and any(self.said(voter, part) is not None for part in parts):
            return "already_voted"
        return None if self.weight_of(voter, ballot.scope) else "nothing_to_cast"

    def fractional_code(self, ballot: Ballot) -> str | None:
        voter = ballot.voter
        if voter in self.delegations:
            return "delegated_away"
        if ballot.scope != "all":
            return "invalid_choice"
        if self.power(voter) == 0:
            return "nothing_to_cast"
        left = self.weight_of(voter, "all")
        if left == 0:
            return "already_voted"
        if isinstance(ballot.choice, Mapping) and sum(ballot.choice.values()) > left:
            return "overspent"
        return None

    # Who is away.

    def is_cast(self, agent: str) -> bool:
        if self.is_fractional:
            return agent in self.delegations or bool(self.ballots(agent))
        return self.speaker(agent) is not None

    def released(self) -> tuple[str, ...]:
        """Goes through all that happened, step by step, with a twin that knows no more than that."""
        past = NaivePoll(self.rules, self.weights, self.delegations, self.seed)
        away: list[str] = []
        for kind, agent, ballot in self.happened:
            past.happened.append((kind, agent, ballot))
            room = len(self.weights) - len(away) - 1 >= self.rules.minimum_electorate
            if kind == "restore" and agent in away:
                away.remove(agent)
            elif kind == "release" and self.rules.offline_voters == "release" and room:
                if agent in self.weights and agent not in away and not past.is_cast(agent):
                    away.append(agent)
            elif kind == "cast":
                away = [each for each in away if not past.is_cast(each)]
        return tuple(away)

    # What it comes to.

    def tally(self) -> Tally:
        sums = dict.fromkeys(SIDES, 0)
        for choice, weight in self.pieces():
            sums[choice if isinstance(choice, str) else "for"] += weight
        released = [
            self.power(each) if self.is_fractional else self.weights[each] for each in self.released()
        ]
        eligible = sum(self.weights.values())
        counting = {"for": ["for"], "for_and_abstain": ["for", "abstain"], "all": SIDES}
        return Tally(
            eligible_votes=eligible,
            released_votes=sum(released),
            quorum_votes=reaching(self.rules.quorum, eligible - sum(released)),
            counted_votes=sum(sums[side] for side in counting[self.rules.quorum_counts]),
            for_votes=sums["for"],
            against_votes=sums["against"],
            abstain_votes=sums["abstain"],
            scores=()
            if self.rules.is_binary
            else tuple((option, str(score)) for option, score in self.result()[1].items()),
        )

    def verdict(self) -> Verdict:
        tally = self.tally()
        if tally.counted_votes < tally.quorum_votes:
            return Verdict(is_won=False, reason="no_quorum")
        if not self.rules.is_binary:
            best = self.result()[0]
            if len(best) == 1:
                return Verdict(is_won=True, reason="majority", winner=best[0])
            return Verdict(is_won=False, reason="tie" if best else "no_winner")
        in_favour, against = tally.for_votes, tally.against_votes
        is_won, otherwise = in_favour > against, "tie" if in_favour == against != 0 else "below_threshold"
        if self.rules.protocol == "unanimous":
            is_won, otherwise = in_favour > 0 and against == 0, "not_unanimous"
        elif self.rules.protocol == "qualified_majority":
            is_won, otherwise = self.reaches_threshold(tally), "below_threshold"
        return Verdict(is_won=is_won, reason="majority" if is_won else otherwise)  # type: ignore[arg-type]

    def reaches_threshold(self, tally: Tally) -> bool:
        threshold = self.rules.threshold
        assert threshold is not None
        whole = tally.for_votes + tally.against_votes
        if whole == 0:
            return False
        if threshold.of == "eligible":
            whole = tally.eligible_votes - tally.released_votes
        share = Fraction(tally.for_votes, whole)
        required = Fraction(threshold.numerator, threshold.denominator)
        return share >= required if threshold.is_inclusive else share > required

    def result(self) -> tuple[list[str], dict[str, Any]]:
        """The winner (or all that are level, or nobody), and exact scores by option."""
        options = self.rules.option_ids
        pieces = [(choice, weight) for choice, weight in self.pieces() if choice != "abstain" and weight]
        if self.rules.protocol == "ranked_choice":
            return self.runoff(pieces)
        marks = {
            "approval": approved,
            "borda": placed,
            "quadratic": bought,
            "weighted_split": divided,
        }
        if self.rules.protocol == "copeland":
            scores = duels(pieces, options)
        else:
            mark = marks[self.rules.protocol]
            scores = {
                option: sum(
                    (weight * mark(choice, option, options) for choice, weight in pieces), Fraction(0)
                )
                for option in options
            }
        if not pieces:
            return [], scores
        best = [option for option in options if scores[option] == max(scores.values())]
        return self.broken(best), scores

    def broken(self, best: list[str]) -> list[str]:
        match self.rules.tie_rule:
            case "first_listed":
                return best[:1]
            case "lot":
                return [min(best, key=lambda option: sha256(f"{self.seed}\0{option}".encode()).digest())]
            case _:
                return best

    def runoff(self, pieces: list[tuple[Any, int]]) -> tuple[list[str], dict[str, Any]]:
        options = self.rules.option_ids
        papers = [
            Weighted(Ranking(tuple(frozenset(map(options.index, group)) for group in choice)), weight)
            for choice, weight in pieces
        ]
        counted = count(
            Method.RANKED_CHOICE, options, papers, tie_rule=TieRule(self.rules.tie_rule), seed=self.seed
        )
        scores = dict(zip(options, counted.scores, strict=True))
        if counted.winner is not None:
            return [options[counted.winner]], scores
        return (list(options) if counted.ties and pieces else []), scores


def reaching(level: Level, whole: int) -> int:
    if level.denominator is None:
        return level.numerator
    return ceil(Fraction(level.numerator, level.denominator) * whole)


def place(choice: Any, option: str) -> int:
    """The place of an option's group; options that are not ranked share the one after the last."""
    return next((index for index, group in enumerate(choice) if option in group), len(choice))


def approved(choice: Any, option: str, options: tuple[str, ...]) -> Fraction:
    return Fraction(option in choice[0])


def placed(choice: Any, option: str, options: tuple[str, ...]) -> Fraction:
    """Borda as duels: a point for each option below, half for each beside."""
    here = place(choice, option)
    others = [place(choice, other) for other in options if other != option]
    return sum((Fraction(there > here) + Fraction(there == here, 2) for there in others), Fraction(0))


def bought(choice: Any, option: str, options: tuple[str, ...]) -> Fraction:
    return Fraction(choice.get(option, 0))


def divided(choice: Any, option: str, options: tuple[str, ...]) -> Fraction:
    return Fraction(choice.get(option, 0), sum(choice.values()))


def duels(pieces: list[tuple[Any, int]], options: tuple[str, ...]) -> dict[str, Fraction]:
    """Copeland: a point for each duel won, half for each draw."""
    scores = dict.fromkeys(options, Fraction(0))
    for one, other in combinations(options, 2):
        ahead = 0
        for choice, weight in pieces:
            here, there = place(choice, one), place(choice, other)
            ahead += weight * ((here < there) - (here > there))
        scores[one] += Fraction(1 + (ahead > 0) - (ahead < 0), 2)
        scores[other] += Fraction(1 - (ahead > 0) + (ahead < 0), 2)
    return scores
