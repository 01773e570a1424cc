"""The surveyed graph: forms, running copies, container addresses, units, and who connects to whom.

Pure. Everything several concerns have to agree on is decided here once, so that a container's address is
the same in the proxy's upstream, in the firewall and in the database's access rules.

Addresses. The containers of a host that name no network share one, with a subnet of our choice: the first
of a few private ones that holds no address of the graph. Every container has a fixed address in each of its
networks (`nix_gen.lower.networks`).
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from nix_gen.components import circles
from nix_gen.edges import ConnectsTo, DependsOn, Edge, Monitors, PublishesTo, SubscribesTo
from nix_gen.findings import Finding, Severity
from nix_gen.graph import Graph, SecretProvider
from nix_gen.lower.edges import (
    Connection,
    Ports,
    backup_connections,
    cluster_connections,
    connections,
)
from nix_gen.lower.forms import BALANCERS, Form, forms_of
from nix_gen.lower.monitoring.endpoints import Metrics
from nix_gen.lower.networks import Attachment, ContainerNetworks, default_network
from nix_gen.lower.words import SECRETS, USER_MAX_CHARS, short
from nix_gen.nodes import BusEngine, Database, Host, MessageBus, Monitoring, Node, Running, Storage

SUBNETS = tuple(f"10.{second}.0.0/16" for second in range(213, 245))
"""Candidates for the container network, in order of preference."""
CONTAINERS_MAX_COUNT = 60_000
"""Containers of one host; its first network holds 65,000 addresses, every other 3,800."""
AGENIX_SECRETS = "/run/agenix"
_REDIS_PREFIX_CHARS = len("redis-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One running copy of a node."""

    name: str
    """Of the container or systemd service: `shop-web`, with replicas `shop-web.1`."""
    unit: str
    """What systemd calls it, with suffix."""
    address: str | None = None
    """In the first of its container networks; containers only, and not those in the network of the host."""
    attachments: tuple[Attachment, ...] = ()
    """Its places in all of its container networks, the first one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The source opens connections to ports of the target, because edges say so."""

    source: Running
    target: Running
    ports: Ports
    kinds: tuple[str, ...]
    """Kinds of the edges, sorted."""
    is_local: bool
    """Whether both ends stand on one host."""

    @property
    def label(self) -> str:
        """How comments name the route: `web -> db (connects_to, depends_on)`."""
        return f"{self.source.id} -> {self.target.id} ({', '.join(self.kinds)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The source opens connections to a native program of the target's host, because edges say so."""

    source: str
    """Id of a node or of a host."""
    target: str
    """Id of the node the program serves."""
    ports: Ports
    kinds: tuple[str, ...]

    @property
    def label(self) -> str:
        """How comments name the opening, as `Route.label`."""
        return f"{self.source} -> {self.target} ({', '.join(self.kinds)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretUse:
    """How a secret is used as a file on a host."""

    units: tuple[str, ...]
    """To restart when it changes, with suffix, sorted."""
    uid: int
    """Number of its owner, who alone reads it."""


class Site:
    """The surveyed graph; all but `findings` is settled on construction."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.forms, self.findings = forms_of(graph)
        self._told = set(self.findings)
        self.metrics = Metrics(graph, self.forms)
        self.hosts: dict[str, Host] = {host.id: host for host in graph.hosts}
        self.subnet = _free_subnet(graph.hosts)
        self.networks = ContainerNetworks(graph, self.forms, default_network(graph.name, self.subnet))
        self._copies: dict[str, tuple[Copy, ...]] = {}
        self._secret_units: dict[str, set[str]] = {}
        self._secret_owners: dict[str, int] = {}
        for host in graph.hosts:
            self._settle(host)

    def find(
        self, code: str, place: str, message: str, mend: str, severity: Severity = Severity.ERROR
    ) -> None:
        """Record what cannot or will not be done as the graph says; once each."""
        finding = Finding(code=code, severity=severity, place=place, message=message, mend=mend)
        if finding not in self._told:
            self._told.add(finding)
            self.findings.append(finding)

    def warn(self, code: str, place: str, message: str, mend: str) -> None:
        """Record a warning."""
        self.find(code, place, message, mend, Severity.WARNING)

    def secret_file(self, name: str, *units: str, uid: int = 0) -> str:
        """Where the value of a secret is found on the host being lowered; its owner alone may read it.

        Args:
            name: of the secret.
            units: what to restart when the value changes, with suffix.
            uid: number of the user who reads the file; root may in any case.
        """
        self._secret_units.setdefault(name, set()).update(units)
        if uid and self._secret_owners.setdefault(name, uid) != uid:
            self.warn(
                "secret-unreadable",
                name,
                f"users {self._secret_owners[name]} and {uid} are to read the file, and it has one owner",
                "give one of them a secret of its own",
            )
        folder = AGENIX_SECRETS if self.graph.graph.secrets is SecretProvider.AGENIX else SECRETS
        return f"{folder}/{name}"

    def take_secrets(self) -> dict[str, SecretUse]:
        """The secrets asked for as files since the last call, sorted by name.

        Hosts are lowered one after another, so these are the secrets of the host just lowered.
        """
        taken = {
            name: SecretUse(units=tuple(sorted(units)), uid=self._secret_owners.get(name, 0))
            for name, units in sorted(self._secret_units.items())
        }
        self._secret_units.clear()
        self._secret_owners.clear()
        return taken

    @cached_property
    def backups_to(self) -> dict[str, tuple[str, ...]]:
        """Ids of the nodes whose backups go to a node, by its id."""
        found: dict[str, list[str]] = {}
        for node in self.graph.nodes_in_order:
            if (
                isinstance(node, Database | Storage)
                and node.backup is not None
                and node.backup.to is not None
            ):
                found.setdefault(node.backup.to, []).append(node.id)
        return {target: tuple(sources) for target, sources in found.items()}

    @cached_property
    def neighbours(self) -> dict[str, tuple[str, ...]]:
        """The hosts that edges join each host with, by id: those it has to know by name."""
        found: dict[str, set[str]] = {}
        for edge in self.graph.edges:
            here, there = self.graph.host_of(edge.source), self.graph.host_of(edge.target)
            if here in self.hosts and there in self.hosts and here != there:
                found.setdefault(here, set()).add(there)
                found.setdefault(there, set()).add(here)
        return {host_id: tuple(sorted(others)) for host_id, others in found.items()}

    @property
    def gateway(self) -> str:
        """The host as its containers see it."""
        return str(self.subnet[1])

    @property
    def project(self) -> str:
        """First part of every generated name."""
        return self.graph.name

    @property
    def network(self) -> str:
        """Name of the podman network."""
        return f"{self.project}-net"

    def helper(self, kind: str, *words: str) -> str:
        """Name of a unit of our own, without suffix: `shop-wait-db`. `kind` keeps it apart from workloads."""
        return "-".join((self.project, kind, *words))

    def running(self, host_id: str) -> Iterable[tuple[Running, Form]]:
        """The nodes with a form that run on a host, by id."""
        return self._running.get(host_id, ())

    def of_form(self, host_id: str, form: Form) -> list[Running]:
        """The nodes of one form on a host, by id."""
        return self._of_form.get((host_id, form), [])

    @cached_property
    def _running(self) -> dict[str, list[tuple[Running, Form]]]:
        found: dict[str, list[tuple[Running, Form]]] = {}
        for host in self.graph.hosts:
            for node in self.graph.nodes_on(host.id):
                form = self.forms.get(node.id)
                if form is not None and not isinstance(node, Storage | Host):
                    found.setdefault(host.id, []).append((node, form))
        return found

    @cached_property
    def _of_form(self) -> dict[tuple[str, Form], list[Running]]:
        found: dict[tuple[str, Form], list[Running]] = {}
        for host_id, running in self._running.items():
            for node, form in running:
                found.setdefault((host_id, form), []).append(node)
        return found

    def copies(self, node_id: str) -> tuple[Copy, ...]:
        """The running copies of a node; none for `replicas: 0`."""
        return self._copies.get(node_id, ())

    def addresses(self, node_id: str) -> tuple[str, ...]:
        """Where the copies of a bridged container are reached on its host; none for anything else."""
        if not self.networks.is_bridged(node_id):
            return ()
        copies = self.copies(self.networks.leader(node_id))
        return tuple(copy.address for copy in copies if copy.address is not None)

    def is_in_host(self, node_id: str) -> bool:
        """Whether a node listens on the host's own addresses: a native service, or a container that does."""
        form = self.forms.get(node_id)
        if form is Form.CONTAINER:
            return self.networks.is_in_host(node_id)
        return form is not None and form not in {Form.STORAGE, Form.SQLITE}

    def bridge_of(self, node_id: str) -> str:
        """The interface of its host through which a bridged container comes."""
        return self.networks.first_of(node_id).bridge

    def routes_to(self, node_id: str) -> tuple[Route, ...]:
        """Connections a node accepts, by source."""
        return self._routes[1].get(node_id, ())

    def routes_from(self, node_id: str) -> tuple[Route, ...]:
        """Connections a node opens, by target."""
        return self._routes[0].get(node_id, ())

    def is_local(self, route: Route) -> bool:
        """Whether both ends stand on one host."""
        return route.is_local

    @cached_property
    def start_circles(self) -> dict[str, str]:
        """A name for each node: equal where each waits for the other, if clients wait for their servers.

        The balancers of a host are one unit, and so count as one.
        """
        waits: dict[str, set[str]] = {}
        for edge in self.graph.edges:
            is_client = isinstance(edge, ConnectsTo | PublishesTo | SubscribesTo) and _is_waited_for(
                self.graph.by_id.get(edge.target)
            )
            if is_client or isinstance(edge, DependsOn):
                waits.setdefault(edge.source, set()).add(edge.target)
        for host in self.hosts:
            for form in sorted(BALANCERS):
                balancers = [node.id for node in self.of_form(host, form)]
                for one, other in itertools.pairwise(balancers):
                    waits.setdefault(one, set()).add(other)
                    waits.setdefault(other, set()).add(one)
        alone = {node_id: node_id for node_id in self.graph.by_id}
        return alone | {node_id: min(circle) for circle in circles(waits) for node_id in circle}

    def openings(self, host_id: str) -> tuple[Opening, ...]:
        """Connections to programs of a host that are no nodes (exporters, file servers), by source."""
        return self._openings.get(host_id, ())

    def asked(self, edge: Edge) -> Iterable[Connection]:
        """The connections one edge asks for, whether or not its ends run."""
        if isinstance(edge, Monitors):
            return self.metrics.connections(edge)
        return connections(self.graph, edge)

    @cached_property
    def _connections(self) -> dict[tuple[str, str, bool], list[Connection]]:
        found: dict[tuple[str, str, bool], list[Connection]] = {}
        for edge in self.graph.edges:
            for one in self.asked(edge):
                if one.beside or (self._runs(one.source) and self._runs(one.target)):
                    found.setdefault((one.source, one.target, one.beside), []).append(one)
        for one in backup_connections(self.graph):
            found.setdefault((one.source, one.target, one.beside), []).append(one)
        for one in cluster_connections(self.graph):
            if self._runs(one.source) and self._runs(one.target):
                found.setdefault((one.source, one.target, one.beside), []).append(one)
        return dict(sorted(found.items()))

    @cached_property
    def _routes(self) -> tuple[dict[str, tuple[Route, ...]], dict[str, tuple[Route, ...]]]:
        outgoing: dict[str, list[Route]] = {}
        incoming: dict[str, list[Route]] = {}
        for (source_id, target_id, beside), wanted in self._connections.items():
            if beside:
                continue
            source, target = self.graph.by_id[source_id], self.graph.by_id[target_id]
            if isinstance(source, Storage | Host) or isinstance(target, Storage | Host):
                continue
            local = self.graph.host_of(source_id) == self.graph.host_of(target_id)
            route = Route(
                source=source, target=target, ports=_ports(wanted), kinds=_kinds(wanted), is_local=local
            )
            outgoing.setdefault(source_id, []).append(route)
            incoming.setdefault(target_id, []).append(route)
        return (
            {key: tuple(routes) for key, routes in outgoing.items()},
            {key: tuple(routes) for key, routes in incoming.items()},
        )

    @cached_property
    def _openings(self) -> dict[str, tuple[Opening, ...]]:
        found: dict[str, list[Opening]] = {}
        for (source_id, target_id, beside), wanted in self._connections.items():
            host = self.graph.host_of(target_id)
            if beside and host is not None:
                opening = Opening(
                    source=source_id, target=target_id, ports=_ports(wanted), kinds=_kinds(wanted)
                )
                found.setdefault(host, []).append(opening)
        return {host: tuple(openings) for host, openings in found.items()}

    def _runs(self, node_id: str) -> bool:
        return node_id in self.forms and self.forms[node_id] is not Form.STORAGE

    def _settle(self, host: Host) -> None:
        count = 0
        for node, form in self.running(host.id):
            names = _names(self.project, node)
            if form is Form.CONTAINER:
                count += len(names)
                if count > CONTAINERS_MAX_COUNT or not self.networks.has_room(node, len(names)):
                    self.find(
                        "too-many-containers",
                        host.id,
                        f"more than {CONTAINERS_MAX_COUNT:,} containers on one host or too many in a network",
                        "spread them over more hosts, or lower the replicas",
                    )
                    return
                copies = [self._container_copy(node, name) for name in names]
            else:
                copies = self._native_copies(node, form, names)
            self._copies[node.id] = tuple(copies)

    def _native_copies(self, node: Running, form: Form, names: list[str]) -> list[Copy]:
        if form is Form.SYSTEMD:
            units = [name.replace(self.project, self.helper("app"), 1) for name in names]
            return [Copy(name=unit, unit=f"{unit}.service") for unit in units]
        if form is Form.REDIS:
            name = short(node.id, USER_MAX_CHARS - _REDIS_PREFIX_CHARS)
            return [Copy(name=name, unit=f"redis-{name}.service")]
        names_of = {
            Form.POSTGRESQL: "postgresql",
            Form.MYSQL: "mysql",
            Form.MONGODB: "mongodb",
            Form.NGINX: "nginx",
            Form.HAPROXY: "haproxy",
            Form.NATS: "nats",
            Form.KAFKA: "apache-kafka",
            Form.RABBITMQ: "rabbitmq",
            Form.PROMETHEUS: "prometheus",
            Form.ALERTMANAGER: "alertmanager",
            Form.GRAFANA: "grafana",
            Form.LOKI: "loki",
        }
        if isinstance(node, Monitoring) and form is Form.EXPORTER:
            unit = f"prometheus-{node.engine.removesuffix('_exporter')}-exporter"
            return [Copy(name=unit, unit=f"{unit}.service")]
        return [Copy(name=names_of[form], unit=f"{names_of[form]}.service")] if form in names_of else []

    def _container_copy(self, node: Running, name: str) -> Copy:
        found = self.networks.attach(node, name)
        return Copy(
            name=name,
            unit=f"podman-{name}.service",
            address=found[0].address if found else None,
            attachments=found,
        )


def _is_waited_for(target: Node | None) -> bool:
    """Whether clients start after a server that they merely use."""
    is_broker = isinstance(target, MessageBus) and target.engine is BusEngine.RABBITMQ
    return is_broker or isinstance(target, Database)


def _ports(wanted: list[Connection]) -> Ports:
    if len(wanted) == 1:
        return wanted[0].ports
    return tuple(sorted({port for one in wanted for port in one.ports}))


def _kinds(wanted: list[Connection]) -> tuple[str, ...]:
    if len(wanted) == 1:
        return (wanted[0].kind,)
    return tuple(sorted({one.kind for one in wanted}))


def _names(project: str, node: Running) -> list[str]:
    replicas_count = vars(node).get("replicas", 1)
    base = f"{project}-{node.id}"
    return [base] if replicas_count == 1 else [f"{base}.{index}" for index in range(1, replicas_count + 1)]


def _free_subnet(hosts: Iterable[Host]) -> ipaddress.IPv4Network:
    addresses = [ipaddress.ip_address(address) for host in hosts for address in host.addresses]
    subnets = [ipaddress.IPv4Network(subnet) for subnet in SUBNETS]
    return next((net for net in subnets if not any(one in net for one in addresses)), subnets[0])
