"""``conclave nix generate --proposal``: the flake of a graph that was voted on, and the receipt for it."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass
from pathlib import Path

from conclave.approval import Deployer
from conclave.commands.access import Access
from conclave.commands.booth import consensus, find
from conclave.commands.confirming import confirmed, with_way_out
from conclave.commands.nix.reading import recorded
from consensus.replies import Proposal
from coordination.approvals.redeeming import execution_of
from coordination.runtime.errors import RejectedError
from nix_gen import Flake, Graph, Written, write


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A flake that was written by an approval."""

    flake: Flake
    written: Written
    proposal_id: str
    result_sha256: str
    """Of all files, as the receipt has it."""


async def write_approved(
    graph: Graph,
    flake: Flake,
    directory: Path,
    *,
    access: Access,
    reference: str,
    conditions_met: tuple[str, ...] = (),
    are_all_met: bool = False,
) -> Approved:
    """Redeem the approval of a graph, write its flake, and give the receipt.

    Who is interrupted anywhere repeats the command: the execution is this directory on this machine.

    Args:
        graph: What is generated.
        flake: What it was translated into.
        directory: Where it is written.
        access: Where consensus is, and as whom the approval is redeemed.
        reference: The proposal, by number, id or beginning of its id.
        conditions_met: The conditions of the approval that are met.
        are_all_met: Whether all are.

    Raises:
        UsageError: `reference` may mean several proposals, or the approval has no such condition.
        RejectedError: There is no such proposal, or its approval is not good for this graph here; nothing was
            written.
        UnavailableError, AuthorizationError: Consensus cannot be asked.
        OutputError: The flake cannot be written; the approval was redeemed for a later attempt.
    """
    async with consensus(access) as (client, caller):
        proposal = await find(client, reference)
        _require_newest(proposal, directory)
        met = confirmed(proposal, conditions_met, are_all_met=are_all_met)
        deployer = Deployer(caller=caller, client=client, execution_id=_execution_at(directory))
        try:
            built = await deployer.redeem(proposal, graph, flake, conditions_met=met)
        except RejectedError as error:
            raise with_way_out(error) from None
        written = await asyncio.to_thread(write, built, directory)
        note = f"flake of {graph.name} for {len(built.hosts)} hosts"
        digest = await deployer.report(proposal.proposal_id, built, note=note)
    return Approved(flake=built, written=written, proposal_id=proposal.proposal_id, result_sha256=digest)


def _require_newest(proposal: Proposal, directory: Path) -> None:
    """Refuse to go back to what was generated here before: a later approval has taken its place.

    Consensus gives the same execution the same answer for ever, so that whoever was killed can go on; whose
    receipt is there was not killed.
    """
    standing = recorded(directory).get("approval")
    later = standing.get("proposal_id") if isinstance(standing, dict) else None
    if proposal.receipt is None or later in (None, proposal.proposal_id):
        return
    raise RejectedError(
        "already_executed",
        f"proposal {proposal.proposal_id} was executed, and {directory} stands by the approval of {later} "
        "since; propose the graph anew",
    )


def _execution_at(directory: Path) -> str:
    """Generating into `directory` on this machine, by whatever name it is called."""
    return execution_of(platform.node(), str(directory.resolve()))
