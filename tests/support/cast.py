"""Agents that the tests of `conclave.testing` put into a mesh."""

from __future__ import annotations

from conclave import Agent


def greeter(agent_id: str = "greeter") -> Agent:
    """Greets whom the task names, and raises `LookupError` if that is an empty name."""
    agent = Agent(agent_id, max_tasks=4)

    @agent.task("greeting")
    async def greet(name: str) -> dict[str, str]:
        if not name:
            raise LookupError("nobody to greet")
        return {"greeting": f"Hello, {name}!", "by": agent_id}

    return agent
