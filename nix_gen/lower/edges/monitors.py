"""`monitors`: the source asks for the metrics of the target, or gathers its logs.

Pure. Which port that is, and whether an exporter has to stand beside the target, depends on the form of
every node of its host: `nix_gen.lower.monitoring.endpoints` settles it once for a graph. A log keeper is
reached by the host of what it watches, the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable

from nix_gen.edges import Monitors
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection
from nix_gen.lower.forms import forms_of
from nix_gen.lower.monitoring.endpoints import Metrics


def connections(graph: Graph, edge: Monitors) -> Iterable[Connection]:
    """The connections the edge asks for; a `Site` knows the same without surveying the graph again."""
    return Metrics(graph, forms_of(graph)[0]).connections(edge)
