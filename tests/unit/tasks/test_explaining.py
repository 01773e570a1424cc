"""Why a task waits, and what speaks for and against each agent."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.tasks.commands import Bid, RefuseOffer
from coordination.tasks.explaining import Explanation, explain
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_EXPLAINED_AGENTS
from coordination.tasks.queues import QueueSettings, RateLimit
from coordination.tasks.spec import Bidding, Nearness, Placement, Strategy
from tests.support.allocating import agent
from tests.support.tasking import Tasking


def room(*names: str, max_tasks: int = 1) -> Tasking:
    tasking = Tasking()
    for name in names:
        tasking.roster.put(agent(name, "python", max_tasks=max_tasks))
    return tasking


def explained(tasking: Tasking, task_id: str = "t") -> Explanation:
    return explain(tasking.model.view, tasking.task(task_id), tasking.now_ms)


def verdicts(tasking: Tasking, task_id: str = "t") -> dict[str, str]:
    return {each.agent: each.verdict for each in explained(tasking, task_id).agents}


def waits_for(tasking: Tasking, task_id: str = "t") -> dict[str, str]:
    return {each.code: each.text for each in explained(tasking, task_id).waiting_for}


def setup(tasking: Tasking, **settings: Any) -> None:
    tasking.model.state.allocation.settings = {"default": QueueSettings(**settings)}


def refuse(tasking: Tasking, task_id: str = "t") -> None:
    task = tasking.task(task_id)
    assert task.holder is not None
    command = RefuseOffer(
        task_id=task_id, agent=task.holder.agent, fencing_token=task.fencing_token, reason="no time"
    )
    tasking.accept(command)


def test_the_agent_that_would_be_next_is_free_and_the_others_are_outranked_by_it() -> None:
    tasking = room("a", "b", "c")
    tasking.submit()
    explanation = explained(tasking)
    assert [(each.agent, each.verdict) for each in explanation.agents] == [
        ("a", "free"),
        ("b", "outranked"),
        ("c", "outranked"),
    ]
    tie = "'a' goes first: both hold the same share (0 of 1 slot, 0 of 1 slot); the smaller id decides"
    assert [each.text for each in explanation.agents] == [
        "least_loaded: 0 of 1 slot, as small a share as any of 3 free agents",
        tie,
        tie,
    ]
    assert (explanation.position, explanation.counts) == (1, {"free": 1, "outranked": 2})


def test_an_agent_that_lacks_something_is_told_what() -> None:
    tasking = room("a")
    tasking.submit(requirement="python, gpu.memory_gb >= 24", capability="")
    (verdict,) = explained(tasking).agents
    assert (verdict.verdict, verdict.reasons) == (
        "lacks",
        ("has no capability, attribute or label 'gpu.memory_gb'",),
    )
    assert waits_for(tasking) == {"no_match": "nobody may be asked (1 does not meet the requirement)"}


def test_nobody_at_all_is_said_plainly() -> None:
    tasking = room()
    tasking.submit()
    assert waits_for(tasking) == {"no_match": "nobody may be asked: no agent is registered"}


def test_each_reason_why_an_agent_is_not_asked_has_its_own_verdict() -> None:
    tasking = room("busy", max_tasks=1)
    tasking.submit("first")
    tasking.advance(tasking.now_ms)
    tasking.roster.put(agent("away", "python", status="offline"))
    tasking.roster.put(agent("careful", "python", attributes={"requires_approval": True}))
    tasking.roster.put(agent("other", "cobol"))
    tasking.submit()
    assert verdicts(tasking) == {
        "busy": "busy",
        "away": "offline",
        "careful": "needs_approval",
        "other": "lacks",
    }
    assert waits_for(tasking) == {
        "all_busy": "nobody who comes into question has a free slot (1 has no free slot, 1 takes "
        "approved tasks only, 1 is not online, 1 does not meet the requirement)"
    }
    assert explained(tasking).agents[0].text == "holds 1 task, and has 1 slot"


def test_placement_is_given_as_the_reason() -> None:
    tasking = room("a", "b", max_tasks=2)
    tasking.submit("db", placement=Placement(marks=("db",), sticky_key="k"))
    tasking.advance(tasking.now_ms)
    tasking.submit("apart", placement=Placement(near=(Nearness(mark="db", is_apart=True),)))
    assert verdicts(tasking, "apart") == {"a": "apart", "b": "free"}
    tasking.submit("near", placement=Placement(near=(Nearness(mark="db"),)))
    assert verdicts(tasking, "near") == {"a": "free", "b": "near"}
    tasking.submit("sticky", placement=Placement(sticky_key="k", waits_for_sticky=True))
    assert verdicts(tasking, "sticky") == {"a": "free", "b": "sticky_elsewhere"}


def test_the_headline_says_what_it_is_that_nobody_may_have_the_task_for() -> None:
    tasking = room("a", "b", max_tasks=2)
    tasking.submit("near", placement=Placement(near=(Nearness(mark="db"),)))
    tasking.advance(tasking.now_ms)
    assert waits_for(tasking, "near") == {
        "barred": "nobody who could do it may have it now (2 hold no task with the mark)"
    }
    assert verdicts(tasking, "near") == {"a": "near", "b": "near"}


def test_the_headline_of_a_task_that_stays_with_an_agent_is_that_it_waits_for_that_one() -> None:
    tasking = room("a", "b")
    sticky = Placement(sticky_key="k", waits_for_sticky=True)
    tasking.submit("first", placement=sticky)
    tasking.submit(placement=sticky)
    tasking.advance(tasking.now_ms)
    assert waits_for(tasking)["all_busy"].startswith("the agent that it stays with has no free slot")


def test_that_those_with_a_free_slot_have_passed_is_said_with_the_end_of_the_pause() -> None:
    tasking = room("a", "b")
    tasking.submit("first")
    tasking.advance(tasking.now_ms)
    tasking.submit()
    tasking.advance(tasking.now_ms)
    refuse(tasking)
    tasking.advance(tasking.now_ms)
    (reason,) = explained(tasking).waiting_for
    text = "everybody who has a free slot has passed on it; after a pause they are asked again"
    assert (reason.code, reason.text, reason.until_ms) == ("round_pause", text, 2_000)
    assert verdicts(tasking) == {"a": "busy", "b": "refused"}
    tasking.now_ms = 2_000
    assert verdicts(tasking) == {"a": "busy", "b": "free"}
    tasking.submit("other", priority=9)
    tasking.advance(tasking.now_ms)
    assert waits_for(tasking)["all_busy"] == (
        "nobody who has not passed on it has a free slot (1 has no free slot, 1 has passed on it)"
    )


def test_who_passed_is_told_with_its_reason_until_a_new_round() -> None:
    tasking = room("a")
    tasking.submit()
    tasking.advance(tasking.now_ms)
    refuse(tasking)
    explanation = explained(tasking)
    assert explanation.agents[0].text == "passed on it: no time"
    assert [(each.code, each.until_ms) for each in explanation.waiting_for] == [("round_pause", 2_000)]
    tasking.now_ms = 2_000
    assert verdicts(tasking) == {"a": "free"}


def test_an_agent_above_it_in_the_chain_is_not_asked() -> None:
    tasking = room("a", max_tasks=5)
    tasking.submit("parent", payload={"n": 0})
    tasking.advance(tasking.now_ms)
    token = tasking.work(Input.ACCEPT, "parent").fencing_token
    command = tasking.command("child", submitter="a", parent="parent", payload={"n": 1})
    tasking.accept(type(command)(task_id="child", submitter="a", spec=command.spec, parent_token=token))
    (verdict,) = explained(tasking, "child").agents
    assert (verdict.verdict, verdict.text) == (
        "in_chain",
        "holds parent, which this task was delegated from",
    )


def test_what_holds_up_a_queue_is_said_with_its_end() -> None:
    tasking = room("a", max_tasks=9)
    rate = RateLimit(count=1, per_ms=1_000)
    setup(tasking, rate_limits={"python": rate}, agent_rate_limit=rate, max_held=1)
    tasking.submit("first")
    tasking.advance(tasking.now_ms)
    tasking.submit()
    told = {each.code: each.until_ms for each in explained(tasking).waiting_for}
    assert told == {"queue_limit": None, "rate_limited": 2_000, "all_busy": None}
    assert verdicts(tasking) == {"a": "rate_limited"}
    setup(tasking, is_paused=True, pause_reason="repairs", max_held_per_agent=1)
    assert waits_for(tasking)["paused"] == "queue 'default' is paused: repairs"
    assert verdicts(tasking) == {"a": "queue_limit"}


def test_what_goes_first_is_counted() -> None:
    tasking = room("a", max_tasks=9)
    setup(tasking, is_paused=True)
    for number in range(3):
        tasking.submit(f"t{number}", fairness_key="x")
    tasking.submit("urgent", priority=3)
    tasking.submit("y", fairness_key="y")
    positions = {each: explained(tasking, each).position for each in tasking.model.state.open}
    assert positions == {"urgent": 1, "t0": 2, "y": 2, "t1": 4, "t2": 5}
    assert waits_for(tasking, "t2")["behind"] == "4 tasks of queue 'default' go first"


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.SCHEDULED, "scheduled"),
        (State.BLOCKED, "dependencies"),
        (State.FAILED, "backoff"),
        (State.ANNOUNCED, "bids"),
        (State.OFFERED, "offer"),
        (State.RUNNING, "lease"),
        (State.CANCELING, "canceling"),
        (State.COMPLETED, "ended"),
        (State.DEAD_LETTERED, "ended"),
        (State.CANCELED, "ended"),
        (State.SKIPPED, "ended"),
    ],
)
def test_every_state_says_what_it_waits_for(state: State, code: str) -> None:
    tasking = Tasking()
    task = tasking.bring_to(state)
    explanation = explained(tasking)
    assert (explanation.state, [each.code for each in explanation.waiting_for]) == (state, [code])
    assert explanation.position is None
    assert task.is_ended is (code == "ended")


def test_the_holder_was_chosen_and_those_called_are_told_apart_by_their_answers() -> None:
    tasking = room("a", "b")
    tasking.submit()
    tasking.advance(tasking.now_ms)
    assert verdicts(tasking)["a"] == "chosen"
    market = room("a", "b")
    market.submit(strategy=Strategy.CONTRACT_NET)
    assert verdicts(market) == {"a": "free", "b": "free"}
    market.advance(market.now_ms)
    assert {each.text for each in explained(market).agents} == {
        "was called for proposals, and has not answered"
    }


def test_of_a_task_that_somebody_has_the_others_are_told_why_they_do_not_and_after_the_end_too() -> None:
    tasking = room("a", "b")
    tasking.roster.put(agent("c", "cobol"))
    tasking.submit()
    tasking.advance(tasking.now_ms)
    why = "least_loaded: 0 of 1 slot, as small a share as any of 2 free agents"
    told = {
        "a": ("chosen", why),
        "b": ("not_chosen", f"'a' was chosen then: {why}; of this one no more is recorded"),
        "c": ("lacks", "has no capability or label 'python'"),
    }

    def texts() -> dict[str, tuple[str, str]]:
        return {each.agent: (each.verdict, each.text) for each in explained(tasking).agents}

    assert texts() == told
    tasking.work(Input.ACCEPT)
    assert texts() == told
    tasking.work(Input.COMPLETE)
    tasking.roster.remove("a")
    assert texts() == told
    assert waits_for(tasking) == {"ended": "completed by 'a' in attempt 1"}
    tasking.check_replay()


def test_who_has_bid_is_told_what_the_winner_bid_and_after_the_end_too() -> None:
    tasking = room("a", "b", "c", "d", "e")
    tasking.submit(strategy=Strategy.CONTRACT_NET, bidding=Bidding(max_bidders=4, bid_ms=100))
    tasking.advance(tasking.now_ms)
    call = tasking.task().call
    assert call is not None
    for name, cost in (("a", 5), ("b", 3), ("c", None)):
        bid = Bid(
            task_id="t", agent=name, call=call.call, cost=cost or 0, is_refusal=cost is None, reason="no time"
        )
        tasking.accept(bid)
    assert verdicts(tasking)["e"] == "not_chosen"
    assert waits_for(tasking)["bids"] == "3 of 4 agents have answered the call"
    tasking.advance(tasking.now_ms + 200)
    tasking.work(Input.ACCEPT)
    for _ in range(2):
        assert {each.agent: (each.verdict, each.text) for each in explained(tasking).agents} == {
            "b": ("chosen", "bid 3, the lowest of 2"),
            "a": ("outranked", "bid 5, the winner 3"),
            "e": (
                "not_chosen",
                "'b' was chosen then: bid 3, the lowest of 2; of this one no more is recorded",
            ),
            "c": ("refused", "declined to bid: no time"),
            "d": ("refused", "was called for proposals, and did not answer"),
        }
        if not tasking.task().is_ended:
            tasking.work(Input.COMPLETE)


def test_of_a_dead_letter_that_nobody_took_it_is_told_who_passed_and_what_is_known_of_the_others() -> None:
    tasking = room("a", "b")
    tasking.roster.set_status("b", "offline")
    tasking.roster.put(agent("c", "cobol"))
    tasking.submit(max_rounds=1)
    tasking.advance(tasking.now_ms)
    refuse(tasking)
    tasking.advance(tasking.now_ms)
    assert tasking.task().state is State.DEAD_LETTERED
    tasking.roster.put(agent("late", "python"))
    assert [(each.agent, each.verdict, each.text) for each in explained(tasking).agents] == [
        ("late", "not_chosen", "was not chosen, nor was anybody else; more is not recorded"),
        ("a", "refused", "passed on it: no time"),
        ("b", "offline", "is offline"),
        ("c", "lacks", "has no capability or label 'python'"),
    ]


def test_the_most_telling_agents_are_named_and_the_others_counted() -> None:
    tasking = room()
    for number in range(MAX_EXPLAINED_AGENTS + 50):
        tasking.roster.put(agent(f"a{number}", "cobol"))
    tasking.roster.put(agent("z", "python"))
    tasking.submit()
    explanation = explained(tasking)
    assert len(explanation.agents) == MAX_EXPLAINED_AGENTS
    assert explanation.agents[0].agent == "z"
    assert explanation.counts == {"free": 1, "lacks": MAX_EXPLAINED_AGENTS + 50}
