"""``conclave nix draw``: a picture of a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import click

from conclave.commands.nix.reading import read
from nix_gen import Graph, OutputError
from nix_gen.draw import dot, mermaid, svg

DRAWERS: Final[Mapping[str, Callable[[Graph], str]]] = {"dot": dot, "mermaid": mermaid, "svg": svg}


def draw(path: Path, picture_format: str, out: Path | None) -> None:
    """Print a picture of a file's graph, or write it into a file.

    Raises:
        GraphFileError: it cannot be read.
        OutputError: the picture cannot be written.
    """
    text = DRAWERS[picture_format](read(path).graph)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror}; choose another name") from None
