"""Nine agents choose among tea, coffee and milk in five ways, and not always the same.

Beside `conclave up`: conclave agent add host guest1 guest2 guest3 guest4 guest5 guest6 guest7 guest8 guest9;
python examples/ways_to_decide.py
"""

import asyncio
import contextlib

from conclave import Agent, Ballot, connect
from consensus.wire import ProposalAnnounced

DRINKS = ["tea", "coffee", "milk"]
TASTES = (
    *[["tea", "milk", "coffee"]] * 4,
    *[["coffee", "milk", "tea"]] * 3,
    *[["milk", "coffee", "tea"]] * 2,
)
"""What each guest likes best, and then."""
WAYS = ("approval", "ranked_choice", "borda", "copeland", "quadratic")


def guest(name: str, taste: list[str]) -> Agent:
    agent = Agent(name)

    @agent.proposal
    def choose(proposal: ProposalAnnounced) -> Ballot:
        match proposal.rules.protocol:
            case "approval":
                return Ballot(taste[:2], "either will do")
            case "quadratic":
                return Ballot({taste[0]: 8, taste[1]: 6}, "64 + 36 = 100 credits")
            case "unanimous":
                return Ballot("for", conditions=["the milk is fresh"])
            case _:
                return Ballot(taste, "in this order")

    return agent


async def main():
    guests = [guest(f"guest{number}", taste) for number, taste in enumerate(TASTES, start=1)]
    async with contextlib.AsyncExitStack() as stack:
        for each in guests:
            await stack.enter_async_context(each.running())
        host = await stack.enter_async_context(connect(agent="host"))
        menu = await host.artifacts.put(", ".join(DRINKS).encode())
        electorate = [each.id for each in guests]
        for way in WAYS:
            proposal = await host.consensus.propose(
                "What shall we drink?",
                artifact_sha256=menu,
                electorate=electorate,
                protocol=way,
                options=DRINKS,
                early_decision=False,
            )
            await all_votes(host, proposal, len(guests))
            tally = await host.consensus.tally(proposal.proposal_id)
            print(f"{way}: {tally.leading}, {tally.tally.scores}")
        proposal = await host.consensus.propose(
            "Milk for everybody?", artifact_sha256=menu, electorate=electorate, protocol="unanimous"
        )
        decision = await host.consensus.decision(proposal.proposal_id, timeout_s=30)
        print(f"unanimous: {decision.status}, on condition that {' and '.join(decision.conditions)}")


async def all_votes(host, proposal, count):
    """Wait until everybody has voted; the deadline is a minute away."""
    async for tally in host.consensus.watch(proposal.proposal_id):
        if tally.voter_count == count:
            return


asyncio.run(main())
