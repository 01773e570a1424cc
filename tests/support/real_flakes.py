"""Graphs whose hosts are all this machine, and what Nix makes of them: for servers started for real."""

from __future__ import annotations

from pathlib import Path

from nix_gen import translate
from nix_gen.flake import Flake
from tests.support.lowering import Node, graph_of
from tests.support.nix_tools import gather
from tests.support.nixos_rendering.configs import Config, host_configs


def hosts(*names: str) -> list[Node]:
    """Hosts at this machine's own address: that is where their connections come from, as access rules say."""
    return [{"kind": "host", "id": name, "addresses": ["127.0.0.1"]} for name in names]


def configs_of(shared: Path, folder: Path, *parts: Node) -> dict[str, Config]:
    """The options of each host of the graph `shop`, by host; the flake is left in `folder`."""
    flakes: dict[str, Flake] = {"f": translate(graph_of(*parts))}
    folder.mkdir(exist_ok=True)
    gather(flakes, folder)
    return {name.removeprefix("f-"): config for name, config in host_configs(shared, folder).items()}
