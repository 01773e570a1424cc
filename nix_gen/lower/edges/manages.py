"""`manages`: an agent is responsible for a node; it opens no connection.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import Manages
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection


def connections(graph: Graph, edge: Manages) -> Iterable[Connection]:  # noqa: ARG001  # as its sisters
    """The connections the edge asks for: none."""
    return ()
