"""``conclave nix generate --proposal`` as a person types it, beside a secured server."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from conclave.deployment import deployed
from consensus.client import ConsensusClient
from consensus.signing import CredentialsSigner
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from nix_gen import loads
from tests.support.cli import Finished, conclave, server_here

GRAPH = "nodes:\n  - {id: web, kind: service, image: 'a/web:1'}\n"


async def test_a_graph_is_generated_by_its_approval_and_no_other_graph_is(tmp_path: Path) -> None:
    digest = loads(GRAPH, file="graph.yaml").graph.digest()
    (tmp_path / "graph.yaml").write_text(GRAPH, encoding="utf-8")
    (tmp_path / "other.yaml").write_text(GRAPH.replace("web:1", "web:2"), encoding="utf-8")
    generate = ("nix", "generate", "graph.yaml", "--proposal", "1", "-o", "flake")
    async with server_here(tmp_path) as here:
        services = deployed(
            here.server.url, names=["consensus"], subjects=Subjects(), credentials=here.server.credentials
        )
        async with services:
            credentials = await here.server.identities.ensure("ada")
            ada = Caller(await here.bus("ada", credentials), agent="ada")
            consensus = ConsensusClient(ada, CredentialsSigner(credentials["ada"]))
            proposed = await consensus.propose(
                "Deploy it",
                kind="infrastructure_change",
                artifact_sha256=digest,
                electorate=["ada"],
                executors=["operator"],
            )
            early, absent = await asyncio.gather(
                here.run(*generate), here.run(*generate, "--prefix", "other", "--timeout", "0.3")
            )
            await consensus.vote(proposed.proposal_id, "for")
            other = await here.run("nix", "generate", "other.yaml", "--proposal", "1", "-o", "flake")
            assert not (tmp_path / "flake").exists()
            done = await here.run(*generate, "--json")
            again, elsewhere, checked = await asyncio.gather(
                here.run(*generate),
                here.run(*generate[:-1], "elsewhere"),
                here.run("nix", "generate", "graph.yaml", "-o", "flake", "--check"),
            )
    refused(early, "not_succeeded: proposal ")
    refused(other, f"wrong_artifact: approved is {digest}, not ")
    refused(elsewhere, "already_executed: operator executed it at ")
    assert not (tmp_path / "elsewhere").exists()
    assert (absent.status, "no consensus service answers" in absent.err) == (2, True)
    assert (done.status, done.err) == (0, "")
    said = json.loads(done.out)
    plan = json.loads((tmp_path / "flake" / "deployment.json").read_text(encoding="utf-8"))
    assert (plan["approval"]["artifact_sha256"], plan["approval"]["proposal_id"]) == (
        digest,
        said["proposal_id"],
    )
    assert again.out.splitlines()[-1] == (
        f"approved by proposal {said['proposal_id']}; the receipt is {said['result_sha256']}"
    )
    assert (checked.status, checked.out) == (0, "flake: up to date\n")


def refused(finished: Finished, beginning: str) -> None:
    """One line says why, and nothing else came of it."""
    assert (finished.status, finished.out, finished.err.count("\n")) == (1, "", 1), finished
    assert finished.err.startswith(f"conclave: {beginning}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--check", "--proposal", "1"), "--check and --proposal cannot be given together"),
        (("--condition-met", "backup made"), "of which proposal? say so with --proposal ID"),
        (("--all-met",), "of which proposal? say so with --proposal ID"),
        (("--met", "a", "--all-conditions-met", "--proposal", "1"), "--met and --all-met cannot be given"),
    ],
)
async def test_options_that_make_no_sense_together_are_refused(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    refused = await conclave("nix", "generate", "graph.yaml", *options, cwd=tmp_path)
    assert refused.status == 2
    assert said in refused.err
