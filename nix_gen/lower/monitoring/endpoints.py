"""Where the metrics of each monitored node are, and which exporters have to stand beside which nodes.

Pure, on the graph and the forms alone. A database tells nothing to prometheus by itself: an exporter beside
it, on its own host, logs in through the socket or loopback and is what prometheus asks. An exporter is
there because an edge needs it, or because the graph names it as a node; a host has one of each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from nix_gen.edges import Monitors, Replicates
from nix_gen.graph import Graph
from nix_gen.lower.edges.connection import Connection, first_tcp, listening
from nix_gen.lower.forms import Form
from nix_gen.nodes import (
    MONITORING_PORTS,
    BalancerEngine,
    BusEngine,
    Database,
    DatabaseEngine,
    Host,
    LoadBalancer,
    MessageBus,
    Monitoring,
    MonitoringEngine,
    Node,
    Storage,
)
from nix_gen.rules.ports import claims
from nix_gen.scalars import PORT_MAX, Protocol

HAPROXY_PORT = 8405
"""Where haproxy tells its metrics, by custom."""
RABBITMQ_PORT = 15692
"""Where the plugin of RabbitMQ tells its metrics."""
NATS_MONITOR_PORT = 8222
NGINX_STATUS_PORT = 8090
_DATABASES = {
    DatabaseEngine.POSTGRESQL: MonitoringEngine.POSTGRES_EXPORTER,
    DatabaseEngine.MYSQL: MonitoringEngine.MYSQLD_EXPORTER,
    DatabaseEngine.MARIADB: MonitoringEngine.MYSQLD_EXPORTER,
    DatabaseEngine.REDIS: MonitoringEngine.REDIS_EXPORTER,
    DatabaseEngine.MONGODB: MonitoringEngine.MONGODB_EXPORTER,
}
_ALSO_FOR_CONTAINERS = frozenset({MonitoringEngine.REDIS_EXPORTER, MonitoringEngine.NATS_EXPORTER})
"""Exporters that need no login of their own in what they watch."""
_MACHINE = frozenset({MonitoringEngine.NODE_EXPORTER, MonitoringEngine.SYSTEMD_EXPORTER})
"""Exporters that tell of the host they run on."""
_JOBS = {
    MonitoringEngine.POSTGRES_EXPORTER: "postgres",
    MonitoringEngine.MYSQLD_EXPORTER: "mysql",
    MonitoringEngine.REDIS_EXPORTER: "redis",
    MonitoringEngine.MONGODB_EXPORTER: "mongodb",
    MonitoringEngine.NATS_EXPORTER: "nats",
    MonitoringEngine.NGINX_EXPORTER: "nginx",
    MonitoringEngine.NODE_EXPORTER: "node",
    MonitoringEngine.SYSTEMD_EXPORTER: "systemd",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exporter:
    """One exporter of a host."""

    host: str
    engine: MonitoringEngine
    port: int
    targets: tuple[str, ...]
    """Ids of the nodes it watches, sorted; one, but for redis."""
    node: Monitoring | None = None
    """The node of the graph that names it; None where edges alone ask for it."""
    is_open: bool = False
    """Whether somebody beyond the host's loopback asks it."""

    @property
    def option(self) -> str:
        """Name below `services.prometheus.exporters`: `postgres`."""
        return self.engine.removesuffix("_exporter")

    @property
    def unit(self) -> str:
        """The systemd unit, without suffix."""
        return f"prometheus-{self.option}-exporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a monitoring node finds the metrics that one of its edges asks for."""

    edge: Monitors
    target: Node
    host: str
    """Id of the host it listens on."""
    port: int
    path: str
    job: str
    """Name of the scrape job: `node`, `postgres`, `service`."""
    exporter: MonitoringEngine | None = None
    """Set where an exporter beside the target answers."""
    beside: bool = False
    """Whether the port is not one of the target's own."""


class Metrics:
    """Endpoints and exporters of a graph; everything is settled by graph and forms."""

    def __init__(self, graph: Graph, forms: Mapping[str, Form]) -> None:
        self._graph = graph
        self._forms = forms
        self._ports: dict[str, dict[str, int]] = {}

    def endpoint(self, edge: Monitors) -> Endpoint | None:
        """Where prometheus asks for what an edge observes; None where nothing tells any metrics."""
        target = self._graph.by_id.get(edge.target)
        host = self._graph.host_of(edge.target)
        if target is None or host is None or isinstance(target, Storage):
            return None
        if edge.port is not None:
            return self._own(edge, target, host, edge.port, beside=isinstance(target, Host))
        engine = self.exporter_for(target)
        if engine is not None:
            exporter = self._exporters.get((host, engine))
            if exporter is None or (exporter.targets and target.id not in exporter.targets):
                return None
            return Endpoint(
                edge=edge,
                target=target,
                host=host,
                port=exporter.port,
                path="/scrape" if engine is MonitoringEngine.REDIS_EXPORTER else "/metrics",
                job=_JOBS[engine],
                exporter=engine,
                beside=True,
            )
        port = self._builtin_port(target)
        if port is not None:
            return self._own(edge, target, host, port, beside=True)
        tells = not isinstance(target, Database | MessageBus | LoadBalancer | Host)
        own = first_tcp(target) if tells else ()
        return self._own(edge, target, host, own[0][0], beside=False) if own else None

    def _own(self, edge: Monitors, target: Node, host: str, port: int, *, beside: bool) -> Endpoint:
        job: str = target.kind
        if isinstance(target, Monitoring):
            job = _JOBS.get(target.engine, target.engine.removesuffix("_exporter"))
        elif beside and isinstance(target, LoadBalancer | MessageBus):
            job = target.engine.value
        return Endpoint(
            edge=edge, target=target, host=host, port=port, path=edge.path, job=job, beside=beside
        )

    def exporter_for(self, node: Node) -> MonitoringEngine | None:
        """The exporter that tells the metrics of a node; None where the node does it itself, or nobody."""
        if isinstance(node, Host):
            return MonitoringEngine.NODE_EXPORTER
        engine: MonitoringEngine | None = None
        match node:
            case Database():
                engine = _DATABASES.get(node.engine)
            case MessageBus(engine=BusEngine.NATS):
                engine = MonitoringEngine.NATS_EXPORTER
            case LoadBalancer(engine=BalancerEngine.NGINX):
                engine = MonitoringEngine.NGINX_EXPORTER
        if self._forms.get(node.id) is not Form.CONTAINER:
            return engine if node.id in self._forms else None
        silent = isinstance(node, MessageBus) and node.monitor_port is None
        return engine if engine in _ALSO_FOR_CONTAINERS and not silent else None

    def _builtin_port(self, target: Node) -> int | None:
        """Where a native program tells its own metrics, on a port that is not its clients'."""
        if self._forms.get(target.id, Form.CONTAINER) is Form.CONTAINER:
            return None
        match target:
            case LoadBalancer(engine=BalancerEngine.HAPROXY):
                return HAPROXY_PORT
            case MessageBus(engine=BusEngine.RABBITMQ):
                return target.monitor_port or RABBITMQ_PORT
            case _:
                return None

    def edges_of(self, engine: MonitoringEngine) -> tuple[tuple[Monitors, Monitoring], ...]:
        """The `monitors` edges of the nodes of an engine that run, in canonical order."""
        return self._edges.get(engine, ())

    @cached_property
    def _edges(self) -> dict[MonitoringEngine, tuple[tuple[Monitors, Monitoring], ...]]:
        found: dict[MonitoringEngine, list[tuple[Monitors, Monitoring]]] = {}
        for node in self._graph.nodes_of(Monitoring):
            if node.id in self._forms:
                for edge in self._graph.kind_from(node.id, Monitors):
                    if edge.target in self._graph.by_id:
                        found.setdefault(node.engine, []).append((edge, node))
        return {engine: tuple(pairs) for engine, pairs in found.items()}

    @cached_property
    def edges_at(self) -> dict[str, tuple[tuple[Monitors, Monitoring], ...]]:
        """All of those edges by the host of their target."""
        found: dict[str, list[tuple[Monitors, Monitoring]]] = {}
        for pairs in self._edges.values():
            for edge, node in pairs:
                host = self._graph.host_of(edge.target)
                if host is not None:
                    found.setdefault(host, []).append((edge, node))
        return {host: tuple(pairs) for host, pairs in found.items()}

    def exporters(self, host: str) -> tuple[Exporter, ...]:
        """The exporters of a host, by engine."""
        return self._exporters_of.get(host, ())

    @cached_property
    def _exporters_of(self) -> dict[str, tuple[Exporter, ...]]:
        found: dict[str, list[Exporter]] = {}
        for (host, _), exporter in self._exporters.items():
            found.setdefault(host, []).append(exporter)
        return {host: tuple(exporters) for host, exporters in found.items()}

    @cached_property
    def watched_primaries(self) -> frozenset[str]:
        """Databases that must know an exporter: their own, or that of a replica, whose users are theirs."""
        known_by_name = {MonitoringEngine.POSTGRES_EXPORTER, MonitoringEngine.MONGODB_EXPORTER}
        return frozenset(
            self.primary_of(target)
            for exporter in self._exporters.values()
            if exporter.engine in known_by_name
            for target in exporter.targets
        )

    def exporter(self, host: str, engine: MonitoringEngine) -> Exporter | None:
        """One exporter of a host, if it is there."""
        return self._exporters.get((host, engine))

    @cached_property
    def _exporters(self) -> dict[tuple[str, MonitoringEngine], Exporter]:
        named = self._named
        wanted: dict[tuple[str, MonitoringEngine], set[str]] = {key: set() for key in named}
        is_open: dict[tuple[str, MonitoringEngine], bool] = {}
        for edge, source in self.edges_of(MonitoringEngine.PROMETHEUS):
            key = self._watched(edge)
            if key is not None:
                wanted.setdefault(key, set()).add(edge.target)
                is_open[key] = is_open.get(key, False) or not self._is_neighbour(source, key[0])
        for key, node in named.items():
            for own in self._graph.kind_from(node.id, Monitors):
                if self._watched(own) == key:
                    wanted[key].add(own.target)
        return {
            key: Exporter(
                host=key[0],
                engine=key[1],
                port=self._exporter_port(key, named.get(key)),
                targets=self._limited(key[1], wanted[key]),
                node=named.get(key),
                is_open=is_open.get(key, False),
            )
            for key in sorted(wanted)
        }

    @cached_property
    def _named(self) -> dict[tuple[str, MonitoringEngine], Monitoring]:
        found: dict[tuple[str, MonitoringEngine], Monitoring] = {}
        for node in self._graph.nodes_of(Monitoring):
            host = self._graph.host_of(node.id)
            if host is not None and self._forms.get(node.id) is Form.EXPORTER:
                found.setdefault((host, node.engine), node)
        return found

    def _watched(self, edge: Monitors) -> tuple[str, MonitoringEngine] | None:
        """Host and engine of the exporter an edge needs."""
        target, host = self._graph.by_id[edge.target], self._graph.host_of(edge.target)
        engine = self.exporter_for(target) if edge.port is None else None
        return None if engine is None or host is None else (host, engine)

    def _is_neighbour(self, source: Monitoring, host: str) -> bool:
        native = self._forms.get(source.id) is not Form.CONTAINER
        return native and self._graph.host_of(source.id) == host

    def _limited(self, engine: MonitoringEngine, wanted: Iterable[str]) -> tuple[str, ...]:
        """Redis exporters watch many servers, the others one; all balancers of a host are one nginx."""
        if engine in _MACHINE:
            return ()
        several = {MonitoringEngine.REDIS_EXPORTER, MonitoringEngine.NGINX_EXPORTER}
        native_first = sorted(wanted, key=lambda one: (self._forms.get(one) is Form.CONTAINER, one))
        return tuple(native_first if engine in several else native_first[:1])

    def _exporter_port(self, key: tuple[str, MonitoringEngine], node: Monitoring | None) -> int:
        host, engine = key
        return self.free_port(host, engine, MONITORING_PORTS[engine]) if node is None else node.listen_port

    def free_port(self, host: str, purpose: str, wanted: int) -> int:
        """A port of the host that no node of the graph takes: `wanted`, or the next one free above it."""
        given = self._ports.setdefault(host, {})
        if purpose not in given:
            taken = self._claimed.get(host, frozenset()) | set(given.values())
            given[purpose] = next((port for port in range(wanted, PORT_MAX) if port not in taken), wanted)
        return given[purpose]

    @cached_property
    def _claimed(self) -> dict[str, frozenset[int]]:
        found: dict[str, set[int]] = {}
        for node in self._graph.nodes:
            host = self._graph.host_of(node.id)
            if host is not None and isinstance(node, LoadBalancer):
                found.setdefault(host, set()).add(HAPROXY_PORT)
            if host is not None and not isinstance(node, Host):
                taken = found.setdefault(host, set())
                taken |= {port for port, _, _ in claims(node)}
                if self._forms.get(node.id) is not Form.CONTAINER:
                    taken |= {port for port, _ in listening(node)}
        return {host: frozenset(ports) for host, ports in found.items()}

    def primary_of(self, node_id: str) -> str:
        """The database whose roles a database has: its primary's if it is a replica, or its own."""
        seen = {node_id}
        while True:
            follows = self._graph.kind_from(node_id, Replicates)
            if not follows or follows[0].target in seen:
                return node_id
            node_id = follows[0].target
            seen.add(node_id)

    def connections(self, edge: Monitors) -> Iterable[Connection]:
        """The connections a `monitors` edge asks for."""
        source, target = self._graph.by_id.get(edge.source), self._graph.by_id.get(edge.target)
        if not isinstance(source, Monitoring) or target is None or edge.source == edge.target:
            return ()
        match source.engine:
            case MonitoringEngine.PROMETHEUS:
                return self._scraping(edge)
            case MonitoringEngine.LOKI:
                return self._shipping(edge, source)
            case MonitoringEngine.BLACKBOX_EXPORTER:
                ports = first_tcp(target) if edge.port is None else ((edge.port, Protocol.TCP),)
            case MonitoringEngine.GRAFANA | MonitoringEngine.ALERTMANAGER:
                ports = first_tcp(target)
            case _:
                # An exporter stands on the host of what it watches.
                return ()
        kind = edge.kind
        beside = isinstance(target, Host)
        return (
            [Connection(source=edge.source, target=edge.target, ports=ports, kind=kind, beside=beside)]
            if ports
            else ()
        )

    def _scraping(self, edge: Monitors) -> list[Connection]:
        found = self.endpoint(edge)
        if found is None:
            return []
        ports = ((found.port, Protocol.TCP),)
        return [
            Connection(
                source=edge.source, target=edge.target, ports=ports, kind=edge.kind, beside=found.beside
            )
        ]

    def _shipping(self, edge: Monitors, loki: Monitoring) -> list[Connection]:
        """The other way round: alloy on the host of the target pushes to loki."""
        host = self._graph.host_of(edge.target)
        if host is None or host == self._graph.host_of(loki.id):
            return []
        ports = ((loki.listen_port, Protocol.TCP),)
        return [Connection(source=host, target=loki.id, ports=ports, kind=edge.kind, beside=True)]
