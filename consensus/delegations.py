"""Who stands in for whom: standing delegations, cut down to one electorate. Pure.

A delegation is an edge from an agent to its delegate; every agent has at most one, so that the edges of a
vote form trees, once the cycles are cut.
"""

from __future__ import annotations

from collections.abc import Container, Mapping


class DelegationError(ValueError):
    """Delegations that cannot be those of a vote; what `resolve` returns never raises it."""


def resolve(electors: Container[str], standing: Mapping[str, str]) -> dict[str, str]:
    """The delegations that hold in a vote of these electors.

    Args:
        electors: Who votes.
        standing: Agent -> delegate, as it was chosen.

    Returns:
        Elector -> the elector that stands in for it, in the order of `standing`. Left out are delegations
        from and to agents that do not vote, to oneself, and those of every agent on a cycle: each of them
        keeps its own vote (and whatever others delegated to it).
    """
    held = {
        agent: delegate
        for agent, delegate in standing.items()
        if agent != delegate and agent in electors and delegate in electors
    }
    cyclic = _on_cycles(held)
    return {agent: delegate for agent, delegate in held.items() if agent not in cyclic}


def closes_cycle(standing: Mapping[str, str], agent: str, delegate: str) -> bool:
    """Whether `agent`, delegating to `delegate`, would come to stand in for itself.

    Complexity: the length of the chain from `delegate`, also where `standing` holds a cycle already.
    """
    seen: set[str] = set()
    follower: str | None = delegate
    while follower is not None and follower not in seen:
        if follower == agent:
            return True
        seen.add(follower)
        follower = standing.get(follower)
    return False


def from_the_leaves(delegations: Mapping[str, str]) -> list[str]:
    """All that delegate, each before its delegate (if that one delegates as well).

    Raises:
        DelegationError: The delegations hold a cycle.
    """
    followers: dict[str, int] = {}
    for delegate in delegations.values():
        followers[delegate] = followers.get(delegate, 0) + 1
    ready = [agent for agent in delegations if agent not in followers]
    for agent in ready:  # grows while it is read: the list is also the queue
        delegate = delegations[agent]
        followers[delegate] -= 1
        if not followers[delegate] and delegate in delegations:
            ready.append(delegate)
    if len(ready) != len(delegations):
        agent = min(_on_cycles(delegations))
        raise DelegationError(f"the delegation of {agent} comes back to it; cut cycles with `resolve`")
    return ready


def _on_cycles(delegations: Mapping[str, str]) -> set[str]:
    """The agents that come back to themselves."""
    cyclic: set[str] = set()
    done: set[str] = set()
    for start in delegations:
        path: list[str] = []
        places: dict[str, int] = {}
        agent: str | None = start
        while agent is not None and agent not in done and agent not in places:
            places[agent] = len(path)
            path.append(agent)
            agent = delegations.get(agent)
        if agent is not None and agent in places:
            cyclic.update(path[places[agent] :])
        done.update(path)
    return cyclic
