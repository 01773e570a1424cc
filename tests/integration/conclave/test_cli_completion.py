"""TAB in a real bash: commands, options, and names of agents and services."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from tests.support.cli import conclave, environment, registry_here

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")

SCRIPT = """
eval "$(conclave completion bash)"
complete -p conclave >/dev/null || exit 9
press_tab() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _conclave_completion conclave
    echo "${COMPREPLY[*]}"
}
"""


async def offered(*lines: str, cwd: Path) -> list[list[str]]:
    """What bash offers at the end of each of `lines`."""
    program = cwd / "bin" / "conclave"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m conclave "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    path = f"{program.parent}:/usr/bin:/bin"

    async def press_tab(line: str) -> list[str]:
        words = " ".join(f"'{word}'" for word in line.split(" "))
        process = await asyncio.create_subprocess_exec(
            *("bash", "--norc", "-c", f"{SCRIPT}press_tab {words}"),
            cwd=cwd,
            env=environment(PATH=path),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert (process.returncode, err) == (0, b""), err
        return out.decode().split()

    return list(await asyncio.gather(*(press_tab(line) for line in lines)))


async def test_words_that_are_known_beforehand_are_offered(tmp_path: Path) -> None:
    commands, options, services, shells, second = await offered(
        "conclave a",
        "conclave agents --la",
        "conclave serve ",
        "conclave completion z",
        "conclave serve tasks k",
        cwd=tmp_path,
    )
    assert commands == ["agent", "agents", "audit"]
    assert options == ["--label"]
    assert {"registry", "tasks", "knowledge"} <= set(services)
    assert shells == ["zsh"]
    assert second == ["knowledge"]


async def test_names_of_agents_come_from_registry_and_store(tmp_path: Path) -> None:
    async with registry_here(tmp_path) as here:
        for name in ("ada", "adele", "bob"):
            await here.join(name)
        await here.server.identities.add("adrian")
        shown, removed, askers, elsewhere = await offered(
            "conclave agent show ad",
            "conclave agent remove ad",
            "conclave agents --as o",
            "conclave agent show --prefix other ad",
            cwd=tmp_path,
        )
    assert shown == ["ada", "adele"], "adrian has a credential and has not registered"
    assert removed == ["ada", "adele", "adrian"]
    assert askers == ["operator"]
    assert elsewhere == []


async def test_nothing_is_offered_and_nothing_said_without_a_server(tmp_path: Path) -> None:
    assert await offered("conclave agent show a", "conclave agent remove a", cwd=tmp_path) == [[], []]


async def test_every_shell_gets_a_script_and_no_other_does(tmp_path: Path) -> None:
    bash, fish, zsh, other = await asyncio.gather(
        *(conclave("completion", shell, cwd=tmp_path) for shell in ("bash", "fish", "zsh", "powershell"))
    )
    for each in (bash, fish, zsh):
        assert (each.status, each.err) == (0, "")
        assert "_CONCLAVE_COMPLETE" in each.out
    assert (other.status, other.out) == (2, "")
