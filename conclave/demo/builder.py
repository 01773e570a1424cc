"""What the builder does once a graph is approved: translate, write, and let Nix check it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from conclave.demo.report import Build, Check
from conclave.nix import check_flake, nix_path
from nix_gen import Flake, Graph, Tracking, Written, translate, write

TRACKING_NOTES: Final = {
    Tracking.OWN_REPOSITORY: "it is a git repository of its own, because Nix reads only what git tracks",
    Tracking.HIDDEN: "git does not track it and cannot be run here: name the flake `path:DIR` to Nix",
}


async def build(graph: Graph, out: str) -> Build:
    """Write the flake of `graph` into `out` and check it where there is a Nix.

    Raises:
        OutputError: The directory cannot be written or is somebody else's.
        InvalidGraphError: The graph has faults that voters should have seen.
    """
    flake, written = await asyncio.to_thread(_translate_and_write, graph, Path(out))
    nix = nix_path()
    checks = await check_flake(Path(out), nix) if nix is not None else ()
    return Build(
        directory=out,
        hosts=flake.hosts,
        files=tuple(sorted(flake.files)),
        flake_sha256=digest_files(flake.files),
        checks=tuple(Check(name=each.name, passed=each.passed, output=each.output) for each in checks),
        notes=tuple(note for note in [TRACKING_NOTES.get(written.tracking)] if note),
    )


def _translate_and_write(graph: Graph, directory: Path) -> tuple[Flake, Written]:
    flake = translate(graph)
    return flake, write(flake, directory)


def digest_files(files: Mapping[str, str]) -> str:
    """SHA-256 over names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].encode()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
