"""Deployments as consumers of approvals: exactly the approved graph becomes a flake, once.

The artifact of a deployment is the graph's canonical JSON, whose SHA-256 is `Graph.digest()`. What was built
says by which approval (`conclave.provenance`), and consensus gets the receipt: the digest of all its files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from conclave.provenance import digest_files, with_approval
from consensus.client import ConsensusClient
from consensus.replies import Proposal
from coordination.approvals.artifact import Artifact
from coordination.approvals.redeeming import redeem
from coordination.approvals.wire import Approval, Kind, presented
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from nix_gen import Flake, Graph

KINDS: Final[frozenset[Kind]] = frozenset({"infrastructure_change"})
"""Kinds of proposals that may approve a deployment."""
NAMED: Final = {"proposal_id", "artifact_sha256", "trail_hash"}
"""What a flake says of its approval: enough to find it, and to check it against an exported trail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployer:
    """Builds what one proposal has approved.

    Args:
        caller: Whoever builds; the approval is redeemed in its name.
        client: Its client of consensus.
        execution_id: Names this build: with the same id it may be done again.
    """

    caller: Caller
    client: ConsensusClient
    execution_id: str

    async def redeem(
        self, proposal: Proposal, graph: Graph, flake: Flake, *, conditions_met: Iterable[str] = ()
    ) -> Flake:
        """The flake as it may be written, with its approval in it.

        Args:
            proposal: As consensus shows it.
            graph: What is built.
            flake: What the graph was translated into: an approval is not spent on a graph that has faults.
            conditions_met: The conditions of the approval that are met.

        Raises:
            RejectedError: As `approval_for`; ``already_executed``, also if the receipt is of other files than
                these; or as `coordination.approvals.redeeming.redeem`.
            UnavailableError: Consensus does not answer; asking again is safe.
        """
        approval = approval_for(proposal, graph)
        built = with_approval(flake, approval.model_dump(include=NAMED))
        receipt = proposal.receipt
        if receipt is not None and receipt.result_sha256 != digest_files(built.files):
            raise RejectedError(
                "already_executed",
                f"proposal {proposal.proposal_id} was executed, and the receipt of {receipt.executor} is of "
                "other files; propose the graph anew",
            )
        await redeem(
            self.caller,
            approval,
            Artifact(graph.canonical_json()),
            kinds=KINDS,
            execution_id=self.execution_id,
            conditions_met=conditions_met,
        )
        return built

    async def report(self, proposal_id: str, flake: Flake, *, note: str = "") -> str:
        """Give the receipt for `flake`, which was written; returns its digest. May be repeated.

        Raises:
            RejectedError: There is a receipt already, of other files.
            UnavailableError: Consensus does not answer.
        """
        digest = digest_files(flake.files)
        try:
            await self.client.report(proposal_id, success=True, note=note, result_sha256=digest)
        except RejectedError as error:
            if error.code != "already_reported":
                raise
            known = (await self.client.get(proposal_id)).receipt
            if known is None or not known.success or known.result_sha256 != digest:
                raise
        return digest


def approval_for(proposal: Proposal, graph: Graph) -> Approval:
    """The approval that a proposal has of a graph; nothing is redeemed yet.

    Raises:
        RejectedError: ``not_succeeded``, ``approval_expired`` or ``wrong_artifact``.
    """
    approval = presented(proposal.approval)
    if approval is not None:
        if approval.artifact_sha256 != graph.digest():
            message = f"approved is {approval.artifact_sha256}, not {graph.digest()}"
            raise RejectedError("wrong_artifact", message)
        return approval
    if proposal.status == "expired":
        message = f"the approval of proposal {proposal.proposal_id} has expired; propose it anew"
        raise RejectedError("approval_expired", message)
    message = f"proposal {proposal.proposal_id} is {proposal.status}; only what succeeded may be executed"
    raise RejectedError("not_succeeded", message)
