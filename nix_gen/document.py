"""Reads a deployment graph or a compose file from disk: the only module of nix_gen that opens a file.

What kind of file it is shows in its top-level keys: `nodes` is a graph, `services` a compose file.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from nix_gen.compose.variables import read_variables
from nix_gen.errors import GraphFileError, Problem, quoted
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.graph_file import graph_from, near
from nix_gen.json_text import JsonDocument, decoded
from nix_gen.pause import collector_paused
from nix_gen.places import Document, Listing, Scalar, parse, plain
from nix_gen.places import Mapping as PlacedMapping

FILE_MAX_BYTES = 4 * 1024 * 1024
"""A file over this is refused before it is read."""
BESIDE_MAX_BYTES = 256 * 1024
"""Limit of `.env` and `env_file` files."""

USUAL_NAMES = frozenset({"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"})
"""Names docker looks for, whose overrides it finds by itself."""

Reader = Callable[[str], str | None]
"""Gives the text of a file named relative to the graph file, or None where it cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A graph and where it came from."""

    graph: Graph
    origin: Literal["graph", "compose"]
    notes: tuple[Finding, ...] = ()
    """What an import did not carry over or decided by itself, in the order of the file."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Where each node and edge stands in the file, from 1, by its id. Of a JSON file found when asked for."""


def load(
    path: str | Path,
    *,
    environment: Mapping[str, str] | None = None,
    overrides: Sequence[str | Path] | None = None,
    profiles: Sequence[str] = (),
) -> Loaded:
    """Read a graph (YAML or JSON) or a compose file.

    Args:
        path: the file.
        environment: variables for compose interpolation. None: the `.env` file beside it, never the
        process's own
            environment, so that one file gives one graph.
        overrides: further compose files that override the first, in this order. None: the
            `compose.override.yaml` beside a file of a usual name, if there is one, as docker does.
        profiles: compose profiles to enable, besides those of `COMPOSE_PROFILES`.

    Raises:
        GraphFileError: the file is missing, unreadable, too large (over `FILE_MAX_BYTES`), not UTF-8, not
        YAML, no
            graph, or a graph with faults; `str()` of it is one line with file and line number.
    """
    name = str(path)
    try:
        text = _read(Path(path), FILE_MAX_BYTES, name)
        folder = Path(path).resolve().parent.name
    except (OSError, ValueError) as error:
        raise GraphFileError(_unreadable(error, name)) from None
    reader = _beside(Path(path).parent)
    if environment is None:
        environment = read_variables(reader(".env") or "")
    given = [(str(one), _text(one)) for one in _override_beside(Path(path)) if overrides is None]
    given += [(str(one), _text(one)) for one in overrides or ()]
    return loads(
        text,
        file=name,
        environment=environment,
        reader=reader,
        folder=folder,
        overrides=given,
        profiles=profiles,
    )


def _text(path: str | Path) -> str:
    try:
        return _read(Path(path), FILE_MAX_BYTES, str(path))
    except (OSError, ValueError) as error:
        raise GraphFileError(_unreadable(error, str(path))) from None


def _override_beside(path: Path) -> list[Path]:
    """The override file docker would take by itself."""
    if path.name not in USUAL_NAMES:
        return []
    stems = dict.fromkeys([path.stem, *sorted(name.partition(".")[0] for name in USUAL_NAMES)])
    names = [f"{stem}.override{suffix}" for stem in stems for suffix in (".yaml", ".yml")]
    return [path.with_name(name) for name in names if path.with_name(name).is_file()][:1]


@collector_paused()
def loads(
    text: str | bytes,
    *,
    file: str = "<text>",
    environment: Mapping[str, str] | None = None,
    reader: Reader | None = None,
    folder: str = "",
    overrides: Sequence[tuple[str, str | bytes]] = (),
    profiles: Sequence[str] = (),
) -> Loaded:
    """Read a graph or a compose file from text; touches nothing else unless `reader` does.

    Args:
        text: the whole file.
        file: its name, for messages and for the project name of a compose file.
        environment: variables for compose interpolation.
        reader: gives files named by a compose file. None: there are none, and none is missed.
        folder: name of the folder the file lies in.
        overrides: name and text of further compose files.
        profiles: compose profiles to enable.

    Raises:
        GraphFileError: as `load`.
    """
    if isinstance(text, bytes):
        text = _decoded(text, file)
    in_json = decoded(text, file)
    if in_json is not None and "nodes" in in_json.given and not overrides:
        graph = graph_from(in_json.given, in_json)
        return Loaded(graph=graph, origin="graph", lines=_LinesWhenAsked(in_json))
    document = parse(text, file)
    root = document.root
    if not isinstance(root, PlacedMapping):
        raise GraphFileError(_no_graph(document))
    if "nodes" in root.entries:
        if overrides:
            what, mend = "is a graph, which no file overrides", "change the graph itself"
            raise GraphFileError(Problem(file=file, what=what, mend=mend))
        _refuse_tags(document)
        return Loaded(graph=graph_from(plain(root), document), origin="graph", lines=_lines(document))
    if "services" in root.entries or "include" in root.entries:
        from nix_gen.compose.project import import_compose  # noqa: PLC0415 - large, and not for a graph

        variables = dict(environment or {})
        if profiles:
            named = [*filter(None, variables.get("COMPOSE_PROFILES", "").split(",")), *profiles]
            variables["COMPOSE_PROFILES"] = ",".join(named)
        above = [
            parse(_decoded(held, name) if isinstance(held, bytes) else held, name) for name, held in overrides
        ]
        graph, notes = import_compose(
            document, environment=variables, reader=reader, folder=folder, overrides=above
        )
        services = root.entries.get("services")
        lines = dict(services.key_lines) if isinstance(services, PlacedMapping) else {}
        return Loaded(graph=graph, origin="compose", notes=notes, lines=lines)
    raise GraphFileError(_no_graph(document))


def _refuse_tags(document: Document) -> None:
    if document.tags:
        tag, line = document.tags[0]
        what = f"has the tag {quoted(tag)}, which only compose files have"
        raise GraphFileError(Problem(file=document.file, line=line, what=what, mend="remove the tag"))


class _LinesWhenAsked(Mapping[str, int]):
    """As `_lines`, for a file that was read without its places: only findings need them."""

    def __init__(self, document: JsonDocument) -> None:
        self._document = document

    @cached_property
    def _found(self) -> dict[str, int]:
        try:
            with collector_paused():
                return _lines(self._document.placed)
        except GraphFileError:
            return {}  # JSON that is no YAML: sound, without lines

    def __getitem__(self, name: str) -> int:
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _lines(document: Document) -> dict[str, int]:
    """Lines of the nodes and edges of a graph file; of edges that say the same, of the first."""
    found: dict[str, int] = {}
    root = document.root
    assert isinstance(root, PlacedMapping), "a graph is a mapping"
    for key in ("nodes", "edges", "links"):
        listed = root.entries.get(key)
        for entry in listed.items if isinstance(listed, Listing) else ():
            fields = entry.entries if isinstance(entry, PlacedMapping) else {}
            words = {name: part.value for name, part in fields.items() if isinstance(part, Scalar)}
            name = words.get("id") or f"{words.get('source')} -{words.get('kind')}-> {words.get('target')}"
            found.setdefault(str(name), entry.line)
    return found


def _read(path: Path, limit_bytes: int, name: str) -> str:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise GraphFileError(Problem(file=name, what="is a directory", mend="name a graph or compose file"))
    if not stat.S_ISREG(status.st_mode):
        raise GraphFileError(
            Problem(file=name, what="is not a regular file", mend="name a graph or compose file")
        )
    if status.st_size > limit_bytes:
        raise GraphFileError(_too_large(name, status.st_size, limit_bytes))
    with path.open("rb") as stream:
        content = stream.read(limit_bytes + 1)
    if len(content) > limit_bytes:
        raise GraphFileError(_too_large(name, len(content), limit_bytes))
    return _decoded(content, name)


def _too_large(name: str, size_bytes: int, limit_bytes: int) -> Problem:
    size, limit = f"{size_bytes / 2**20:.1f} MiB", f"{limit_bytes / 2**20:.0f} MiB"
    return Problem(file=name, what=f"is too large: {size}, the limit is {limit}", mend="split the graph")


def _decoded(content: bytes, name: str) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"is not text in UTF-8 (byte {error.start})"
        raise GraphFileError(Problem(file=name, line=line, what=what, mend="save it as UTF-8 text")) from None
    return text


def _unreadable(error: OSError | ValueError, name: str) -> Problem:
    number = error.errno if isinstance(error, OSError) else None
    if number in {errno.ENOENT, errno.ENOTDIR}:
        return Problem(file=name, what="does not exist", mend="check the path")
    if number in {errno.EACCES, errno.EPERM}:
        return Problem(file=name, what="may not be read", mend="give this user permission to read it")
    reason = os.strerror(number) if number else "not a file name"
    return Problem(file=name, what=f"cannot be read: {reason}", mend="check the path")


def _no_graph(document: Document) -> Problem:
    root, file = document.root, document.file
    mend = "write a graph with 'nodes:' or a compose file with 'services:'"
    if not isinstance(root, PlacedMapping):
        return Problem(file=file, line=root.line, what="is YAML but no graph: not a mapping", mend=mend)
    old = [
        key
        for key, value in root.entries.items()
        if isinstance(value, PlacedMapping) and value.entries.keys() & {"image", "build"}
    ]
    if old:
        what = f"is a compose file of the first version: {quoted(old[0])} stands at the top"
        return Problem(
            file=file, line=root.key_lines[old[0]], what=what, mend="put the services under 'services:'"
        )
    hint = next(
        (near(key, ("nodes", "services")) for key in root.entries if near(key, ("nodes", "services"))), ""
    )
    what = "is YAML but no graph: it has neither 'nodes' nor 'services'"
    return Problem(file=file, line=root.line, what=what, mend=f"{hint}{mend}")


def _beside(folder: Path) -> Reader:
    """Reads small text files below the folder of the graph file; anything else is as if it were not there."""

    def _reader(name: str) -> str | None:
        try:
            path = (folder / name).resolve()
            if not path.is_relative_to(folder.resolve()):
                return None
            return _read(path, BESIDE_MAX_BYTES, name)
        except (OSError, ValueError, GraphFileError):
            return None

    return _reader
