"""What callers of the client write, brought into the forms of `consensus.wire`. Pure."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, get_args

from consensus import rules, wire
from coordination.runtime.asking import items
from coordination.runtime.errors import UsageError

Converse = Callable[[str, tuple[str, ...]], Awaitable[str]]
"""(topic, participants) -> id of a dialog that was opened."""


def electorate_of(given: Iterable[str] | Mapping[str, Any] | wire.Electorate) -> Any:
    """Agents, or what leads to them.

    Raises:
        UsageError: It is a bare text, or no electorate at all.
    """
    if isinstance(given, (Mapping, wire.Electorate)):
        return given
    return {"agents": items("electorate", given, of="agent ids")}


def options_of(given: Iterable[str | Mapping[str, str] | rules.Option | wire.Option]) -> Any:
    """Options, some of them as their bare ids.

    Raises:
        UsageError: It is no list.
    """
    listed = items("options", given, of="options")
    return tuple(
        wire.Option(option=each.option, title=each.title, artifact_sha256=each.artifact_sha256)
        if isinstance(each, rules.Option)
        else each
        for each in listed
    )


def threshold_of(given: Fraction | float | str | rules.Threshold | wire.Threshold | None) -> Any:
    """A share of the votes; a fraction is inclusive.

    Raises:
        UsageError: It is neither a number nor a text, or not finite.
    """
    match given:
        case None | str() | wire.Threshold():
            return given
        case rules.Threshold():
            return {
                "numerator": given.numerator,
                "denominator": given.denominator,
                "inclusive": given.is_inclusive,
                "of": given.of,
            }
        case Fraction():
            return {"numerator": given.numerator, "denominator": given.denominator}
        case int() | float() if not isinstance(given, bool) and math.isfinite(given):
            return given
    raise UsageError('threshold is a Fraction or a text: Fraction(2, 3), ">2/3" or ">1/2 of eligible"')


def level_of(name: str, given: float | Fraction | str | rules.Level | wire.Level) -> Any:
    """A count, or a fraction of the weight of the electorate.

    Raises:
        UsageError: It is neither a number nor a text, or not finite.
    """
    match given:
        case str() | wire.Level():
            return given
        case rules.Level(denominator=None):
            return {"count": given.numerator}
        case rules.Level() | Fraction():
            return {"numerator": given.numerator, "denominator": given.denominator}
        case int() | float() if not isinstance(given, bool) and math.isfinite(given):
            return given
    raise UsageError(f"{name} is a number of votes or a Fraction of the electorate: Fraction(1, 2)")


def won_by(
    protocol: wire.Protocol,
    options: Iterable[str | Mapping[str, str] | rules.Option | wire.Option],
    threshold: Fraction | float | str | rules.Threshold | wire.Threshold | None,
) -> dict[str, Any]:
    """The fields of a proposal that say what wins."""
    return {
        "protocol": protocol,
        "options": options_of(options),
        "threshold": threshold_of(threshold),
    }


def quorums(
    quorum: float | Fraction | str | rules.Level | wire.Level,
    counts: rules.QuorumCounts,
    super_quorum: float | Fraction | str | rules.Level | wire.Level | None,
) -> dict[str, Any]:
    """The fields of a proposal that say how many must take part."""
    return {
        "quorum": level_of("quorum", quorum),
        "quorum_counts": counts,
        "super_quorum": None if super_quorum is None else level_of("super_quorum", super_quorum),
    }


def electors(
    electorate: Iterable[str] | Mapping[str, Any] | wire.Electorate,
    weights: str | Mapping[str, int] | Mapping[str, str],
    minimum_electorate: int,
) -> dict[str, Any]:
    """The fields of a proposal that say who votes, with what weight, and how many at least."""
    return {
        "electorate": electorate_of(electorate),
        "weights": dict(weights) if isinstance(weights, Mapping) else weights,
        "minimum_electorate": minimum_electorate,
    }


def powers(veto_holders: Iterable[str], guardian: str | None, executors: Iterable[str]) -> dict[str, Any]:
    """The fields of a proposal that say who may stop it, and who may act on it."""
    return {
        "veto_holders": items("veto_holders", veto_holders, of="agent ids"),
        "guardian": guardian,
        "executors": items("executors", executors, of="names"),
    }


def statuses_of(given: wire.Status | Iterable[wire.Status] | None) -> Any:
    """The statuses asked for; none for all."""
    if given is None:
        return ()
    return (given,) if given in get_args(wire.Status) or isinstance(given, str) else tuple(given)


async def alone(_topic: str, _participants: tuple[str, ...]) -> str:
    """Opens no dialog.

    Raises:
        UsageError: Always.
    """
    raise UsageError("discuss needs a client that can open dialogs, as that of a Session can")


async def discussed(body: wire.ProposeRequest, agent: str, converse: Converse) -> wire.ProposeRequest:
    """The proposal that `agent` is about to make, with a dialog of its own.

    Raises:
        UsageError: There is one already, or it is not known who takes part, or nobody can open it.
    """
    if body.conversation_id is not None:
        raise UsageError("discuss opens a dialog of its own; leave conversation_id out")
    if not body.electorate.agents:
        raise UsageError("discuss needs an electorate of named agents; who votes is not known yet")
    others = tuple(each for each in body.electorate.agents if each != agent)
    return body.model_copy(update={"conversation_id": await converse(body.title, others)})
