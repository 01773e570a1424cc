"""Colour for people: on a terminal, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from typing import Final

import click

SEVERITIES: Final = {"error": "red", "warning": "yellow", "info": "cyan"}


def is_coloured() -> bool:
    """Whether standard output is a terminal whose user has not asked for plain text (https://no-color.org)."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or sys.stdout.isatty()


def paint(text: str, colour: str | None = None, *, bold: bool = False, dim: bool = False) -> str:
    """`text` in a colour, if colours are shown."""
    if not text or not is_coloured():
        return text
    return click.style(text, fg=colour, bold=bold or None, dim=dim or None)


def say(lines: Iterable[str]) -> None:
    """Print lines; colours stay as `paint` has decided."""
    click.echo("\n".join(lines), color=is_coloured())


def counted(count: int, word: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{count} {word}" + ("" if count == 1 else "s")


def listed(counts: Sequence[tuple[int, str]]) -> str:
    """`2 errors, 1 warning`; kinds that do not occur are left out."""
    return ", ".join(counted(count, word) for count, word in counts if count)
