"""The agents as the registry last told of them, and which of them meet a requirement. Pure.

Not part of the state: the shell keeps it current between decisions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coordination.requirements import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentView:
    """One agent."""

    agent: str
    incarnation: int
    max_tasks: int
    """Tasks it works on at a time."""
    status: str
    """As the registry says: ``online``, ``suspect`` or ``offline``."""
    facts: Facts
    load: float = 0.0
    """As it reports it itself."""


class Roster:
    """Agents by id, and which of them meet which requirement."""

    def __init__(self) -> None:
        self.version = 0
        """Grows with every change that could change who may be asked."""
        self._agents: dict[str, AgentView] = {}

    @property
    def agents(self) -> Mapping[str, AgentView]:
        """Every agent known, by id."""
        return self._agents

    def put(self, view: AgentView) -> None:
        """Take over what the registry says of an agent."""
        self._agents[view.agent] = view
        self.version += 1

    def set_status(self, agent: str, status: str) -> None:
        """Take over a change of presence; nothing happens to an agent that is not known."""
        raise NotImplementedError

    def set_load(self, agent: str, load: float) -> None:
        """Take over what an agent reports; changes only who is preferred."""
        raise NotImplementedError

    def remove(self, agent: str) -> None:
        """Forget an agent."""
        raise NotImplementedError

    def get(self, agent: str) -> AgentView | None:
        """One agent; None if it is not known."""
        return self._agents.get(agent)

    def eligible(self, requirement: str) -> Mapping[str, float]:
        """Score of every agent that is online and meets `requirement`, by id."""
        raise NotImplementedError

    def incarnations(self) -> Mapping[str, int]:
        """Newest known incarnation of every agent, by id."""
        return {agent: view.incarnation for agent, view in self._agents.items()}
