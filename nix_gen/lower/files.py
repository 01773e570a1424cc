"""Small text files of the graph: below `/etc` on the host, and read-only where the node sees them.

Pure.
"""

from __future__ import annotations

import hashlib

from nix_gen.ir import Multiline, Plain, Str
from nix_gen.lower.draft import Draft, Path
from nix_gen.lower.site import Site
from nix_gen.nodes import Running, TextFile


def file_volumes(site: Site, draft: Draft, node: Running) -> list[str]:
    """Write the files of a node and give the volumes that show them to its container."""
    return [f"{source}:{target}:ro" for source, target in lower_files(site, draft, node)]


def lower_files(site: Site, draft: Draft, node: Running) -> list[tuple[str, str]]:
    """Write the files of a node: where each lies on the host, and where the node sees it."""
    return [(f"/etc/{_lower(site, draft, node, file)}", file.path) for file in node.files]


def restart_with_files(draft: Draft, node: Running, unit: Path) -> None:
    """Restart a unit when a file of its node changes: the mount keeps showing the old one until then."""
    texts = [f"{file.path}\n{file.mode}\n{file.text}" for file in node.files]
    if texts:
        digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
        draft.put((*unit, "restartTriggers"), [f"files {digest}"])


def _lower(site: Site, draft: Draft, node: Running, file: TextFile) -> str:
    name = f"{site.project}/{node.id}{file.path}"
    body = Multiline(file.text) if file.text.endswith("\n") else Str(file.text)
    options: dict[str, Plain] = {"text": body, "mode": file.mode}
    if file.uid is not None:
        options["uid"] = file.uid
    if file.gid is not None:
        options["gid"] = file.gid
    draft.put(("environment", "etc", name), options, f"{node.id}: reads it as {file.path}.")
    return name
