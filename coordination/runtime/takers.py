"""Which agents take pushes in every form: alone, several in one message, carried by a record."""

from __future__ import annotations

import math

from coordination.runtime.limits import MAX_TAKERS


class Takers:
    """The agents that take every form of push, as far as this process has heard. Not in any journal.

    Whoever is not known gets each push alone, which everybody takes: so it may be forgotten at any time.
    """

    def __init__(self, most: int = MAX_TAKERS) -> None:
        self._most = most
        self._agents: dict[str, float] = {}
        """By agent, in order, when it said so last."""

    def __len__(self) -> int:
        return len(self._agents)

    def __contains__(self, agent: object) -> bool:
        return agent in self._agents

    def note(self, agent: str, takes: bool, now_s: float = math.inf) -> None:  # noqa: FBT001 - a fact, not a switch
        """What a request of `agent` says; the one that said so longest ago makes room."""
        agents = self._agents
        agents.pop(agent, None)
        if takes:
            if len(agents) >= self._most:
                del agents[next(iter(agents))]
            agents[agent] = now_s

    def said_since(self, agent: str, since_s: float) -> bool:
        """Whether `agent` has said so since then."""
        return self._agents.get(agent, -math.inf) >= since_s

    def forget(self, before_s: float) -> None:
        """Forget who has not said so since: another program may go by its name now, which only listens."""
        agents = self._agents
        while agents and agents[first := next(iter(agents))] < before_s:
            del agents[first]

    def clear(self) -> None:
        """Forget everybody: others may have heard what they say since."""
        self._agents.clear()
