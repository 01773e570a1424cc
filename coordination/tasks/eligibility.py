"""Whether an agent may be asked at all, by what it is: its facts against the requirement. Pure.

What an agent does at the moment (free slots, what it passed on) is judged in `coordination.tasks.placing`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from coordination.requirements import Facts, Requirement, parse
from coordination.requirements.facts import Kind

REQUIRES_APPROVAL: Final = "requires_approval"
"""Attribute of a capability: its agent takes approved tasks only."""


@lru_cache(maxsize=4096)
def compiled(requirement: str) -> Requirement:
    """The requirement with that canonical text; parsed once, because the same ones come again and again."""
    return parse(requirement)


def score(requirement: str, capability: str, *, is_approved: bool, facts: Facts) -> float | None:
    """How well an agent meets a task's requirement, 0 to 1; None if it may not be asked.

    Args:
        requirement: Canonical text.
        capability: What the requirement is about; empty if that is not one thing.
        is_approved: Whether the task is one that a vote has approved.
        facts: What the agent offers.
    """
    verdict = compiled(requirement).evaluate(facts)
    if not verdict.matches or (not is_approved and insists_on_approval(requirement, capability, facts)):
        return None
    return verdict.score


def insists_on_approval(requirement: str, capability: str, facts: Facts) -> str:
    """The capability for which the agent takes approved tasks only; empty if it takes this one anyway."""
    names = (capability,) if capability else compiled(requirement).subjects
    for name in names:
        fact = facts.capable.get(f"{name}.{REQUIRES_APPROVAL}")
        if fact is not None and fact.kind is Kind.FLAG and fact.value is True:
            return name
    return ""
