"""Contract net: who is called, what a bid is good for, and who wins."""

from __future__ import annotations

from typing import Any

from coordination.tasks.commands import Bid, PauseQueue, RefuseOffer
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import Policy
from coordination.tasks.record import NO_BID
from coordination.tasks.spec import Bidding, Criterion, Strategy
from tests.support.allocating import agent, calls, offers
from tests.support.tasking import Tasking


def market(*names: str, max_tasks: int = 1, **bidding: Any) -> Tasking:
    policy = Policy(offer_timeout_ms=60_000, round_pause_ms=100)
    tasking = Tasking(policy=policy, strategy=Strategy.CONTRACT_NET, bidding=Bidding(bid_ms=500, **bidding))
    for name in names:
        tasking.roster.put(agent(name, "python", max_tasks=max_tasks))
    return tasking


def bid(tasking: Tasking, name: str, cost: float = 1.0, task_id: str = "t", **fields: Any) -> Bid:
    call = tasking.task(task_id).call
    number = call.call if call is not None else 1
    return Bid(task_id=task_id, agent=name, call=fields.pop("call", number), cost=cost, **fields)


def announced(*names: str, **fields: Any) -> Tasking:
    tasking = market(*names, **fields)
    tasking.submit()
    tasking.advance(tasking.now_ms)
    assert tasking.task().state is State.ANNOUNCED
    return tasking


def held_by(tasking: Tasking, task_id: str = "t") -> tuple[str, str]:
    holder = tasking.task(task_id).holder
    assert holder is not None
    return holder.agent, holder.why


def test_the_best_matching_free_agents_are_called_up_to_the_bound() -> None:
    tasking = market("a", "b", max_bidders=2)
    tasking.roster.put(agent("c", "python", labels={"zone": "eu"}))
    tasking.submit(requirement="python, prefer label:zone = eu")
    tasking.advance(tasking.now_ms)
    assert calls(tasking) == [("t", ("c", "a"))]
    assert {each.agent for each in tasking.pushes("cfp")} == {"c", "a"}


def test_the_lowest_bid_wins_as_soon_as_everybody_has_answered() -> None:
    tasking = announced("a", "b", "c", "d")
    for name, cost in (("a", 4.0), ("b", 3.5), ("c", 9.0)):
        tasking.accept(bid(tasking, name, cost))
    assert tasking.model.next_deadline_ms() == 1_500
    tasking.accept(bid(tasking, "d", is_refusal=True, reason="busy"))
    tasking.advance(tasking.now_ms)
    assert held_by(tasking) == ("b", "bid 3.5, the lowest of 3")
    assert sorted(each.agent for each in tasking.pushes("reject")) == ["a", "c"]
    tasking.check_replay()


def test_equal_bids_go_to_the_one_that_came_first() -> None:
    tasking = announced("a", "b")
    tasking.accept(bid(tasking, "b", 1.0))
    tasking.accept(bid(tasking, "a", 1.0))
    tasking.advance(tasking.now_ms)
    assert held_by(tasking)[0] == "b"


def test_time_may_be_what_counts() -> None:
    tasking = announced("a", "b", criterion=Criterion.ETA)
    tasking.accept(bid(tasking, "a", 1.0, eta_ms=90))
    tasking.accept(bid(tasking, "b", 9.0, eta_ms=30))
    tasking.advance(tasking.now_ms)
    assert held_by(tasking) == ("b", "bid 30 ms, the soonest of 2")


def test_who_does_not_answer_in_time_has_passed_and_the_others_bids_count() -> None:
    tasking = announced("a", "b")
    tasking.accept(bid(tasking, "b", 2.0))
    tasking.advance(1_500)
    assert held_by(tasking) == ("b", "bid 2, the only one")
    assert [(each.agent, each.reason) for each in tasking.task().refusals] == [("a", NO_BID)]
    assert tasking.refuse(bid(tasking, "a", 1.0)) == "bid_closed"


def test_late_second_foreign_and_unknown_bids_are_refused_and_the_same_one_again_is_not() -> None:
    tasking = announced("a", "b", "c")
    first = bid(tasking, "a", 2.0)
    standing = tasking.accept(first)
    assert tasking.accept(first) == standing
    assert len(tasking.task().call.bids) == 1  # type: ignore[union-attr]
    assert tasking.refuse(bid(tasking, "a", 1.0)) == "already_bid"
    assert tasking.refuse(bid(tasking, "z")) == "not_called"
    assert tasking.refuse(bid(tasking, "b", call=99)) == "bid_closed"
    assert tasking.refuse(Bid(task_id="nope", agent="a", call=1)) == "unknown_task"
    tasking.now_ms = 1_500
    assert tasking.refuse(bid(tasking, "b")) == "bid_closed"


def test_when_the_winner_refuses_the_next_best_bid_counts_without_a_new_call() -> None:
    tasking = announced("a", "b", "c")
    for name, cost in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        tasking.accept(bid(tasking, name, cost))
    for winner in "ab":
        tasking.advance(tasking.now_ms)
        assert held_by(tasking)[0] == winner
        token = tasking.task().fencing_token
        tasking.accept(RefuseOffer(task_id="t", agent=winner, fencing_token=token, reason="no"))
    tasking.advance(tasking.now_ms)
    assert held_by(tasking) == ("c", "bid 3, of 3 the lowest that could take it")
    assert len(calls(tasking)) == 1
    tasking.check_replay()


def test_when_nobody_bids_everybody_has_passed_and_a_new_round_calls_again() -> None:
    tasking = announced("a", "b")
    tasking.accept(bid(tasking, "a", is_refusal=True, reason="busy"))
    tasking.advance(1_500)
    assert tasking.task().state is State.QUEUED
    assert {each.agent: each.reason for each in tasking.task().refusals} == {"a": "busy", "b": NO_BID}
    assert len(calls(tasking)) == 1
    tasking.advance(1_600)
    assert calls(tasking)[1:] == [("t", ("a", "b"))]
    assert tasking.task().rounds == 1


def test_a_bidder_that_has_left_or_come_back_as_another_does_not_win() -> None:
    tasking = announced("a", "b", "c")
    for name, cost in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        tasking.accept(bid(tasking, name, cost))
    tasking.roster.set_status("a", "offline")
    tasking.roster.put(agent("b", "python", incarnation=2))
    tasking.advance(tasking.now_ms)
    assert held_by(tasking)[0] == "c"


def test_agents_are_called_for_as_many_tasks_as_they_have_slots() -> None:
    tasking = market("a", max_tasks=2)
    for number in range(3):
        tasking.submit(f"t{number}")
    tasking.advance(tasking.now_ms)
    assert [task for task, _ in calls(tasking)] == ["t0", "t1"]
    tasking.accept(bid(tasking, "a", task_id="t0"))
    tasking.advance(tasking.now_ms)
    tasking.work(Input.COMPLETE, "t0")
    tasking.advance(tasking.now_ms)
    assert [task for task, _ in calls(tasking)] == ["t0", "t1", "t2"]


def test_an_agent_wins_no_more_at_one_time_than_it_has_slots() -> None:
    tasking = market("a", "b", max_tasks=1)
    tasking.roster.put(agent("a", "python", max_tasks=2))
    tasking.submit("t0")
    tasking.submit("t1")
    tasking.advance(tasking.now_ms)
    tasking.accept(bid(tasking, "a", 1.0, "t0"))
    tasking.accept(bid(tasking, "a", 1.0, "t1"))
    tasking.roster.put(agent("a", "python", max_tasks=1))
    tasking.advance(1_500)
    assert [each for _, each in offers(tasking)].count("a") == 1
    assert tasking.task("t1").holder is None or tasking.task("t0").holder is None


def test_a_paused_queue_awards_nothing() -> None:
    tasking = announced("a")
    tasking.accept(bid(tasking, "a"))
    tasking.accept(PauseQueue(queue="default", caller="operator", is_paused=True))
    tasking.advance(1_500)
    assert tasking.task().state is State.QUEUED
    assert offers(tasking) == []
    tasking.accept(PauseQueue(queue="default", caller="operator", is_paused=False))
    tasking.advance(1_500)
    assert tasking.task().state is State.ANNOUNCED
