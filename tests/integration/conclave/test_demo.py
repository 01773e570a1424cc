"""The main job, end to end, over a real nats-server: review, vote, build, know."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conclave import connect
from conclave.demo import Report, Silent, default_graph, demo
from conclave.demo.review import SPECIALISTS
from conclave.deployment import deployed
from conclave.embedded import embedded_server
from conclave.identity import Identities, RunningServer
from coordination.runtime.errors import AuthorizationError
from coordination.runtime.names import Subjects
from nix_gen import load
from tests.support.processes import free_port

GOOD = """
services:
  web:
    image: example/web:1.0
    restart: always
    depends_on: [db]
    environment: {DB_HOST: db}
  db:
    image: postgres:16
    volumes: ["data:/var/lib/postgresql/data"]
volumes:
  data:
"""
CYCLE = """
services:
  chicken: {image: "example/chicken:1", depends_on: [egg]}
  egg: {image: "example/egg:1", depends_on: [nest]}
  nest: {image: "example/nest:1", depends_on: [chicken]}
"""
COMPOSE_FILES = (
    "django",
    "elasticsearch-logstash-kibana",
    "flask-redis",
    "gitea-postgres",
    "nextcloud-redis-mariadb",
    "nginx-golang-postgres",
    "nginx-nodejs-redis",
    "postgresql-pgadmin",
    "prometheus-grafana",
    "react-express-mongodb",
    "spring-postgres",
    "traefik-golang",
    "wasmedge-kafka-mysql",
    "wordpress-mysql",
)


async def run(path: Path, folder: Path) -> Report:
    return await demo(
        path, out=folder / "out", store=folder / "store", url=None, prefix="conclave", screen=Silent()
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "compose.yaml"
    path.write_text(text, encoding="utf-8")
    return path


async def test_good_graph_is_reviewed_voted_built_and_known(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    report = await run(path, tmp_path)
    assert (report.verdict, report.exit_status) == ("built", 0), report.reason
    assert report.input.sha256 == load(path).graph.digest()
    assert [each.agent for each in report.reviews] == [
        "architect",
        "security",
        "keeper",
        "reliability",
        "builder",
    ]
    assert report.decision is not None
    assert report.decision.state == "succeeded"
    assert len(report.decision.ballots) == 5
    assert report.build is not None
    assert (tmp_path / "out" / "flake.nix").is_file()
    assert sorted(report.build.files) == sorted(
        str(each.relative_to(tmp_path / "out"))
        for each in (tmp_path / "out").rglob("*")
        if each.is_file() and ".git" not in each.parts
    )
    deployment = json.loads((tmp_path / "out" / "deployment.json").read_text(encoding="utf-8"))
    approval = deployment["approval"]
    assert (approval["proposal_id"], approval["artifact_sha256"]) == (
        report.decision.proposal_id,
        report.input.sha256,
    )
    assert report.fact is not None
    assert [each.holds for each in report.fact.replicas] == [True] * 5
    assert report.fact.agreed


async def test_objections_are_heard_and_outvoted(tmp_path: Path) -> None:
    exposed = GOOD.replace("    volumes: [", '    ports: ["5432:5432"]\n    volumes: [')
    report = await run(written(tmp_path, exposed), tmp_path)
    assert report.verdict == "built"
    assert report.decision is not None
    against = [ballot for ballot in report.decision.ballots if ballot.choice == "against"]
    assert [ballot.voter for ballot in against] == ["security"]
    assert "5432" in against[0].rationale


async def test_dependency_cycle_is_rejected_by_all_and_named(tmp_path: Path) -> None:
    report = await run(written(tmp_path, CYCLE), tmp_path)
    assert (report.verdict, report.exit_status) == ("rejected", 1)
    assert "chicken -> egg -> nest -> chicken" in report.reason
    assert report.decision is not None
    assert report.decision.state == "defeated"
    assert report.decision.votes_against >= 3, "more are not needed to decide it"
    assert report.decision.votes_for == 0
    assert not (tmp_path / "out").exists()


async def test_second_run_on_the_same_store_remembers_the_first(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    first = await run(path, tmp_path)
    second = await run(path, tmp_path)
    assert first.earlier_runs == ()
    assert len(second.earlier_runs) == 1
    assert first.input.sha256[:12] in second.earlier_runs[0]
    assert first.decision is not None
    assert second.verdict == "built"
    async with (
        embedded_server(tmp_path / "store", port=free_port(), secured=Subjects()) as server,
        deployed(server.url, credentials=server.credentials),
        connect(server.url, agent="architect", credentials=server.identities.directory) as session,
    ):
        history = await session.dialog.history(first.decision.conversation_id)
        assert len(history.messages) == 6, "one request and five reviews"
        old = await session.consensus.get(first.decision.proposal_id)
        assert (old.status, old.execution and old.execution.executor) == ("executed", "builder")
        assert first.build is not None
        assert old.receipt is not None
        assert old.receipt.result_sha256 == first.build.flake_sha256
        assert old.artifact_sha256 == first.input.sha256
        votes = (await session.consensus.votes(old.proposal_id)).votes
        assert sorted(vote.voter for vote in votes) == sorted(each.voter for each in first.decision.ballots)


async def test_demo_runs_on_a_conclave_that_is_already_up(tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path / "store", port=free_port(), secured=Subjects()) as server,
        deployed(server.url, credentials=server.credentials),
    ):
        await server.identities.add(*(specialist.agent for specialist in SPECIALISTS))
        report = await demo(
            written(tmp_path, GOOD),
            out=tmp_path / "out",
            store=tmp_path / "unused",
            url=server.url,
            prefix="conclave",
            screen=Silent(),
            credentials=server.identities.directory,
        )
        log = (server.store / "nats-server.log").read_text(encoding="utf-8")
    assert "Violation" not in log, "services and agents try nothing that they may not"
    assert report.verdict == "built"
    assert not (tmp_path / "unused").exists()


async def test_the_demos_own_server_lets_in_its_own_agents_only(tmp_path: Path) -> None:
    class Intruder(Silent):
        """Looks at the server while the demo runs."""

        url = ""

        def input(self, given: Any, earlier_runs: tuple[str, ...]) -> None:  # noqa: ARG002
            record = RunningServer.of(tmp_path / "store")
            assert record is not None
            assert record.is_secured
            self.url = record.url

    intruder = Intruder()
    report = await demo(
        written(tmp_path, GOOD),
        out=tmp_path / "out",
        store=tmp_path / "store",
        url=None,
        prefix="conclave",
        screen=intruder,
    )
    assert report.verdict == "built"
    assert intruder.url
    assert RunningServer.of(tmp_path / "store") is None
    agents = {agent.name for agent in Identities(tmp_path / "store").agents()}
    assert agents == {specialist.agent for specialist in SPECIALISTS}
    async with embedded_server(tmp_path / "store", port=free_port(), secured=Subjects()) as server:
        with pytest.raises(AuthorizationError):
            async with connect(server.url, agent="stranger"):
                pytest.fail("it was let in")


@pytest.mark.parametrize("as_json", [False, True])
def test_an_insecure_demo_says_so_loudly(tmp_path: Path, *, as_json: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conclave", "demo", "--insecure", *(["--json"] if as_json else [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "NO AUTHENTICATION (--insecure)" in done.stderr
    assert ("NO AUTHENTICATION (--insecure)" in done.stdout) == (not as_json)


async def test_nothing_but_the_approved_graph_is_built(tmp_path: Path) -> None:
    """A task that names another graph, or a proposal that did not succeed, is refused by the builder."""
    from conclave.demo.cast import Participant

    async with (
        embedded_server(tmp_path / "store", port=free_port(), secured=Subjects()) as server,
        deployed(server.url, credentials=server.credentials),
    ):
        await server.identities.add("builder", "mallory")
        keys = server.identities.directory
        builder = Participant(SPECIALISTS[-1], out=str(tmp_path / "out"))
        async with (
            builder.agent.running(server.url, credentials=keys),
            connect(server.url, agent="mallory", credentials=keys) as mallory,
        ):
            graph = load(written(tmp_path, GOOD)).graph
            approved = await mallory.artifacts.put(graph.canonical_json())
            other = await mallory.artifacts.put(load(written(tmp_path, CYCLE)).graph.canonical_json())
            proposal = await mallory.consensus.propose(
                "Fine", artifact_sha256=approved, electorate=["mallory"]
            )
            results: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

            async def take(delivery: Any) -> None:
                results.put_nowait(json.loads(delivery.payload))

            await mallory.bus.subscribe(mallory.subjects.inbox("mallory", "result"), take)
            await mallory.bus.flush()
            await mallory.consensus.vote(proposal.proposal_id, "for")
            payload = {"artifact_sha256": other, "proposal_id": proposal.proposal_id}
            await mallory.tasks.submit("nix.translate", payload, max_attempts=1)
            async with asyncio.timeout(30):
                result = await results.get()
    assert result["state"] != "completed"
    assert "wrong_artifact: approved is " in json.dumps(result)
    assert not (tmp_path / "out").exists()


def test_json_report_is_all_that_is_printed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conclave", "demo", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report = Report.model_validate_json(done.stdout)
    assert report.verdict == "built"
    assert report.build is not None
    assert report.build.directory == "out"
    assert (tmp_path / "out" / "flake.nix").is_file()
    assert done.stderr == ""


@pytest.mark.shared
@pytest.mark.nix
@pytest.mark.parametrize("name", COMPOSE_FILES)
async def test_every_shared_compose_file_ends_with_a_flake_that_nix_builds(
    name: str, tmp_path: Path, shared: Path, nix: str
) -> None:
    report = await run(shared / "data" / "compose" / f"{name}.yaml", tmp_path)
    assert report.verdict == "built", report.reason
    assert report.build is not None
    assert [(check.name, check.passed) for check in report.build.checks] == [
        ("parse", True),
        ("build plan", True),
    ]
    checked = nixcheck(shared, nix, tmp_path / "out", report.build.hosts)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def nixcheck(shared: Path, nix: str, flake: Path, hosts: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [str(shared / "nixcheck" / "nixcheck"), str(flake), *hosts]
    return subprocess.run(
        command, env={**os.environ, "NIX": nix}, capture_output=True, text=True, check=False
    )


@pytest.mark.shared
def test_every_shared_compose_file_is_among_those_tested(shared: Path) -> None:
    assert {path.stem for path in (shared / "data" / "compose").glob("*.yaml")} == set(COMPOSE_FILES)


def test_default_graph_is_our_own_example() -> None:
    loaded = load(default_graph())
    kinds = {node.kind for node in loaded.graph.nodes}
    assert {"service", "database", "load_balancer", "storage"} <= kinds
