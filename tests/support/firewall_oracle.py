"""Who may open which connection, said a second time: from the edges of a graph alone, as plainly as possible.

Nothing here comes from the translation. It does not say how: by a rule, a redirection or podman.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nix_gen.edges import ConnectsTo, DataFlow, Edge, LoadBalances, Monitors
from nix_gen.graph import Graph
from nix_gen.nodes import Database, Host, LoadBalancer, MessageBus, Monitoring, Node, Storage
from nix_gen.scalars import Protocol

ANYBODY = "*"
_TCP = Protocol.TCP
_EXPORTERS = {
    "postgresql": 9187, "mysql": 9104, "mariadb": 9104, "redis": 9121, "mongodb": 9216, "nats": 7777,
    "nginx": 9113, "haproxy": 8405, "rabbitmq": 15692,
}  # fmt: skip
"""Ports at which Prometheus finds what an engine does not tell at its own port."""
_NODE_EXPORTER = 9100


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One connection that somebody may open."""

    source: str
    """Id of a node or host, a network of addresses, or `ANYBODY`."""
    target: str
    """Id of a node, or of a host where a program of the host itself answers."""
    port: int
    """As the client names it."""
    protocol: Protocol = _TCP
    address: str | None = None
    """The one address of the host at which this holds. None: every one."""
    arrives_at: int | None = None
    """The port at which the target listens. None: the same."""
    beside: bool = False
    """Whether a program beside the target answers, on the host itself."""


def ways(graph: Graph) -> set[Way]:
    """Every connection of a graph whose nodes are placed."""
    found = {way for node in graph.nodes for way in _published(node)}
    found |= {way for edge in graph.edges for way in _of_edge(graph, edge)}
    for node in graph.nodes:
        if isinstance(node, Host) and node.ssh is not None:
            found |= set(_ssh(graph, node))
        if isinstance(node, MessageBus):
            found |= {
                Way(source=node.id, target=peer.id, port=port)
                for peer in graph.bus_members(node.id)
                if peer.id != node.id
                for port in peer.peer_ports
            }
        if isinstance(node, Database | Storage) and node.backup is not None and node.backup.to is not None:
            found |= set(_served(graph, node.id, node.backup.to))
    return found


def _published(node: Node) -> Iterator[Way]:
    if isinstance(node, Host | Storage):
        return
    for binding in node.ports:
        if binding.published is not None and not (binding.address or "").startswith(("127.", "::1")):
            yield Way(
                source=ANYBODY,
                target=node.id,
                port=binding.published,
                protocol=binding.protocol,
                address=binding.address,
                arrives_at=binding.port,
            )
    if isinstance(node, LoadBalancer) and not node.ports:
        for port in _own(node):
            yield Way(source=ANYBODY, target=node.id, port=port)


def _own(node: Node) -> list[int]:
    """The TCP ports of a server's own; the one of its protocol first."""
    if isinstance(node, LoadBalancer):
        ports = {port for host in node.virtual_hosts for port in host.listen} | set(node.listen)
        for host in node.virtual_hosts:
            if host.tls is not None:
                ports |= {host.tls.port, *([80] if host.tls.acme else [])}
        return sorted(ports)
    first = getattr(node, "listen_port", None)
    further = getattr(node, "monitor_port", None)
    return [port for port in (first, further) if port is not None]


def _listening(node: Node) -> list[tuple[int, Protocol]]:
    given = [] if isinstance(node, Host | Storage) else [(one.port, one.protocol) for one in node.ports]
    return [*((port, _TCP) for port in _own(node)), *sorted(given)]


def _answers(node: Node) -> list[tuple[int, Protocol]]:
    """The one TCP port that shows whether a node is there."""
    own = [] if isinstance(node, LoadBalancer) else _own(node)
    tcp = sorted(port for port, protocol in _listening(node) if protocol is _TCP)
    return [(port, _TCP) for port in [*own, *tcp][:1]]


def _of_edge(graph: Graph, edge: Edge) -> Iterator[Way]:
    target = graph.by_id[edge.target]
    match edge.kind:
        case "connects_to" | "data_flow" if isinstance(target, Storage):
            yield from _served(graph, edge.source, edge.target, also_here=True)
        case "publishes_to" | "subscribes_to" if isinstance(target, MessageBus) and target.engine == "kafka":
            for bus in graph.bus_members(target.id):
                yield from _to(edge.source, bus, _answers(bus))
        case "replicates":
            yield from _replicas(graph, edge)
        case "monitors":
            assert isinstance(edge, Monitors)
            yield from _watching(graph, edge)
        case "mounts_volume":
            yield from _served(graph, edge.source, edge.target)
        case "manages":
            return
        case _:
            yield from _to(edge.source, target, _ports(edge, target))


def _to(source: str, target: Node, ports: list[tuple[int, Protocol]]) -> Iterator[Way]:
    for port, protocol in ports:
        yield Way(source=source, target=target.id, port=port, protocol=protocol)


def _ports(edge: Edge, target: Node) -> list[tuple[int, Protocol]]:
    if isinstance(edge, ConnectsTo | DataFlow):
        return _listening(target) if edge.port is None else [(edge.port, edge.protocol)]
    if isinstance(edge, LoadBalances) and edge.port is not None:
        return [(edge.port, _TCP)]
    return _answers(target)


def _served(graph: Graph, source: str, target: str, *, also_here: bool = False) -> Iterator[Way]:
    """To a storage that a host of the graph serves: 2049 for nfs, its port or 9000 for S3."""
    storage = graph.by_id[target]
    assert isinstance(storage, Storage)
    if storage.listen_port is not None and (also_here or graph.host_of(source) != storage.host):
        yield Way(source=source, target=target, port=storage.listen_port, beside=True)


def _replicas(graph: Graph, edge: Edge) -> Iterator[Way]:
    source, target = graph.by_id[edge.source], graph.by_id[edge.target]
    if not isinstance(source, Database) or not isinstance(target, Database):
        return
    if source.engine != "mongodb":
        for port, protocol in _answers(target):
            yield Way(source=source.id, target=target.id, port=port, protocol=protocol)
        return
    members = {source.id, target.id}
    while True:
        joined = {
            end
            for other in graph.edges
            if other.kind == "replicates" and {other.source, other.target} & members
            for end in (other.source, other.target)
        }
        if joined <= members:
            break
        members |= joined
    for one in members:
        for port, protocol in _answers(graph.by_id[one]):
            for other in members - {one}:
                yield Way(source=other, target=one, port=port, protocol=protocol)


def _watching(graph: Graph, edge: Monitors) -> Iterator[Way]:
    source, target = graph.by_id[edge.source], graph.by_id[edge.target]
    assert isinstance(source, Monitoring)
    if source.engine == "loki":
        # The other way round: the host of the target sends its log.
        place = graph.host_of(target.id)
        if place is not None and place != graph.host_of(source.id):
            yield Way(source=place, target=source.id, port=source.listen_port)
        return
    beside = False
    if source.engine == "prometheus" and edge.port is not None:
        ports, beside = [edge.port], isinstance(target, Host)
    elif source.engine == "prometheus" and isinstance(target, Database | MessageBus | LoadBalancer | Host):
        engine = getattr(target, "engine", None)
        port = _NODE_EXPORTER if isinstance(target, Host) else _EXPORTERS.get(str(engine))
        ports, beside = ([] if port is None else [port]), True
    elif source.engine == "blackbox_exporter" and edge.port is not None:
        ports = [edge.port]
    elif source.engine in {"prometheus", "blackbox_exporter", "grafana", "alertmanager"}:
        ports = [port for port, _ in _answers(target)]
    else:
        return
    for port in ports:
        yield Way(source=source.id, target=target.id, port=port, beside=beside)


def _ssh(graph: Graph, host: Host) -> Iterator[Way]:
    assert host.ssh is not None
    sources = [*host.ssh.sources]
    if host.ssh.hosts:
        sources += [other.id for other in graph.hosts if other.id != host.id]
    elif not sources:
        sources = [ANYBODY]
    for source in sources:
        yield Way(source=source, target=host.id, port=host.ssh.port, beside=True)
