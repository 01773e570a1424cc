"""Why a task waits, and what speaks for and against each agent. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from coordination.tasks.record import Task
from coordination.tasks.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFor:
    """One thing that a task waits for."""

    code: str
    text: str
    until_ms: int | None = None
    """When that ends by itself, if it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVerdict:
    """What is true of one agent with regard to a task."""

    agent: str
    verdict: str
    text: str
    reasons: tuple[str, ...] = ()
    """Term by term, where it lacks something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why a task is where it is."""

    task_id: str
    state: str
    waiting_for: tuple[WaitingFor, ...]
    position: int | None
    """Tasks that are served before it, and itself; None if it waits for no agent."""
    agents: tuple[AgentVerdict, ...]
    """The most telling ones, at most `MAX_EXPLAINED_AGENTS`."""
    counts: dict[str, int] = field(default_factory=dict)
    """Agents by verdict, of all."""


def explain(view: View, task: Task, now_ms: int) -> Explanation:
    """Why `task` is where it is, and what speaks for and against each agent."""
    raise NotImplementedError
