"""Electors that go offline before they have voted, where the rules leave them out."""

from __future__ import annotations

from consensus.rules import Rules, Tally, Threshold
from tests.support.polls import WON, ballot, lost, poll_of

RELEASING = Rules(offline_voters="release", minimum_electorate=2)


def test_a_released_elector_is_left_out_until_it_is_back_or_votes() -> None:
    poll = poll_of(RELEASING, dict.fromkeys("abcd", 3))
    assert poll.tally().quorum_votes == 6
    assert poll.release("a")
    assert not poll.release("a"), "it is already"
    assert (poll.tally().released_votes, poll.tally().quorum_votes) == (3, 5)
    assert poll.release("b")
    assert poll.released == ("a", "b")
    assert not poll.release("c"), "two electors must remain"
    assert poll.restore("a")
    assert not poll.restore("a"), "it is no longer"
    poll.cast(ballot("b", "for"))
    assert poll.tally() == Tally(eligible_votes=12, quorum_votes=6, counted_votes=3, for_votes=3)
    assert not poll.release("b"), "it has voted"
    assert not poll.release("stranger")


def test_an_elector_whose_delegate_has_voted_is_not_released() -> None:
    poll = poll_of(RELEASING, dict.fromkeys("abcde", 1), {"a": "b", "b": "c"})
    for agent in "ab":
        assert poll.release(agent)
    poll.cast(ballot("c", "for"))
    assert poll.released == ()
    assert not poll.release("a")
    assert poll.tally().for_votes == 3
    poll.cast(ballot("a", "against"))
    assert poll.tally().against_votes == 1


def test_a_vote_for_others_does_not_stop_the_voter_from_being_released() -> None:
    poll = poll_of(RELEASING, {"a": 1, "b": 10, "c": 100}, {"a": "b"})
    poll.cast(ballot("b", "for", "delegated"))
    assert poll.release("b")
    assert poll.tally().released_votes == 10


def test_where_delegations_are_final_the_delegate_is_released_with_all_it_may_spend() -> None:
    rules = Rules(offline_voters="release", is_fractional=True)
    poll = poll_of(rules, {"a": 1, "b": 10, "c": 100}, {"a": "b"})
    assert not poll.release("a"), "it has nothing at hand"
    assert poll.release("b")
    assert poll.tally().released_votes == 11
    poll.cast(ballot("b", {"for": 1}))
    assert poll.released == ()
    assert not poll.release("b")


def test_nobody_is_released_unless_the_rules_say_so() -> None:
    poll = poll_of(Rules())
    assert not poll.is_releasable("v1")
    assert not poll.release("v1")


def test_a_release_lets_a_share_of_the_electorate_be_reached_but_is_not_certain() -> None:
    rules = Rules(
        protocol="qualified_majority",
        threshold=Threshold(numerator=2, denominator=3, of="eligible"),
        offline_voters="release",
    )
    poll = poll_of(rules, dict.fromkeys("abcdef", 1))
    for voter in "abc":
        poll.cast(ballot(voter, "for"))
    assert poll.verdict() == lost("below_threshold")
    assert poll.release("d")
    assert poll.release("e")
    assert poll.verdict() == WON
    assert poll.outlook() is None, "they may be back"
    poll.cast(ballot("f", "for"))
    assert poll.outlook() == WON
