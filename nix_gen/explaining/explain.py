"""Explains a graph, or one part of it: what it becomes, and why.

Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import IMPORT, PLACEMENT, TRANSLATION, VALIDATION, CodeFacts
from nix_gen.edges import Edge
from nix_gen.errors import quoted
from nix_gen.explaining.explanation import Explanation, NothingToExplainError, Pages
from nix_gen.explaining.ground import Ground
from nix_gen.explaining.nodes import explain_node, title_of, told
from nix_gen.graph import Graph
from nix_gen.graph_file import near
from nix_gen.meaning import edge_meaning
from nix_gen.nodes import Host

CODES = IMPORT | PLACEMENT | TRANSLATION | VALIDATION
"""Every code a finding can have."""


def explain(graph: Graph, subject: str | None = None) -> Explanation:
    """Explain a graph, or one part of it; also one with errors, as far as it goes.

    Args:
        graph: any graph.
        subject: id of a node, a host or an edge (`web -connects_to-> db`, or `web db` for every edge between
            the two), or the code of a finding. None: the graph as a whole.

    Raises:
        NothingToExplainError: there is no such thing.
    """
    if subject is None:
        return _graph(Ground(graph))
    if subject in CODES and subject not in graph.by_id:
        return explain_code(subject)
    ground = Ground(graph)
    node = ground.graph.by_id.get(subject)
    hosts = {host.id: host for host in ground.graph.hosts}
    if node is not None and not isinstance(node, Host):
        return explain_node(ground, node)
    if subject in hosts:
        return _host(ground, hosts[subject])
    edges = [edge for edge in ground.graph.edges if subject in {edge.id, f"{edge.source} {edge.target}"}]
    if edges:
        return _edges(ground, subject, edges)
    copies = [name for name in sorted(ground.graph.by_id) if name.startswith(f"{subject}-")]
    if subject in graph.by_id and copies:
        mend = f"its replicas spread as {', '.join(copies)}"
        raise NothingToExplainError(f"{quoted(subject)} stands nowhere by itself; {mend}")
    known = [*ground.graph.by_id, *hosts, *(edge.id for edge in ground.graph.edges), *CODES]
    mend = near(subject, known) or "name a node, a host, an edge or the code of a finding"
    raise NothingToExplainError(f"there is no {quoted(subject)} to explain; {mend.strip()}")


def explain_code(code: str) -> Explanation:
    """What the code of a finding means.

    Raises:
        NothingToExplainError: there is no such code.
    """
    facts: CodeFacts | None = CODES.get(code)
    if facts is None:
        raise NothingToExplainError(f"there is no code {quoted(code)}; {near(code, CODES)}".rstrip("; "))
    pages = Pages(title=f"{code}  (code of a finding)")
    pages.add("severity", [str(facts.severity or "info or warning, by case")])
    pages.add("means", [facts.meaning])
    pages.add("mend", [facts.mend])
    return pages.close()


def _graph(ground: Ground) -> Explanation:
    graph = ground.graph
    pages = Pages(title=f"{graph.name}  (graph, {graph.digest()[:12]})")
    pages.add("what it is", [graph.graph.description] if graph.graph.description else [])
    for host in graph.hosts:
        pages.add(f"host {host.id}", _nodes(ground, host))
    homeless = [node.id for node in graph.nodes if not isinstance(node, Host) and not graph.host_of(node.id)]
    pages.add("on no host", sorted(homeless))
    pages.add("findings", map(str, ground.checked.findings))
    return pages.close()


def _nodes(ground: Ground, host: Host) -> Iterator[str]:
    """The nodes of a host in the order in which they start."""
    nodes = sorted(ground.graph.nodes_on(host.id), key=lambda node: (ground.levels[node.id], node.id))
    if not nodes:
        yield "nothing runs here"
    for node in nodes:
        form = ground.site.forms.get(node.id, "no form")
        yield f"{ground.levels[node.id] + 1}. {node.id}  {title_of(node)} -> {form}"


def _host(ground: Ground, host: Host) -> Explanation:
    pages = Pages(title=f"{host.id}  (host)")
    effects = ground.effects_on(host.id)
    pages.add("what it is", [host.description] if host.description else [])
    addresses = ", ".join(host.addresses) or "no address"
    pages.add("machine", [f"{host.machine}, {host.system}, NixOS {host.state_version}, {addresses}"])
    pages.add("nodes, in the order they start", _nodes(ground, host))
    pages.add("firewall", map(told, sorted(effects.rules)))
    pages.add(
        "secrets it needs",
        map(ground.secret_place, sorted(effects.secrets)),
    )
    pages.add("units", sorted(effects.units))
    pages.add("written in", [f"hosts/{host.id}/default.nix"])
    pages.add("findings", map(str, ground.findings_about(host.id)))
    return pages.close()


def _edges(ground: Ground, subject: str, edges: list[Edge]) -> Explanation:
    pages = Pages(title=f"{subject}  (edge)" if len(edges) == 1 else f"{subject}  ({len(edges)} edges)")
    for edge in edges:
        pages.add("what it is" if edge.description else "", [edge.description] if edge.description else [])
        ends_exist = {edge.source, edge.target} <= ground.site.graph.by_id.keys()
        meaning = edge_meaning(ground.site, edge) if ends_exist else ("nothing: see the findings",)
        pages.add("means" if len(edges) == 1 else edge.id, meaning)
    label = f"{edges[0].source} -> {edges[0].target} "
    for host in ground.graph.hosts:
        rules = sorted(rule for rule in ground.effects_on(host.id).rules if label in f"{rule.edges} ")
        pages.add(f"firewall of {host.id}", map(told, rules))
    pages.add("findings", map(str, ground.findings_about(*(edge.id for edge in edges))))
    return pages.close()
