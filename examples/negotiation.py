"""Two shops bid for an order: call for proposals, proposals, award, delivery (FIPA's Contract Net).

Beside `conclave up`: conclave agent add buyer corner market; python examples/negotiation.py
"""

import asyncio

from pydantic import BaseModel

from conclave import Agent, MessageContext, Reply


class Order(BaseModel):
    item: str
    count: int


class Offer(BaseModel):
    price: float


def shop(name: str, prices: dict[str, float]) -> Agent:
    agent = Agent(name, capabilities=["selling"])

    @agent.message("cfp")
    def bid(order: Order) -> Reply:
        if order.item not in prices:
            return Reply("refuse", f"we have no {order.item}")
        return Reply("propose", Offer(price=prices[order.item] * order.count))

    @agent.message("accept-proposal")
    async def deliver(order: Order) -> str:  # what is returned is said as "inform"
        return f"{order.count} x {order.item} delivered by {name}"

    return agent


buyer = Agent("buyer")
offers: dict[str, MessageContext] = {}
prices: dict[str, float] = {}
delivered = asyncio.Event()


@buyer.message("propose")
async def consider(offer: Offer, context: MessageContext) -> None:
    seller = context.message.sender
    print(f"{seller} offers {offer.price:.2f}")
    offers[seller], prices[seller] = context, offer.price
    if len(offers) < 2:
        return
    order = Order(item="tea", count=3)
    for name in sorted(offers):
        is_best = name == min(prices, key=lambda each: prices[each])
        answer = order if is_best else "too dear"
        performative = "accept-proposal" if is_best else "reject-proposal"
        await offers[name].reply(answer, performative=performative, to=[name])


@buyer.message("inform")
async def receive(what: str) -> None:
    print(what)
    delivered.set()


async def main():
    corner, market = shop("corner", {"tea": 3.50}), shop("market", {"tea": 2.75, "milk": 1.0})
    async with corner.running(), market.running(), buyer.running() as me:
        sellers = [found.agent for found in await me.registry.find("selling")]
        talk = await me.dialog.open("tea", sellers)
        call = Order(item="tea", count=3).model_dump_json()
        await me.dialog.broadcast(talk.conversation_id, call, performative="cfp")
        await asyncio.wait_for(delivered.wait(), timeout=30)


asyncio.run(main())
