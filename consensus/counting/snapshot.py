"""Documents of Snapshot (snapshot.org), and the scores that it would publish for them. Pure, exact.

The rules are those of snapshot.js at efa5de15: what is a valid vote, that scores add up to the voting power,
and how scores are divided by strategy. Where it computes with floats, this computes the exact value that the
floats are near.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from consensus.counting.additive import root_sums
from consensus.counting.ballots import Approval, Ballot, Number, Points, Ranking, Spoilt, Weighted, is_exact
from consensus.counting.choices import Method, Quadratic, Rules, method_named
from consensus.counting.counted import count
from consensus.counting.documents import option_names
from consensus.counting.election import Election, Snapshot, Vote
from consensus.counting.faults import BallotFileError, CountingError
from consensus.counting.marks import Reading, plain, read_marks
from consensus.counting.numerals import number_of, simplest
from consensus.counting.outcome import Count, Score
from consensus.counting.roots import QuadraticScore, RootSum

_LISTS: Final = (Method.RANKED_CHOICE, Method.APPROVAL, Method.COPELAND)
_RANKED: Final = frozenset({Method.RANKED_CHOICE, Method.COPELAND, Method.BORDA})
_POINTED: Final = frozenset({Method.QUADRATIC, Method.WEIGHTED_SPLIT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Scores in the form in which Snapshot publishes them."""

    scores: tuple[Score, ...]
    scores_by_strategy: tuple[tuple[Score, ...], ...]
    """By option, then by strategy."""
    scores_total: Number


def looks_like(document: Any) -> bool:
    """Whether a JSON document is of this kind."""
    inner = _inner(document)
    return isinstance(inner, dict) and isinstance(inner.get("votes"), list)


def _inner(document: Any) -> Any:
    """Answers of Snapshot's API have everything below ``data``."""
    if isinstance(document, dict) and "votes" not in document and isinstance(document.get("data"), dict):
        return document["data"]
    return document


def read(document: Mapping[str, Any]) -> Election:
    """The election in a document of Snapshot.

    Raises:
        BallotFileError: With the place in the document and what should be there.
    """
    inner = _inner(document)
    proposal = inner.get("proposal") or {}
    if not isinstance(proposal, dict):
        raise BallotFileError("proposal: an object with 'choices' is wanted")
    options = option_names(proposal.get("choices", inner.get("choices")), "proposal.choices")
    votes = tuple(_vote(each, f"votes[{index}]") for index, each in enumerate(inner["votes"]))
    told = _told(inner, proposal)
    strategies = inner.get("strategies", proposal.get("strategies"))
    widest = max((len(vote.by_strategy) for vote in votes), default=0)
    methods = _methods(votes)
    said = inner.get("type") or proposal.get("type")
    try:
        method = method_named(str(said)) if said else methods[0] if len(methods) == 1 else None
    except CountingError as error:
        raise BallotFileError(f"proposal.type: {error}") from None
    return Election(
        form="Snapshot",
        options=options,
        title=str(proposal.get("title", ""))[:1000],
        method=method,
        methods=methods,
        snapshot=Snapshot(
            votes=votes,
            strategies_count=len(strategies) if isinstance(strategies, list) else widest,
            scores=told.scores,
            scores_by_strategy=told.by_strategy,
            scores_total=told.total,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What a document says was published; None where it says nothing."""

    scores: tuple[Number, ...] | None = None
    by_strategy: tuple[tuple[Number, ...], ...] | None = None
    total: Number | None = None


def _told(inner: Mapping[str, Any], proposal: Mapping[str, Any]) -> _Told:
    where, scores = _either(inner, proposal, "scores")
    if scores == []:  # so says the API before a vote has ended, with a total of 0
        return _Told()
    by_where, by_strategy = _either(inner, proposal, "scoresByStrategy", "scores_by_strategy")
    total_where, total = _either(inner, proposal, "scoresTotal", "scores_total")
    return _Told(
        scores=_row(scores, where),
        by_strategy=_rows(by_strategy, by_where) or None,
        total=None if total is None else _number(total, total_where),
    )


def _either(places: Mapping[str, Any], others: Mapping[str, Any], *keys: str) -> tuple[str, Any]:
    """(key, value) of the first that is there."""
    found = ((key, place[key]) for place in (places, others) for key in keys if place.get(key) is not None)
    return next(found, (keys[0], None))


def _vote(given: Any, where: str) -> Vote:
    if not isinstance(given, dict) or "choice" not in given:
        raise BallotFileError(f"{where}: a vote is an object with 'choice' and 'balance' or 'vp'")
    parts_key, listed = _either(given, {}, "scores", "vp_by_strategy")
    parts = _row(listed, f"{where}.{parts_key}") or ()
    key, power = _either(given, {}, "balance", "vp")
    total = _number(power, f"{where}.{key}") if power is not None else sum(parts) if parts else 1
    if total < 0:
        at = f"{where}.{parts_key if power is None else key}"
        raise BallotFileError(f"{at}: a number of at least 0 is wanted")
    return Vote(choice=given["choice"], power=simplest(total), by_strategy=parts)


def _number(given: Any, where: str) -> Number:
    try:
        return number_of(given)
    except ValueError as error:
        raise BallotFileError(f"{where}: {error}") from None


def _row(given: Any, where: str) -> tuple[Number, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        raise BallotFileError(f"{where}: a list of numbers is wanted")
    return tuple(_number(each, f"{where}[{index}]") for index, each in enumerate(given))


def _rows(given: Any, where: str) -> tuple[tuple[Number, ...], ...] | None:
    if not isinstance(given, list):
        return None
    return tuple(_row(each, f"{where}[{index}]") or () for index, each in enumerate(given))


def _methods(votes: Sequence[Vote]) -> tuple[Method, ...]:
    """What the choices can be: numbers, lists or objects."""
    kinds = {dict: 0, list: 0, int: 0}
    for vote in votes:
        for kind in kinds:
            kinds[kind] += type(vote.choice) is kind
    most = max(kinds, key=lambda kind: kinds[kind])
    if not kinds[most] or most is int:
        return (Method.PLURALITY,)
    return _LISTS if most is list else (Method.WEIGHTED_SPLIT, Method.QUADRATIC)


def ballots(election: Election, method: Method) -> list[Weighted]:
    """The votes as ballots for `method`. A choice that is none for it becomes an invalid paper."""
    assert election.snapshot is not None, "not a document of Snapshot"
    return [
        Weighted(_ballot(vote.choice, method, len(election.options)), weight=vote.power)
        for vote in election.snapshot.votes
    ]


def _ballot(choice: object, method: Method, options_count: int) -> Ballot:
    if method in _POINTED:
        return _points(choice, options_count)
    if method is Method.PLURALITY:
        option = _option(choice, options_count)
        return Spoilt() if option is None else Approval.of(option)
    if not isinstance(choice, list):
        return Spoilt()
    chosen = [_option(each, options_count) for each in choice]
    options = [each for each in chosen if each is not None]
    if len(options) < len(chosen) or len(set(options)) < len(options):
        return Spoilt()
    return Ranking.of(*options) if method in _RANKED else Approval.of(*options)


def _option(choice: object, options_count: int) -> int | None:
    if type(choice) is int and 1 <= choice <= options_count:
        return choice - 1
    return None


def _points(choice: object, options_count: int) -> Ballot:
    if not isinstance(choice, dict):
        return Spoilt()
    points: dict[int, Number] = {}
    for key, value in choice.items():
        is_numeral = key.isascii() and key.isdigit() and len(key) < 9
        option = _option(int(key), options_count) if is_numeral else None
        if option is None or option in points or not is_exact(value):
            return Spoilt()
        points[option] = value
    return Points(points)


def published(election: Election, counted: Count) -> Published:
    """The scores that Snapshot publishes, exactly.

    Args:
        election: The document.
        counted: Its count under Snapshot's rules.
    """
    assert election.snapshot is not None, "not a document of Snapshot"
    columns = [_column(election, counted, index) for index in range(election.snapshot.strategies_count)]
    method = counted.method
    total = counted.total_weight
    if method is Method.QUADRATIC:
        rows = _quadratic_rows(election, counted, columns)
    elif method is Method.WEIGHTED_SPLIT:
        split = [count(method, election.options, each, rules=Rules.SNAPSHOT).scores for each in columns]
        numbers = [
            [Fraction(each) for each in column if not isinstance(each, QuadraticScore)] for column in split
        ]
        everything = sum(map(sum, numbers))
        rows = [
            tuple(_share(column[option], everything, total) for column in numbers)
            for option in range(len(election.options))
        ]
    else:
        scored = [_strategy_scores(election, counted, each) for each in columns]
        rows = [tuple(column[option] for column in scored) for option in range(len(election.options))]
    return Published(scores=counted.scores, scores_by_strategy=tuple(rows), scores_total=total)


def _share(part: Fraction, everything: Fraction | int, total: Number) -> Number:
    return simplest(part / everything * total) if everything else 0


def _column(election: Election, counted: Count, strategy: int) -> list[Weighted]:
    """The ballots with the voting power that one strategy gives them."""
    assert election.snapshot is not None, "not a document of Snapshot"
    return [
        Weighted(
            _ballot(vote.choice, counted.method, len(election.options)),
            weight=max(vote.by_strategy[strategy], 0) if strategy < len(vote.by_strategy) else 0,
        )
        for vote in election.snapshot.votes
    ]


def _strategy_scores(election: Election, counted: Count, column: Sequence[Weighted]) -> tuple[Score, ...]:
    if counted.method is not Method.RANKED_CHOICE:
        return count(counted.method, election.options, column, rules=Rules.SNAPSHOT).scores
    # Who is in is decided by the voting power; a strategy only says what it gave to those.
    left = frozenset(option for option, score in enumerate(counted.rounds[-1].scores) if score is not None)
    reading = Reading(method=counted.method, options_count=len(election.options), rules=Rules.SNAPSHOT)
    marks = read_marks(column, reading)
    sums = [0] * len(election.options)
    for ranks, weight in marks.weights.items():
        (best,) = next(rank for rank in ranks if rank & left)
        sums[best] += weight
    return tuple(plain(each, marks.denominator) for each in sums)


def _quadratic_rows(
    election: Election, counted: Count, columns: Sequence[Sequence[Weighted]]
) -> list[tuple[Score, ...]]:
    reading = Reading(
        method=Method.QUADRATIC,
        options_count=len(election.options),
        rules=Rules.SNAPSHOT,
        quadratic=Quadratic.SHARED,
    )
    roots: list[list[RootSum]] = [
        root_sums(read_marks(each, reading), len(election.options)) for each in columns
    ]
    whole = tuple(root for column in roots for root in column)
    if not any(root.terms for root in whole):
        return [(0,) * len(columns)] * len(election.options)
    total = Fraction(counted.total_weight)
    return [
        tuple(QuadraticScore(column[option], whole, total) for column in roots)
        for option in range(len(election.options))
    ]
