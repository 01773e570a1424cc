"""Does the decision on record follow from the votes on record? Counted by the naive twin of the poll."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from consensus.ballot import Ballot, normalised
from consensus.events import (
    DeadlineExtended,
    ElectorReleased,
    ElectorRestored,
    ProposalAmended,
    ProposalCreated,
    ProposalDecided,
    ProposalEvent,
    VoteCast,
    VotingOpened,
)
from consensus.rules import Rules, Tally
from tests.simulation.vote_terms import draw_choice
from tests.support.naive_poll import NaivePoll

_COMPLETIONS = 6
"""Ways in which the rest of a vote that was decided early might have gone, beside all for and all against."""


def recounted(proposal_id: str, events: Sequence[ProposalEvent]) -> Iterator[str]:
    """What is wrong with the vote in one trail."""
    poll: NaivePoll | None = None
    deadline_ms = 0
    artifacts: list[str] = []
    for event in events:
        match event:
            case ProposalCreated() | ProposalAmended():
                artifacts.append(event.artifact_sha256)
            case VotingOpened():
                deadline_ms = event.deadline_ms
                rules = _rules(events)
                poll = NaivePoll(rules, event.weights, event.delegations, proposal_id)
                for agent in event.offline:
                    poll.release(agent)
            case DeadlineExtended():
                deadline_ms = event.deadline_ms
            case ElectorReleased():
                assert poll is not None
                poll.release(event.agent)
            case ElectorRestored():
                assert poll is not None
                poll.restore(event.agent)
            case VoteCast():
                assert poll is not None
                yield from _wrong_vote(poll, event, deadline_ms)
                poll.cast(Ballot(voter=event.voter, choice=event.choice, scope=event.scope))
            case ProposalDecided():
                assert poll is not None
                yield from _wrong_decision(poll, event, deadline_ms)


def _rules(events: Sequence[ProposalEvent]) -> Rules:
    created = events[0]
    assert isinstance(created, ProposalCreated), "a trail begins with the proposal"
    return created.rules


def _wrong_vote(poll: NaivePoll, vote: VoteCast, deadline_ms: int) -> Iterator[str]:
    ballot = Ballot(voter=vote.voter, choice=vote.choice, scope=vote.scope)
    code = poll.code(ballot)
    if code is not None:
        yield f"{vote} counts, and should be refused as {code}"
    if vote.cast_at_ms > deadline_ms:
        yield f"{vote} was cast after the deadline {deadline_ms}"
    weight = poll.weight_of(vote.voter, vote.scope)
    if not isinstance(vote.choice, dict) or not poll.rules.is_binary:
        if vote.weight != weight:
            yield f"{vote} should weigh {weight}"
    elif vote.weight != sum(vote.choice.values()):
        yield f"{vote} should weigh what it spends"


def _wrong_decision(poll: NaivePoll, decided: ProposalDecided, deadline_ms: int) -> Iterator[str]:
    tally = poll.tally()
    if decided.tally != tally:
        yield f"{decided} was decided, the votes come to {tally}"
    if decided.is_early != (decided.decided_at_ms <= deadline_ms):
        yield f"{decided} says whether it is early, with the deadline {deadline_ms}"
    if decided.reason in ("empty_electorate", "no_snapshot", "electorate_too_small", "electorate_too_large"):
        if len(poll.weights) >= max(poll.rules.minimum_electorate, 1):
            yield f"{decided}, of {len(poll.weights)} electors"
        return
    is_won = decided.status == "succeeded"
    if decided.is_early and not (is_won and _has_super_quorum(poll.rules, tally)):
        yield from _wrong_forecast(poll, decided)
        return
    verdict = poll.verdict()
    if (is_won, decided.reason, decided.winner) != (verdict.is_won, verdict.reason, verdict.winner):
        yield f"{decided} was decided, the count is {verdict}"


def _has_super_quorum(rules: Rules, tally: Tally) -> bool:
    if rules.super_quorum is None:
        return False
    level, whole = rules.super_quorum, tally.eligible_votes - tally.released_votes
    if level.denominator is None:
        return tally.for_votes >= level.numerator
    return tally.for_votes * level.denominator >= whole * level.numerator


def _wrong_forecast(poll: NaivePoll, decided: ProposalDecided) -> Iterator[str]:
    """An early decision holds however the vote might have gone on."""
    if not poll.rules.is_early_decision or poll.rules.may_change_vote:
        yield f"{decided} is early, against the rules"
    entropy = random.Random(decided.proposal_id)
    sides: list[str | None] = ["for", "against"] if poll.rules.is_binary else []
    for side in [*sides, *(None for _ in range(_COMPLETIONS))]:
        verdict = _completed(poll, entropy, side).verdict()
        is_won = decided.status == "succeeded"
        if (is_won, decided.winner) != (verdict.is_won, verdict.winner if verdict.is_won else None):
            yield f"{decided} was decided early, and might have come to {verdict}"
            return


def _completed(poll: NaivePoll, entropy: random.Random, side: str | None) -> NaivePoll:
    """The poll with more votes: of all who still can, for one side; or of some, by chance."""
    other = NaivePoll(poll.rules, poll.weights, poll.delegations, poll.seed)
    other.happened = [*poll.happened]
    electors = sorted(poll.weights)
    entropy.shuffle(electors)
    for elector in electors:
        if side is None and entropy.random() < 0.3:
            continue
        choice = side or normalised(poll.rules, draw_choice(entropy, poll.rules))
        for scope in ("all", "own"):
            ballot = Ballot(voter=elector, choice=choice, scope=scope)
            if other.code(ballot) is None:
                other.cast(ballot)
                break
    return other
