"""What ``conclave propose`` and ``conclave proposal amend`` do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click

from conclave.commands.access import Access
from conclave.commands.booth import consensus, find, read_artifact
from conclave.commands.durations import moment_text
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.proposalwatch import follow
from consensus.replies import ProposalSummary
from coordination.artifacts.client import ArtifactsClient
from coordination.runtime.client import Caller
from coordination.runtime.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is voted on, as it was named: exactly one of the three."""

    artifact: Path | None = None
    graph: Path | None = None
    sha256: str | None = None
    is_stored: bool = False
    """Whether voters shall be able to fetch it."""

    async def digest(self, caller: Caller) -> str:
        """Its SHA-256; stored, if it shall be.

        Raises:
            UsageError: It cannot be read, is no graph, or is too large to be stored.
        """
        if self.sha256 is not None:
            return self.sha256
        digest, content = await asyncio.to_thread(self._read)
        if self.is_stored:
            await ArtifactsClient(caller).put(content)
        return digest

    def _read(self) -> tuple[str, bytes]:
        if self.artifact is not None:
            return read_artifact(self.artifact)
        from nix_gen import GraphFileError, load  # noqa: PLC0415 - most proposals are about no graph

        assert self.graph is not None, "the command asks for one of the three"
        try:
            graph = load(self.graph).graph
        except GraphFileError as error:
            raise UsageError(str(error)) from None
        return graph.digest(), graph.canonical_json()


async def propose(
    access: Access, title: str, subject: Subject, given: Mapping[str, Any], *, wait: bool, as_json: bool
) -> bool:
    """Put `subject` to the vote; with `wait` show the vote until its end. False if it was not won.

    Args:
        access: Whom to ask.
        title: Of the proposal.
        subject: What is voted on.
        given: Values of the options, by the names in `conclave.commands.propose`.
        wait: Whether to wait for the decision.
        as_json: Whether to print JSON.

    Raises:
        UsageError: Something that was given has no form that the contract knows.
        RejectedError: The service refuses the proposal.
    """
    terms = _terms(given)
    async with consensus(access) as (client, caller):
        digest = await subject.digest(caller)
        options = [await _option(option, path) for option, path in given["options"]]
        made = await client.propose(title, artifact_sha256=digest, options=options, **terms)
        if not wait:
            _show(made, as_json=as_json)
            return True
        if not as_json:
            click.echo(f"proposal #{made.number} {made.proposal_id}", err=True)
        return await follow(client, made.proposal_id, as_json=as_json)


async def amend(
    access: Access,
    reference: str,
    subject: Subject,
    *,
    description: str | None,
    options: tuple[tuple[str, Path | None], ...],
    reason: str,
    as_json: bool,
) -> None:
    """Put another artifact in the place of the present one; errors as `propose`."""
    async with consensus(access) as (client, caller):
        proposal = await find(client, reference)
        digest = await subject.digest(caller)
        amended = await client.amend(
            proposal.proposal_id,
            digest,
            description=description,
            options=[await _option(option, path) for option, path in options] or None,
            reason=reason,
        )
    _show(amended, as_json=as_json)


def _terms(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options as arguments of `ConsensusClient.propose`; what was not given is as by default there."""
    weights: Any = given["given"] or None
    if given["trust_topic"]:
        weights = {"trust": given["trust_topic"]}
    terms = {
        "electorate": _electorate(given),
        "weights": weights,
        "kind": given["kind"],
        "description": _description(given["description"], given["description_file"]),
        "protocol": given["protocol"],
        "threshold": given["threshold"],
        "quorum": given["quorum"],
        "quorum_counts": given["quorum_counts"],
        "super_quorum": given["super_quorum"],
        "late_quorum_extension_ms": given["late_quorum"],
        "early_decision": not given["no_early"],
        "vote_changes": given["vote_changes"],
        "fractional": given["fractional"],
        "tie_rule": given["tie_rule"],
        "credits": given["credits_"],
        "minimum_electorate": given["minimum_electorate"],
        "offline_voters": given["offline_voters"],
        "veto_holders": given["veto"],
        "guardian": given["guardian"],
        "executors": given["executors"],
        "timelock_ms": given["timelock"],
        "execution_window_ms": given["window"],
        "signatures": given["signatures"],
        "voting_delay_ms": given["delay"],
        "voting_period_ms": given["period"],
        "conversation_id": given["conversation"],
    }
    return {name: value for name, value in terms.items() if value is not None}


def _electorate(given: Mapping[str, Any]) -> Any:
    if given["agents"]:
        return given["agents"]
    return {"requirement": given["requirement"]} if given["requirement"] else {"role": given["role"]}


def _description(text: str, file: IO[str] | None) -> str:
    if file is None:
        return text
    if text:
        raise UsageError("give --description or --description-file, not both")
    return file.read()


async def _option(option: str, path: Path | None) -> dict[str, str]:
    if path is None:
        return {"option": option}
    return {"option": option, "artifact_sha256": (await asyncio.to_thread(read_artifact, path))[0]}


def _show(proposal: ProposalSummary, *, as_json: bool) -> None:
    if as_json:
        print_json(proposal.model_dump(mode="json"))
        return
    at = now_ms()
    if proposal.status == "pending":
        until = f"voting opens {moment_text(proposal.snapshot_ms, at)}"
    elif proposal.deadline_ms is not None:
        until = f"ends {moment_text(proposal.deadline_ms, at)}"
    else:
        until = "waits for its electorate"
    click.echo(f"#{proposal.number}  {proposal.proposal_id}  {proposal.status}, {until}")
