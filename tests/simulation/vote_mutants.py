"""Planted bugs of consensus, each of which must be caught; also where the audit has the same bug."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from unittest import mock

from consensus import balloting, certainty, ending, model, record
from consensus.canonical import plain
from consensus.certainty import Sides
from consensus.change import Change
from consensus.commands import ExecuteProposal
from consensus.events import ProposalEvent
from consensus.poll import Poll
from consensus.record import Proposal
from consensus.rules import Rules, Verdict
from consensus.trail import chained, first_hash
from consensus.views import execution_view, voted_view
from coordination.runtime.model import Outcome, Rejected

Mutant = Callable[[], contextlib.AbstractContextManager[Any]]
_LATE_MS: Final = 600


def _patch(target: Any, name: str, by: Any) -> Mutant:
    return lambda: mock.patch.object(target, name, by)


_due_ms = Proposal.due_ms.fget  # type: ignore[attr-defined]
_no_vote_of = balloting._no_vote_of
_problem_of_signature = balloting._problem_of_signature
_not_executable = ending._not_executable
_execute = ending.execute
_outlook = certainty.outlook


def _due_later(proposal: Proposal) -> int | None:
    """Votes are taken for a while after the deadline."""
    due_ms: int | None = _due_ms(proposal)
    is_active = proposal.status == "active" and due_ms is not None
    return due_ms + _LATE_MS if due_ms is not None and is_active else due_ms


class LaxPoll(Poll):
    """Takes a second vote of the same voter, in the place of the first."""

    def __init__(self, rules: Any, weights: Any, delegations: Any, seed: str) -> None:
        lax = rules if rules.is_fractional else replace(rules, may_change_vote=True)
        super().__init__(lax, weights, delegations, seed)


def _rash_outlook(rules: Rules, fixed: Sides, lent: Sides, eligible_votes: int) -> Verdict | None:
    """Weight that a delegate has cast is taken for certain, though its owner may still take it back."""
    cast = Sides(
        for_votes=fixed.for_votes + lent.for_votes,
        against_votes=fixed.against_votes + lent.against_votes,
        abstain_votes=fixed.abstain_votes + lent.abstain_votes,
    )
    return _outlook(rules, cast, Sides(), eligible_votes)


class ForgetfulPoll(Poll):
    """Leaves out whoever was released until it votes, also once it is back."""

    def restore(self, agent: str) -> bool:
        return agent in self.released_weights and (self.books.is_uncast(agent) or super().restore(agent))


def _execute_again(change: Change, command: ExecuteProposal, now_ms: int) -> Outcome | Rejected:
    """Whoever asks to execute what was executed is told that it has."""
    if change.record.executed is None:
        return _execute(change, command, now_ms)
    view = execution_view(change.record)
    assert view is not None
    return Outcome(reply=view | {"executor": command.executor, "execution_id": command.execution_id})


def _chain_without_conditions(previous: str, sequence: int, event: ProposalEvent) -> str:
    """The hash covers all of a vote but its conditions."""
    body = plain(event)
    body.pop("conditions", None)
    return chained(previous, sequence, type(event).__name__, body)


def _any_artifact(proposal: Proposal, command: Any) -> Rejected | None:
    """A vote is about whatever is voted on, whatever its voter has read."""
    refusal = _no_vote_of(proposal, command)
    return None if refusal is not None and refusal.code == "stale_artifact" else refusal


def _any_nonce(proposal: Proposal, command: Any, choice: Any) -> Rejected | None:
    """Votes may be handed in again."""
    refusal = _problem_of_signature(proposal, command, choice)
    return None if refusal is not None and refusal.code == "nonce_reused" else refusal


def _no_timelock(proposal: Proposal, approval: Any, now_ms: int) -> Rejected | None:
    """What is queued may be executed."""
    refusal = _not_executable(proposal, approval, now_ms)
    return None if refusal is not None and refusal.code == "timelock_pending" else refusal


def _false_receipt(*arguments: Any) -> dict[str, Any]:
    """The receipt of a vote that decides names the root of the trail."""
    view = voted_view(*arguments)
    is_last = view["status"] != "active"
    return view | {"trail_hash": first_hash(view["proposal_id"])} if is_last else view


def _by_proposal(execute: Any) -> Any:
    """The table of what is done to one proposal, with another way to execute."""
    return {**model._OF_ONE_PROPOSAL, ExecuteProposal: execute}


MUTANTS: Final[dict[str, Mutant]] = {
    "votes are counted after the deadline": _patch(Proposal, "due_ms", property(_due_later)),
    "a second vote is taken": _patch(record, "Poll", LaxPoll),
    "decided while delegated weight can move": _patch(certainty, "outlook", _rash_outlook),
    "who is back stays left out": _patch(record, "Poll", ForgetfulPoll),
    "executed by everybody": _patch(model, "_OF_ONE_PROPOSAL", _by_proposal(_execute_again)),
    "executed in the timelock": _patch(ending, "_not_executable", _no_timelock),
    "the chain does not cover conditions": _patch(record, "next_hash", _chain_without_conditions),
    "stale votes are taken": _patch(balloting, "_no_vote_of", _any_artifact),
    "votes are replayed": _patch(balloting, "_problem_of_signature", _any_nonce),
    "signatures are not read": _patch(balloting, "verify", lambda *_: True),
    "receipts name another head": _patch(balloting, "voted_view", _false_receipt),
}
