"""What requests say of electorates and levels, as plain data. Pure."""

from __future__ import annotations

from typing import Any, Literal

from consensus import wire
from consensus.rules import ElectorateSpec, Level


def electorate_spec(electorate: wire.Electorate, weighed: Any) -> ElectorateSpec:
    """Who may vote.

    Args:
        electorate: As requested.
        weighed: `consensus.wire.Weights`, as requested with it.
    """
    weights: Literal["equal", "given", "trust"] = "equal"
    given: dict[str, int] = {}
    trust_topic = ""
    match weighed:
        case {"trust": str(topic)}:
            weights, trust_topic = "trust", topic
        case dict(by_agent):
            weights, given = "given", {agent: int(weight) for agent, weight in by_agent.items()}
    return ElectorateSpec(
        agents=electorate.agents or (),
        requirement="" if electorate.requirement is None else str(electorate.requirement),
        role=electorate.role or "",
        weights=weights,
        given=given,
        trust_topic=trust_topic,
    )


def level_of(level: wire.Level) -> Level:
    """An amount of weight."""
    if level.count is not None:
        return Level(numerator=level.count)
    assert level.numerator is not None, "the contract demands one of the two forms"
    return Level(numerator=level.numerator, denominator=level.denominator)
