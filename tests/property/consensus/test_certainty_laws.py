"""What is called certain comes out however the vote is completed; of two sides nothing less is certain."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from consensus.ballot import Ballot
from consensus.choosing import Lead
from consensus.poll import Poll
from consensus.rules import Level, Verdict
from tests.support.drawn_polls import BINARIES, CHOOSING, Vote, act_on, acts, votes

STAY = None
"""A completion in which somebody does nothing more."""


def result_of(verdict: Verdict) -> tuple[bool, str | None]:
    return verdict.is_won, verdict.winner


def vote_by(poll: Poll, agent: str, choice: Any) -> None:
    """Let an elector cast its own weight, if it can."""
    scope = "all" if poll.rules.is_fractional and poll.rules.is_binary else "own"
    ballot = Ballot(voter=agent, choice=choice, scope=scope)  # type: ignore[arg-type]
    if choice is not STAY and poll.problem(ballot) is None:
        poll.cast(ballot)


def open_results(poll: Poll) -> set[tuple[bool, str | None]]:
    """What may come out: those whose weight nobody has cast vote alike or not at all; so do the others."""
    choices = (STAY, "for", "against", "abstain")
    waiting = [agent for agent in poll.weights if poll.books.is_uncast(agent)]
    spoken_for = [agent for agent in poll.weights if agent not in waiting]
    results = set()
    for theirs, others in product(choices, choices):
        completed = poll.copy()
        for agent in poll.released:
            completed.restore(agent)
        for agent in waiting:
            vote_by(completed, agent, theirs)
        for agent in spoken_for:
            vote_by(completed, agent, others)
        results.add(result_of(completed.verdict()))
    return results


@given(votes(is_final=True), st.data())
@settings(max_examples=250)
def test_an_early_decision_never_differs_from_the_full_count(vote: Vote, data: st.DataObject) -> None:
    poll = vote.poll()
    expected = None
    for act in (*vote.acts, *data.draw(acts(vote.rules, max_size=14))):
        outlook = poll.outlook()
        if expected is not None:
            assert outlook is not None, "what is certain stays so"
        if outlook is not None:
            assert expected in (None, result_of(outlook))
            assert result_of(poll.verdict()) == result_of(outlook)
            expected = result_of(outlook)
        act_on(poll, act)
    if expected is not None:
        assert result_of(poll.verdict()) == expected


@given(votes(is_final=True, protocols=CHOOSING), st.data())
@settings(max_examples=150)
def test_an_option_said_to_be_out_of_reach_stays_there(vote: Vote, data: st.DataObject) -> None:
    """With few voters against it, all of whom rally behind another option; hardly any quorum."""
    vote = replace(vote, rules=replace(vote.rules, quorum=Level(numerator=1)))
    poll = vote.poll()
    for act in vote.acts:
        act_on(poll, act)
    outlook = poll.outlook()
    if outlook is None:
        return
    for rival in vote.rules.option_ids:
        match vote.rules.protocol:
            case "quadratic" | "weighted_split":
                highest = max(n for n in range(1, 99) if n * n <= vote.rules.credits)
                choice: Any = {rival: highest}
            case _:
                choice = ((rival,),)
        completed = poll.copy()
        for agent in vote.weights:
            vote_by(completed, agent, choice)
        assert result_of(completed.verdict()) == result_of(outlook)


@given(votes(BINARIES, is_final=True))
@settings(max_examples=250)
def test_what_is_not_called_certain_may_still_go_either_way(vote: Vote) -> None:
    poll = vote.poll()
    for act in vote.acts:
        outlook = poll.outlook()
        results = open_results(poll)
        assert results == ({(True, None), (False, None)} if outlook is None else {result_of(outlook)})
        act_on(poll, act)


@given(votes())
def test_nothing_is_certain_while_votes_may_be_changed(vote: Vote) -> None:
    vote = replace(vote, rules=replace(vote.rules, may_change_vote=True))
    poll = vote.poll()
    for act in vote.acts:
        assert poll.outlook() is None
        act_on(poll, act)


@given(votes())
def test_a_vote_ends_early_by_certainty_where_asked_for_or_by_the_super_quorum(vote: Vote) -> None:
    poll = vote.poll()
    for act in vote.acts:
        early = poll.early_verdict()
        if poll.has_super_quorum():
            assert early == poll.verdict()
            assert poll.verdict().is_won
        else:
            assert early == (poll.outlook() if vote.rules.is_early_decision else None)
        act_on(poll, act)


@given(votes(CHOOSING, is_final=True))
def test_a_lead_found_late_is_found_as_early_as_by_counting_every_time(vote: Vote) -> None:
    """The counts that are left out could not have found anything."""
    poll = vote.poll()
    for act in vote.acts:
        act_on(poll, act)
        fresh = poll.copy()
        fresh.lead = Lead(winner=None, next_free_votes=poll.eligible_votes)
        assert poll.outlook() == fresh.outlook()
