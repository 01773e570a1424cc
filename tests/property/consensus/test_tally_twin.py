"""The tally against a naive twin that tries everything the remaining voters could do."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.tally import Choice, Quorum, Result, count, open_tally, outlook, verdict

CHOICES: tuple[Choice, ...] = ("for", "against", "abstain")
weights = st.dictionaries(st.sampled_from([f"v{index}" for index in range(6)]), st.integers(0, 4), min_size=1)
quorums = st.one_of(
    st.builds(Quorum, numerator=st.integers(0, 12)),
    st.tuples(st.integers(0, 7), st.integers(1, 7))
    .filter(lambda terms: terms[0] <= terms[1])
    .map(lambda terms: Quorum(numerator=terms[0], denominator=terms[1])),
)


@st.composite
def votes(draw: st.DrawFn) -> tuple[dict[str, int], dict[str, Choice]]:
    """An electorate, and the choices of those who have voted."""
    electorate = draw(weights)
    voters = draw(st.lists(st.sampled_from(sorted(electorate)), unique=True))
    return electorate, {voter: draw(st.sampled_from(CHOICES)) for voter in voters}


def naive_success(
    electorate: Mapping[str, int], choices: Mapping[str, Choice | None], quorum: Quorum
) -> bool:
    """The rule as one would say it, on rational numbers."""
    total = {
        choice: sum(electorate[voter] for voter, chosen in choices.items() if chosen == choice)
        for choice in CHOICES
    }
    needed = Fraction(quorum.numerator)
    if quorum.denominator is not None:
        needed = Fraction(quorum.numerator, quorum.denominator) * sum(electorate.values())
    return total["for"] > total["against"] and total["for"] + total["abstain"] >= needed


def naive_outlook(electorate: Mapping[str, int], choices: Mapping[str, Choice], quorum: Quorum) -> Result:
    """What all ways to go on agree upon."""
    remaining = [voter for voter in electorate if voter not in choices]
    outcomes = {
        naive_success(electorate, {**choices, **dict(zip(remaining, rest, strict=True))}, quorum)
        for rest in product((*CHOICES, None), repeat=len(remaining))
    }
    if len(outcomes) == 2:
        return Result.PENDING
    return Result.WON if outcomes == {True} else Result.LOST


@given(votes(), quorums)
@settings(max_examples=150, deadline=None)
def test_what_is_certain_is_what_brute_force_finds(
    cast: tuple[dict[str, int], dict[str, Choice]], quorum: Quorum
) -> None:
    electorate, choices = cast
    assert outlook(count(electorate, choices, quorum)) is naive_outlook(electorate, choices, quorum)


@given(votes(), quorums)
@settings(deadline=None)
def test_the_verdict_is_the_naive_rule(
    cast: tuple[dict[str, int], dict[str, Choice]], quorum: Quorum
) -> None:
    electorate, choices = cast
    won = verdict(count(electorate, choices, quorum)) is Result.WON
    assert won == naive_success(electorate, choices, quorum)


@given(votes(), quorums)
def test_the_order_of_votes_and_the_names_of_voters_do_not_matter(
    cast: tuple[dict[str, int], dict[str, Choice]], quorum: Quorum
) -> None:
    electorate, choices = cast
    renamed = {f"x-{voter}": weight for voter, weight in reversed(electorate.items())}
    backwards = {f"x-{voter}": choice for voter, choice in reversed(choices.items())}
    assert count(renamed, backwards, quorum) == count(electorate, choices, quorum)


@given(votes(), quorums)
def test_a_vote_in_favour_instead_of_against_never_turns_success_into_failure(
    cast: tuple[dict[str, int], dict[str, Choice]], quorum: Quorum
) -> None:
    electorate, choices = cast
    before = verdict(count(electorate, choices, quorum))
    for voter in choices:
        after = verdict(count(electorate, {**choices, voter: "for"}, quorum))
        assert (before, after) != (Result.WON, Result.LOST)


@given(votes(), quorums)
def test_an_outlook_once_certain_stays(
    cast: tuple[dict[str, int], dict[str, Choice]], quorum: Quorum
) -> None:
    electorate, choices = cast
    tally, known = open_tally(electorate, quorum), Result.PENDING
    for voter, choice in choices.items():
        tally = tally.with_vote(choice, electorate[voter])
        assert known in (Result.PENDING, outlook(tally))
        known = outlook(tally)
