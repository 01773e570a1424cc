"""A lowered graph as plain data, to look options up by path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nix_gen.graph import Graph
from nix_gen.ir import AttrSet, Bool, Call, Int, Let, ListOf, Multiline, Null, Ref, Str, Update, Value
from nix_gen.lower import Lowered, lower
from nix_gen.render import render

Node = dict[str, Any]


def graph_of(*parts: Node, name: str = "shop") -> Graph:
    """A graph from nodes and edges; an edge is what has a source."""
    nodes = [part for part in parts if "source" not in part]
    return Graph.model_validate({"name": name, "nodes": nodes, "edges": [p for p in parts if "source" in p]})


def plain(body: Value, scope: Mapping[str, Any] | None = None) -> Any:
    """Python data; a forced or default value as its argument, other expressions as their text.

    Args:
        body: the value.
        scope: what `let` has named, by name.
    """
    scope = scope or {}
    match body:
        case AttrSet(bindings):
            found: Any = {binding.name: plain(binding.value, scope) for binding in bindings}
        case ListOf(items):
            found = [plain(item, scope) for item in items]
        case Str(held) | Multiline(held) | Int(held) | Bool(held):
            found = held
        case Null():
            found = None
        case Call(function, (argument,)) if function.names[0] == "lib" and function.names[1].startswith("mk"):
            found = plain(argument, scope)
        case Let(bindings, inner):
            found = plain(inner, {**scope, **{one.name: plain(one.value, scope) for one in bindings}})
        case Update(operands):
            found = {name: held for operand in operands for name, held in plain(operand, scope).items()}
        case Ref((name,)) if name in scope:
            found = scope[name]
        case _:
            found = render(body)
    return found


def lowered(*parts: Node) -> Lowered:
    """Lower a graph given as nodes and edges."""
    return lower(graph_of(*parts))


def options(*parts: Node, host: str = "shop") -> Any:
    """The options of one host."""
    modules = {module.host.id: module for module in lowered(*parts).modules}
    return plain(modules[host].body.body)


def codes(*parts: Node) -> set[str]:
    """Codes of the findings of lowering."""
    return {finding.code for finding in lowered(*parts).findings}
