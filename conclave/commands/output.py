"""What commands print for programs."""

from __future__ import annotations

import json

import click


def print_json(value: object) -> None:
    """Print `value` as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: object) -> None:
    """Print `value` as JSON in one line, for streams of them."""
    click.echo(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
