"""Start order: what each unit waits for, from `depends_on`, and from use of a server of its host.

Pure. On one host systemd orders the units. `condition: healthy` needs no probe of ours for a container
(podman reports the unit started once its health check passes) nor for a database (its module reports it
when it accepts connections). Another host's units cannot be required, so a unit of our own waits, for a
bounded time, until the port answers; after that the workload starts anyway and retries by itself.
"""

from __future__ import annotations

from nix_gen.edges import Condition, ConnectsTo, DependsOn, PublishesTo, SubscribesTo
from nix_gen.ir import Multiline
from nix_gen.lower.draft import Draft, Path
from nix_gen.lower.edges.connection import first_tcp
from nix_gen.lower.forms import BALANCERS, Form
from nix_gen.lower.hardening import harden
from nix_gen.lower.reach import LOOPBACK, host_address
from nix_gen.lower.site import Site
from nix_gen.nodes import Database, DatabaseEngine, MessageBus, Running, Storage
from nix_gen.replication import upstreams

WAIT_S = 300
"""How long a unit waits for a node of another host before it starts regardless."""
_CLIENTS = frozenset({Form.CONTAINER, Form.SYSTEMD})
_SERVERS = frozenset({Form.POSTGRESQL, Form.MYSQL, Form.REDIS, Form.MONGODB, Form.RABBITMQ})
_USES = (ConnectsTo, PublishesTo, SubscribesTo)
_USERS_BY_UNIT = frozenset({Form.MYSQL, Form.MONGODB, Form.RABBITMQ})
"""Servers whose users are made by a unit of our own after theirs: clients wait for it too."""
_PROBED = frozenset(
    {
        *(Form.KAFKA, Form.NATS, Form.NGINX),
        *(Form.PROMETHEUS, Form.ALERTMANAGER, Form.GRAFANA, Form.LOKI, Form.EXPORTER),
    }
)
"""Native services whose unit counts as started before they accept connections."""


def _dependencies(site: Site, node: Running) -> list[tuple[DependsOn, Running]]:
    found = []
    for edge in site.graph.kind_from(node.id, DependsOn):
        target = site.graph.by_id.get(edge.target)
        if target is not None and edge.target in site.forms:
            assert not isinstance(target, Storage) or site.forms[edge.target] is Form.STORAGE
            if not isinstance(target, Storage) and target.kind != "host" and target.id != node.id:
                found.append((edge, target))
    return found


def is_job(site: Site, node: Running) -> bool:
    """Whether somebody waits for this node to finish: then it runs once, to its end."""
    return any(edge.condition is Condition.COMPLETED for edge in site.graph.kind_to(node.id, DependsOn))


def is_awaited_healthy(site: Site, node: Running) -> bool:
    """Whether somebody waits for this node to be healthy."""
    return any(edge.condition is Condition.HEALTHY for edge in site.graph.kind_to(node.id, DependsOn))


def container_dependencies(site: Site, node: Running) -> list[str]:
    """Names for `dependsOn`: the containers of this host a container requires."""
    names: list[str] = []
    for edge, target in _dependencies(site, node):
        if edge.required and _is_here(site, node, target) and site.forms[target.id] is Form.CONTAINER:
            names += [copy.name for copy in site.copies(target.id)]
    return sorted(set(names))


def start_after(site: Site, draft: Draft, node: Running, unit: Path, *, containers_too: bool = True) -> None:
    """Order a unit after everything its node depends on.

    Args:
        site: the surveyed graph.
        draft: of the host the node stands on.
        node: whose edges count.
        unit: path of the unit in the options.
        containers_too: False where `dependsOn` says it already.
    """
    for edge, target in _dependencies(site, node):
        here = _is_here(site, node, target)
        by_podman = here and edge.required and site.forms[target.id] is Form.CONTAINER
        if by_podman and not containers_too:
            continue
        units = (
            _units(site, draft, target, edge.condition) if here else _remote_units(site, draft, node, target)
        )
        if units:
            draft.add((*unit, "after"), units)
            # A balancer serves without a backend, and must not restart with one; a job has to succeed.
            needs = site.forms[node.id] not in BALANCERS or edge.condition is Condition.COMPLETED
            draft.add((*unit, "requires" if edge.required and here and needs else "wants"), units)
    for server in _servers(site, node):
        units = _units(site, draft, server, Condition.STARTED)
        draft.add((*unit, "after"), units)
        draft.add((*unit, "wants"), units)


def _servers(site: Site, node: Running) -> list[Running]:
    """Native databases and RabbitMQ of its host that a node uses, without an edge that orders them already.

    A server that itself waits for the node, by whatever way, is not among them: neither would start.
    """
    if site.forms[node.id] not in _CLIENTS:
        return []
    stated = {target.id for _, target in _dependencies(site, node)}
    found: dict[str, Running] = {}
    for edge in site.graph.edges_from(node.id):
        target = site.graph.by_id.get(edge.target)
        if not isinstance(edge, _USES) or not isinstance(target, Database | MessageBus):
            continue
        native = site.forms.get(target.id) in _SERVERS and _is_here(site, node, target)
        if (
            native
            and target.id not in stated
            and site.start_circles[node.id] != site.start_circles[target.id]
        ):
            found[target.id] = target
    return list(found.values())


def _is_here(site: Site, node: Running, target: Running) -> bool:
    return site.graph.host_of(node.id) == site.graph.host_of(target.id)


def _units(site: Site, draft: Draft, target: Running, condition: Condition) -> list[str]:
    form = site.forms[target.id]
    if form is Form.POSTGRESQL:
        return ["postgresql.target"]
    units = [copy.unit for copy in site.copies(target.id)]
    if form is Form.MYSQL and isinstance(target, Database) and upstreams(site.graph, target):
        return [*units, f"{site.helper('replica', target.id)}.service"]
    if form in _USERS_BY_UNIT and _has_users(site, target):
        return [*units, f"{site.helper('users', target.id)}.service"]
    if form in _PROBED and condition is Condition.HEALTHY:
        port = readiness_port(target)
        if port is not None:
            return [*units, wait_unit(site, draft, target.id, LOOPBACK, port, after=units)]
    return units


def readiness_port(target: Running) -> int | None:
    """The port that answers when a node is there: the one that the firewall opens for `depends_on`."""
    return next((port for port, _ in first_tcp(target)), None)


def _has_users(site: Site, target: Running) -> bool:
    """Whether a unit of our own makes users: a replica has those of its primary, a member of its first."""
    if isinstance(target, MessageBus):
        members = site.graph.bus_members(target.id)
        return members[0].id == target.id and any(member.users for member in members)
    if not isinstance(target, Database):
        return False
    return not upstreams(site.graph, target) and any(user.password for user in target.users)


def _remote_units(site: Site, draft: Draft, node: Running, target: Running) -> list[str]:
    here, host = site.graph.host_of(node.id), site.graph.host_of(target.id)
    assert here is not None
    assert host is not None
    # The host itself tries the port, for all of its nodes that wait.
    address = host_address(site, host, target.id, here)
    port = readiness_port(target)
    if port is None or address is None or _is_sqlite(target):
        return ["network-online.target"]
    return [wait_unit(site, draft, target.id, address, port, after=["network-online.target"])]


def _is_sqlite(target: Running) -> bool:
    return isinstance(target, Database) and target.engine is DatabaseEngine.SQLITE


def wait_unit(site: Site, draft: Draft, target_id: str, address: str, port: int, *, after: list[str]) -> str:
    """Write the unit that waits, for a bounded time, until a node's port answers, and name it."""
    name = site.helper("wait", target_id)
    script = (
        f"until (exec 3<> /dev/tcp/{address}/{port}) 2> /dev/null; do\n"
        f'  echo "{target_id} does not answer yet at {address} port {port}"\n'
        "  sleep 1\n"
        "done\n"
    )
    harden(draft, ("systemd", "services", name))
    draft.put(
        ("systemd", "services", name),
        {
            "description": f"Wait until {target_id} answers",
            "script": Multiline(script),
            "serviceConfig": {
                "Type": "oneshot",
                "RemainAfterExit": True,
                "TimeoutStartSec": WAIT_S,
                "DynamicUser": True,
            },
        },
    )
    draft.add(("systemd", "services", name, "after"), after)
    draft.add(("systemd", "services", name, "wants"), after)
    return f"{name}.service"


def ordered_units(site: Site, node: Running) -> list[str]:
    """The systemd units of a node, the one that others wait for last."""
    if site.forms.get(node.id) is Form.POSTGRESQL:
        return ["postgresql.service", "postgresql.target"]
    return [copy.unit for copy in site.copies(node.id)]
