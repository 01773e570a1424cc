"""docs/enforcement.md: its program prints what it says, and its table has the codes that there are."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from conclave.deployment import deployed
from conclave.embedded import embedded_server
from conclave.identity import ENVIRONMENT_VARIABLE
from consensus.refusals import REFUSALS
from coordination.approvals.redeeming import redeem
from coordination.runtime.names import Subjects
from coordination.tasks.approved import KINDS as TASK_KINDS
from coordination.tasks.artifact import task_artifact
from knowledge.approved import KINDS as KNOWLEDGE_KINDS
from knowledge.artifact import fact_artifact
from knowledge.facts import Fact
from tests.support.cli import environment
from tests.support.processes import free_port

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "enforcement.md").read_text(encoding="utf-8")
OF_CONSUMERS = {"approval_required", "wrong_kind"}
"""Codes that consensus does not know."""


PROGRAMS = re.findall(r"^```python\n(.*?)^```\n\nprints\n\n```text\n(.*?)```", TEXT, re.MULTILINE | re.DOTALL)
"""Each with what it prints: of a task, of a fact."""


@pytest.mark.parametrize(("code", "said"), PROGRAMS, ids=["a task", "a fact"])
async def test_the_program_prints_what_the_document_says(code: str, said: str, tmp_path: Path) -> None:
    async with (
        embedded_server(tmp_path, port=free_port(), secured=Subjects()) as server,
        deployed(server.url, credentials=server.credentials),
    ):
        await server.identities.add("ada", "carl")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, server.url),
            env=environment(**{ENVIRONMENT_VARIABLE: str(server.identities.directory)}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    # The agent's log lines begin with a date.
    assert [line for line in out.decode().splitlines() if " [" not in line] == said.splitlines()


def test_the_table_of_refusals_has_every_code_and_no_other() -> None:
    section = TEXT.partition("## What is refused\n")[2].partition("\n## ")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    assert redeem.__doc__ is not None
    raised = set(re.findall(r"``(\w+)``", redeem.__doc__.partition("RejectedError:")[2]))
    assert listed == raised | OF_CONSUMERS
    assert listed - OF_CONSUMERS <= set(REFUSALS)


def kinds(of: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in sorted(of, key=lambda each: (each == "custom", each)))


def test_the_table_of_consumers_has_the_kinds_that_they_take() -> None:
    for verb, taken in (("tasks.submit", TASK_KINDS), ("knowledge.assert", KNOWLEDGE_KINDS)):
        (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{verb}` ")]
        assert kinds(taken) in row


def test_the_documents_shown_are_those_that_are_voted_on() -> None:
    fact = Fact.of(subject="s", predicate="p", object=1, source="ada", asserted_at_ms=7)
    for artifact in (task_artifact("restart", {"host": "alpha"}), fact_artifact("approved-x", fact)):
        assert artifact.content.decode() in TEXT
