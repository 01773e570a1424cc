"""``conclave nix import``: a compose file as a graph file for people to go on with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from nix_gen import Loaded, OutputError, graph_json, graph_yaml, load


def import_file(
    path: Path, out: Path | None, *, overrides: Sequence[Path], profiles: Sequence[str], as_json: bool
) -> None:
    """Write the graph of a compose file; notes go to standard error.

    Raises:
        GraphFileError: it cannot be read.
        OutputError: the graph cannot be written.
    """
    loaded = load(path, overrides=overrides or None, profiles=profiles)
    for note in loaded.notes:
        place = str(path) if note.line is None else f"{path}:{note.line}"
        text = f"conclave: {place}: {note.severity} {note.code}: {note.message}; {note.mend}"
        click.echo(text, err=True)
    if out is None:
        click.echo(_text(loaded, is_json=as_json), nl=False)
        return
    try:
        out.write_text(_text(loaded, is_json=as_json or out.suffix == ".json"), encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror}; choose another name") from None


def _text(loaded: Loaded, *, is_json: bool) -> str:
    return graph_json(loaded.graph) if is_json else graph_yaml(loaded.graph)
