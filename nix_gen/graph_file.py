"""Plain values of a graph file to a `Graph`, every fault with its line.

Pure. pydantic says what is wrong and where in its own words; this module says it in the words of the file.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nix_gen.edges import EDGE_KINDS
from nix_gen.errors import GraphFileError, Problem, quoted
from nix_gen.graph import Graph
from nix_gen.nodes import NODE_KINDS
from nix_gen.scalars import HOST_PATTERN, ID_PATTERN, PORT_MAX

Path = tuple[str | int, ...]
_ID_RULE = "use 1 to 63 characters of a-z, 0-9, '_' and '-', starting with a letter or digit"


def near(given: str, known: Iterable[str]) -> str:
    """`did you mean 'x'? ` for the known word nearest to what was given, or nothing."""
    found = difflib.get_close_matches(given, sorted(known), n=1, cutoff=0.6)
    return f"did you mean '{found[0]}'? " if found else ""


class Places(Protocol):
    """Where the values of a file stand: a `nix_gen.places.Document`, or what finds the places when asked."""

    file: str

    def line_of(self, path: Path) -> int:
        """Line of the value at a path, from 1."""
        ...


def graph_from(given: Any, document: Places) -> Graph:
    """Read a graph out of the values of a file.

    Raises:
        GraphFileError: with every problem of the file: wrong types and limits, unknown kinds and fields,
        node ids used
            twice, edges and placements that name no node.
    """
    problems = [*_identity_problems(given, document)]
    if problems:
        raise GraphFileError(*problems)
    try:
        graph = Graph.model_validate(given)
    except ValidationError as error:
        translated = _translated(error, given, document)
        raise GraphFileError(*translated, *_reference_problems(given, document)) from None
    if dangling := [*_reference_problems(given, document)]:
        raise GraphFileError(*dangling)
    return graph


def _entries(given: Mapping[str, Any], key: str) -> list[tuple[int, dict[str, Any]]]:
    listed = given.get(key)
    items = listed if isinstance(listed, list) else []
    return [(index, item) for index, item in enumerate(items) if isinstance(item, dict)]


def _edges_key(given: Mapping[str, Any]) -> str:
    return "links" if "links" in given and "edges" not in given else "edges"


def _identity_problems(given: Mapping[str, Any], document: Places) -> Iterable[Problem]:
    """Kinds that do not exist and node ids used twice: what would make every later message confusing."""
    if given.get("nodes") == []:
        yield _problem(document, given, ("nodes",), "is empty", "write at least one node")
    edges = _edges_key(given)
    for list_name, known in (("nodes", NODE_KINDS), (edges, EDGE_KINDS)):
        for index, entry in _entries(given, list_name):
            kind = entry.get("kind")
            if isinstance(kind, str) and kind in known:
                continue
            stated = "has no kind" if kind is None else f"has the unknown kind {quoted(kind)}"
            hint = near(kind, known) if isinstance(kind, str) else ""
            path: Path = (list_name, index, "kind") if kind is not None else (list_name, index)
            yield _problem(document, given, path, stated, f"{hint}known kinds: {', '.join(known)}")
    seen: dict[str, int] = {}
    for index, node in _entries(given, "nodes"):
        name = node.get("id")
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name, index)
        if first != index:
            what = f"has an id that is already used (line {document.line_of(('nodes', first, 'id'))})"
            yield _problem(document, given, ("nodes", index, "id"), what, "give each node its own id")


def _reference_problems(given: Mapping[str, Any], document: Places) -> Iterable[Problem]:
    """Edges and `host` fields that name a node which is not there."""
    ids = {
        node["id"]: node.get("kind")
        for _, node in _entries(given, "nodes")
        if isinstance(node.get("id"), str)
    }
    hosts = [name for name, kind in ids.items() if kind == "host"]
    edges = _edges_key(given)
    for index, edge in _entries(given, edges):
        for end in ("source", "target"):
            name = edge.get(end)
            if isinstance(name, str) and name not in ids:
                what = f"names the node {quoted(name)}, which does not exist"
                mend = f"{near(name, ids)}add the node or remove the edge"
                yield _problem(document, given, (edges, index, end), what, mend)
    for index, node in _entries(given, "nodes"):
        host = node.get("host")
        if isinstance(host, str) and host not in hosts:
            what = f"names the host {quoted(host)}, which does not exist"
            mend = f"{near(host, hosts)}add a node of kind host with this id"
            yield _problem(document, given, ("nodes", index, "host"), what, mend)


def _problem(document: Places, given: Any, path: Path, what: str, mend: str) -> Problem:
    return Problem(
        file=document.file, line=document.line_of(path), where=_where(given, path), what=what, mend=mend
    )


def _where(given: Any, path: Path) -> str:
    """A path in the words of the file: `node 'db', ports[0].port`."""
    match path:
        case ("nodes", int(index), *rest):
            node = given["nodes"][index]
            name = node.get("id") if isinstance(node, dict) else None
            head = f"node {quoted(name)}" if isinstance(name, str) else f"nodes[{index}]"
        case ("edges" | "links" as key, int(index), *rest):
            head = _edge_where(given[key][index], str(key), index)
        case _:
            head, rest = "", list(path)
    tail = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in rest).lstrip(".")
    tail = quoted(tail)[1:-1] if tail else ""
    return f"{head}, {tail}" if head and tail else head or tail


def _edge_where(edge: Any, key: str, index: int) -> str:
    if not isinstance(edge, dict):
        return f"{key}[{index}]"
    ends = [edge.get("source"), edge.get("kind"), edge.get("target")]
    if not all(isinstance(end, str) for end in ends):
        return f"{key}[{index}]"
    source, kind, target = (quoted(end)[1:-1] for end in ends)
    return f"edge '{source} -{kind}-> {target}'"


def _translated(error: ValidationError, given: Any, document: Places) -> list[Problem]:
    problems: dict[tuple[Path, str], Problem] = {}
    for detail in error.errors(include_url=False, include_context=True):
        path, beyond = _file_path(detail["loc"], given)
        what, mend = said(detail, beyond)
        problems.setdefault((path, what), _problem(document, given, path, what, mend))
    return sorted(problems.values(), key=lambda problem: problem.line or 0)


def _file_path(location: Path, given: Any) -> tuple[Path, str | None]:
    """The location of an error without the union members; and the name of a field that is not there."""
    path: list[str | int] = []
    value = given
    for position, step in enumerate(location):
        named = (
            "links"
            if step == "edges" and not path and isinstance(value, dict) and "edges" not in value
            else step
        )
        in_mapping = isinstance(value, dict) and isinstance(named, str) and named in value
        if in_mapping or (isinstance(value, list) and isinstance(named, int) and named < len(value)):
            path.append(named)
            value = value[named]
        elif position == len(location) - 1 and isinstance(value, dict):
            return tuple(path), str(step)
    return tuple(path), None


def said(detail: ErrorDetails, beyond: str | None) -> tuple[str, str]:
    """What one pydantic error means, and how to mend it."""
    kind = detail["type"]
    if kind == "missing":
        return f"has no '{beyond or detail['loc'][-1]}'", "add it"
    if kind == "extra_forbidden":
        return (
            f"has the field {quoted(detail['loc'][-1])}, which does not exist here",
            "remove it or mend its name",
        )
    for prefixes, say in _SAYINGS:
        if kind.startswith(prefixes):
            return say(detail, detail.get("ctx", {}))
    return detail["msg"], "mend the value"


def _out_of_range(detail: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    given = quoted(detail["input"])[1:-1]
    limit = next((context[key] for key in ("le", "ge", "lt", "gt") if key in context), "the limit")
    if limit in {PORT_MAX, 1} and any("port" in str(step) or step == "listen" for step in detail["loc"]):
        return f"port {given} is out of range", f"write a port from 1 to {PORT_MAX}"
    word = "over" if detail["type"].startswith("less") else "under"
    return f"{given} is {word} the limit of {limit}", "choose a value within the limit"


def _pattern(detail: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    pattern = context.get("pattern")
    if pattern in {ID_PATTERN, HOST_PATTERN}:
        return f"{quoted(detail['input'])} is not an id", _ID_RULE
    return f"{quoted(detail['input'])} has a form that is not allowed", f"match {pattern}"


def _choice(detail: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    return f"{quoted(detail['input'])} is not a known value", f"write one of {context.get('expected')}"


def _length(detail: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    limit = context.get("max_length")
    unit = "characters" if detail["type"].startswith("string") else "entries"
    return f"is too long: more than {limit} {unit}", f"keep it to {limit}"


def _value(detail: ErrorDetails, context: Mapping[str, Any]) -> tuple[str, str]:
    return str(context.get("error", detail["msg"])), "mend the value"


def _type(detail: ErrorDetails, _context: Mapping[str, Any]) -> tuple[str, str]:
    wanted = next((word for start, word in _TYPES if detail["type"].startswith(start)), "another type")
    given = detail["input"]
    seen = "nothing (null)" if given is None else quoted(given)
    if isinstance(given, dict | list | tuple):
        seen = "a mapping" if isinstance(given, dict) else "a list"
    return f"is {seen}, where {wanted} is needed", f"write {wanted}"


_TYPES = (
    ("int", "a whole number"),
    ("float", "a number"),
    ("bool", "true or false"),
    ("string", "text"),
    ("tuple", "a list"),
    ("list", "a list"),
    ("dict", "a mapping"),
    ("model", "a mapping"),
)
_SAYINGS: tuple[tuple[tuple[str, ...], Callable[[ErrorDetails, Mapping[str, Any]], tuple[str, str]]], ...] = (
    (("less_than", "greater_than"), _out_of_range),
    (("string_pattern_mismatch",), _pattern),
    (("enum", "literal_error"), _choice),
    (("too_long", "string_too_long"), _length),
    (("value_error",), _value),
    (("int_", "float_", "bool_", "string_", "tuple_", "list_", "dict_", "model_"), _type),
)
