"""Docs and examples are executed: what they show must work."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conclave import connect
from conclave.address import URL_VARIABLE
from conclave.agent.performatives import ASKS_FOR_ANSWER
from conclave.deployment import SERVICES, deployed
from conclave.embedded import embedded_server
from conclave.identity import ENVIRONMENT_VARIABLE
from conclave.identity.permissions import Permissions, agent_permissions, foreign_permissions
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from nix_gen import Severity, loads, translate, validate
from nix_gen.edges import EDGE_KINDS
from nix_gen.nodes import NODE_KINDS
from tests.support.processes import free_port

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAM_BLOCK = re.compile(r"^```python program\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""Blocks of the guide that are, all together, one program."""
ADDED = re.compile(r"conclave agent add ([a-z0-9_ -]+)")
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#\s]+)")


def python_blocks() -> list[tuple[str, str]]:
    """(where, code) of every Python block in the docs that is a program of its own."""
    blocks = []
    for path in DOCUMENTS:
        text, where = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
        blocks += [(f"{where}:{number}", block) for number, block in enumerate(BLOCK.findall(text), start=1)]
    return blocks


def agents_added() -> list[str]:
    """The agents that README, guides and examples tell people to add."""
    guides = [ROOT / "docs" / name for name in ("agents.md", "tasks.md")]
    pages = [ROOT / "README.md", *guides, *EXAMPLES]
    lines = [line for path in pages for line in ADDED.findall(path.read_text(encoding="utf-8"))]
    return sorted({name for line in lines for name in line.split() if not name.startswith("-")})


@pytest.fixture
async def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A Conclave of the test's own, as the docs have it: it lets in whom the README adds."""
    async with (
        embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server,
        deployed(server.url, credentials=server.credentials),
    ):
        await server.identities.add(*{*agents_added(), "guest"})
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(server.identities.directory))
        monkeypatch.setenv(URL_VARIABLE, server.url)
        yield server.url


def endless(code: str) -> bool:
    return "agent.serve(" in code


@pytest.mark.parametrize(
    ("where", "code"), [(w, c) for w, c in python_blocks() if not endless(c)], ids=lambda value: value[:20]
)
async def test_python_block_runs(where: str, code: str, url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", code, url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, f"{where}\n{err.decode()}"
    assert out, f"{where} shows nothing"


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "typed_task.py",
            [
                "{'title': 'Alice', 'words': 7}",
                "dead_lettered invalid payload: pages: Field required",
                "task slow has not ended within 1 s",
                "canceled and its worker has stopped",
            ],
        ),
        (
            "delegating.py",
            [
                "{'words': 10, 'chapters': 3}",
                "3 parts, 3 units",
                "dead_lettered: a chapter is empty",
                "dead_lettered budget_exceeded:",
            ],
        ),
        (
            "pipeline_saga.py",
            [
                "flight in Lisbon, hotel in Lisbon, boat in Lisbon, postcard in Lisbon",
                "undone: hotel in Lisbon (the journey is off)",
                "undone: flight in Lisbon (the journey is off)",
                "compensated, 0 booked",
                "  flight: completed, undone",
                "  hotel: completed, undone",
                "  boat: dead_lettered",
                "  mail: canceled",
            ],
        ),
        (
            "bidding.py",
            ["3 kg by bike for 5.00", "40 kg by van for 82.00", "3000 kg by truck for 9002.00"],
        ),
        (
            "negotiation.py",
            ["corner offers 10.50", "market offers 8.25", "3 x tea delivered by market"],
        ),
        (
            "ways_to_decide.py",
            [
                "approval: milk, {'tea': '4', 'coffee': '5', 'milk': '9'}",
                "ranked_choice: coffee, {'tea': '4', 'coffee': '5', 'milk': '0'}",
                "borda: milk, {'tea': '8', 'coffee': '8', 'milk': '11'}",
                "copeland: milk, {'tea': '0', 'coffee': '1', 'milk': '2'}",
                "quadratic: milk, {'tea': '32', 'coffee': '36', 'milk': '58'}",
                "unanimous: succeeded, on condition that the milk is fresh",
            ],
        ),
        (
            "reviewers.py",
            [
                "  safety: against, it deletes everything",
                "  safety: for, fine",
                "  style: for, fine",
                "  tests: against, it comes without a test",
                "  tests: for, fine",
                "defeated",
                "succeeded",
                "the reviewers hear: defeated",
                "the reviewers hear: succeeded",
            ],
        ),
    ],
)
async def test_example_does_what_it_is_there_for(name: str, lines: list[str], url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples" / name)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(90):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    # Who answers first is not said.
    printed = [line for line in out.decode().splitlines() if " [" not in line]
    assert sorted(printed) == sorted(lines)


async def test_the_guide_prints_what_it_says(url: str) -> None:
    text = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    said = re.search(r"prints, besides the log:\n\n```text\n(.*?)```", text, re.DOTALL)
    assert said is not None
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "\n".join(PROGRAM_BLOCK.findall(text)), url), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    printed = [line for line in out.decode().splitlines() if not re.match(r"\S+ \S+ \[", line)]
    assert printed == said[1].splitlines()


def test_the_guide_names_every_performative_that_asks_for_an_answer() -> None:
    text = (ROOT / "docs" / "agents.md").read_text(encoding="utf-8")
    named = re.search(r"Those that ask: (.*?)\. ", text, re.DOTALL)
    assert named is not None
    asking = {performative for performative, asks in ASKS_FOR_ANSWER.items() if asks}
    assert set(re.findall(r"`([a-z-]+)`", named[1])) == asking


def test_every_example_is_executed() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    assert [path.name for path in EXAMPLES if f'"{path.name}"' not in sources] == []


async def test_readme_agent_is_the_example_and_does_its_task(url: str) -> None:
    example = (ROOT / "examples" / "hello_agent.py").read_text(encoding="utf-8")
    shown = [code for _, code in python_blocks() if endless(code)]
    assert len(shown) == 1
    assert shown[0].strip() == example.partition('"""\n\n')[2].strip()
    assert len(example.splitlines()) <= 15
    process = await asyncio.create_subprocess_exec(sys.executable, str(ROOT / "examples" / "hello_agent.py"))
    try:
        async with connect(url, agent="guest") as guest, asyncio.timeout(30):
            results: asyncio.Queue[bytes] = asyncio.Queue()

            async def take(delivery: object) -> None:
                results.put_nowait(getattr(delivery, "payload", b""))

            await guest.bus.subscribe(guest.subjects.inbox("guest", "result"), take)
            await guest.bus.flush()
            await guest.tasks.submit("greeting", {"name": "Ada"})
            assert json.loads(await results.get())["result"] == {"result": "Hello, Ada!"}
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.parametrize(
    "graph",
    [
        block
        for path in DOCUMENTS
        for block in YAML_BLOCK.findall(path.read_text(encoding="utf-8"))
        if "nodes:" in block
    ],
    ids=lambda block: block[:20],
)
def test_every_graph_shown_is_valid_and_becomes_a_flake(graph: str) -> None:
    loaded = loads(graph, file="documentation.yaml")
    assert [found for found in validate(loaded.graph) if found.severity is Severity.ERROR] == []
    assert translate(loaded.graph).hosts


def test_graph_document_names_every_kind_of_node_and_edge() -> None:
    text = (ROOT / "docs" / "graph.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(\w+)`", text))
    assert set(NODE_KINDS) | set(EDGE_KINDS) <= named


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    broken = [
        target
        for target in LINK.findall(document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    ]
    assert broken == []


def test_every_verb_is_in_the_wire_document() -> None:
    table = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")
    for name, factory in SERVICES.items():
        shell = Shell.of(bus=_NoBus(), service=name, subjects=Subjects())  # type: ignore[arg-type]
        row = next((line for line in table.splitlines() if line.startswith(f"| `{name}` |")), "")
        verbs = {endpoint.verb for endpoint in factory(shell, _NoBus()).endpoints}  # type: ignore[arg-type]
        documented = set(re.findall(r"`(\w+)`", row.partition("|")[2].partition("|")[2]))
        assert documented == verbs, name


@pytest.mark.parametrize(
    ("heading", "permissions"),
    [
        ("What agents may do", agent_permissions("ada", Subjects())),
        ("What foreign clients may do", foreign_permissions("ada", Subjects())),
    ],
)
def test_security_document_has_the_permissions_of_agents_and_foreign_clients(
    heading: str, permissions: Permissions
) -> None:
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    section = text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    for key, allowed in (("publish", permissions.publish), ("subscribe", permissions.subscribe)):
        (found,) = re.findall(rf"^{key}\.allow +(\[[^\]]*\])$", section, re.MULTILINE)
        shown = [subject.replace("<id>", "ada").replace("<name>", "ada") for subject in json.loads(found)]
        meant = [
            subject.replace("{PING,INFO,STATS}", verb)
            for subject in shown
            for verb in ("PING", "INFO", "STATS")
        ]
        assert set(meant) == set(allowed), key


def test_changelog_has_an_unreleased_section() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_make_knows_every_command_the_readme_names() -> None:
    named = set(re.findall(r"make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    for target in sorted(named & {"demo", "test", "bench"}):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
        assert done.returncode == 0, target


class _NoBus:
    """Enough of a bus to define services; nothing is sent."""

    class client:  # noqa: N801
        @staticmethod
        def jetstream() -> None:
            return None
