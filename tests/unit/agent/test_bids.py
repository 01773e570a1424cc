"""Agents that are called for proposals, in memory and virtual time."""

from __future__ import annotations

from typing import Any, Final

import pytest

from conclave import Agent, Bid, BidContext, TaskContext, UsageError
from conclave.testing import MemoryMesh
from conclave.work import TaskFields
from tests.support.virtual import pass_time

NET: Final[TaskFields] = {"strategy": "contract_net"}


def bidder(name: str, bid: Any = None, *, max_tasks: int = 4) -> Agent:
    """Does work, and bids as it is told; by default it says nothing of bids."""
    agent = Agent(name, max_tasks=max_tasks)

    @agent.task("work")
    async def work(context: TaskContext, size: int = 1) -> dict[str, Any]:
        await pass_time(size)
        award = context.offer.award
        return {"by": context.agent, "cost": None if award is None else award.cost}

    if bid is not None:
        agent.bid("work")(bid)
    return agent


async def test_the_lowest_bid_wins_and_the_winner_knows_its_bid(memory_mesh: MemoryMesh) -> None:
    dear = bidder("a-dear", lambda size: Bid(10.0 * size))
    cheap = bidder("cheap", lambda size: Bid(2.5 * size))
    async with memory_mesh.join(dear), memory_mesh.join(cheap), memory_mesh.connect("guest") as guest:
        handle = await guest.submit("work", {"size": 2}, **NET)
        assert await handle.result(timeout_s=60) == {"by": "cheap", "cost": 5.0}
        record = await handle.record()
    assert record.call is None or len(record.call.bids) == 2


async def test_the_quickest_bid_wins_if_that_is_asked_for(memory_mesh: MemoryMesh) -> None:
    quick = bidder("quick", lambda: Bid(cost=9, eta_ms=10))
    slow = bidder("a-slow", lambda: Bid(cost=1, eta_ms=5000))
    async with memory_mesh.join(quick), memory_mesh.join(slow), memory_mesh.connect("guest") as guest:
        handle = await guest.submit("work", strategy="contract_net", bidding={"criterion": "eta"})
        assert (await handle.result(timeout_s=60))["by"] == "quick"


async def test_without_a_handler_an_agent_bids_its_load(memory_mesh: MemoryMesh) -> None:
    async with (
        memory_mesh.join(bidder("one", max_tasks=2)),
        memory_mesh.join(bidder("two", max_tasks=2)),
        memory_mesh.connect("guest") as guest,
    ):
        first = await guest.submit("work", {"size": 100}, **NET)
        await pass_time(5)
        holder = (await first.record()).holder
        assert holder is not None
        other = {"one": "two", "two": "one"}[holder.agent]
        second = await guest.submit("work", {"size": 1}, **NET)
        assert await second.result(timeout_s=60) == {"by": other, "cost": 0.0}
        await first.cancel(confirmed=True)


async def test_whoever_declines_is_not_chosen_however_low_others_bid(memory_mesh: MemoryMesh) -> None:
    shy = bidder("a-shy", lambda: None)
    asked: list[BidContext] = []

    async def think(context: BidContext) -> Bid:
        asked.append(context)
        return Bid(context.held + 1000.0)

    keen = bidder("keen", think)
    async with memory_mesh.join(shy), memory_mesh.join(keen), memory_mesh.connect("guest") as guest:
        handle = await guest.submit("work", {"size": 1}, **NET)
        assert await handle.result(timeout_s=60) == {"by": "keen", "cost": 1000.0}
    (context,) = asked
    assert (context.task_id, context.max_tasks) == (handle.task_id, 4)
    assert context.call.payload == {"size": 1}


@pytest.mark.conclave(raise_failures=False)
async def test_a_bid_that_cannot_be_made_holds_up_nobody(memory_mesh: MemoryMesh) -> None:
    async def fail() -> Bid:
        raise RuntimeError("no prices today")

    async def dawdle() -> Bid:
        await pass_time(1000)
        return Bid()

    def misjudge() -> Any:
        return 3

    def misread(price: float) -> Bid:
        return Bid(price)

    bids = {"fails": fail, "dawdles": dawdle, "odd": misjudge, "misreads": misread, "works": lambda: Bid(7)}
    agents = [bidder(name, bid) for name, bid in bids.items()]
    async with memory_mesh.connect("guest") as guest:
        a, b, c, d, e = (memory_mesh.join(agent) for agent in agents)
        async with a, b, c, d, e:
            handle = await guest.submit("work", {}, **NET)
            assert await handle.result(timeout_s=60) == {"by": "works", "cost": 7.0}
        reasons = {
            body["items"][0].get("reason", "")
            for name in ("fails", "dawdles", "odd", "misreads")
            for body in memory_mesh.record.bodies(f"conclave.call.tasks.report.{name}")
        }
    assert reasons == {
        "its bid failed; see the agent's log",
        "no bid in time",
        "invalid payload: price: Field required",
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"cost": -1}, "cost is -1; it is 0 to"),
        ({"cost": float("nan")}, "cost is nan"),
        ({"cost": "3"}, "cost is a str; it is a number"),
        ({"eta_ms": 1.5}, "eta_ms is a float; it is a whole number"),
        ({"eta_ms": -1}, "eta_ms is -1; it is 0 to"),
    ],
)
def test_a_bid_that_nobody_could_take_is_refused_where_it_is_written(
    given: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        Bid(**given)


async def test_handlers_for_bids_that_cannot_be_are_a_mistake(memory_mesh: MemoryMesh) -> None:
    agent = bidder("worker", Bid)
    with pytest.raises(UsageError, match="bids for 'work' already"):
        agent.bid("work")(lambda: None)
    agent.bid(lambda: None)
    with pytest.raises(UsageError, match="bids for all tasks already"):
        agent.bid(lambda: None)
    lone = Agent("lone")
    lone.bid("work")(lambda: None)
    with pytest.raises(UsageError, match="no handler that does such tasks"):
        async with memory_mesh.join(lone):
            pass
