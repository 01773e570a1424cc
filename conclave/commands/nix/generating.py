"""``conclave nix generate``: the flake of a graph, written or compared with what stands there."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import click

from conclave.commands.nix.paint import counted, paint, say
from conclave.commands.nix.reading import read, standing
from conclave.commands.output import print_json
from nix_gen import Flake, Graph, OutputError, Tracking, Written, require_writable, translate, write
from nix_gen.flake import DEPLOYMENT_FILE

_STALE_MAX_COUNT = 100_000


def generate(path: Path, directory: Path, *, as_json: bool) -> None:
    """Write the flake of a file's graph.

    Raises:
        GraphFileError, InvalidGraphError, OutputError: nothing was written.
    """
    require_writable(directory)
    graph = read(path).graph
    flake = translate(graph, previous=standing(directory))
    _warn(flake)
    written = write(flake, directory)
    if as_json:
        print_json(_plain(graph, flake, written))
    else:
        say(_lines(flake, written))


def _plain(graph: Graph, flake: Flake, written: Written) -> dict[str, object]:
    return {
        "directory": str(written.directory),
        "graph": {"name": graph.name, "digest": flake.graph_digest},
        "hosts": list(flake.hosts),
        "files": list(flake.files),
        "changed": list(written.changed),
        "removed": list(written.removed),
        "tracking": written.tracking.value,
        "notes": [str(note) for note in flake.notes],
    }


def _warn(flake: Flake) -> None:
    for note in flake.notes:
        click.echo(f"conclave: {note}", err=True)


def _lines(flake: Flake, written: Written) -> Iterator[str]:
    for path in written.changed:
        yield f"  {paint('written', 'green')}  {path}"
    for path in written.removed:
        yield f"  {paint('removed', 'red')}  {path}"
    same = len(flake.files) - len(written.changed)
    size = f"{counted(len(flake.files), 'file')} for {counted(len(flake.hosts), 'host')}"
    yield f"{written.directory}: {size}" + (f", {same} unchanged" if same else "")
    if written.tracking is Tracking.HIDDEN:
        yield f"git does not track it, so Nix needs the full name: nix build path:{written.directory}#plan"


def is_up_to_date(path: Path, directory: Path, *, as_json: bool) -> bool:
    """Whether a directory holds exactly the flake of a file's graph; if not, prints what would change.

    Raises:
        GraphFileError, InvalidGraphError: there is no flake to compare with.
        OutputError: a file cannot be read.
    """
    flake = translate(read(path).graph, previous=standing(directory))
    stale = _stale(directory, flake)
    found = {name: _text(directory / name) for name in sorted({*flake.files, *stale})}
    differing = {name: text for name, text in found.items() if text != flake.files.get(name)}
    if as_json:
        changed = [name for name in differing if name not in stale]
        print_json({"directory": str(directory), "changed": changed, "removed": sorted(stale)})
    elif differing:
        say(_coloured(_diff(differing, flake.files)))
        command = f"conclave nix generate {path} -o {directory}"
        click.echo(f"conclave: {directory} is not up to date; run: {command}", err=True)
    else:
        say([f"{directory}: up to date"])
    return not differing


def _stale(directory: Path, flake: Flake) -> set[str]:
    """Files the last generation listed, which are there and which this one has not."""
    try:
        listed = json.loads((directory / DEPLOYMENT_FILE).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, TypeError, KeyError):
        return set()
    if not isinstance(listed, list):
        return set()
    names = [name for name in listed[:_STALE_MAX_COUNT] if isinstance(name, str) and _is_inside(name)]
    return {name for name in names if name not in flake.files and (directory / name).is_file()}


def _is_inside(name: str) -> bool:
    pure = PurePosixPath(name)
    return not pure.is_absolute() and ".." not in pure.parts and "\0" not in name


def _text(path: Path) -> str | None:
    """The text of a file; None where there is none."""
    try:
        return path.read_bytes().decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror}; check the directory") from None


def _diff(differing: Mapping[str, str | None], wanted: Mapping[str, str]) -> Iterator[str]:
    for name, text in differing.items():
        new = wanted.get(name)
        yield from difflib.unified_diff(
            (text or "").splitlines(),
            (new or "").splitlines(),
            fromfile="/dev/null" if text is None else f"a/{name}",
            tofile="/dev/null" if new is None else f"b/{name}",
            lineterm="",
        )


def _coloured(lines: Iterator[str]) -> Iterator[str]:
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        is_head = line.startswith(("+++", "---"))
        yield paint(line, bold=True) if is_head else paint(line, colours.get(line[:1]))
