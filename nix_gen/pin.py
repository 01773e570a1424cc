"""The nixpkgs every generated flake is pinned to.

The lock makes `nix build .#plan` work without a network: Nix does not fetch a locked input that nothing
evaluates, but it does ask the network for one that is not locked. A newer pin is a change of these
constants, reviewed like any other; the operator's own `nix flake update` moves a generated flake without
us.
"""

from __future__ import annotations

import json

NIXPKGS_OWNER = "NixOS"
NIXPKGS_REPO = "nixpkgs"
NIXPKGS_BRANCH = "nixos-25.11"
NIXPKGS_REV = "8fd9daa3db09ced9700431c5b7ad0e8ba199b575"
NIXPKGS_NAR_HASH = "sha256-Ti+ZBvW6yrWWAg2szExVTwCd4qOJ3KlVr1tFHfyfi8Q="
NIXPKGS_LAST_MODIFIED_S = 1_778_430_510
LOCK_VERSION = 7
"""Format of flake.lock since Nix 2.4."""
NIXPKGS_URL = f"github:{NIXPKGS_OWNER}/{NIXPKGS_REPO}/{NIXPKGS_BRANCH}"


def lock_text() -> str:
    """The text of `flake.lock`, byte for byte as Nix writes it."""
    source = {"owner": NIXPKGS_OWNER, "repo": NIXPKGS_REPO, "type": "github"}
    locked = {
        **source,
        "lastModified": NIXPKGS_LAST_MODIFIED_S,
        "narHash": NIXPKGS_NAR_HASH,
        "rev": NIXPKGS_REV,
    }
    nodes = {
        "nixpkgs": {"locked": locked, "original": {**source, "ref": NIXPKGS_BRANCH}},
        "root": {"inputs": {"nixpkgs": "nixpkgs"}},
    }
    return (
        json.dumps({"nodes": nodes, "root": "root", "version": LOCK_VERSION}, indent=2, sort_keys=True) + "\n"
    )
