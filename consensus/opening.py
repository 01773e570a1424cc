"""How voting opens: electorate, weights and delegations are fixed here. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from consensus.change import Change
from consensus.commands import OpenVoting
from consensus.delegations import resolve
from consensus.ending import decide_early, defeat
from consensus.events import VotingOpened
from consensus.limits import MAX_ELECTORATE, MAX_WEIGHT
from consensus.refusals import refused
from consensus.rules import DecisionReason
from consensus.standing import StandingDelegations
from coordination.runtime.model import Outcome, Rejected


def open_known(change: Change, standing: StandingDelegations, now_ms: int) -> None:
    """Open the vote of an electorate that was named, with equal or given weights."""
    electorate = change.record.created.electorate
    weights = {agent: electorate.given.get(agent, 1) for agent in electorate.agents}
    deadline_ms = change.record.deadline_ms
    assert deadline_ms is not None, "of a known electorate the deadline is fixed from the beginning"
    _open(change, standing, weights, deadline_ms=deadline_ms, now_ms=now_ms)


def open_with_snapshot(
    change: Change, command: OpenVoting, standing: StandingDelegations, now_ms: int
) -> Outcome | Rejected:
    """Open the vote with what registry and knowledge said."""
    record = change.record
    is_asked_for = record.status == "pending" and not record.created.electorate.is_known
    if not is_asked_for or now_ms < record.opens_from_ms or command.snapshot_ms != record.snapshot_ms:
        message = f"no snapshot of {command.snapshot_ms} is asked for; take one of what awaits it"
        return refused("stale_snapshot", message)
    weights = dict(command.weights)
    if min(weights.values(), default=0) < 0 or sum(weights.values()) > MAX_WEIGHT:
        message = f"weights: each must be at least 0, and their sum at most {MAX_WEIGHT}"
        return refused("invalid_rules", message)
    _open(
        change,
        standing,
        weights,
        deadline_ms=now_ms + record.created.voting_period_ms,
        now_ms=now_ms,
        offline=command.offline,
        source_revision=command.source_revision,
    )
    return change.outcome()


def give_up(change: Change, standing: StandingDelegations, now_ms: int) -> None:
    """Defeat a proposal of which nobody could tell in time who votes on it."""
    deadline_ms = now_ms + change.record.created.voting_period_ms
    _open(change, standing, {}, deadline_ms=deadline_ms, now_ms=now_ms, empty="no_snapshot")


def _open(
    change: Change,
    standing: StandingDelegations,
    weights: Mapping[str, int],
    *,
    deadline_ms: int,
    now_ms: int,
    offline: tuple[str, ...] = (),
    source_revision: int | None = None,
    empty: DecisionReason = "empty_electorate",
) -> None:
    record = change.record
    is_too_large = len(weights) > MAX_ELECTORATE
    electors = {} if is_too_large else dict(weights)
    chosen = standing.chosen_by(electors, record.created.kind)
    change.add(
        VotingOpened(
            proposal_id=record.proposal_id,
            weights=electors,
            delegations=resolve(electors, chosen),
            offline=tuple(agent for agent in dict.fromkeys(offline) if agent in electors),
            source_revision=source_revision,
            opened_at_ms=now_ms,
            deadline_ms=deadline_ms,
        )
    )
    if is_too_large:
        defeat(change, "electorate_too_large", now_ms)
    elif not electors:
        defeat(change, empty, now_ms)
    elif len(electors) < record.rules.minimum_electorate:
        defeat(change, "electorate_too_small", now_ms)
    else:
        decide_early(change, now_ms)
