"""Other compose files that a compose file names: `include`, and `extends` with a `file`.

Pure. Files come from the import's reader, which gives none from outside the compose file's folder. Their
values take the line at which they are named, so that every message points into the file that was imported.
"""

from __future__ import annotations

import posixpath
from dataclasses import replace

from nix_gen.compose.merging import merged
from nix_gen.compose.source import Importing
from nix_gen.compose.variables import read_variables
from nix_gen.errors import quoted
from nix_gen.findings import Severity
from nix_gen.places import Document, Listing, Scalar, Value, parse
from nix_gen.places import Mapping as Entries

INCLUDE_MAX_COUNT = 8
"""Files that include files that include files."""
FILES_MAX_COUNT = 256
"""Files read for one import, each as often as it is named."""
SECTIONS = ("services", "volumes", "networks", "secrets", "configs")


def read_file(name: str, line: int, importing: Importing) -> Entries | None:
    """The values of another compose file, variables filled in, paths as seen from the imported file.

    Raises:
        GraphFileError: the file is not YAML.
    """
    importing.files_count += 1
    text = importing.reader(name) if importing.files_count <= FILES_MAX_COUNT else None
    if text is None:
        return None
    root = _moved(parse(text, name).root, line)
    if not isinstance(root, Entries):
        return None
    values = importing.interpolated(root)
    assert isinstance(values, Entries)
    folder = posixpath.dirname(name)
    services = values.entries.get("services")
    if folder and isinstance(services, Entries):
        for key, service in services.entries.items():
            if isinstance(service, Entries):
                services.entries[key] = _rebased(service, folder)
    return values


def overridden(root: Entries, override: Document, importing: Importing) -> Entries:
    """A compose file with another one merged over it.

    Messages about what the other one says name its first line: lines of the result are lines of the first
    file.
    """
    above = _moved(override.root, 1)
    if not isinstance(above, Entries):
        what = f"the override {quoted(override.file)} is no mapping"
        importing.problem("", what, "write a compose file", line=None)
        return root
    values = importing.interpolated(above)
    assert isinstance(values, Entries)
    return merged(root, values)


def with_included(root: Entries, importing: Importing, depth: int = 0) -> Entries:
    """A compose file with the sections of the files it includes; where both name a thing, its own counts."""
    given = root.entries.get("include")
    if given is None:
        return root
    entries = dict(root.entries)
    for item in importing.items(given if not isinstance(given, Entries) else None, "include"):
        other = _read_together(item, importing, depth)
        if other is None:
            continue
        other = with_included(other, importing, depth + 1)
        for section in SECTIONS:
            entries[section] = _joined(entries.get(section), other.entries.get(section), importing)
    return Entries(entries, root.line, root.column, root.key_lines)


def _read_together(item: Value, importing: Importing, depth: int) -> Entries | None:
    """The files of one entry of `include`, the later ones merged over the earlier."""
    found: Entries | None = None
    for name in _names(item, importing):
        other = read_file(name, item.line, importing) if depth < INCLUDE_MAX_COUNT else None
        if other is None:
            _not_read(name, item.line, importing, within=depth < INCLUDE_MAX_COUNT)
        else:
            found = other if found is None else merged(found, other)
    return found


def _names(item: Value, importing: Importing) -> tuple[str, ...]:
    """Files of one entry of `include`; the variables of its `env_file` count where the import has none."""
    if not isinstance(item, Entries):
        return importing.texts(item, "include")
    for name in importing.texts(item.entries.get("env_file"), "include.env_file"):
        found = read_variables(importing.reader(name) or "", importing.environment)
        importing.environment = {**found, **importing.environment}
    return importing.texts(item.entries.get("path"), "include.path")


def _joined(own: Value | None, other: Value | None, importing: Importing) -> Entries:
    above, below = importing.entries(own, "include"), importing.entries(other, "include")
    lines = {**below.key_lines, **above.key_lines}
    return Entries({**below.entries, **above.entries}, above.line, above.column, lines)


def _not_read(name: str, line: int, importing: Importing, *, within: bool) -> None:
    """Refuse a file that would lie below the folder and does not, or that leads in a circle; else warn."""
    beside = not posixpath.normpath(name).startswith(("/", "..", "~")) and "://" not in name
    if not within or importing.files_count > FILES_MAX_COUNT:
        what = f"includes more than {FILES_MAX_COUNT} files, or more than {INCLUDE_MAX_COUNT} in one another"
        importing.problem("include", what, "see whether they include one another", line=line)
        importing.check()
    if beside and importing.reads:
        what = f"names the file {quoted(name)}, which cannot be read"
        importing.problem("include", what, "put it beside this file, or remove it", line=line)
        return
    importing.incomplete = True
    importing.note(
        "file-not-read",
        importing.project,
        f"the included file {quoted(name)} is not below this file's folder; its services are missing",
        "put it beside this file, or import the output of 'docker compose config'",
        line=line,
        severity=Severity.WARNING,
    )


def _moved(value: Value, line: int) -> Value:
    """The value as if it stood at a line of another file."""
    if isinstance(value, Scalar):
        return replace(value, line=line)
    if isinstance(value, Listing):
        return Listing(
            [_moved(item, line) for item in value.items], line, value.column, replaces=value.replaces
        )
    entries = {key: _moved(entry, line) for key, entry in value.entries.items()}
    lines = dict.fromkeys(value.key_lines, line)
    return Entries(entries, line, value.column, lines, replaces=value.replaces)


def _rebased(service: Entries, folder: str) -> Entries:
    """A service whose relative paths began at another folder."""
    entries = dict(service.entries)
    for key, inner in (
        ("volumes", "source"),
        ("env_file", "path"),
        ("build", "context"),
        ("extends", "file"),
    ):
        if key in entries:
            anywhere = key in {"env_file", "build"}
            entries[key] = _below(entries[key], folder, inner, anywhere=anywhere)
    return Entries(entries, service.line, service.column, service.key_lines)


def _below(value: Value, folder: str, inner: str, *, anywhere: bool) -> Value:
    if isinstance(value, Listing):
        items = [_below(item, folder, inner, anywhere=anywhere) for item in value.items]
        return Listing(items, value.line, value.column)
    if isinstance(value, Entries):
        path = value.entries.get(inner)
        if not isinstance(path, Scalar):
            return value
        named = anywhere or inner == "file"
        entries = {**value.entries, inner: _below(path, folder, inner, anywhere=named)}
        return Entries(entries, value.line, value.column, value.key_lines)
    text = value.text
    relative = text.startswith(".") or (anywhere and not text.startswith(("/", "~")) and ":" not in text)
    if not relative or not text:
        return value
    head, colon, tail = text.partition(":")
    joined = posixpath.normpath(posixpath.join(folder, head))
    joined = joined if joined.startswith(".") else f"./{joined}"
    return replace(value, value=joined + colon + tail, text=joined + colon + tail)
