"""A graph as a file for people: YAML that reads as if written by hand, and JSON.

Pure. What is written here is read back by `nix_gen.document` as the same graph, with the same digest: every
text that YAML could take for something else is quoted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml
from yaml.resolver import Resolver

from nix_gen.graph import Graph
from nix_gen.places import resolve

LINE_MAX_CHARS = 110
"""An entry that fits in a line of this length stands in one."""
_FIRST = ("id", "source", "kind", "target", "name", "host", "engine", "version", "image", "package")
"""Fields that come first, in this order; the others follow by name."""
_BARE = re.compile(r"[A-Za-z0-9_./+][A-Za-z0-9_./+@-]*(:[A-Za-z0-9_./+@-]+)*")
"""Texts that mean themselves everywhere in YAML, unless they are also a number, a truth value or null."""
_TEXT = "tag:yaml.org,2002:str"
_RAW = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that JSON leaves as they are and YAML does not."""


def graph_yaml(graph: Graph) -> str:
    """The graph as YAML; ends with a line feed."""
    plain = graph.to_node_link()
    lines = ["graph:", *_block(plain["graph"], 1)]
    for key in ("nodes", "edges"):
        if plain[key]:
            lines += ["", f"{key}:", *_entries(plain[key])]
    return "\n".join(lines) + "\n"


def graph_json(graph: Graph) -> str:
    """The graph as indented JSON in canonical order; ends with a line feed."""
    return json.dumps(graph.to_node_link(), indent=2, ensure_ascii=False) + "\n"


def _ordered(fields: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    known = [name for name in _FIRST if name in fields]
    return ((name, fields[name]) for name in (*known, *sorted(fields.keys() - set(known))))


def _entries(entries: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Nodes or edges; an entry of several lines has an empty line on either side."""
    was_long = False
    for index, entry in enumerate(entries):
        lines = _entry(entry, 1)
        is_long = len(lines) > 1
        if index and (is_long or was_long):
            yield ""
        yield from lines
        was_long = is_long


def _entry(fields: Mapping[str, Any], depth: int) -> list[str]:
    """One mapping of a list, on one line if it fits."""
    indent = "  " * depth
    if len(line := f"{indent}- {_flow(fields)}") <= LINE_MAX_CHARS:
        return [line]
    first, *others = _block(fields, depth + 1)
    return [f"{indent}- {first.lstrip()}", *others]


def _block(fields: Mapping[str, Any], depth: int) -> list[str]:
    indent = "  " * depth
    lines: list[str] = []
    for name, value in _ordered(fields):
        key = f"{indent}{_scalar(name)}:"
        if len(line := f"{key} {_flow(value)}") <= LINE_MAX_CHARS or not isinstance(value, dict | list):
            lines.append(line)
        elif isinstance(value, dict):
            lines += [key, *_block(value, depth + 1)]
        else:
            lines += [key, *(line for item in value for line in _item(item, depth + 1))]
    return lines


def _item(item: Any, depth: int) -> list[str]:
    if isinstance(item, dict):
        return _entry(item, depth)
    return [f"{'  ' * depth}- {_flow(item)}"]


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow(item)}" for name, item in _ordered(value)) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value)


def _is_text(text: str) -> bool:
    """Whether a bare text is text by YAML 1.2, as we read it, and by 1.1, as others do (`no`, `1:30`)."""
    resolver = Resolver()
    old: str = resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return old == _TEXT and isinstance(resolve(text), str)


def _scalar(value: object) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and _is_text(value):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return _RAW.sub(lambda match: f"\\u{ord(match[0]):04x}", text) if isinstance(value, str) else text
