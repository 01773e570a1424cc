"""YAML and JSON text to plain values that remember their line, under limits.

Pure. Built on the event stream of libyaml, not on its composer: events never recurse, so depth, number of
values and what an alias expands to are counted here before anything grows. Scalars follow the YAML 1.2 core
schema: `no`, `on` and `22:22` are strings. Merge keys (`<<`) work as in compose files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from nix_gen.errors import GraphFileError, Problem, quoted

DEPTH_MAX_COUNT = 64
"""Nesting of mappings and lists."""
VALUES_MAX_COUNT = 1_000_000
"""Scalars, lists and mappings of a document, counting what aliases expand to."""
NUMBER_MAX_CHARS = 24

_NULL = re.compile(r"|~|null|Null|NULL")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INTEGERS = (
    (re.compile(r"[-+]?[0-9]+"), 10),
    (re.compile(r"0o[0-7]+"), 8),
    (re.compile(r"0x[0-9a-fA-F]+"), 16),
)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNPRINTABLE = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_JSON_ESCAPE = re.compile(r"\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)", re.DOTALL)
_NOT_ASCII = re.compile(r"[^\n\r\x20-\x7e]")
_STANDARD_TAG = "tag:yaml.org,2002:"
_COMPOSE_TAGS = ("!reset", "!override")

ScalarValue = str | int | float | bool | None


@dataclass(slots=True)
class Scalar:
    """One scalar: its value by the core schema, and the text it was written as."""

    value: ScalarValue
    text: str
    line: int
    column: int
    size: int = 1
    height: int = 0
    unset: tuple[str, ...] = ()
    """Variables that had no value when the text was interpolated (compose files only)."""
    variable: str | None = None
    """The variable that is the whole value, if one is (compose files only)."""
    owed: bool = False
    """Whether a variable without which compose refuses the file had no value (compose files only)."""
    replaces: bool = False
    """Whether `!override` stands before it (compose files only)."""


@dataclass(slots=True)
class Listing:
    """One list."""

    items: list[Value]
    line: int
    column: int
    size: int = 1
    height: int = 0
    replaces: bool = False


@dataclass(slots=True)
class Mapping:
    """One mapping; keys are the text they were written as."""

    entries: dict[str, Value]
    line: int
    column: int
    key_lines: dict[str, int] = field(default_factory=dict)
    """Also of keys that `!reset` took away."""
    size: int = 1
    height: int = 0
    replaces: bool = False


Value = Scalar | Listing | Mapping


@dataclass(slots=True, kw_only=True)
class Document:
    """A parsed file."""

    file: str
    root: Value
    tags: list[tuple[str, int]] = field(default_factory=list)
    """Compose tags met (`!reset`, `!override`) with their lines."""

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """Line of the value at a path, or of the nearest part of the path that exists."""
        value, line = self.root, self.root.line
        for step in path:
            if isinstance(value, Mapping) and isinstance(step, str) and step in value.entries:
                line = value.key_lines.get(step, value.entries[step].line)
                value = value.entries[step]
            elif isinstance(value, Listing) and isinstance(step, int) and 0 <= step < len(value.items):
                value = value.items[step]
                line = value.line
            else:
                break
        return line


def children(value: Value) -> Iterable[Value]:
    """What a list or mapping holds; nothing for a scalar."""
    if isinstance(value, Listing):
        return value.items
    return value.entries.values() if isinstance(value, Mapping) else ()


def plain(value: Value) -> Any:
    """The value as dicts, lists and scalars, aliases expanded."""
    if isinstance(value, Scalar):
        return value.value
    if isinstance(value, Listing):
        return [plain(item) for item in value.items]
    return {key: plain(entry) for key, entry in value.entries.items()}


def resolve(text: str) -> ScalarValue:
    """A plain scalar's value by the YAML 1.2 core schema.

    A number too long to be meant as a number stays text.
    """
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    return text if len(text) > NUMBER_MAX_CHARS else _number(text)


def _number(text: str) -> int | float | str:
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(text):
            return int(text, base)
    return float(text) if _FLOAT.fullmatch(text) else text


def parse(text: str, file: str) -> Document:
    """Text of a file to a document.

    Args:
        text: the whole file; a byte order mark is ignored.
        file: its name, for messages.

    Raises:
        GraphFileError: not YAML, more than one document, empty, too deep, too many values, a key twice, a
        tag or a key
            that has no meaning here.
    """
    text = _as_yaml(text.removeprefix("\ufeff"))
    if found := _UNPRINTABLE.search(text):
        line = text.count("\n", 0, found.start()) + 1
        what = f"has the control character U+{ord(found[0]):04X}"
        raise GraphFileError(Problem(file=file, line=line, what=what, mend="write a text file in UTF-8"))
    builder = _Builder(file)
    try:
        root = builder.document(_events(text))
    except yaml.MarkedYAMLError as error:
        raise GraphFileError(_syntax_problem(error, file)) from None
    except yaml.YAMLError as error:
        raise GraphFileError(
            Problem(file=file, what=f"is not YAML or JSON: {quoted(error)}", mend="mend the syntax")
        ) from None
    return Document(file=file, root=root, tags=builder.tags)


def _at(event: yaml.Event) -> tuple[int, int]:
    """Line and column of an event, from 1."""
    mark = event.start_mark
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _events(text: str) -> Iterator[yaml.Event]:
    yield from yaml.parse(text, Loader=yaml.CSafeLoader)


def _as_yaml(text: str) -> str:
    """JSON as YAML, without what JSON allows and libyaml does not: tabs, surrogate pairs, U+007F."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text

    joined = _JSON_ESCAPE.sub(_without_pair, text.replace("\t", " "))
    return _NOT_ASCII.sub(lambda match: f"\\U{ord(match[0]):08x}", joined)


def _without_pair(match: re.Match[str]) -> str:
    """An escape of JSON; a surrogate pair as the character it stands for."""
    return str(json.loads(f'"{match[0]}"')) if len(match[0]) > 6 else match[0]


def _syntax_problem(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    reason = " ".join(str(part) for part in (error.context, error.problem) if part) or "syntax error"
    return Problem(
        file=file,
        line=None if mark is None else mark.line + 1,
        column=None if mark is None else mark.column + 1,
        what=f"is not YAML or JSON: {reason}",
        mend="mend the syntax (indentation, quotes, colons)",
    )


class _Builder:
    """Builds one document out of events; counts as it goes."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._anchors: dict[str, Value | None] = {}
        self._count = 0
        self.tags: list[tuple[str, int]] = []

    def document(self, events: Iterator[yaml.Event]) -> Value:
        root: Value | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                raise self._error(
                    event, "holds more than one document", "split it at '---', one graph a file"
                )
            if isinstance(event, yaml.NodeEvent):
                root = self._value(event, events, depth=0)
        if root is None or (isinstance(root, Scalar) and root.text == ""):
            raise GraphFileError(
                Problem(
                    file=self._file,
                    what="is empty",
                    mend="write a graph (nodes:) or a compose file (services:)",
                )
            )
        return root

    def _error(self, event: yaml.Event, what: str, mend: str) -> GraphFileError:
        line, column = _at(event)
        return GraphFileError(Problem(file=self._file, line=line, column=column, what=what, mend=mend))

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Value:
        self._check_depth(event, depth)
        value: Value
        if isinstance(event, yaml.AliasEvent):
            value = self._alias(event)
            self._check_depth(event, depth + value.height)
            return value
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None
        before = self._count
        self._add(event, 1)
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._listing(event, events, depth)
        else:
            assert isinstance(event, yaml.MappingStartEvent), event
            value = self._mapping(event, events, depth)
        value.replaces = getattr(event, "tag", None) == "!override"
        value.height = max((child.height + 1 for child in children(value)), default=0)
        value.size = self._count - before
        if anchor is not None:
            self._anchors[anchor] = value
        return value

    def _check_depth(self, event: yaml.Event, depth: int) -> None:
        if depth > DEPTH_MAX_COUNT:
            raise self._error(event, f"is nested deeper than {DEPTH_MAX_COUNT} levels", "make it flatter")

    def _add(self, event: yaml.Event, count: int) -> None:
        self._count += count
        if self._count > VALUES_MAX_COUNT:
            what = f"holds more than {VALUES_MAX_COUNT:,} values once its aliases are expanded"
            raise self._error(event, what, "use fewer aliases or a smaller graph")

    def _alias(self, event: yaml.AliasEvent) -> Value:
        if event.anchor not in self._anchors:
            what = f"has the alias *{event.anchor} before any anchor of that name"
            raise self._error(event, what, f"put &{event.anchor} on the value it stands for")
        value = self._anchors[event.anchor]
        if value is None:
            raise self._error(event, f"has the anchor &{event.anchor} inside itself", "remove the alias")
        self._add(event, value.size)
        return value

    def _tag(
        self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, standard: tuple[str, ...]
    ) -> str | None:
        """The tag that was written, without its prefix; None where there is none that matters."""
        tag = event.tag
        if tag is None or tag == "!":
            return None
        if tag in _COMPOSE_TAGS:
            self.tags.append((tag, _at(event)[0]))
            return tag
        short = tag.removeprefix(_STANDARD_TAG)
        if short not in standard:
            raise self._error(event, f"has the tag {quoted(tag)}, which means nothing here", "remove the tag")
        return short

    def _scalar(self, event: yaml.ScalarEvent) -> Scalar:
        tag = self._tag(event, ("str", "int", "float", "bool", "null"))
        line, column = _at(event)
        text = event.value
        if tag == "str" or (event.style and tag in {None, *_COMPOSE_TAGS}) or event.tag == "!":
            return Scalar(text, text, line, column)
        value = resolve(text)
        kinds = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
        if tag in kinds and not isinstance(value, kinds[tag]):
            raise self._error(event, f"tags {quoted(text)} as !!{tag}, which it is not", "remove the tag")
        return Scalar(float(value) if tag == "float" and value is not None else value, text, line, column)

    def _listing(self, event: yaml.SequenceStartEvent, events: Iterator[yaml.Event], depth: int) -> Listing:
        self._tag(event, ("seq",))
        items: list[Value] = []
        for inner in events:
            if isinstance(inner, yaml.SequenceEndEvent):
                break
            items.append(self._value(inner, events, depth + 1))
        return Listing(items, *_at(event))

    def _mapping(self, event: yaml.MappingStartEvent, events: Iterator[yaml.Event], depth: int) -> Mapping:
        self._tag(event, ("map",))
        mapping = Mapping({}, *_at(event))
        merged: list[Mapping] = []
        for inner in events:
            if isinstance(inner, yaml.MappingEndEvent):
                break
            key = self._key(inner)
            start = next(events)
            resets = getattr(start, "tag", None) == "!reset"
            value = self._value(start, events, depth + 1)
            if key == "<<" and not getattr(inner, "style", None):
                merged.extend(self._merge_sources(inner, value))
            elif key in mapping.key_lines:
                what = f"has the key {quoted(key)} twice (first at line {mapping.key_lines[key]})"
                raise self._error(inner, what, "keep one of them")
            else:
                mapping.key_lines[key] = _at(inner)[0]
                if not resets:
                    mapping.entries[key] = value
        for source in merged:
            for key, value in source.entries.items():
                if key not in mapping.key_lines:
                    mapping.entries[key] = value
                    mapping.key_lines[key] = source.key_lines.get(key, source.line)
        return mapping

    def _key(self, event: yaml.Event) -> str:
        if isinstance(event, yaml.AliasEvent):
            value = self._alias(event)
            if isinstance(value, Scalar):
                return value.text
        if not isinstance(event, yaml.ScalarEvent):
            raise self._error(event, "has a key that is a list or a mapping", "use text as the key")
        if event.anchor is not None:
            self._anchors[event.anchor] = self._scalar(event)
        self._add(event, 1)
        return str(event.value)

    def _merge_sources(self, event: yaml.Event, value: Value) -> list[Mapping]:
        sources = value.items if isinstance(value, Listing) else [value]
        mappings = [source for source in sources if isinstance(source, Mapping)]
        if len(mappings) != len(sources):
            raise self._error(event, "merges ('<<') something that is not a mapping", "merge mappings only")
        return mappings
