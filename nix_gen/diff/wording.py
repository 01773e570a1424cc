"""The words of a plan: `Changes` as lines for people, each with the sign that a terminal may colour.

Pure. Texts of the graph are shown as JSON, so that none of them can leave its line or drive a terminal.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nix_gen.diff.changes import (
    MISSING,
    Action,
    Changes,
    EdgeChange,
    FieldChange,
    HostChange,
    NodeChange,
    Rule,
)

VALUE_MAX_CHARS = 70
NAMES_MAX_COUNT = 12
"""Names of one kind that stand in one line; the others are counted."""
_DIGEST_CHARS = 12


class Tone(StrEnum):
    """What a line is about."""

    HEADING = "heading"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DESTROY = "destroy"
    RISK = "risk"
    PLAIN = "plain"
    FAINT = "faint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a plan."""

    text: str
    tone: Tone = Tone.PLAIN

    def __str__(self) -> str:
        return self.text


_SIGNS = {Action.CREATE: "+", Action.UPDATE: "~", Action.REPLACE: "-/+", Action.DESTROY: "-"}
_TONES = {
    Action.CREATE: Tone.CREATE,
    Action.UPDATE: Tone.UPDATE,
    Action.REPLACE: Tone.REPLACE,
    Action.DESTROY: Tone.DESTROY,
}
_EMPTY = Line(text="")


def describe(changes: Changes) -> tuple[Line, ...]:
    """A plan for people: hosts, edges, risks, and a summary as the last line."""
    if changes.is_empty:
        return (Line(text="No changes: both graphs say the same."),)
    lines = [_title(changes), *(_field(change, 1) for change in changes.graph)]
    for host in changes.hosts:
        lines += [_EMPTY, *_host(host)]
    if changes.edges:
        lines += [_EMPTY, Line(text="edges", tone=Tone.HEADING)]
        lines += [line for edge in changes.edges for line in _edge(edge)]
    if changes.risks:
        lines += [_EMPTY, Line(text="data at risk", tone=Tone.RISK)]
        lines += [Line(text=f"  ! {risk.message}", tone=Tone.RISK) for risk in changes.risks]
    return (*lines, _EMPTY, Line(text=summary(changes), tone=Tone.HEADING))


def summary(changes: Changes) -> str:
    """`Plan: 2 to create, 1 to update, ...; edges: 3 added, 0 changed, 1 removed.`, on one line."""
    counts = changes.count()
    nodes = ", ".join(f"{counts[action]} to {action}" for action in Action)
    edges = [edge.action for edge in changes.edges]
    words = ((Action.CREATE, "added"), (Action.UPDATE, "changed"), (Action.DESTROY, "removed"))
    said = ", ".join(f"{edges.count(action)} {word}" for action, word in words)
    return f"Plan: {nodes}; edges: {said}."


def _title(changes: Changes) -> Line:
    sides = []
    for name, digest in ((changes.old_name, changes.old_digest), (changes.new_name, changes.new_digest)):
        sides.append("nothing" if name is None or digest is None else f"{name} {digest[:_DIGEST_CHARS]}")
    return Line(text=" -> ".join(sides), tone=Tone.HEADING)


def spelled(value: Any) -> str:
    """A value as JSON on one line, shortened."""
    text = json.dumps(value, ensure_ascii=False)
    safe = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
    return safe if len(safe) <= VALUE_MAX_CHARS else f"{safe[: VALUE_MAX_CHARS - 1]}\N{HORIZONTAL ELLIPSIS}"


def _safe(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _field(change: FieldChange, depth: int) -> Line:
    indent = "  " * depth
    path = _safe(change.path)
    if change.old is MISSING:
        return Line(text=f"{indent}+ {path}: {spelled(change.new)}", tone=Tone.CREATE)
    if change.new is MISSING:
        return Line(text=f"{indent}- {path}: {spelled(change.old)}", tone=Tone.DESTROY)
    if change.old == change.new:
        return Line(text=f"{indent}~ {path}: {spelled(change.old)} -> another", tone=Tone.UPDATE)
    text = f"{indent}~ {path}: {spelled(change.old)} -> {spelled(change.new)}"
    return Line(text=text, tone=Tone.UPDATE)


def _host(host: HostChange) -> Iterator[Line]:
    tone = Tone.HEADING if host.action in (None, Action.UPDATE) else _TONES[host.action]
    sign = "" if host.action is None else f"{_SIGNS[host.action]} "
    yield Line(text=f"{sign}host {host.id}" if host.id else "on no host", tone=tone)
    yield from (_field(change, 2) for change in host.fields)
    for node in host.nodes:
        yield from _node(node)
    for node_id, goal in host.departures:
        yield Line(text=f"  -> {node_id}  moves to {goal or 'no host'}", tone=Tone.REPLACE)
    yield from _rules(host.opened, host.closed)
    yield from _units(host)
    yield from _secrets(host)
    yield from _configuration(host)


def _node(node: NodeChange) -> Iterator[Line]:
    reasons = f"  {'; '.join(node.reasons)}" if node.reasons else ""
    yield Line(text=f"  {_SIGNS[node.action]} {node.id}  ({node.kind}){reasons}", tone=_TONES[node.action])
    yield from (_field(change, 4 if node.action is Action.REPLACE else 3) for change in node.fields)


def _rules(opened: Iterable[Rule], closed: Iterable[Rule]) -> Iterator[Line]:
    rows = [("+", rule, Tone.CREATE) for rule in opened] + [("-", rule, Tone.DESTROY) for rule in closed]
    if not rows:
        return
    yield Line(text="  firewall", tone=Tone.FAINT)
    for sign, rule, tone in rows:
        words = [
            rule.ports,
            *([f"from {rule.source}"] if rule.source else []),
            *([rule.via] if rule.via else []),
        ]
        reason = f"  ({rule.edges})" if rule.edges else ""
        yield Line(text=_safe(f"    {sign} {' '.join(words)}{reason}"), tone=tone)


def _units(host: HostChange) -> Iterator[Line]:
    if host.action is Action.DESTROY:
        return
    words = ((Action.CREATE, "+ start"), (Action.UPDATE, "~ restart"), (Action.DESTROY, "- stop"))
    found = {action: [unit.unit for unit in host.units if unit.action is action] for action, _ in words}
    if any(found.values()):
        yield Line(text="  units", tone=Tone.FAINT)
    for action, word in words:
        if found[action]:
            yield Line(text=f"    {word} {_names(found[action])}", tone=_TONES[action])


def _secrets(host: HostChange) -> Iterator[Line]:
    if host.secrets_needed or host.secrets_released:
        yield Line(text="  secrets", tone=Tone.FAINT)
    if host.secrets_needed:
        yield Line(text=f"    + needs {_names(host.secrets_needed)}", tone=Tone.CREATE)
    if host.secrets_released:
        yield Line(text=f"    - no longer needs {_names(host.secrets_released)}", tone=Tone.DESTROY)


def _configuration(host: HostChange) -> Iterator[Line]:
    told = (host.units, host.opened, host.closed, host.secrets_needed, host.secrets_released)
    if host.configuration:
        yield Line(text="  configuration", tone=Tone.FAINT)
        yield Line(text=_safe(f"    ~ changes {_names(host.configuration)}"), tone=Tone.UPDATE)
    elif host.rewritten and not any(told):
        yield Line(text="  no option changes: its files differ in comments alone", tone=Tone.FAINT)


def _names(names: Iterable[str]) -> str:
    every = list(names)
    more_count = len(every) - NAMES_MAX_COUNT
    return ", ".join(every[:NAMES_MAX_COUNT]) + (f" and {more_count} more" if more_count > 0 else "")


def _edge(edge: EdgeChange) -> Iterator[Line]:
    yield Line(text=f"  {_SIGNS[edge.action]} {edge.id}", tone=_TONES[edge.action])
    if edge.action is Action.UPDATE:
        yield from (_field(change, 3) for change in edge.fields)
    ended = "no more: " if edge.action is Action.DESTROY else ""
    yield from (Line(text=_safe(f"      {ended}{sentence}"), tone=Tone.FAINT) for sentence in edge.meaning)
