"""What is said of why one agent goes before another: ties are called ties, with the rule that broke them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from coordination.tasks.commands import Bid, RefuseOffer
from coordination.tasks.explaining import explain
from coordination.tasks.lifecycle import State
from coordination.tasks.roster import AgentView
from coordination.tasks.spec import Bidding, Criterion, Nearness, Placement, Strategy
from tests.support.allocating import agent
from tests.support.tasking import Tasking

WANTED = "python, prefer label:zone = eu, prefer label:disk = ssd"
EU: Mapping[str, str] = {"zone": "eu"}


def worker(name: str, *, slots: int = 4, load: float = 0.0, labels: Mapping[str, str] = EU) -> AgentView:
    return agent(name, "python", max_tasks=slots, load=load, labels=labels)


def room(*agents: AgentView, held: Mapping[str, int] | None = None) -> Tasking:
    """Agents, of which some hold tasks already."""
    tasking = Tasking()
    for name, count in (held or {}).items():
        for number in range(count):
            tasking.roster.put(agent(name, "python", max_tasks=9))
            tasking.submit(f"{name}{number}")
            tasking.advance(tasking.now_ms)
        tasking.roster.remove(name)
    for each in agents:
        tasking.roster.put(each)
    return tasking


def texts(tasking: Tasking, task_id: str = "t") -> dict[str, tuple[str, str]]:
    found = explain(tasking.model.view, tasking.task(task_id), tasking.now_ms).agents
    return {each.agent: (each.verdict, each.text) for each in found}


def recorded(tasking: Tasking, task_id: str = "t") -> str:
    """Why the agent that was offered the task was."""
    tasking.advance(tasking.now_ms)
    holder = tasking.task(task_id).holder
    assert holder is not None
    return holder.why


LEAST, BEST, TURN = Strategy.LEAST_LOADED, Strategy.BEST_MATCH, Strategy.ROUND_ROBIN
TIES = [
    pytest.param(
        LEAST,
        [worker("w2", slots=1), worker("worker")],
        {},
        "least_loaded: 0 of 1 slot, as small a share as any of 2 free agents",
        "'w2' goes first: both hold the same share (0 of 1 slot, 0 of 4 slots); the smaller id decides",
        id="equal shares of unlike slots",
    ),
    pytest.param(
        LEAST,
        [worker("a", load=0.5), worker("b")],
        {},
        "least_loaded: 0 of 4 slots, as small a share as any of 2 free agents",
        "'b' goes first: both hold the same share (0 of 4 slots, 0 of 4 slots); the lower load decides",
        id="load",
    ),
    pytest.param(
        LEAST,
        [worker("a", labels={}), worker("b")],
        {},
        "least_loaded: 0 of 4 slots, as small a share as any of 2 free agents",
        "'b' goes first: both hold the same share (0 of 4 slots, 0 of 4 slots); the better match decides",
        id="match",
    ),
    pytest.param(
        LEAST,
        [worker("a", slots=2), worker("b", slots=8)],
        {"a": 1, "b": 2},
        "least_loaded: 2 of 8 slots, as small a share as any of 2 free agents",
        "'b' goes first: it holds 2 of 8 slots, this one 1 of 2 slots",
        id="more tasks and yet the smaller share",
    ),
    pytest.param(
        BEST,
        [worker("a"), worker("b")],
        {},
        "best_match: meets 50% of the preferences, as many as any of 2 free agents",
        "'a' goes first: both meet 50% of the preferences; the smaller id decides",
        id="equal matches",
    ),
    pytest.param(
        BEST,
        [worker("a"), worker("b")],
        {"a": 1},
        "best_match: meets 50% of the preferences, as many as any of 2 free agents",
        "'b' goes first: both meet 50% of the preferences; the smaller share of slots decides",
        id="equal matches of unlike shares",
    ),
    pytest.param(
        BEST,
        [worker("a"), worker("b", load=0.1)],
        {},
        "best_match: meets 50% of the preferences, as many as any of 2 free agents",
        "'a' goes first: both meet 50% of the preferences; the lower load decides",
        id="equal matches of unlike loads",
    ),
    pytest.param(
        BEST,
        [worker("a", labels={}), worker("b")],
        {},
        "best_match: meets 50% of the preferences, as many as any of 2 free agents",
        "'b' goes first: it meets 50% of the preferences, this one 0%",
        id="unlike matches",
    ),
    pytest.param(
        TURN,
        [worker("a"), worker("b")],
        {},
        "round_robin: as long without an offer as any of 2 free agents",
        "'a' goes first: both have been as long without an offer; the smaller id decides",
        id="nobody was asked yet",
    ),
    pytest.param(
        TURN,
        [worker("a"), worker("b")],
        {"b": 1, "a": 1},
        "round_robin: as long without an offer as any of 2 free agents",
        "'b' goes first: it has been longer without an offer",
        id="turns",
    ),
]


@pytest.mark.parametrize(("strategy", "agents", "held", "first", "second"), TIES)
def test_who_goes_first_and_who_does_not_hear_what_decided_it(
    strategy: Strategy, agents: list[AgentView], held: dict[str, int], first: str, second: str
) -> None:
    tasking = room(*agents, held=held)
    tasking.submit(requirement=WANTED, strategy=strategy)
    told = texts(tasking)
    assert sorted(told.values()) == sorted([("free", first), ("outranked", second)])
    assert recorded(tasking) == first


def test_who_passed_or_is_barred_is_not_compared_with() -> None:
    free = "as small a share as any of those that may be asked"
    tasking = room(worker("a", slots=1), worker("b", slots=1))
    tasking.submit()
    tasking.advance(tasking.now_ms)
    token = tasking.task().fencing_token
    tasking.accept(RefuseOffer(task_id="t", agent="a", fencing_token=token, reason="no time"))
    assert recorded(tasking) == f"least_loaded: 0 of 1 slot, {free}"
    apart = room(worker("a"), worker("b"), worker("c", load=0.5))
    apart.submit("db", placement=Placement(marks=("db",)))
    apart.advance(apart.now_ms)
    apart.submit(placement=Placement(near=(Nearness(mark="db", is_apart=True),)))
    assert recorded(apart) == f"least_loaded: 0 of 4 slots, {free}"


def test_preferences_for_marks_are_what_decides_or_are_as_many() -> None:
    tasking = room(worker("a"), worker("b"), worker("c"))
    tasking.submit("db", placement=Placement(marks=("db",)))
    tasking.advance(tasking.now_ms)
    wish = Placement(near=(Nearness(mark="db", is_required=False),))
    tasking.submit(placement=wish)
    keeps = "as small a share as any of those that keep as many; keeps 1 of 1 preferences for marks"
    most = f"least_loaded: 1 of 4 slots, {keeps}"
    less = "'a' goes first: it keeps 1 of 1 preferences for marks, this one 0"
    assert texts(tasking) == {"a": ("free", most), "b": ("outranked", less), "c": ("outranked", less)}
    away = Placement(near=(Nearness(mark="db", is_required=False, is_apart=True),))
    tasking.submit("u", placement=away, requirement=WANTED)
    assert texts(tasking, "u") == {
        "a": ("outranked", "'b' goes first: it keeps 1 of 1 preferences for marks, this one 0"),
        "b": ("free", f"least_loaded: 0 of 4 slots, {keeps}"),
        "c": (
            "outranked",
            "'b' goes first: both hold the same share (0 of 4 slots, 0 of 4 slots); the smaller id decides",
        ),
    }
    assert recorded(tasking) == most


def announced(criterion: Criterion, bids: Mapping[str, int], **fields: Any) -> Tasking:
    tasking = room(*(worker(name, slots=1, labels=EU if name == "z" else {}) for name in sorted(bids)))
    bidding = Bidding(bid_ms=100, criterion=criterion, **fields)
    tasking.submit(requirement=WANTED, strategy=Strategy.CONTRACT_NET, bidding=bidding)
    tasking.advance(tasking.now_ms)
    call = tasking.task().call
    assert call is not None
    for name, value in bids.items():
        tasking.accept(Bid(task_id="t", agent=name, call=call.call, cost=value, eta_ms=value))
    return tasking


RULE = "between equal bids the better match decides, then the earlier bid"
BIDS = [
    (Criterion.COST, {"b": 0, "a": 0}, "b", f"bid 0, as low as 1 other; {RULE}"),
    (Criterion.COST, {"a": 0, "b": 0, "z": 0}, "z", f"bid 0, as low as 2 others; {RULE}"),
    (Criterion.ETA, {"a": 5, "b": 5, "c": 9}, "a", f"bid 5 ms, as soon as 1 other; {RULE}"),
    (Criterion.COST, {"a": 1, "b": 0}, "b", "bid 0, the lowest of 2"),
]


@pytest.mark.parametrize(("criterion", "bids", "winner", "why"), BIDS)
def test_a_bid_that_others_have_made_as_well_is_not_the_lowest(
    criterion: Criterion, bids: dict[str, int], winner: str, why: str
) -> None:
    tasking = announced(criterion, bids)
    assert recorded(tasking) == why
    told = texts(tasking)
    unit = " ms" if criterion is Criterion.ETA else ""
    least = bids[winner]
    for name, value in bids.items():
        tie = f"bid {value}{unit}, as much as the winner; {RULE}"
        more = f"bid {value}{unit}, the winner {least}{unit}"
        lost = ("outranked", tie if value == least else more)
        assert told[name] == (("chosen", why) if name == winner else lost)


def test_a_lower_bid_that_was_not_to_be_had_was_not_outranked() -> None:
    tasking = announced(Criterion.COST, {"a": 1, "b": 2, "c": 2})
    tasking.roster.set_status("a", "offline")
    assert recorded(tasking) == f"bid 2, of 3 the lowest that could take it, as low as 1 other; {RULE}"
    assert texts(tasking)["a"] == (
        "not_chosen",
        "bid 1, less than the winner's 2, and was not to be had then",
    )


def test_bids_that_still_stand_are_compared_one_by_one() -> None:
    tasking = announced(Criterion.COST, {"a": 1, "b": 2, "c": 2, "d": 3, "z": 2})
    tasking.advance(tasking.now_ms)
    token = tasking.task().fencing_token
    tasking.accept(RefuseOffer(task_id="t", agent="a", fencing_token=token, reason="no time"))
    assert tasking.task().state is State.QUEUED
    tasking.roster.put(worker("new"))
    told = texts(tasking)
    assert {name: text for name, (verdict, text) in told.items() if verdict == "outranked"} == {
        "b": "'z' goes first: both have bid 2; the better match decides",
        "c": "'z' goes first: both have bid 2; the better match decides",
        "d": "'z' goes first: it has bid 2, this one 3",
        "new": "'z' goes first: it has bid, this one has not",
    }
    tasking.roster.set_status("z", "offline")
    assert texts(tasking)["c"] == ("outranked", "'b' goes first: both have bid 2; the earlier bid decides")


def test_who_is_not_called_for_proposals_hears_who_is_called_last_before_it() -> None:
    tasking = room(worker("a"), worker("b"), worker("c"))
    tasking.submit(strategy=Strategy.CONTRACT_NET, bidding=Bidding(max_bidders=2))
    last = "as many as are called at a time go first, the last 'b'"
    tie = f"{last}: both meet 100% of the preferences; the smaller id decides"
    assert texts(tasking)["c"] == ("outranked", tie)


def test_of_one_that_was_full_when_another_was_chosen_nothing_is_claimed() -> None:
    tasking = room(worker("full", slots=1), held={"full": 1})
    tasking.roster.put(worker("worker"))
    tasking.submit()
    why = recorded(tasking)
    assert why == "least_loaded: 0 of 4 slots, the only free agent"
    told = "'worker' was chosen then: " + why + "; of this one no more is recorded"
    assert texts(tasking)["full"] == ("not_chosen", told)
