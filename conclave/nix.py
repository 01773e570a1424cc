"""Runs Nix on a generated flake: syntax of every file, and a real build of its plan."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

TIMEOUT_S: Final = 120.0
_FEATURES: Final = ("--extra-experimental-features", "nix-command flakes")


@dataclass(frozen=True, slots=True, kw_only=True)
class NixCheck:
    """One thing Nix was asked about the flake."""

    name: str
    passed: bool
    output: str
    """The store path built, or the end of what Nix complained about."""


def nix_path() -> str | None:
    """The nix command on PATH, if there is one."""
    return shutil.which("nix")


async def check_flake(directory: Path, nix: str) -> tuple[NixCheck, ...]:
    """Parse every generated file and build ``plan``.

    Args:
        directory: The flake.
        nix: The nix command; ``nix-instantiate`` is expected beside it.
    """
    files, reference = _describe(directory)
    parser = str(Path(nix).with_name("nix-instantiate"))
    parsed = await _run("parse", [parser, "--parse", *files])
    syntax = NixCheck(
        name="parse", passed=parsed.passed, output=f"{len(files)} files" if parsed.passed else parsed.output
    )
    if not syntax.passed:
        return (syntax,)
    build = [nix, "build", *_FEATURES, "--offline", "--no-link", "--print-out-paths"]
    return syntax, await _run("build plan", [*build, reference])


def _describe(directory: Path) -> tuple[list[str], str]:
    """The flake's Nix files, and the reference to its plan."""
    files = sorted(str(path) for path in directory.rglob("*.nix"))
    # `path:` takes the directory as it is, whether or not git knows of it.
    return files, f"path:{quote(str(directory.absolute()))}#plan"


async def _run(name: str, command: list[str]) -> NixCheck:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return NixCheck(name=name, passed=False, output=f"no answer within {TIMEOUT_S:g} s")
    passed = process.returncode == 0
    text = (out if passed else err).decode(errors="replace").strip()
    return NixCheck(name=name, passed=passed, output=text if passed else text[-2000:])
