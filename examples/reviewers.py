"""Three reviewers vote on a change, each by its own rule; the vote binds the very bytes of the change.

Beside `conclave up`: conclave agent add author style safety tests; python examples/reviewers.py
"""

import asyncio

from conclave import Agent, Ballot, ProposalContext, connect
from consensus.wire import Decision

RULES = {
    "style": lambda text: "lines are too long" if any(len(line) > 80 for line in text.splitlines()) else "",
    "safety": lambda text: "it deletes everything" if "rm -rf /" in text else "",
    "tests": lambda text: "" if "assert" in text else "it comes without a test",
}


def reviewer(name: str) -> Agent:
    agent = Agent(name, capabilities=["review"])

    @agent.proposal
    async def vote(context: ProposalContext) -> Ballot:
        change = await context.artifact()
        fault = RULES[name](change.decode())
        return Ballot("against", fault) if fault else Ballot("for", "fine")

    @agent.decision
    async def hear(decision: Decision) -> None:
        if name == "style":  # one of them tells
            print(f"the reviewers hear: {decision.status}")

    return agent


async def main():
    style, safety, tests = (reviewer(name) for name in RULES)
    async with style.running(), safety.running(), tests.running(), connect(agent="author") as author:
        for change in (b"assert add(1, 2) == 3", b"rm -rf /"):
            digest = await author.artifacts.put(change)
            reviewers = [found.agent for found in await author.registry.find("review")]
            proposal = await author.consensus.propose(
                "Merge it",
                artifact_sha256=digest,
                electorate=reviewers,
                quorum=len(reviewers),  # all of them must have looked at what is merged
                quorum_counts="all",
            )
            decision = await author.consensus.decision(proposal.proposal_id, timeout_s=30)
            print(decision.status)
            side = "for" if decision.status == "succeeded" else "against"
            for cast in (await author.consensus.votes(proposal.proposal_id)).votes:
                if cast.choice == side:
                    print(f"  {cast.voter}: {cast.choice}, {cast.rationale}")


asyncio.run(main())
