"""The record of a task while agents bid for it, and what they are told."""

from __future__ import annotations

import pytest

from coordination.tasks.commands import CancelTask
from coordination.tasks.events import BidMade, NoBids
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_KEPT_BIDS
from coordination.tasks.pushes import CallForProposals, ProposalRejected, TaskOffer
from coordination.tasks.record import NO_BID
from coordination.tasks.spec import Bidding, Criterion
from coordination.tasks.transitions import bid_of, due_ms
from tests.support.tasking import SUBMITTER, Tasking


def bid(agent: str, cost: float = 1.0, eta_ms: int = 10, *, is_refusal: bool = False) -> BidMade:
    return BidMade(
        task_id="t", agent=agent, at_ms=1_000, cost=cost, eta_ms=eta_ms, is_refusal=is_refusal, reason="busy"
    )


def called(criterion: Criterion = Criterion.COST) -> Tasking:
    """Agents a to d were called; a and b have bid, c declined, and d is silent."""
    tasking = Tasking(bidding=Bidding(criterion=criterion))
    tasking.submit()
    tasking.call(*"abcd")
    tasking.happen(bid("a", 3.5, 20))
    tasking.happen(bid("b", 4.5, 10))
    tasking.happen(bid("c", is_refusal=True))
    return tasking


def test_everybody_called_is_asked_to_bid_until_a_time() -> None:
    tasking = called()
    calls = [(each.agent, CallForProposals.model_validate(each.body)) for each in tasking.pushes("cfp")]
    assert [agent for agent, _ in calls] == list("abcd")
    assert {(each.call, each.bid_until_ms, each.criterion) for _, each in calls} == {(1, 2_000, "cost")}
    assert tasking.model.state.last_fencing_token == 1, "calls have tokens of the same row"
    assert due_ms(tasking.task()) == 2_000
    tasking.check_replay()
    tasking.check_snapshot()


def test_the_award_is_due_as_soon_as_everybody_has_answered() -> None:
    tasking = called()
    task = tasking.happen(bid("d", is_refusal=True))
    assert due_ms(task) == 0


@pytest.mark.parametrize(
    ("criterion", "why"),
    [
        (Criterion.COST, "a bid with a cost of 3.5 was better"),
        (Criterion.ETA, "a bid to take 20 ms was better"),
    ],
)
def test_the_winner_is_offered_the_task_with_its_bid_and_the_others_are_rejected(
    criterion: Criterion, why: str
) -> None:
    tasking = called(criterion)
    task = tasking.offer("a")
    offer = TaskOffer.model_validate(tasking.pushes("task")[-1].body)
    assert offer.award is not None
    assert (offer.award.call, offer.award.cost, offer.award.eta_ms) == (1, 3.5, 20)
    (loser,) = tasking.pushes("reject")
    assert (loser.agent, ProposalRejected.model_validate(loser.body).reason) == ("b", why)
    assert [(each.agent, each.reason) for each in task.refusals] == [("c", "busy"), ("d", NO_BID)]
    assert bid_of(task, "a") is not None
    assert bid_of(task, "c") is None
    tasking.work(Input.ACCEPT)
    assert tasking.task().call is not None
    tasking.work(Input.COMPLETE)
    assert tasking.task().call == task.call, "what was bid is told after the end, too"
    tasking.check_replay()


def test_of_a_task_that_has_ended_a_bounded_number_of_bids_is_kept_the_winner_among_them() -> None:
    names = [f"a{number}" for number in range(MAX_KEPT_BIDS + 5)]
    tasking = Tasking()
    tasking.submit()
    tasking.call(*names)
    for name in names:
        tasking.happen(bid(name))
    tasking.offer(names[-1])
    tasking.work(Input.COMPLETE)
    call = tasking.task().call
    assert call is not None
    assert [*call.agents] == [names[-1], *names[: MAX_KEPT_BIDS - 1]]
    assert {each.agent for each in call.bids} == {*call.agents}


def test_the_next_best_bid_stands_when_the_winner_passes() -> None:
    tasking = called()
    tasking.offer("a")
    tasking.work(Input.REFUSE)
    task = tasking.task()
    assert (task.state, bid_of(task, "b") is not None) == (State.QUEUED, True)
    assert [each.agent for each in task.refusals] == ["c", "d", "a"]
    tasking.offer("b")
    assert tasking.pushes("task")[-1].body["award"]["cost"] == 4.5
    assert len(tasking.pushes("reject")) == 1, "the first was rejected by itself"


def test_an_agent_that_did_not_bid_is_offered_it_without_an_award() -> None:
    tasking = called()
    tasking.offer("a")
    tasking.work(Input.REFUSE)
    assert tasking.offer("e").call is None
    assert "award" not in tasking.pushes("task")[-1].body


def test_when_nobody_bids_everybody_has_passed() -> None:
    tasking = Tasking()
    tasking.submit()
    tasking.call("a", "b")
    tasking.happen(bid("a", is_refusal=True))
    task = tasking.happen(NoBids(task_id="t", at_ms=2_000))
    assert (task.state, task.call) == (State.QUEUED, None)
    assert [(each.agent, each.reason) for each in task.refusals] == [("a", "busy"), ("b", NO_BID)]
    tasking.call("a", "b", new_round=True)
    assert (tasking.task().rounds, tasking.task().refusals) == (1, ())


def test_bidders_hear_that_a_task_is_canceled() -> None:
    tasking = called()
    tasking.accept(CancelTask(task_id="t", caller=SUBMITTER, reason="done elsewhere"))
    assert [each.agent for each in tasking.pushes("reject")] == ["a", "b"]
    assert "done elsewhere" in tasking.pushes("reject")[0].body["reason"]
    assert tasking.task().call is None


def test_an_attempt_that_fails_needs_a_new_call() -> None:
    tasking = called()
    tasking.offer("a")
    tasking.work(Input.FAIL)
    assert tasking.task().call is None
