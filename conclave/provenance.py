"""What a generated flake says of the vote that approved it, and the digest that names the flake. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from nix_gen import Flake
from nix_gen.flake import DEPLOYMENT_FILE

APPROVAL: Final = "approval"
"""Where ``deployment.json`` names the approval."""


def with_approval(flake: Flake, approval: Mapping[str, Any]) -> Flake:
    """`flake` with the approval that it is built by in its ``deployment.json``.

    Args:
        flake: As it was translated.
        approval: Proposal, artifact and head of the audit trail, as JSON.
    """
    plan = {**json.loads(flake.files[DEPLOYMENT_FILE]), APPROVAL: dict(approval)}
    text = json.dumps(plan, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return replace(flake, files=MappingProxyType({**flake.files, DEPLOYMENT_FILE: text}))


def keeping_approval(flake: Flake, standing: Mapping[str, Any]) -> Flake:
    """`flake` with the approval of what stands there, if that is of the same graph.

    Args:
        flake: As it was translated.
        standing: The ``deployment.json`` of its directory; empty for none.
    """
    named = standing.get(APPROVAL)
    if not isinstance(named, Mapping) or named.get("artifact_sha256") != flake.graph_digest:
        return flake
    return with_approval(flake, named)


def digest_files(files: Mapping[str, str]) -> str:
    """SHA-256 over names and contents, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(files):
        content = files[name].encode()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()
