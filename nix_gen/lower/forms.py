"""In which form each node runs on its host: a native NixOS module, a systemd service, or a container.

Pure. A form is always found or the graph is refused; nothing is dropped. NixOS has one PostgreSQL, one
MySQL and one NATS per machine: the first node (by id) gets it, further ones of the same engine run as
containers. A node with mounts, files or container options of its own asks for what only a container has (a
configuration file at a path of the image), so it stays one.
"""

from __future__ import annotations

from enum import StrEnum

from nix_gen.findings import Finding, Severity
from nix_gen.graph import Graph
from nix_gen.nodes import (
    EXPORTERS,
    Agent,
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
    Service,
    Storage,
)


class Form(StrEnum):
    """How a node is realised."""

    CONTAINER = "container"
    SYSTEMD = "systemd service"
    POSTGRESQL = "services.postgresql"
    MYSQL = "services.mysql"
    REDIS = "services.redis"
    MONGODB = "services.mongodb"
    SQLITE = "directory"
    NGINX = "services.nginx"
    HAPROXY = "services.haproxy"
    NATS = "services.nats"
    KAFKA = "services.apache-kafka"
    RABBITMQ = "services.rabbitmq"
    PROMETHEUS = "services.prometheus"
    ALERTMANAGER = "services.prometheus.alertmanager"
    GRAFANA = "services.grafana"
    LOKI = "services.loki"
    EXPORTER = "services.prometheus.exporters"
    STORAGE = "storage"


SINGLE = frozenset(
    {
        *(Form.POSTGRESQL, Form.MYSQL, Form.MONGODB, Form.NATS, Form.KAFKA, Form.RABBITMQ),
        *(Form.PROMETHEUS, Form.ALERTMANAGER, Form.GRAFANA, Form.LOKI, Form.EXPORTER),
    }
)
"""Forms a machine has once."""
MONITORS = {
    MonitoringEngine.PROMETHEUS: Form.PROMETHEUS,
    MonitoringEngine.ALERTMANAGER: Form.ALERTMANAGER,
    MonitoringEngine.GRAFANA: Form.GRAFANA,
    MonitoringEngine.LOKI: Form.LOKI,
    **dict.fromkeys(sorted(EXPORTERS), Form.EXPORTER),
}
"""The form of each monitoring engine; of exporters a machine has one of each engine."""
BALANCERS = frozenset({Form.NGINX, Form.HAPROXY})
"""Forms of load balancers; those of one form on a host are one program, and one unit."""
_BALANCERS = {BalancerEngine.NGINX: Form.NGINX, BalancerEngine.HAPROXY: Form.HAPROXY}
_DATABASES = {
    DatabaseEngine.POSTGRESQL: Form.POSTGRESQL,
    DatabaseEngine.MYSQL: Form.MYSQL,
    DatabaseEngine.MARIADB: Form.MYSQL,
    DatabaseEngine.REDIS: Form.REDIS,
    DatabaseEngine.MONGODB: Form.MONGODB,
    DatabaseEngine.SQLITE: Form.SQLITE,
}

_BUSES = {
    BusEngine.NATS: Form.NATS,
    BusEngine.KAFKA: Form.KAFKA,
    BusEngine.RABBITMQ: Form.RABBITMQ,
}


def forms_of(graph: Graph) -> tuple[dict[str, Form], list[Finding]]:
    """The form of every placed node by id, and what has none."""
    forms: dict[str, Form] = {}
    findings: list[Finding] = []
    for host in graph.hosts:
        taken: set[tuple[Form, str]] = set()
        ports: set[int] = set()
        for node in graph.nodes_on(host.id):
            form = _form(node, taken, ports)
            if form is None:
                findings.append(_unsupported(node))
                continue
            forms[node.id] = form
            taken.add(_slot(node, form))
    return forms, findings


def _slot(node: Node, form: Form) -> tuple[Form, str]:
    """What a machine has once: most modules as such, of the exporters each kind."""
    return (form, str(getattr(node, "engine", "")) if form is Form.EXPORTER else "")


def _form(node: Node, taken: set[tuple[Form, str]], ports: set[int]) -> Form | None:
    match node:
        case Service() | Agent():
            return Form.CONTAINER if node.is_container else Form.SYSTEMD
        case Storage():
            return Form.STORAGE
        case Host():
            return None
        case _:
            native = _native(node, ports)
            if native is not None and not (native in SINGLE and _slot(node, native) in taken):
                return native
            has_image = node.image is not None or _standard_image(node)
            return Form.CONTAINER if has_image else None


def _native(node: Database | MessageBus | LoadBalancer | Monitoring, ports: set[int]) -> Form | None:
    if node.mounts or node.files or node.container is not None:
        return None
    match node:
        case Database():
            return _database(node, ports)
        case MessageBus():
            return _BUSES[node.engine]
        case LoadBalancer():
            return _BALANCERS[node.engine]
        case Monitoring():
            return MONITORS[node.engine]


def _database(node: Database, ports: set[int]) -> Form | None:
    form = _DATABASES.get(node.engine)
    if form is Form.REDIS and node.listen_port is not None:
        if node.listen_port in ports:
            return None
        ports.add(node.listen_port)
    return None if form is Form.MONGODB and not has_administrator(node) else form


def has_administrator(node: Database) -> bool:
    """Whether the users of a MongoDB can be made anew on every start: one may do so, or there is none."""
    return not node.users or any(user.superuser and user.password is not None for user in node.users)


def _standard_image(node: Database | MessageBus | LoadBalancer | Monitoring) -> bool:
    """Whether we know an image for the engine (`nix_gen.lower.images`)."""
    match node:
        case Database():
            return node.engine is not DatabaseEngine.SQLITE
        case MessageBus():
            return True
        case LoadBalancer():
            return True
        case _:
            return False


def _unsupported(node: Node) -> Finding:
    if isinstance(node, Monitoring):
        why = "has mounts of its own" if node.mounts else f"is not the first {node.engine} of its host"
        return Finding(
            code="no-form",
            severity=Severity.ERROR,
            place=node.id,
            message=f"{why}, so it would be a container, and it has no image",
            mend="place it on another host, or give it an image",
        )
    engine = getattr(node, "engine", None)
    what = f"{engine} {node.kind}" if engine else node.kind
    return Finding(
        code="no-form",
        severity=Severity.ERROR,
        place=node.id,
        message=f"a {what} without an image cannot be run yet",
        mend="give the node an image, or model it as a service",
    )
