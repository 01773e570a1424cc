"""``conclave nix plan``: what would change between two deployments."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from conclave.commands.nix.paint import paint, say
from conclave.commands.nix.reading import NOTHING, read, standing
from conclave.commands.output import print_json
from nix_gen import InvalidGraphError, Severity, check
from nix_gen.diff import Line, Tone, compare, describe
from nix_gen.graph import Graph

_COLOURS: Final = {
    Tone.CREATE: "green",
    Tone.UPDATE: "yellow",
    Tone.REPLACE: "magenta",
    Tone.DESTROY: "red",
}


def plan(old: str, new: str, *, as_json: bool) -> bool:
    """Print what changes from one deployment to another; whether anything does."""
    sides = {given: _graph(given) for given in (old, new)}
    try:
        changes = compare(sides[old], sides[new], previous=standing(Path(old)))
    except InvalidGraphError as error:
        click.echo(f"conclave: {_refused(sides, error)}", err=True)
        sys.exit(1)
    if as_json:
        print_json(changes.to_plain())
    else:
        say(_painted(line) for line in describe(changes))
    return not changes.is_empty


def _graph(given: str) -> Graph | None:
    return None if given == NOTHING else read(Path(given)).graph


def _refused(sides: Mapping[str, Graph | None], error: InvalidGraphError) -> str:
    """Which of the two graphs cannot become a deployment, and where to read why."""
    for given, graph in sides.items():
        if graph is not None and any(finding.severity is Severity.ERROR for finding in check(graph)):
            return f"{given}: {error}; see: conclave nix validate {given}"
    return str(error)


def _painted(line: Line) -> str:
    if line.tone is Tone.HEADING:
        return paint(line.text, bold=True)
    if line.tone is Tone.RISK:
        return paint(line.text, "red", bold=True)
    return paint(line.text, _COLOURS.get(line.tone), dim=line.tone is Tone.FAINT)
