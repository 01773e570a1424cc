"""`mounts_volume`: local storage needs no network.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import MountsVolume
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection


def connections(graph: Graph, edge: MountsVolume) -> Iterable[Connection]:  # noqa: ARG001  # as its sisters
    """The connections the edge asks for: none."""
    return ()
