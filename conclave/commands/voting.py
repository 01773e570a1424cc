"""What ``conclave vote``, ``conclave delegate`` and the smaller ``conclave proposal`` commands do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click

from conclave.commands import tables
from conclave.commands.access import Access
from conclave.commands.booth import consensus, find, read_artifact
from conclave.commands.choicewords import ChoiceWordsError, choice_text, read_choice
from conclave.commands.confirming import confirmed, with_way_out
from conclave.commands.output import print_json
from conclave.commands.proposalview import decision_text, iso
from conclave.commands.votewords import scope_text
from consensus.replies import Decision, DelegationsReply, Proposal
from consensus.wire import Scope
from coordination.registry.client import RegistryClient
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, RejectedError, UsageError

_REGISTRY_PATIENCE_S: Final = 1.5
"""How long a delegation that was accepted waits to hear whether its delegate is known."""


async def vote(
    access: Access,
    reference: str,
    words: Sequence[str],
    *,
    scope: Scope,
    rationale: str,
    conditions: tuple[str, ...],
    read: Path | str | None,
    as_json: bool,
) -> None:
    """Vote on a proposal, and print the receipt.

    Args:
        access: As whom.
        reference: The proposal.
        words: The choice, as `conclave.commands.choicewords` reads it.
        scope: Which weight to cast.
        rationale: Why.
        conditions: What must be met.
        read: What the voter has read, a file or its SHA-256; it must be what the proposal is about.
        as_json: Whether to print JSON.

    Raises:
        UsageError: `words` are no choice.
        RejectedError: There is no such proposal, it is not about `read`, or the vote is refused.
    """
    digest = (await asyncio.to_thread(read_artifact, read))[0] if isinstance(read, Path) else read
    async with consensus(access) as (client, _):
        proposal = await find(client, reference)
        _require_artifact(proposal, digest, read)
        try:
            choice = read_choice(words, [each.option for each in proposal.rules.options])
        except ChoiceWordsError as error:
            raise UsageError(str(error)) from None
        reply = await client.vote(
            proposal.proposal_id,
            choice,
            scope=scope,
            conditions=conditions,
            rationale=rationale,
            proposal=proposal,
        )
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    part = f", {said_of}," if (said_of := scope_text(scope, access.agent, proposal.delegations)) else ""
    chosen = choice_text(choice, proposal.rules.protocol)
    said = f"{access.agent} votes {chosen}{part} with weight {reply.weight}"
    click.echo(f"#{proposal.number}  {said}; the proposal is {reply.status}")
    click.echo(f"receipt  {reply.trail_hash}")


def _require_artifact(proposal: Proposal, digest: str | None, read: Path | str | None) -> None:
    if digest is None or digest == proposal.artifact_sha256:
        return
    of_option = next((each for each in proposal.rules.options if each.artifact_sha256 == digest), None)
    if of_option is not None:
        return
    named = f"{digest:.80}" if isinstance(read, str) else f"{read}, which is {digest}"
    raise RejectedError(
        "stale_artifact",
        f"#{proposal.number} is about {proposal.artifact_sha256}, not about {named}; "
        "nothing was signed. Read what it is about, or ask the proposer to amend it",
    )


async def delegate(access: Access, agent: str | None, *, kind: str, as_json: bool) -> None:
    """Have `agent`, or nobody any more, stand in for the agent of `access`.

    Raises:
        RejectedError: ``delegation_cycle``, or the service refuses otherwise.
    """
    async with consensus(access) as (client, caller):
        made = await client.delegate(agent, kind=kind)
        if agent is not None and await _is_stranger(caller, agent):
            click.echo(
                f"conclave: no agent {agent} is registered; the delegation counts once it may vote", err=True
            )
    if as_json:
        print_json(made.model_dump(mode="json"))
        return
    what = f"{kind} proposals" if kind else "proposals"
    who = (
        f"{agent} stands in for {access.agent}" if agent else f"nobody stands in for {access.agent} any more"
    )
    click.echo(f"{who} in {what} whose vote opens from now on")


async def _is_stranger(caller: Caller, agent: str) -> bool:
    """Whether the registry says that it does not know `agent`: a slip of the pen, perhaps."""
    try:
        async with asyncio.timeout(_REGISTRY_PATIENCE_S):
            await RegistryClient(caller).get(agent)
    except RejectedError as error:
        return error.code == "unknown_agent"
    except (ConclaveError, TimeoutError):  # the delegation stands whether or not somebody can tell
        return False
    return False


async def show_delegations(access: Access, agent: str | None, *, as_json: bool) -> None:
    """Print whom an agent, by default that of `access`, has delegated to, and who has delegated to it."""
    async with consensus(access) as (client, _):
        reply = await client.delegations(agent)
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    rows = list(_delegation_rows(reply))
    if rows:
        click.echo("\n".join(tables.columns([("AGENT", "DELEGATE", "KIND", "SINCE"), *rows])))
    else:
        click.echo(f"{reply.agent} has delegated to nobody, and nobody to it", err=True)
    if reply.received_count > len(reply.received):
        click.echo(f"{reply.received_count - len(reply.received)} more have delegated to it", err=True)


def _delegation_rows(reply: DelegationsReply) -> Iterator[tuple[str, ...]]:
    for each in (*reply.given, *reply.received):
        yield each.agent, each.delegate or "-", each.kind or "all", iso(each.set_at_ms)


async def discuss(access: Access, reference: str, text: str, *, as_json: bool) -> None:
    """Comment on a proposal."""
    async with consensus(access) as (client, _):
        proposal = await find(client, reference)
        comment = await client.discuss(proposal.proposal_id, text)
    if as_json:
        print_json(comment.model_dump(mode="json"))
    else:
        click.echo(f"#{proposal.number}  comment {comment.sequence}")


async def stop(access: Access, reference: str, reason: str, *, is_veto: bool, as_json: bool) -> None:
    """Cancel or veto a proposal.

    Raises:
        RejectedError: The agent may not, or not any more.
    """
    async with consensus(access) as (client, _):
        proposal = await find(client, reference)
        if is_veto:
            decision = await client.veto(proposal.proposal_id, reason)
        else:
            decision = await client.cancel(proposal.proposal_id, reason=reason)
    _show_decision(proposal, decision, as_json=as_json)


def _show_decision(proposal: Proposal, decision: Decision, *, as_json: bool) -> None:
    if as_json:
        print_json(decision.model_dump(mode="json"))
    else:
        click.echo(f"#{proposal.number}  {decision_text(decision).plain}")


async def execute(
    access: Access,
    reference: str,
    read: Path | str | None,
    *,
    conditions_met: tuple[str, ...],
    are_all_met: bool,
    execution_id: str | None,
    as_json: bool,
) -> None:
    """Redeem the approval of a proposal for exactly what was approved.

    Args:
        access: As whom.
        reference: The proposal.
        read: What is executed, a file or its SHA-256.
        conditions_met: Conditions that are met.
        are_all_met: Whether all are.
        execution_id: To ask again under; None for a new one.
        as_json: Whether to print JSON.

    Raises:
        UsageError: It was not said what is executed, or the approval has no such condition.
        RejectedError: It may not be executed, by one of the codes of docs/consensus.md.
    """
    async with consensus(access) as (client, _):
        proposal = await find(client, reference)
        if isinstance(read, Path):
            read = (await asyncio.to_thread(read_artifact, read))[0]
        token = proposal.approval
        if read is None:
            approved = token.artifact_sha256 if token else proposal.artifact_sha256
            raise UsageError(
                f"say what you execute: --artifact FILE, or --sha256 {approved} if you have checked it"
            )
        met = confirmed(proposal, conditions_met, are_all_met=are_all_met)
        try:
            done = await client.execute(
                proposal.proposal_id,
                artifact_sha256=read,
                conditions_met=met,
                token=token.model_dump(mode="json") if token else None,
                execution_id=execution_id,
            )
        except RejectedError as error:
            raise with_way_out(error) from None
    if as_json:
        print_json(done.model_dump(mode="json"))
    else:
        click.echo(f"#{proposal.number}  executed by {done.executor} as {done.execution_id}")


async def report(
    access: Access, reference: str, *, is_success: bool, note: str, read: Path | None, as_json: bool
) -> None:
    """Say what came of an execution of one's own."""
    result = "" if read is None else (await asyncio.to_thread(read_artifact, read))[0]
    async with consensus(access) as (client, _):
        proposal = await find(client, reference)
        receipt = await client.report(
            proposal.proposal_id, success=is_success, note=note, result_sha256=result
        )
    if as_json:
        print_json(receipt.model_dump(mode="json"))
    else:
        click.echo(f"#{proposal.number}  reported {'success' if is_success else 'failure'}")
