"""How the commands read a graph, and how what is wrong with it becomes lines and an exit status."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from nix_gen import Loaded

NOTHING: Final = "-"
"""What `plan` is given for a deployment that is not there."""


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Turn expected errors into lines and an exit status: 2 for unusable input, 1 for a graph with errors."""
    from nix_gen import GraphFileError, InvalidGraphError, NixGenError  # noqa: PLC0415 - not for --help

    try:
        yield
    except GraphFileError as error:
        for problem in error.problems:
            click.echo(f"conclave: {problem}", err=True)
        sys.exit(2)
    except InvalidGraphError as error:
        for finding in error.findings:
            click.echo(f"conclave: {finding}", err=True)
        sys.exit(1)
    except NixGenError as error:
        click.echo(f"conclave: {error}", err=True)
        sys.exit(2)


def standing(directory: Path) -> dict[str, str]:
    """Where the nodes stand of the deployment generated into a directory; nothing where there is none."""
    from nix_gen import previous_hosts  # noqa: PLC0415

    return previous_hosts(recorded(directory))


def recorded(directory: Path) -> dict[str, Any]:
    """What the deployment generated into a directory says of itself; nothing where there is none."""
    from nix_gen.flake import DEPLOYMENT_FILE  # noqa: PLC0415

    try:
        record = json.loads((directory / DEPLOYMENT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def read(path: Path) -> Loaded:
    """The graph of a graph file, of a compose file, or of a directory that was generated.

    Raises:
        GraphFileError: it cannot be read, or the directory's graph is not the one it was generated from.
    """
    from nix_gen import load  # noqa: PLC0415

    return _read_generated(path) if path.is_dir() else load(path)


def _read_generated(directory: Path) -> Loaded:
    from nix_gen import GraphFileError, Problem, load  # noqa: PLC0415
    from nix_gen.flake import DEPLOYMENT_FILE, GRAPH_FILE  # noqa: PLC0415

    def refusal(what: str, mend: str) -> GraphFileError:
        return GraphFileError(Problem(file=str(directory), what=what, mend=mend))

    try:
        record = json.loads((directory / DEPLOYMENT_FILE).read_text(encoding="utf-8"))
        digest = record["graph"]["digest"]
    except (OSError, ValueError, TypeError, KeyError):
        what = f"is a directory without a readable {DEPLOYMENT_FILE}"
        raise refusal(what, "name a file, or a directory that conclave generated") from None
    if not (directory / GRAPH_FILE).is_file():
        raise refusal(f"has no {GRAPH_FILE}: an older version generated it", "name the graph file instead")
    loaded = load(directory / GRAPH_FILE)
    if loaded.graph.digest() != digest:
        raise refusal(f"holds another {GRAPH_FILE} than it was generated from", "generate it again")
    return loaded
