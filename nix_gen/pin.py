"""The flake inputs every generated flake is pinned to: nixpkgs, and what carries the secrets.

The lock makes `nix build .#plan` work without a network: Nix does not fetch a locked input that nothing
evaluates, but it does ask the network for one that is not locked. A newer pin is a change of these
constants, reviewed like any other; the operator's own `nix flake update` moves a generated flake without
us.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

LOCK_VERSION = 7
"""Format of flake.lock since Nix 2.4."""
NOTHING = ""
"""`inputs.<n>.follows = ""`: the flake has the input, and nothing we use needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One input on GitHub, at one revision."""

    name: str
    owner: str
    repo: str
    branch: str | None = None
    """None: the repository's default branch."""
    rev: str
    nar_hash: str
    last_modified_s: int
    follows: Mapping[str, str] = field(default_factory=dict)
    """Inputs of its own that we replace: with one of ours, or with `NOTHING`."""
    inputs: tuple[Pin, ...] = ()
    """Inputs of its own that stay its own."""

    @property
    def url(self) -> str:
        """The flake reference, as it stands in `inputs`."""
        return "/".join((f"github:{self.owner}", self.repo, *([self.branch] if self.branch else [])))

    def locked(self) -> dict[str, Any]:
        """The input's node in flake.lock."""
        source = {"owner": self.owner, "repo": self.repo, "type": "github"}
        own: dict[str, Any] = {pin.name: pin.name for pin in self.inputs}
        own |= {name: [goal] if goal else [] for name, goal in self.follows.items()}
        entry: dict[str, Any] = {
            "locked": {
                **source,
                "lastModified": self.last_modified_s,
                "narHash": self.nar_hash,
                "rev": self.rev,
            },
            "original": {**source, **({"ref": self.branch} if self.branch else {})},
        }
        return {**entry, **({"inputs": own} if own else {})}


NIXPKGS = Pin(
    name="nixpkgs",
    owner="NixOS",
    repo="nixpkgs",
    branch="nixos-25.11",
    rev="8fd9daa3db09ced9700431c5b7ad0e8ba199b575",
    nar_hash="sha256-Ti+ZBvW6yrWWAg2szExVTwCd4qOJ3KlVr1tFHfyfi8Q=",
    last_modified_s=1_778_430_510,
)
SOPS_NIX = Pin(
    name="sops-nix",
    owner="Mic92",
    repo="sops-nix",
    rev="d8be5ea4cd3bc363492ab5bc6e874ccdc5465fe4",
    nar_hash="sha256-YHykQg0h9hrlZGpMcywnaFzQ1Kn/5YNCCOSaaAl6z7Q=",
    last_modified_s=1_772_401_007,
    follows={"nixpkgs": "nixpkgs"},
)
AGENIX = Pin(
    name="agenix",
    owner="ryantm",
    repo="agenix",
    rev="fcdea223397448d35d9b31f798479227e80183f6",
    nar_hash="sha256-wyT7Pl6tMFbFrs8Lk/TlEs81N6L+VSybPfiIgzU8lbQ=",
    last_modified_s=1_762_618_334,
    # A NixOS machine needs neither macOS modules nor those of a user's home.
    follows={"darwin": NOTHING, "home-manager": NOTHING, "nixpkgs": "nixpkgs"},
    inputs=(
        Pin(
            name="systems",
            owner="nix-systems",
            repo="default",
            rev="da67096a3b9bf56a91d16901293e51ba5b49a27e",
            nar_hash="sha256-Vy1rq5AaRuLzOxct8nz4T6wlgyUR7zLU309k9mBC768=",
            last_modified_s=1_681_028_828,
        ),
    ),
)


def lock_text(pins: Iterable[Pin] = (NIXPKGS,)) -> str:
    """The text of `flake.lock` for the inputs of a flake, byte for byte as Nix writes it."""
    nodes: dict[str, Any] = {}
    roots = list(pins)
    for pin in roots:
        nodes |= {one.name: one.locked() for one in (pin, *pin.inputs)}
    nodes["root"] = {"inputs": {pin.name: pin.name for pin in roots}}
    return (
        json.dumps({"nodes": nodes, "root": "root", "version": LOCK_VERSION}, indent=2, sort_keys=True) + "\n"
    )
