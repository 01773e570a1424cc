"""``conclave nix generate --proposal``: exactly the approved graph is written, once, with a receipt."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conclave.commands.access import Access
from conclave.commands.nix import approving
from conclave.commands.refusalwords import error_text
from conclave.provenance import digest_files, keeping_approval
from consensus.client import ConsensusClient
from consensus.wire import Proposal
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from coordination.runtime.names import Subjects
from nix_gen import Flake, Graph, OutputError, loads, translate
from tests.support.approving import WINDOW_MS, Hall, a_hall

GRAPH = loads("nodes:\n  - {id: web, kind: service, image: 'a/web:1'}\n", file="graph.yaml").graph
OTHER = loads("nodes:\n  - {id: web, kind: service, image: 'a/web:2'}\n", file="graph.yaml").graph


@dataclass
class Site:
    """Consensus in a hall, and a directory to generate into."""

    hall: Hall
    folder: Path
    agent: str = "operator"

    async def approved(self, graph: Graph = GRAPH, **how: Any) -> Proposal:
        given = {"kind": "infrastructure_change", "executors": ["operator", "ada", "bob"]} | how
        return await self.hall.approved(graph.digest(), **given)

    async def generate(
        self,
        proposal: Proposal,
        graph: Graph = GRAPH,
        *,
        out: str = "out",
        **confirming: Any,
    ) -> approving.Approved:
        access = Access(subjects=Subjects(), agent=self.agent)
        return await approving.write_approved(
            graph,
            translate(graph),
            self.folder / out,
            access=access,
            reference=proposal.proposal_id,
            **confirming,
        )

    async def refused(self, proposal: Proposal, graph: Graph = GRAPH, **how: Any) -> RejectedError:
        """Why generating is refused; nothing was written."""
        before = sorted(self.folder.rglob("*"))
        with pytest.raises(RejectedError) as refused:
            await self.generate(proposal, graph, **how)
        assert sorted(self.folder.rglob("*")) == before
        assert "\n" not in str(refused.value)
        return refused.value

    async def get(self, proposal: Proposal) -> Proposal:
        return await ConsensusClient(self.hall.caller("reader")).get(proposal.proposal_id)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    async with a_hall() as hall:

        @contextlib.asynccontextmanager
        async def consensus(access: Access) -> AsyncIterator[tuple[ConsensusClient, Any]]:
            caller = hall.caller(access.agent)
            yield ConsensusClient(caller), caller

        monkeypatch.setattr(approving, "consensus", consensus)
        yield Site(hall, tmp_path)


def deployment(site: Site, out: str = "out") -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((site.folder / out / "deployment.json").read_text(encoding="utf-8"))
    return plan


async def test_the_approved_graph_is_written_with_its_approval_and_a_receipt(site: Site) -> None:
    proposal = await site.approved()
    assert proposal.approval is not None
    done = await site.generate(proposal)
    assert deployment(site)["approval"] == {
        "artifact_sha256": GRAPH.digest(),
        "proposal_id": proposal.proposal_id,
        "trail_hash": proposal.approval.trail_hash,
    }
    after = await site.get(proposal)
    assert (after.status, after.execution and after.execution.executor) == ("executed", "operator")
    assert after.receipt is not None
    written = {
        str(path.relative_to(site.folder / "out")): path.read_text(encoding="utf-8")
        for path in (site.folder / "out").rglob("*")
        if path.is_file()
    }
    assert after.receipt.success
    assert after.receipt.result_sha256 == done.result_sha256 == digest_files(written)


async def test_the_same_again_changes_nothing_and_another_directory_is_another_execution(site: Site) -> None:
    proposal = await site.approved()
    first = await site.generate(proposal)
    again = await site.generate(proposal)
    assert (again.written.changed, again.result_sha256) == ((), first.result_sha256)
    assert (await site.refused(proposal, out="elsewhere")).code == "already_executed"
    site.agent = "bob"
    assert (await site.refused(proposal)).code == "already_executed"


async def test_the_operator_generates_only_what_it_has_a_part_in(site: Site) -> None:
    proposal = await site.approved(executors=[])
    assert (await site.refused(proposal)).code == "may_not_execute"
    assert not (site.folder / "out").exists()
    site.agent = "ada"
    await site.generate(proposal)


async def test_an_executed_approval_does_not_bring_back_what_a_later_one_has_replaced(site: Site) -> None:
    site.agent = "ada"
    first = await site.approved()
    await site.generate(first)
    second = await site.approved(OTHER)
    await site.generate(second, OTHER)
    refused = await site.refused(first)
    assert refused.code == "already_executed"
    assert f"stands by the approval of {second.proposal_id} since" in str(refused)
    assert deployment(site)["approval"]["proposal_id"] == second.proposal_id


async def test_whoever_was_killed_before_writing_writes_when_asked_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = await site.approved()

    def killed(*_: Any) -> None:
        raise OutputError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(approving, "write", killed)
        with pytest.raises(OutputError):
            await site.generate(proposal)
    assert (await site.get(proposal)).status == "executed"
    assert not (site.folder / "out").exists()
    assert (await site.refused(proposal, OTHER)).code == "wrong_artifact"
    await site.generate(proposal)
    assert (await site.get(proposal)).receipt is not None


async def test_whoever_was_cut_off_before_the_receipt_gives_it_when_asked_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = await site.approved()

    async def cut_off(*_: Any, **__: Any) -> None:
        raise UnavailableError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(ConsensusClient, "report", cut_off)
        with pytest.raises(UnavailableError):
            await site.generate(proposal)
    assert (await site.get(proposal)).receipt is None
    await site.generate(proposal)
    assert (await site.get(proposal)).receipt is not None


async def test_what_the_receipt_does_not_name_is_not_written_over_what_it_names(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal = await site.approved()
    await site.generate(proposal)
    newer = translate(GRAPH)
    changed = Flake(
        files={**newer.files, "extra.nix": "{ }\n"}, hosts=newer.hosts, graph_digest=newer.graph_digest
    )
    monkeypatch.setitem(globals(), "translate", lambda _: changed)
    refused = await site.refused(proposal)
    assert (refused.code, "other files" in refused.message) == ("already_executed", True)


async def test_another_graph_or_kind_of_proposal_is_refused(site: Site) -> None:
    proposal = await site.approved()
    refused = await site.refused(proposal, OTHER)
    assert refused.code == "wrong_artifact"
    assert GRAPH.digest() in refused.message
    for kind in ("task_assignment", "custom"):
        assert (await site.refused(await site.approved(kind=kind))).code == "wrong_kind"
    assert (await site.get(proposal)).status == "succeeded"


async def test_what_did_not_succeed_or_has_expired_is_refused(site: Site) -> None:
    defeated = await site.approved(choice="against")
    assert (await site.refused(defeated)).code == "not_succeeded"
    proposal = await site.approved()
    site.hall.clock.advance(WINDOW_MS + 1)
    assert (await site.refused(proposal)).code == "approval_expired"


async def test_a_timelock_that_has_not_run_out_is_told_with_its_end(site: Site) -> None:
    proposal = await site.approved(timelock_ms=90_000)
    refused = await site.refused(proposal)
    assert refused.code == "timelock_pending"
    assert error_text(refused, now_ms=site.hall.clock.now_ms()) == (
        "timelock_pending: it is queued; it may be executed from 1970-01-01 00:18:10 UTC (in 1m30s) on"
    )
    site.hall.clock.advance(90_000)
    await site.generate(proposal)


async def test_every_condition_is_confirmed(site: Site) -> None:
    proposal = await site.approved(conditions=["backup made", "tested"])
    assert str(await site.refused(proposal, conditions_met=("tested",))) == (
        "conditions_unmet: not confirmed: 'backup made'; confirm each with --met TEXT, or all with --all-met"
    )
    with pytest.raises(UsageError, match="no such condition; its conditions: 'backup made'; tested"):
        await site.generate(proposal, conditions_met=("teste",))
    await site.generate(proposal, conditions_met=("tested", "backup made"))
    await site.generate(await site.approved(conditions=["tested"]), are_all_met=True)


async def test_what_no_vote_asked_for_is_no_condition(site: Site) -> None:
    with pytest.raises(UsageError, match="--met foo: #1 has no such condition; it has none"):
        await site.generate(await site.approved(), conditions_met=("foo",))


async def test_links_to_one_directory_are_one_execution(site: Site) -> None:
    proposal = await site.approved()
    (site.folder / "link").symlink_to(site.folder / "out")
    await site.generate(proposal)
    await site.generate(proposal, out="link")


async def test_an_approval_is_kept_only_with_its_own_graph(site: Site) -> None:
    await site.generate(await site.approved())
    standing = deployment(site)
    kept = keeping_approval(translate(GRAPH), standing)
    assert json.loads(kept.files["deployment.json"]) == standing
    assert kept.files["deployment.json"] == (site.folder / "out" / "deployment.json").read_text()
    for graph, record in ((OTHER, standing), (GRAPH, {}), (GRAPH, {"approval": "yes"})):
        assert keeping_approval(translate(graph), record).files == translate(graph).files
