"""What ``conclave charter`` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import click

from conclave.commands.access import Access
from conclave.commands.booth import consensus
from conclave.commands.durations import duration_text
from conclave.commands.output import print_json
from consensus import wire
from consensus.chartering import CharterElectorate, CharterReply, CharterView


async def set_charter(access: Access, kind: Any, given: Mapping[str, Any], *, as_json: bool) -> None:
    """Say what new proposals of `kind` must satisfy.

    Args:
        access: Whom to ask.
        kind: Of the proposals.
        given: Values of the options, by the names in `conclave.commands.charter`.
        as_json: Whether to print JSON.

    Raises:
        RejectedError: ``not_operator``, or what is asked for makes no sense.
    """
    weights: Any = given["given"] or "equal"
    if given["trust_topic"]:
        weights = {"trust": given["trust_topic"]}
    async with consensus(access) as (client, _):
        made = await client.set_charter(
            kind,
            electorate=_electorate(given),
            weights=weights,
            protocols=given["protocols"],
            quorum=given["quorum"],
            veto_holders=given["veto_holders"],
            minimum_electorate=given["minimum_electorate"],
            minimum_voting_period_ms=given["minimum_period"],
            minimum_timelock_ms=given["timelock"],
            signatures=given["signatures"],
        )
    _show(made, as_json=as_json)


async def remove_charter(access: Access, kind: Any, *, as_json: bool) -> None:
    """Ask nothing of new proposals of `kind` any more; errors as `set_charter`."""
    async with consensus(access) as (client, _):
        removed = await client.remove_charter(kind)
    _show(removed, as_json=as_json)


async def list_charters(access: Access, *, as_json: bool) -> None:
    """Print the charters that hold, each asked for by itself: with large electorates all are too much."""
    async with consensus(access) as (client, _):
        found = [each for kind in get_args(wire.Kind) for each in (await client.charters(kind)).charters]
    if as_json:
        print_json({"charters": [each.model_dump(mode="json") for each in found]})
        return
    if not found:
        click.echo("there is no charter: whoever proposes says who votes", err=True)
    for each in found:
        _show(each, as_json=False)


def _electorate(given: Mapping[str, Any]) -> Any:
    if given["agents"]:
        return given["agents"]
    if given["requirement"]:
        return {"requirement": given["requirement"]}
    return {"role": given["role"]} if given["role"] else None


def _show(reply: CharterReply, *, as_json: bool) -> None:
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    if reply.charter is None:
        click.echo(f"{reply.kind}: no charter")
        return
    terms = "; ".join(charter_words(reply.charter)) or "nothing is asked for"
    click.echo(f"{reply.kind}: {terms}")


def charter_words(charter: CharterView) -> Iterator[str]:
    """All that a charter asks for, in words."""
    if charter.electorate is not None:
        yield f"voters {_electorate_words(charter.electorate)}"
    if charter.protocols:
        yield f"protocol {' or '.join(charter.protocols)}"
    if charter.quorum is not None:
        yield f"quorum at least {charter.quorum}"
    if charter.veto_holders:
        yield f"veto holders {', '.join(charter.veto_holders)}"
    if charter.minimum_electorate > 1:
        yield f"at least {charter.minimum_electorate} electors"
    if charter.minimum_voting_period_ms:
        yield f"votes taken for {duration_text(charter.minimum_voting_period_ms)}"
    if charter.minimum_timelock_ms:
        yield f"timelock {duration_text(charter.minimum_timelock_ms)}"
    if charter.signatures == "required":
        yield "signed votes"


def _electorate_words(electorate: CharterElectorate) -> str:
    if electorate.agents:
        who = ", ".join(
            f"{agent}={electorate.given[agent]}" if agent in electorate.given else agent
            for agent in electorate.agents
        )
    elif electorate.requirement:
        who = f"that meet {electorate.requirement}"
    else:
        who = f"with the role {electorate.role}"
    if electorate.given and not electorate.agents:
        weights = ", ".join(f"{agent}={weight}" for agent, weight in sorted(electorate.given.items()))
        return f"{who}, weights {weights}"
    return f"{who}, weighed by trust in {electorate.trust_topic}" if electorate.trust_topic else who
