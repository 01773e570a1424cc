"""Where nodes stand: hosts that exist, modules of one machine, storage beside its users, kept names. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.edges import ConnectsTo, DataFlow, MountsVolume
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import (
    Agent,
    BusEngine,
    Database,
    DatabaseEngine,
    Host,
    MessageBus,
    Node,
    Service,
    Storage,
    StorageKind,
)
from nix_gen.rules.ports import listening

RESERVED_HOSTS = frozenset({"localhost", "default", "ip6-localhost"})
"""Host ids that mean something else in every hosts file or flake."""
RESERVED_UNITS = frozenset(
    {
        *("dbus", "docker", "firewall", "getty", "mysql", "nats", "network", "networkd", "nftables", "nginx"),
        *(
            "nix-daemon",
            "nscd",
            "podman",
            "polkit",
            "postgresql",
            "resolved",
            "sshd",
            "suid-sgid-wrappers",
            "user",
        ),
    }
)
"""Ids a workload that is no container must not have: NixOS has units of these names."""
_SINGLE = {
    DatabaseEngine.POSTGRESQL: "services.postgresql",
    DatabaseEngine.MYSQL: "services.mysql",
    DatabaseEngine.MARIADB: "services.mysql",
    DatabaseEngine.MONGODB: "services.mongodb",
}
_BUSES = {
    BusEngine.NATS: "services.nats",
    BusEngine.KAFKA: "services.apache-kafka",
    BusEngine.RABBITMQ: "services.rabbitmq",
}


def placement_findings(graph: Graph) -> Iterator[Finding]:
    """reserved-name, unknown-host, engine-twice, cross-host-mount, unreachable-dependency."""
    hosts = {host.id: host for host in graph.hosts}
    modules: dict[tuple[str, str], str] = {}
    for node in graph.nodes_in_order:
        yield from _reserved(node)
        if isinstance(node, Host):
            continue
        host = graph.host_of(node.id)
        if node.host is not None and node.host not in hosts:
            yield finding(
                "unknown-host", node.id, f"there is no host '{node.host}'", "add a node of kind host"
            )
        module = _module(node)
        if host is not None and module is not None:
            first = modules.setdefault((host, module), node.id)
            if first != node.id:
                message = f"{first} already uses {module} of host {host}, so {node.id} runs as a container"
                yield finding("engine-twice", node.id, message, "place them on different hosts")
    yield from _across(graph, hosts)


def _module(node: Node) -> str | None:
    if isinstance(node, Database) and not node.mounts:
        return _SINGLE.get(node.engine)
    return _BUSES[node.engine] if isinstance(node, MessageBus) and not node.mounts else None


def _reserved(node: Node) -> Iterator[Finding]:
    if isinstance(node, Host) and node.id in RESERVED_HOSTS:
        yield finding(
            "reserved-name", node.id, f"'{node.id}' is not the name of a machine", "rename the host"
        )
    is_unit = isinstance(node, Service | Agent) and not node.is_container
    if is_unit and (node.id in RESERVED_UNITS or node.id.startswith("systemd-")):
        message = f"NixOS has a unit {node.id}.service of its own"
        yield finding("reserved-name", node.id, message, "rename the node")


def _across(graph: Graph, hosts: dict[str, Host]) -> Iterator[Finding]:
    """Edges whose ends stand on different hosts."""
    for edge in graph.edges:
        here, there = graph.host_of(edge.source), graph.host_of(edge.target)
        if here is None or there is None or here == there:
            continue
        target = graph.by_id[edge.target]
        if isinstance(edge, MountsVolume) and isinstance(target, Storage):
            if target.storage in {StorageKind.LOCAL, StorageKind.BLOCK}:
                message = f"{edge.source} on {here} cannot mount {target.storage} storage of {there}"
                yield finding(
                    "cross-host-mount", edge.id, message, "place both on one host, or use nfs or s3"
                )
        elif isinstance(edge, ConnectsTo | DataFlow) and not isinstance(target, Storage | Host):
            ports = {port for port, protocol in listening(target) if protocol == edge.protocol}
            if not ports or (edge.port is not None and edge.port not in ports):
                wanted = "on no port" if edge.port is None else f"not on {edge.port}/{edge.protocol}"
                message = f"{edge.source} on {here} needs {edge.target} on {there}, which listens {wanted}"
                yield finding("unreachable-dependency", edge.id, message, "add the port to the target")
            elif there in hosts and not hosts[there].addresses:
                message = (
                    f"{edge.source} on {here} connects to {edge.target} on {there}, which has no address"
                )
                yield finding("unreachable-dependency", edge.id, message, f"give the host {there} an address")
