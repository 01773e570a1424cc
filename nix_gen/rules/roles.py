"""What each kind of node needs to do its work: upstreams, volumes, passwords, health checks. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.edges import Condition, DependsOn, LoadBalances, MountsVolume
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import (
    Agent,
    Database,
    DatabaseEngine,
    Host,
    LoadBalancer,
    MessageBus,
    Node,
    Placed,
    Running,
    Service,
    Storage,
)
from nix_gen.rules.balancing import balancer_findings
from nix_gen.rules.ports import listening
from nix_gen.scalars import Protocol

_LOOPBACK = ("127.", "::1")
QUORUM_MIN_COUNT = 3


def role_findings(graph: Graph) -> Iterator[Finding]:
    """Findings about single nodes and about clusters."""
    goals = _backup_goals(graph)
    for node in graph.nodes_in_order:
        yield from _single(graph, node, goals)
        if not isinstance(node, Host | Storage):
            yield from _mounted_twice(graph, node)
    yield from _clusters(graph)


def _single(graph: Graph, node: Node, goals: frozenset[str]) -> Iterator[Finding]:
    match node:
        case LoadBalancer():
            yield from _balancer(graph, node)
        case Database():
            yield from _database(graph, node)
        case MessageBus():
            yield from _exposed(node)
        case Service() | Agent():
            if node.is_container and node.health_check is None and not _is_job(graph, node):
                message = "the container has no health check"
                yield finding("missing-health-check", node.id, message, "add health_check")
        case Storage():
            mounted = bool(graph.kind_to(node.id, MountsVolume))
            if not mounted and node.id not in goals:
                yield finding("unmounted-storage", node.id, "nothing mounts it", "mount it or remove it")


def _backup_goals(graph: Graph) -> frozenset[str]:
    """Ids of the storages that backups go to: they are of use without a mount."""
    found = (node.backup for node in graph.nodes if isinstance(node, Database | Storage))
    return frozenset(backup.to for backup in found if backup is not None and backup.to is not None)


def _is_job(graph: Graph, node: Service | Agent) -> bool:
    """Whether others wait for it to end: a job is not watched for health."""
    return any(edge.condition is Condition.COMPLETED for edge in graph.kind_to(node.id, DependsOn))


def _clusters(graph: Graph) -> Iterator[Finding]:
    members: dict[str, list[str]] = {}
    for node in graph.nodes_of(MessageBus):
        if node.cluster is not None:
            members.setdefault(node.cluster.name, []).append(node.id)
    for name, ids in sorted(members.items()):
        if len(ids) < QUORUM_MIN_COUNT or len(ids) % 2 == 0:
            message = f"the cluster {name} has {len(ids)} members, which cannot outlive a loss"
            yield finding("small-cluster", min(ids), message, "use three or five members")


def _balancer(graph: Graph, node: LoadBalancer) -> Iterator[Finding]:
    edges = graph.kind_from(node.id, LoadBalances)
    if not edges:
        yield finding("balancer-without-upstream", node.id, "it balances nothing", "add a load_balances edge")
    names = Counter(
        (name, port)
        for host in node.virtual_hosts
        for name in (host.name, *host.aliases)
        for port in {*node.plain_ports(host), *([] if host.tls is None else [host.tls.port])}
    )
    for (name, port), count in sorted(names.items()):
        if count > 1:
            message = f"the virtual host {name} is there {count} times on port {port}"
            yield finding("duplicate-virtual-host", node.id, message, "keep one")
    yield from balancer_findings(graph, node, edges)
    known = {name for host in node.hosts for name in host.names}
    for edge in edges:
        if edge.virtual_host is not None and edge.virtual_host not in known:
            message = f"{node.id} has no virtual host {edge.virtual_host}"
            yield finding("unknown-virtual-host", edge.id, message, "add it or mend the name")
        target = graph.by_id.get(edge.target)
        silent = target is not None and not isinstance(target, Host) and not _listens_on_tcp(target)
        if edge.port is None and silent:
            message = f"{edge.target} listens on no port and the edge names none"
            yield finding("upstream-without-port", edge.id, message, "set port on the edge")


def _listens_on_tcp(node: Placed) -> bool:
    return any(protocol is Protocol.TCP for _, protocol in listening(node))


def _database(graph: Graph, node: Database) -> Iterator[Finding]:
    if not graph.kind_from(node.id, MountsVolume):
        message = "no storage is mounted, so its data lies in the module's own directory"
        yield finding(
            "database-without-volume", node.id, message, "add a storage node and a mounts_volume edge"
        )
    for user in node.users:
        for name in user.owns:
            if name not in node.databases and name != "postgres":
                message = f"the user {user.name} owns the database {name}, which the node does not have"
                yield finding("unknown-database", node.id, message, "add it to databases")
        if user.password is None:
            message = f"the user {user.name} has no password"
            yield finding("password-missing", node.id, message, "name a secret as its password")
    published = any(binding.published is not None for binding in node.ports)
    if node.engine is DatabaseEngine.REDIS and published and node.password is None:
        message = "redis is published without a password"
        yield finding("password-missing", node.id, message, "name a secret as its password")
    yield from _exposed(node)


def _exposed(node: Database | MessageBus) -> Iterator[Finding]:
    for binding in node.ports:
        if binding.published is not None and not (binding.address or "").startswith(_LOOPBACK):
            where = "every address" if binding.address is None else binding.address
            message = f"port {binding.published} of the {node.engine} is published on {where}"
            yield finding("exposed-database", node.id, message, "publish it on 127.0.0.1 or not at all")


def _mounted_twice(graph: Graph, node: Running) -> Iterator[Finding]:
    paths = [mount.target for mount in node.mounts]
    paths += [edge.path for edge in graph.kind_from(node.id, MountsVolume)]
    for path, count in sorted(Counter(paths).items()) if len(paths) > 1 else ():
        if count > 1:
            yield finding("mount-path-twice", node.id, f"{count} mounts at {path}", "use different paths")
