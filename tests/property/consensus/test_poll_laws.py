"""The poll against its naive twin, and the laws of fair counting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from consensus.ballot import Ballot, ChoiceError, normalised
from consensus.poll import Poll
from consensus.rules import Level, Rules, Tally
from tests.support.drawn_polls import (
    AGENTS,
    BINARIES,
    CHOOSING,
    SCOPES,
    Act,
    Vote,
    act_on,
    choices,
    drawn_rules,
    votes,
)
from tests.support.naive_poll import NaivePoll


def played(vote: Vote) -> Poll:
    poll = vote.poll()
    for act in vote.acts:
        act_on(poll, act)
    return poll


def cast_in(vote: Vote) -> list[int]:
    """Which of the acts are ballots."""
    return [index for index, act in enumerate(vote.acts) if act.kind == "cast"]


def seen_of(poll: Poll) -> object:
    """All that a poll says."""
    weighed = [poll.weight_of(agent, scope) for agent in AGENTS for scope in ("all", "own", "delegated")]
    voted = [(poll.has_voted(agent), poll.favours(agent)) for agent in AGENTS if agent in poll.weights]
    return poll.tally(), poll.verdict(), poll.outlook(), poll.released, weighed, voted


@given(votes())
@settings(max_examples=300)
def test_a_poll_agrees_with_its_naive_twin_after_every_step(vote: Vote) -> None:
    poll, twin = vote.poll(), NaivePoll(vote.rules, vote.weights, vote.delegations, "p")
    for act in vote.acts:
        ballot = Ballot(voter=act.agent, choice=act.choice, scope=act.scope)
        problem = poll.problem(ballot)
        assert (problem and problem[0]) == twin.code(ballot)
        act_on(poll, act)
        match act.kind:
            case "release":
                twin.release(act.agent)
            case "restore":
                twin.restore(act.agent)
            case _ if problem is None:
                twin.cast(ballot)
        assert poll.released == twin.released()
        assert poll.tally() == twin.tally()
        assert poll.is_quorum_reached == twin.tally().is_quorum_reached
        assert poll.verdict() == twin.verdict()
        for agent in AGENTS:
            for scope in SCOPES:
                assert poll.weight_of(agent, scope) == twin.weight_of(agent, scope)  # type: ignore[arg-type]
            if agent in vote.weights:
                assert poll.has_voted(agent) == bool(twin.ballots(agent))


@given(votes())
def test_what_is_cast_and_what_is_not_add_up_to_the_electorate(vote: Vote) -> None:
    poll = vote.poll()
    for act in vote.acts:
        before = poll.turnout()
        act_on(poll, act)
        tally = poll.turnout()
        cast = tally.for_votes + tally.against_votes + tally.abstain_votes
        assert cast + tally.remaining_votes == sum(vote.weights.values())
        assert 0 <= tally.released_votes <= tally.remaining_votes
        if not vote.rules.may_change_vote:
            assert tally.remaining_votes <= before.remaining_votes, "weight once cast stays cast"


@given(votes())
@settings(max_examples=300)
def test_what_a_ballot_would_lead_to_is_what_it_leads_to(vote: Vote) -> None:
    poll = vote.poll()
    for act in vote.acts:
        ballot = Ballot(voter=act.agent, choice=act.choice, scope=act.scope)
        if act.kind == "cast" and poll.problem(ballot) is None:
            before, fresh = seen_of(poll), poll.copy()
            prospect = poll.after(ballot)
            foreseen = prospect.early_verdict(), prospect.tally(), prospect.verdict(), prospect.outlook()
            assert seen_of(poll) == before, "nothing has happened yet"
            fresh.cast(ballot)
            assert foreseen == (fresh.early_verdict(), fresh.tally(), fresh.verdict(), fresh.outlook())
        act_on(poll, act)


@given(votes(CHOOSING), st.data())
def test_a_count_of_a_ballot_that_was_not_cast_counts_for_nothing(vote: Vote, data: st.DataObject) -> None:
    poll, plain = vote.poll(), vote.poll()
    for act in vote.acts:
        other = data.draw(st.sampled_from([each for each in vote.acts if each.kind == "cast"] or [act]))
        ballot = Ballot(voter=other.agent, choice=other.choice, scope=other.scope)
        if other.kind == "cast" and poll.problem(ballot) is None:
            poll.after(ballot).early_verdict()
        act_on(poll, act)
        act_on(plain, act)
        assert seen_of(poll) == seen_of(plain)


@given(votes(), st.data())
def test_a_copy_goes_its_own_way(vote: Vote, data: st.DataObject) -> None:
    poll = vote.poll()
    branch_at = data.draw(st.integers(0, len(vote.acts)))
    for act in vote.acts[:branch_at]:
        act_on(poll, act)
    before = seen_of(poll)
    copied = poll.copy()
    assert seen_of(copied) == before
    for act in vote.acts[branch_at:]:
        act_on(copied, act)
    assert seen_of(poll) == before
    for act in vote.acts[branch_at:]:
        act_on(poll, act)
    assert seen_of(copied) == seen_of(poll)


@given(votes(has_delegations=False), st.data())
def test_who_cast_which_ballot_does_not_matter_among_equals(vote: Vote, data: st.DataObject) -> None:
    weights = dict.fromkeys(vote.weights, data.draw(st.integers(1, 3)))
    other = dict(zip(weights, data.draw(st.permutations(list(weights))), strict=True))
    casts = tuple(act for act in vote.acts if act.agent in weights)
    swapped = tuple(replace(act, agent=other[act.agent]) for act in casts)
    one = played(replace(vote, weights=weights, acts=casts))
    two = played(replace(vote, weights=weights, acts=swapped))
    assert (one.tally(), one.verdict(), one.outlook()) == (two.tally(), two.verdict(), two.outlook())


def renamed(choice: Any, names: dict[str, str], rules: Rules) -> Any:
    if isinstance(choice, str):
        return choice
    if isinstance(choice, dict):
        return normalised(rules, {names[option]: amount for option, amount in choice.items()})
    return normalised(rules, [[names[option] for option in group] for group in choice])


@given(votes(CHOOSING), st.data())
def test_what_an_option_is_called_and_where_it_stands_does_not_matter(
    vote: Vote, data: st.DataObject
) -> None:
    rules = replace(vote.rules, tie_rule="fails")
    names = dict(zip(rules.option_ids, data.draw(st.permutations(rules.option_ids)), strict=True))
    swapped = tuple(
        replace(act, choice=renamed(act.choice, names, rules)) for act in vote.acts if act.kind == "cast"
    )
    casts = tuple(act for act in vote.acts if act.kind == "cast")
    one = played(replace(vote, rules=rules, acts=casts))
    two = played(replace(vote, rules=rules, acts=swapped))
    assert {names[option]: score for option, score in one.tally().scores} == dict(two.tally().scores)
    won, also_won = one.verdict(), two.verdict()
    assert (won.reason, won.winner and names[won.winner]) == (also_won.reason, also_won.winner)


@given(votes(BINARIES), st.data())
def test_a_ballot_turned_in_favour_never_turns_success_into_failure(vote: Vote, data: st.DataObject) -> None:
    """Whoever it was: a nominal choice becomes for, or all parts of a split do."""
    assume(cast_in(vote))
    turned = data.draw(st.sampled_from(cast_in(vote)))
    choice = vote.acts[turned].choice
    better = "for" if isinstance(choice, str) else {"for": sum(choice.values())}
    acts = list(vote.acts)
    acts[turned] = replace(acts[turned], choice=better)
    one, two = played(vote), played(replace(vote, acts=tuple(acts)))
    assert (one.verdict().is_won, two.verdict().is_won) != (True, False)


def raised(choice: Any, winner: str, rules: Rules) -> Any:
    """The ballot with the winner higher than before, and all others among themselves as they were."""
    try:
        match rules.protocol:
            case "quadratic" | "weighted_split":
                points = {} if choice == "abstain" else dict(choice)
                return normalised(rules, points | {winner: points.get(winner, 0) + 1})
            case "approval":
                approved = () if choice == "abstain" else choice[0]
                return normalised(rules, sorted({*approved, winner}))
            case _:
                groups = [] if choice == "abstain" else choice
                others = [[option for option in group if option != winner] for group in groups]
                return normalised(rules, [[winner], *(group for group in others if group)])
    except ChoiceError:  # its credits are spent
        return choice


@given(votes(("approval", "borda", "copeland", "quadratic", "weighted_split")), st.data())
@settings(max_examples=200)
def test_a_winner_that_is_raised_on_a_ballot_still_wins(vote: Vote, data: st.DataObject) -> None:
    """Not of ranked choice, which is known not to be monotone."""
    vote = replace(vote, rules=replace(vote.rules, quorum=Level(numerator=1), tie_rule="lot"))
    verdict = played(vote).verdict()
    if verdict.winner is None:
        assert verdict.reason in ("no_quorum", "no_winner")
        return
    turned = data.draw(st.sampled_from(cast_in(vote)))
    acts = list(vote.acts)
    acts[turned] = replace(acts[turned], choice=raised(acts[turned].choice, verdict.winner, vote.rules))
    assert played(replace(vote, acts=tuple(acts))).verdict() == verdict


@given(drawn_rules(BINARIES + CHOOSING, is_final=True), st.data())
def test_a_vote_of_equals_does_not_depend_on_the_order_of_ballots(rules: Rules, data: st.DataObject) -> None:
    chosen = data.draw(st.dictionaries(st.sampled_from(AGENTS), choices(rules), min_size=1))
    weights = dict.fromkeys(AGENTS, 3)

    def tally(voters: list[str]) -> Tally:
        acts = tuple(Act(kind="cast", agent=voter, choice=chosen[voter]) for voter in voters)
        return played(Vote(rules=rules, weights=weights, delegations={}, acts=acts)).tally()

    voters = sorted(chosen)
    assert tally(voters) == tally(data.draw(st.permutations(voters)))
