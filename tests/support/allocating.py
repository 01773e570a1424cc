"""Agents for tests of allocation."""

from __future__ import annotations

from collections.abc import Mapping

from coordination.requirements import CapabilityFacts, Facts
from coordination.requirements.facts import Attribute
from coordination.tasks.events import ProposalsCalled, TaskOffered
from coordination.tasks.roster import AgentView
from tests.support.tasking import Tasking


def agent(
    name: str,
    *capabilities: str,
    max_tasks: int = 1,
    status: str = "online",
    load: float = 0.0,
    incarnation: int = 1,
    attributes: Mapping[str, Attribute] | None = None,
    labels: Mapping[str, str] | None = None,
) -> AgentView:
    """An agent with `capabilities`, each of which has `attributes`."""
    facts = Facts(
        capabilities={each: CapabilityFacts(attributes=attributes or {}) for each in capabilities},
        labels=labels or {},
        max_tasks=max_tasks,
    )
    return AgentView(
        agent=name, incarnation=incarnation, max_tasks=max_tasks, status=status, facts=facts, load=load
    )


def offers(tasking: Tasking) -> list[tuple[str, str]]:
    """Task and agent of each offer so far, in order."""
    return [(each.task_id, each.agent) for each in tasking.events if isinstance(each, TaskOffered)]


def calls(tasking: Tasking) -> list[tuple[str, tuple[str, ...]]]:
    """Task and agents of each call for proposals so far, in order."""
    return [(each.task_id, each.agents) for each in tasking.events if isinstance(each, ProposalsCalled)]
