"""What the builder does once a graph is approved: translate, write, and let Nix check it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from conclave.approval import Deployer, approval_for
from conclave.demo.report import Build, Check
from conclave.nix import check_flake, nix_path
from consensus.replies import Proposal
from nix_gen import Graph, Tracking, translate, write

TRACKING_NOTES: Final = {
    Tracking.OWN_REPOSITORY: "it is a git repository of its own, because Nix reads only what git tracks",
    Tracking.HIDDEN: "git does not track it and cannot be run here: name the flake `path:DIR` to Nix",
}


async def build(graph: Graph, out: str, *, deployer: Deployer, proposal: Proposal) -> Build:
    """Write the flake of `graph` into `out`, if `proposal` approves it, and check it where there is a Nix.

    Args:
        graph: What is built.
        out: Directory for the flake.
        deployer: Redeems the approval and gives the receipt.
        proposal: The one that the graph's approval is of.

    Raises:
        OutputError: The directory cannot be written or is somebody else's.
        InvalidGraphError: The graph has faults that voters should have seen.
        RejectedError: The approval is not good for this graph; nothing was written.
        UnavailableError: Consensus does not answer.
    """
    approval_for(proposal, graph)  # before the work: whoever names another graph must not have it translated
    # A large graph takes seconds: in a thread, so that heartbeats go on.
    translated = await asyncio.to_thread(translate, graph)
    flake = await deployer.redeem(proposal, graph, translated)
    written = await asyncio.to_thread(write, flake, Path(out))
    digest = await deployer.report(proposal.proposal_id, flake, note=f"flake of {graph.name}")
    nix = nix_path()
    checks = await check_flake(Path(out), nix) if nix is not None else ()
    return Build(
        directory=out,
        hosts=flake.hosts,
        files=tuple(sorted(flake.files)),
        flake_sha256=digest,
        checks=tuple(Check(name=each.name, passed=each.passed, output=each.output) for each in checks),
        notes=tuple(note for note in [TRACKING_NOTES.get(written.tracking)] if note),
    )
