"""``conclave nix explain``: what a part of a graph becomes, and why."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from conclave.commands.nix.paint import paint, say
from conclave.commands.nix.reading import read
from conclave.commands.output import print_json
from nix_gen.explaining import Explanation, explain

_TITLE_CHARS: Final = 12


def portray(path: Path, subject: str | None, *, as_json: bool) -> None:
    """Print the explanation of a part of a file's graph.

    Raises:
        GraphFileError: it cannot be read.
        NothingToExplainError: it has no such part.
    """
    explanation = explain(read(path).graph, subject)
    if as_json:
        print_json(explanation.to_plain())
    else:
        say(_lines(explanation))


def _lines(explanation: Explanation) -> Iterator[str]:
    yield paint(explanation.title, bold=True)
    for section in explanation.sections:
        is_short = len(section.title) < _TITLE_CHARS
        if not is_short:
            yield paint(section.title, "cyan")
        for index, line in enumerate(section.lines):
            title = section.title if is_short and index == 0 else ""
            yield from _wrapped(paint(f"{title:{_TITLE_CHARS}}", "cyan"), line)


def _wrapped(title: str, line: str) -> Iterator[str]:
    """A line below its title: folded on a terminal, whole in a pipe."""
    if not sys.stdout.isatty():
        yield f"{title}{line}"
        return
    width = max(shutil.get_terminal_size().columns - _TITLE_CHARS - 2, 40)
    parts = textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{title}{parts[0]}"
    yield from (f"{'':{_TITLE_CHARS}}  {part}" for part in parts[1:])
