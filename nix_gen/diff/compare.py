"""Two graphs -> what changes: per host the nodes, the firewall, the units and the secrets; and the edges.

Pure. Complexity: linear in both graphs, apart from sorting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nix_gen.diff.changes import (
    Action,
    Changes,
    EdgeChange,
    FieldChange,
    HostChange,
    NodeChange,
    Rule,
    UnitChange,
)
from nix_gen.diff.effects import NO_EFFECTS, Effects, effects_of
from nix_gen.diff.fields import changed_fields, set_fields
from nix_gen.diff.risks import renaming_risk, risks_of, unmounting_risks
from nix_gen.edges import Edge
from nix_gen.flake import settle
from nix_gen.graph import Graph
from nix_gen.lower import HostModule, Lowered
from nix_gen.lower.forms import Form
from nix_gen.meaning import edge_meaning
from nix_gen.nodes import Host, Node, Storage
from nix_gen.scalars import written

_IDENTITY = ("id", "kind", "source", "target", "host")
_FIREWALL_PATHS = (("networking", "firewall"), ("networking", "nftables"))
_SECRET_PATHS = (("sops",), ("age",))
"""Options that opened and closed ports, and needed and released secrets, tell about."""
NOWHERE = ""
"""Stands for the host of a node that has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """One of the two deployments, ready for comparison."""

    lowered: Lowered | None
    hosts: Mapping[str, Host]
    nodes: Mapping[str, Node]
    places: Mapping[str, str]
    """Host of each node."""
    forms: Mapping[str, Form]
    effects: Mapping[str, Effects]
    modules: Mapping[str, HostModule]
    """What becomes the files of each host."""

    @classmethod
    def of(cls, graph: Graph | None, previous: Mapping[str, str] | None) -> _Side:
        if graph is None:
            return cls(lowered=None, hosts={}, nodes={}, places={}, forms={}, effects={}, modules={})
        lowered = settle(graph, previous=previous)
        placed = lowered.site.graph
        nodes = {node.id: node for node in placed.nodes if not isinstance(node, Host)}
        return cls(
            lowered=lowered,
            hosts={host.id: host for host in placed.hosts},
            nodes=nodes,
            places={name: placed.host_of(name) or NOWHERE for name in nodes},
            forms=lowered.site.forms,
            effects={module.host.id: effects_of(module.body, module.files) for module in lowered.modules},
            modules={module.host.id: module for module in lowered.modules},
        )

    @property
    def edges(self) -> tuple[Edge, ...]:
        return () if self.lowered is None else self.lowered.site.graph.edges


def compare(old: Graph | None, new: Graph | None, *, previous: Mapping[str, str] | None = None) -> Changes:
    """What has to change so that the deployment of one graph becomes that of another.

    Args:
        old: what is deployed. None: nothing.
        new: what is wanted. None: nothing. Its nodes stay where they stood, as far as that can be.
        previous: host by node id of the old deployment, for nodes whose host its graph does not name.

    Raises:
        InvalidGraphError: one of the graphs has errors, so that nobody can say what it would become.
    """
    before = _Side.of(old, previous)
    after = _Side.of(new, before.places)
    nodes = {change.id: change for change in _node_changes(before, after)}
    arrivals, departures = _by_host(nodes.values(), before, after)
    hosts = (
        _host_change(name, before, after, arrivals.get(name, ()), departures.get(name, ()))
        for name in _names(before, after)
    )
    edges = tuple(_edge_changes(before, after))
    return Changes(
        old_name=None if old is None else old.name,
        new_name=None if new is None else new.name,
        old_digest=None if old is None else old.digest(),
        new_digest=None if new is None else new.digest(),
        graph=() if old is None or new is None else changed_fields(old.graph, new.graph),
        hosts=tuple(host for host in hosts if not host.is_empty),
        edges=edges,
        risks=(
            *renaming_risk(old, new),
            *risks_of(nodes, before.nodes, after.nodes),
            *unmounting_risks(edges, after.nodes),
        ),
    )


def _names(before: _Side, after: _Side) -> list[str]:
    places = {*before.places.values(), *after.places.values()}
    return sorted({*before.hosts, *after.hosts, *places})


def _by_host(
    nodes: Iterable[NodeChange], before: _Side, after: _Side
) -> tuple[dict[str, list[NodeChange]], dict[str, list[tuple[str, str]]]]:
    """The changes of each host, and which nodes leave it for where."""
    arrivals: dict[str, list[NodeChange]] = {}
    departures: dict[str, list[tuple[str, str]]] = {}
    for change in nodes:
        places = before.places if change.action is Action.DESTROY else after.places
        arrivals.setdefault(places[change.id], []).append(change)
        if change.moved_from is not None:
            departures.setdefault(change.moved_from, []).append((change.id, places[change.id]))
    return arrivals, departures


def _node_changes(before: _Side, after: _Side) -> Iterator[NodeChange]:
    for name in sorted(before.nodes.keys() | after.nodes.keys()):
        old, new = before.nodes.get(name), after.nodes.get(name)
        if new is None:
            assert old is not None, "a name is of one side or the other"
            yield NodeChange(id=name, kind=old.kind, action=Action.DESTROY)
        elif old is None:
            fields = set_fields(new, without=_IDENTITY)
            yield NodeChange(id=name, kind=new.kind, action=Action.CREATE, fields=fields)
        else:
            yield from _altered(name, before, after)


def _altered(name: str, before: _Side, after: _Side) -> Iterator[NodeChange]:
    old, new = before.nodes[name], after.nodes[name]
    fields = changed_fields(old, new)
    moved = before.places[name] != after.places[name]
    reasons = tuple(_reasons(name, before, after))
    if fields or moved or reasons:
        yield NodeChange(
            id=name,
            kind=new.kind,
            action=Action.REPLACE if reasons else Action.UPDATE,
            reasons=reasons,
            fields=fields,
            moved_from=before.places[name] if moved else None,
        )


def _reasons(name: str, before: _Side, after: _Side) -> Iterator[str]:
    """Why a node cannot be changed in place."""
    old, new = before.nodes[name], after.nodes[name]
    if before.places[name] != after.places[name]:
        sides = (before.places[name] or "no host", after.places[name] or "no host")
        yield f"moves from {sides[0]} to {sides[1]}"
    if old.kind != new.kind:
        yield f"kind {old.kind} -> {new.kind}"
        return
    engines = getattr(old, "engine", None), getattr(new, "engine", None)
    if engines[0] != engines[1]:
        yield f"engine {engines[0]} -> {engines[1]}"
    elif engines[0] is not None:
        majors = _major(getattr(old, "version", None)), _major(getattr(new, "version", None))
        if None not in majors and majors[0] != majors[1]:
            yield f"major version {majors[0]} -> {majors[1]}"
    if isinstance(old, Storage) and isinstance(new, Storage):
        if old.storage is not new.storage:
            yield f"storage {old.storage} -> {new.storage}"
    elif engines[0] == engines[1] and before.forms.get(name) is not after.forms.get(name):
        yield f"form {before.forms.get(name, 'none')} -> {after.forms.get(name, 'none')}"


def _major(version: str | None) -> str | None:
    return None if version is None else version.split(".")[0].split("-")[0]


def _host_change(
    name: str,
    before: _Side,
    after: _Side,
    nodes: Iterable[NodeChange],
    departures: Iterable[tuple[str, str]],
) -> HostChange:
    old, new = before.hosts.get(name), after.hosts.get(name)
    action, fields = _of_host(old, new)
    was, will = before.effects.get(name, NO_EFFECTS), after.effects.get(name, NO_EFFECTS)
    opened, closed = _beyond(will.rules, was.rules), _beyond(was.rules, will.rules)
    needed, released = sorted(will.secrets - was.secrets), sorted(was.secrets - will.secrets)
    told = [
        *(_FIREWALL_PATHS if opened or closed else ()),
        *(_SECRET_PATHS if needed or released else ()),
    ]
    stays = old is not None and new is not None
    return HostChange(
        id=name,
        action=action,
        fields=fields,
        nodes=tuple(nodes),
        departures=tuple(departures),
        opened=opened,
        closed=closed,
        units=tuple(_unit_changes(was, will)),
        secrets_needed=tuple(needed),
        secrets_released=tuple(released),
        configuration=was.differing(will, told) if stays else (),
        rewritten=stays and _is_rewritten(name, before, after),
    )


def _is_rewritten(name: str, before: _Side, after: _Side) -> bool:
    """Whether a host's files differ; the name of the graph stands at the head of each."""
    assert before.lowered is not None, "the host is of a graph"
    assert after.lowered is not None, "the host is of a graph"
    if before.lowered.site.graph.name != after.lowered.site.graph.name:
        return True
    old, new = before.modules[name], after.modules[name]
    return old.body != new.body or old.files != new.files


def _of_host(old: Host | None, new: Host | None) -> tuple[Action | None, tuple[FieldChange, ...]]:
    if old is not None and new is not None:
        fields = changed_fields(old, new)
        return (Action.UPDATE if fields else None), fields
    if new is not None:
        return Action.CREATE, set_fields(new, without=_IDENTITY)
    return (None if old is None else Action.DESTROY), ()


def _beyond(rules: Iterable[Rule], others: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules that let in what no other one does."""
    known = {rule.allows for rule in others}
    return tuple(sorted(rule for rule in rules if rule.allows not in known))


def _unit_changes(was: Effects, will: Effects) -> Iterator[UnitChange]:
    for unit in sorted(was.units.keys() | will.units.keys()):
        if unit not in will.units:
            yield UnitChange(unit=unit, action=Action.DESTROY)
        elif unit not in was.units:
            yield UnitChange(unit=unit, action=Action.CREATE)
        elif was.units[unit] != will.units[unit]:
            yield UnitChange(unit=unit, action=Action.UPDATE)


Ends = tuple[str, str, str]


def _grouped(edges: Iterable[Edge]) -> dict[Ends, list[Edge]]:
    groups: dict[Ends, list[Edge]] = {}
    for edge in edges:
        groups.setdefault((edge.source, edge.target, edge.kind), []).append(edge)
    return groups


def _edge_changes(before: _Side, after: _Side) -> Iterator[EdgeChange]:
    """Edges have no names: between the same ends, equal ones are the same, and the rest pair up in order."""
    was, will = _grouped(before.edges), _grouped(after.edges)
    for ends in sorted(was.keys() | will.keys()):
        left, right = _unequal(was.get(ends, []), will.get(ends, []))
        for index in range(max(len(left), len(right))):
            old = left[index] if index < len(left) else None
            new = right[index] if index < len(right) else None
            yield _edge_change(old, new, before, after)


def _unequal(old: list[Edge], new: list[Edge]) -> tuple[list[Edge], list[Edge]]:
    rest = list(new)
    left = []
    for edge in sorted(old, key=written):
        if edge in rest:
            rest.remove(edge)
        else:
            left.append(edge)
    return left, sorted(rest, key=written)


def _edge_change(old: Edge | None, new: Edge | None, before: _Side, after: _Side) -> EdgeChange:
    shown, side = (old, before) if new is None else (new, after)
    assert shown is not None, "a change has a side"
    assert side.lowered is not None, "an edge is of a graph"
    fields: tuple[FieldChange, ...] = ()
    action = Action.DESTROY
    if new is not None:
        action = Action.CREATE if old is None else Action.UPDATE
        fields = set_fields(new, without=_IDENTITY) if old is None else changed_fields(old, new)
    meaning = edge_meaning(side.lowered.site, shown)
    return EdgeChange(id=shown.id, kind=shown.kind, action=action, fields=fields, meaning=meaning)
