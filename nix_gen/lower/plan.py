"""The deployment plan: what will run where, in which order, from which graph.

Pure. The same facts twice: as data (`deployment.json`, provenance for machines) and as text for people.
Neither holds a time, a path of this machine or a secret, so that one graph gives one plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nix_gen.edges import DependsOn
from nix_gen.graph import Graph
from nix_gen.lower.hosts import Lowered
from nix_gen.lower.order import ordered_units
from nix_gen.lower.reach import published
from nix_gen.lower.site import Site
from nix_gen.nodes import Host, Node, Storage

FORMAT = "conclave-deployment/1"
GENERATOR = "conclave nix_gen 1"
"""Name and version of the translation; a change of the generated text raises the number."""


def deployment(lowered: Lowered, files: list[str], given: Graph) -> dict[str, Any]:
    """The content of `deployment.json`.

    Args:
        lowered: the translated graph.
        files: every file of the flake, relative to it, `deployment.json` itself included.
        given: the graph before placement, which is the one people know and vote on.
    """
    site = lowered.site
    graph = site.graph
    levels = start_levels(graph)
    return {
        "format": FORMAT,
        "generator": GENERATOR,
        "graph": {"name": graph.name, "digest": given.digest()},
        "files": sorted(files),
        "hosts": {host.id: _host(site, host, levels) for host in graph.hosts},
        "notes": [str(finding) for finding in lowered.findings],
    }


def _host(site: Site, host: Host, levels: Mapping[str, int]) -> dict[str, Any]:
    nodes = site.graph.nodes_on(host.id)
    order: dict[int, list[str]] = {}
    for node in nodes:
        if not isinstance(node, Storage):
            order.setdefault(levels[node.id], []).append(node.id)
    return {
        "system": host.system.value,
        "addresses": list(host.addresses),
        "order": [order[level] for level in sorted(order)],
        "nodes": [_node(site, node) for node in nodes],
    }


def _node(site: Site, node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": node.id,
        "kind": node.kind,
        "form": str(site.forms.get(node.id, "")),
        "edges": [edge.id for edge in site.graph.edges_from(node.id)],
    }
    if not isinstance(node, Storage | Host):
        entry["units"] = ordered_units(site, node)
        entry["ports"] = [
            {
                "port": binding.port,
                "protocol": binding.protocol.value,
                "published": binding.published,
                "address": binding.address,
            }
            for binding in published(node)
        ]
    return entry


def start_levels(graph: Graph) -> dict[str, int]:
    """How many steps of `depends_on` lie below each node; 0 starts first.

    Nodes of a cycle, and those above it, get the last level; the validator refuses such a graph.
    """
    targets: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    sources: dict[str, list[str]] = {node.id: [] for node in graph.nodes}
    for edge in graph.edges:
        if isinstance(edge, DependsOn) and edge.source in targets and edge.target in targets:
            targets[edge.source].append(edge.target)
            sources[edge.target].append(edge.source)
    waiting = {node_id: len(below) for node_id, below in targets.items()}
    levels: dict[str, int] = {}
    ready = sorted(node_id for node_id, count in waiting.items() if count == 0)
    level = 0
    while ready:
        levels |= dict.fromkeys(ready, level)
        following = []
        for node_id in ready:
            for source in sources[node_id]:
                waiting[source] -= 1
                if waiting[source] == 0:
                    following.append(source)
        ready, level = sorted(following), level + 1
    return levels | dict.fromkeys(targets.keys() - levels.keys(), level)


def plan_text(plan: Mapping[str, Any]) -> str:
    """The plan for people."""
    lines = [
        f"Deployment of {plan['graph']['name']}",
        f"graph  sha256 {plan['graph']['digest']}",
        f"made by {plan['generator']}",
    ]
    for host_id, host in plan["hosts"].items():
        addresses = f", {', '.join(host['addresses'])}" if host["addresses"] else ""
        lines += ["", f"host {host_id} ({host['system']}{addresses})"]
        nodes = {node["id"]: node for node in host["nodes"]}
        for step, names in enumerate(host["order"], start=1):
            lines += [f"  {step}. {_line(nodes[name])}" for name in names]
        lines += [f"  -  {node['id']}: storage" for node in host["nodes"] if node["kind"] == "storage"]
    if plan["notes"]:
        lines += ["", "notes", *(f"  {note}" for note in plan["notes"])]
    return "\n".join(lines) + "\n"


def _line(node: Mapping[str, Any]) -> str:
    ports = [
        f"{port['address'] or '*'}:{port['published']}->{port['port']}/{port['protocol']}"
        for port in node["ports"]
        if port["published"] is not None
    ]
    units = ", ".join(node["units"]) or "nothing runs"
    return f"{node['id']}: {node['form']}, {units}" + (f", published {' '.join(ports)}" if ports else "")
