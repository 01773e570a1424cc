"""Carriers bid for a parcel; the cheapest gets it, and when it will not, the next one.

Beside `conclave up`: conclave agent add bike van truck guide; python examples/bidding.py
"""

import asyncio

from conclave import Agent, Bid, BidContext, TaskContext, connect

PRICE_PER_KG = {"bike": 1.0, "van": 2.0, "truck": 3.0}
MAX_KG = {"bike": 5, "van": 500, "truck": 20_000}


def carrier(name: str) -> Agent:
    agent = Agent(name)

    @agent.bid("carry")
    def bid(kg: float, context: BidContext) -> Bid | None:
        if kg > MAX_KG[name]:
            return None  # it declines
        return Bid(cost=2 + kg * PRICE_PER_KG[name], eta_ms=60_000 * (1 + context.held))

    @agent.task("carry")
    def carry(kg: float, context: TaskContext) -> str:
        return f"{kg:g} kg by {name} for {context.offer.award.cost:.2f}"

    return agent


async def main():
    bike, van, truck = (carrier(name) for name in PRICE_PER_KG)
    async with bike.running(), van.running(), truck.running(), connect(agent="guide") as guide:
        for kg in (3, 40, 3000):
            parcel = await guide.submit("carry", {"kg": kg}, strategy="contract_net")
            print((await parcel.result(timeout_s=30))["result"])


asyncio.run(main())
