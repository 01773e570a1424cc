"""What `conclave proposal show` and `watch` say of votes, counts and amendments."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from conclave.commands import proposallist, proposalview
from conclave.commands.countwords import count_sentences
from conclave.commands.proposalshow import _rows
from conclave.commands.votewords import scope_text, vote_text
from consensus.commands import Amend, SetDelegate
from consensus.limits import MAX_SHOWN_AMENDMENTS
from consensus.replies import Proposal, ProposalSummary, Vote
from consensus.rules import Option
from consensus.views import full_view, summary_view, vote_view
from tests.support.proposals import ARTIFACT, OTHER_ARTIFACT, House, proposal, vote, voting

DRINKS = tuple(Option(option=each) for each in ("tea", "milk", "coffee"))
WEIGHTS = {"ada": 4, "bob": 3, "cy": 2}
"""The nine of docs/consensus.md, three voices for all."""
RANKINGS = {
    "ada": ["tea", "milk", "coffee"],
    "bob": ["coffee", "milk", "tea"],
    "cy": ["milk", "coffee", "tea"],
}


def shown(house: House) -> Proposal:
    return Proposal.model_validate(full_view(house.record()))


def decided(protocol: str, weights: dict[str, int], choices: dict[str, Any], **rules: Any) -> Proposal:
    house = voting(protocol=protocol, options=DRINKS, weights=weights, **rules)
    for voter, choice in choices.items():
        house.accept(vote(voter, choice))
    house.advance(house.now_ms + 1_000)
    assert house.status in ("succeeded", "defeated")
    return shown(house)


def printed(renderable: Any, *, width: int = 100) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(renderable)
    return captured.get()


def test_a_runoff_is_told_round_by_round() -> None:
    proposal = decided("ranked_choice", WEIGHTS, RANKINGS)
    assert proposal.decision is not None
    assert proposal.decision.winner == "coffee"
    assert list(count_sentences(proposal)) == [
        ("round 1", "tea 4, coffee 3, milk 2; milk goes out"),
        ("round 2", "coffee 5, tea 4; coffee has more than half"),
    ]


def test_a_runoff_that_a_tie_ends_says_who_is_tied_where_and_by_which_rule() -> None:
    proposal = decided("ranked_choice", {"ada": 2, "bob": 2}, {"ada": ["tea", "milk"], "bob": ["coffee"]})
    assert proposal.decision is not None
    assert proposal.decision.reason == "tie"
    assert list(count_sentences(proposal)) == [
        ("round 1", "tea 2, coffee 2, milk 0; milk goes out"),
        ("round 2", "tea 2, coffee 2"),
        ("tied", "tea and coffee are tied for the first place in round 2, and by the rules a tie fails"),
    ]


ELIMINATION = {"ada": ["tea"], "bob": ["milk", "coffee"], "cy": ["coffee", "tea"]}


@pytest.mark.parametrize(
    ("tie_rule", "sentence"),
    [
        ("fails", ", no round before tells them apart, and by the rules a tie fails"),
        ("first_listed", ": coffee goes out, as the one listed last"),
    ],
)
def test_a_tie_for_the_last_place_is_told_with_what_became_of_it(tie_rule: str, sentence: str) -> None:
    weights = {"ada": 3, "bob": 2, "cy": 2}
    proposal = decided("ranked_choice", weights, ELIMINATION, tie_rule=tie_rule)
    first = next(count_sentences(proposal))
    assert first == (
        "round 1",
        f"tea 3, milk 2, coffee 2; milk and coffee are tied for the last place{sentence}",
    )


def test_ballots_that_name_nobody_who_is_left_are_told() -> None:
    choices = {"ada": ["tea"], "bob": ["coffee"], "cy": ["milk"]}
    *_, last = count_sentences(decided("ranked_choice", WEIGHTS, choices))
    assert last == ("round 2", "tea 4, coffee 3; 2 for nobody who is left; tea has more than half")


def test_of_copeland_the_duels_are_told_and_of_scores_only_a_tie() -> None:
    assert list(count_sentences(decided("copeland", WEIGHTS, RANKINGS))) == [
        ("duels", "tea beats nobody"),
        ("duels", "milk beats tea 5:4, coffee 6:3"),
        ("duels", "coffee beats tea 5:4"),
    ]
    assert list(count_sentences(decided("borda", WEIGHTS, RANKINGS))) == []
    two = {"ada": 1, "bob": 1}
    level = decided("approval", two, {"ada": ["tea"], "bob": ["milk"]}, tie_rule="first_listed")
    assert list(count_sentences(level)) == [
        ("tied", "tea and milk are tied for the first place: tea wins, the one listed first")
    ]


def test_a_vote_by_for_and_against_and_one_without_votes_have_no_count_to_tell() -> None:
    assert shown(voting()).count is None
    assert list(count_sentences(shown(voting(protocol="ranked_choice", options=DRINKS)))) == []


def test_a_vote_is_told_with_scope_reason_and_conditions() -> None:
    house = House()
    for agent, delegate in (("bob", "dan"), ("cy", "bob")):
        house.accept(SetDelegate(agent=agent, delegate=delegate))
    house.accept(proposal(voting_delay_ms=0, is_early_decision=False))
    house.accept(vote("dan", scope="delegated", rationale="small", conditions=("tests pass", "after friday")))
    house.accept(vote("dan", "against", scope="own"))
    told = shown(house)
    votes = [Vote.model_validate(vote_view(each)) for each in house.record().votes]
    assert [vote_text(each, told) for each in votes] == [
        "for, for what bob and cy delegated  2  small  if tests pass  if after friday",
        "against, its own weight only  1",
    ]
    table = printed(proposalview.votes_table(votes, told, now_ms=house.now_ms))
    assert "if after friday" in table
    assert ("vote:", f"dan  {vote_text(votes[0], told)}") in list(_rows(told, votes, []))


def test_many_who_delegated_are_counted_and_unknown_ones_are_others() -> None:
    crowd = dict.fromkeys(("ada", "bob", "cy", "dan", "eve"), "flo")
    assert scope_text("delegated", "flo", crowd) == "for what ada, bob, cy and 2 more delegated"
    assert scope_text("delegated", "flo", {}) == "for what others delegated"
    assert scope_text("all", "flo", crowd) == ""


def amend(artifact: str, reason: str) -> Amend:
    return Amend(proposal_id="p", agent="ada", artifact_sha256=artifact, reason=reason)


def test_an_amendment_leaves_what_was_before_when_and_why() -> None:
    house = House()
    house.accept(proposal())
    house.accept(amend(OTHER_ARTIFACT, "typo"))
    told = shown(house)
    assert [(each.artifact_sha256, each.reason, each.amended_at_ms) for each in told.amendments] == [
        (ARTIFACT, "typo", house.now_ms)
    ]
    assert ("amended:", f"1970-01-01T00:00:01.000Z  before {ARTIFACT}  typo") in list(_rows(told, [], []))
    table = printed(proposalview.named(proposalview.amendments(told, now_ms=house.now_ms)))
    assert table.split() == ["amended", "now:", "typo", "before:", "sha256", ARTIFACT]


def test_of_many_amendments_the_latest_are_told_and_the_others_counted() -> None:
    house = House()
    house.accept(proposal())
    for number in range(MAX_SHOWN_AMENDMENTS + 2):
        house.accept(amend(f"{number:064x}", f"reason {number}"))
    told = shown(house)
    assert [each.reason for each in told.amendments] == [
        f"reason {number}" for number in range(2, MAX_SHOWN_AMENDMENTS + 2)
    ]
    assert told.amendments[0].artifact_sha256 == f"{1:064x}"
    first, *_ = proposalview.amendments(told, now_ms=house.now_ms)
    assert first[1].plain == "2 earlier ones are in the trail"


def test_only_a_vote_with_abstentions_or_by_for_and_against_shows_them() -> None:
    def bars(told: Proposal) -> str:
        assert told.tally is not None
        return printed(proposalview.bars(told.tally, told.rules, width=80))

    assert "abstain" in bars(shown(voting()))
    house = voting(protocol="approval", options=DRINKS)
    empty = bars(shown(house))
    assert "abstain" not in empty
    assert "0 of 2 needed, not reached" in empty
    house.accept(vote("bob", "abstain"))
    assert "abstain" in bars(shown(house))


@pytest.mark.parametrize("width", [80, 120])
def test_a_title_takes_what_the_other_columns_leave(width: int) -> None:
    house = House()
    house.accept(proposal(title="x" * 200))
    summary = ProposalSummary.model_validate(summary_view(house.record()))
    header, row = printed(proposallist._table([summary], {}, width=width), width=width).splitlines()
    assert max(len(header.rstrip()), len(row.rstrip())) == width
    assert "xxx…" in row
    short = ProposalSummary.model_validate(summary_view(voting(title="tea").record()))
    assert "tea    simple majority" in printed(proposallist._table([short], {}, width=120), width=120)
