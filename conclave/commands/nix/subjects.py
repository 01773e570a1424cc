"""Shell completion of ``conclave nix explain``: what there is to explain in a file."""

from __future__ import annotations

from pathlib import Path

from conclave.commands.nix.reading import read
from nix_gen import NixGenError
from nix_gen.explaining import CODES


def subjects(path: Path | None, incomplete: str) -> list[str]:
    """Nodes, hosts and edges of the file, and codes, that begin so; nothing if it cannot be read."""
    if path is None:
        return []
    try:
        graph = read(Path(path)).graph
    except NixGenError:
        return []
    names = [*graph.by_id, *(host.id for host in graph.hosts), *(edge.id for edge in graph.edges), *CODES]
    return sorted({name for name in names if name.startswith(incomplete)})
