"""Exporters: small programs beside what they watch, each with no more rights there than reading takes.

Pure. Each logs in over a socket or loopback as a user of its own: PostgreSQL and MariaDB know it by its
system user, so that there is no password at all; redis gets its password from a credential. What has no
status page by itself (nginx, NATS) opens one on loopback only.
"""

from __future__ import annotations

from collections.abc import Callable

from nix_gen.ir import Call, Multiline, Plain, Ref, Str
from nix_gen.lower.draft import Draft
from nix_gen.lower.forms import Form
from nix_gen.lower.monitoring.endpoints import (
    NATS_MONITOR_PORT,
    NGINX_STATUS_PORT,
    Exporter,
)
from nix_gen.lower.monitoring.mongodb import lower_mongodb_user, mongodb_options
from nix_gen.lower.monitoring.probes import blackbox_options
from nix_gen.lower.monitoring.words import flags, listen_everywhere
from nix_gen.lower.reach import LOOPBACK
from nix_gen.lower.secrets import load_credentials
from nix_gen.lower.site import Site
from nix_gen.lower.words import node_comment
from nix_gen.nodes import (
    MONITORING_PORTS,
    BalancerMode,
    Database,
    DatabaseEngine,
    Host,
    LoadBalancer,
    MessageBus,
    Monitoring,
    MonitoringEngine,
)

HTTP_PORT = 80
"""Where the module of nginx puts its status page."""
_GO_FLAGS = frozenset({MonitoringEngine.REDIS_EXPORTER, MonitoringEngine.NATS_EXPORTER})
_POSTGRES_USER = "postgres-exporter"
_MYSQL_USER = "mysqld-exporter"
MYSQL_CLIENT = f"""\
[client]
user = {_MYSQL_USER}
socket = /run/mysqld/mysqld.sock
# The server asks the system who this is; the exporter insists on a word.
password = unused
"""


def lower_exporters(site: Site, draft: Draft, host: Host) -> None:
    """Write the exporters of a host, and what lets them in where they look."""
    for exporter in site.metrics.exporters(host.id):
        option = ("services", "prometheus", "exporters", exporter.option)
        options: dict[str, Plain] = {"enable": True, "listenAddress": _listen(site, host, exporter)}
        if exporter.port != MONITORING_PORTS[exporter.engine]:
            options["port"] = exporter.port
        options |= _OPTIONS.get(exporter.engine, _nothing)(site, draft, host, exporter)
        extra = options.pop("extraFlags", [])
        assert isinstance(extra, list)
        if exporter.node is not None:
            extra += flags(exporter.node.settings, by_no=exporter.engine not in _GO_FLAGS)
        if extra:
            options["extraFlags"] = extra
        draft.put(option, options, *_comments(exporter))
    _roles(site, draft, host)
    lower_mongodb_user(site, draft, host)
    _plugins(site, draft, host)


def _listen(site: Site, host: Host, exporter: Exporter) -> str:
    node = exporter.node
    reached = exporter.is_open or (node is not None and _is_reached(site, node))
    if not reached:
        return LOOPBACK
    everywhere = listen_everywhere(host)
    # The exporter of NATS puts address and port together by itself.
    return everywhere.strip("[]") if exporter.engine is MonitoringEngine.NATS_EXPORTER else everywhere


def _is_reached(site: Site, node: Monitoring) -> bool:
    return any(binding.published is not None for binding in node.ports) or any(
        not site.is_local(route) or site.forms[route.source.id] is Form.CONTAINER
        for route in site.routes_to(node.id)
    )


def _comments(exporter: Exporter) -> list[str]:
    comments = [] if exporter.node is None else [node_comment(exporter.node)]
    if exporter.targets:
        comments.append(f"Metrics of {', '.join(exporter.targets)}.")
    return comments or ["Metrics of the host itself."]


_Options = Callable[[Site, Draft, Host, Exporter], dict[str, Plain]]


def _nothing(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:  # noqa: ARG001
    return {}


def _node(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:  # noqa: ARG001
    return {"enabledCollectors": ["systemd"]}


def _postgres(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:  # noqa: ARG001
    node = _target(site, exporter)
    if not isinstance(node, Database):
        return {}
    unit = ("systemd", "services", exporter.unit)
    draft.add((*unit, "after"), ["postgresql.target"])
    draft.add((*unit, "wants"), ["postgresql.target"])
    words = {
        "user": _POSTGRES_USER,
        "database": "postgres",
        "host": "/run/postgresql",
        "port": str(node.listen_port),
        "sslmode": "disable",
    }
    return {"dataSourceName": " ".join(f"{name}={word}" for name, word in words.items())}


def _roles(site: Site, draft: Draft, host: Host) -> None:
    """Make the role of an exporter where it is asked for: in the primary, also for its replicas."""
    for node in site.of_form(host.id, Form.POSTGRESQL):
        if node.id in site.metrics.watched_primaries:
            assert isinstance(node, Database)
            _postgres_role(site, draft, node)


def _postgres_role(site: Site, draft: Draft, node: Database) -> None:
    psql = f"psql --no-psqlrc --quiet --port={node.listen_port} --set=ON_ERROR_STOP=1 --dbname=postgres"
    script = (
        f"{psql} <<'SQL'\n"
        f"SELECT 'CREATE ROLE \"{_POSTGRES_USER}\" LOGIN'\n"
        f"WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{_POSTGRES_USER}') \\gexec\n"
        f'GRANT pg_monitor TO "{_POSTGRES_USER}";\n'
        "SQL\n"
    )
    after = ["postgresql-setup.service"]
    draft.put(
        ("systemd", "services", site.helper("monitoring", node.id)),
        {
            "description": f"Role of the exporter in {node.id}",
            "after": after,
            "requires": after,
            "before": ["postgresql.target"],
            "requiredBy": ["postgresql.target"],
            "path": [Ref(("config", "services", "postgresql", "package"))],
            "script": Multiline(script),
            "serviceConfig": {"Type": "oneshot", "RemainAfterExit": True, "User": "postgres"},
        },
        f"{node.id}: the exporter logs in as its system user, and may read statistics, not data.",
    )


def _mysqld(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:  # noqa: ARG001
    node = _target(site, exporter)
    if isinstance(node, Database):
        _mysql_user(site, draft, node, exporter)
    return {
        "configFile": Call(Ref(("pkgs", "writeText")), (Str("mysqld-exporter.cnf"), Multiline(MYSQL_CLIENT)))
    }


def _mysql_user(site: Site, draft: Draft, node: Database, exporter: Exporter) -> None:
    maria = node.engine is DatabaseEngine.MARIADB
    plugin = "VIA unix_socket" if maria else "WITH auth_socket"
    account = f"'{_MYSQL_USER}'@'localhost'"
    rights = "PROCESS, BINLOG MONITOR, SLAVE MONITOR" if maria else "PROCESS, REPLICATION CLIENT"
    script = (
        "mysql --user=root <<'SQL'\n"
        f"CREATE USER IF NOT EXISTS {account} IDENTIFIED {plugin} WITH MAX_USER_CONNECTIONS 3;\n"
        f"GRANT {rights} ON *.* TO {account};\n"
        f"GRANT SELECT ON performance_schema.* TO {account};\n"
        "SQL\n"
    )
    unit = f"{exporter.unit}.service"
    draft.put(
        ("systemd", "services", site.helper("monitoring", node.id)),
        {
            "description": f"User of the exporter in {node.id}",
            "after": ["mysql.service"],
            "requires": ["mysql.service"],
            "before": [unit],
            "requiredBy": [unit],
            "path": [Ref(("config", "services", "mysql", "package"))],
            "script": Multiline(script),
            "serviceConfig": {"Type": "oneshot", "RemainAfterExit": True},
        },
        f"{node.id}: the exporter logs in as its system user, and may read statistics, not data.",
    )


def redis_uri(site: Site, node: Database) -> str:
    """How the redis exporter of its host reaches a server."""
    return f"redis://{_address(site, node.id)}:{node.listen_port}"


def _redis(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:  # noqa: ARG001
    nodes = [node for node in map(site.graph.by_id.get, exporter.targets) if isinstance(node, Database)]
    # Without an address of its own: prometheus names the server each time.
    extra: list[Plain] = ["-redis.addr="]
    secrets = {node.id: node.password for node in nodes if node.password is not None}
    if secrets:
        names = {secret: f"password{index}" for index, secret in enumerate(sorted(set(secrets.values())))}
        reading = " ".join(
            f'--rawfile {name} "$CREDENTIALS_DIRECTORY/{secret}"' for secret, name in names.items()
        )
        entries = ", ".join(
            f'"{redis_uri(site, node)}": (${names[secrets[node.id]]} | rtrimstr("\\n"))'
            for node in nodes
            if node.id in secrets
        )
        draft.put(
            ("systemd", "services", exporter.unit),
            {
                "path": [Ref(("pkgs", "jq"))],
                "preStart": Multiline(
                    f"jq --null-input {reading} \\\n  '{{ {entries} }}' > \"$RUNTIME_DIRECTORY/passwords\"\n"
                ),
                "serviceConfig": {
                    "RuntimeDirectory": exporter.unit,
                    "RuntimeDirectoryMode": "0700",
                    **load_credentials(site, f"{exporter.unit}.service", secrets.values()),
                },
            },
            "The passwords by server, as the exporter wants them, in memory.",
        )
        extra.append(f"-redis.password-file=/run/{exporter.unit}/passwords")
    return {"extraFlags": extra}


def _nats(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:
    node = _target(site, exporter)
    collect: list[Plain] = ["-varz", "-connz", "-subz", "-routez", "-healthz"]
    if not isinstance(node, MessageBus):
        return {"extraFlags": collect}
    port = node.monitor_port
    if port is None:
        port = site.metrics.free_port(host.id, "nats", NATS_MONITOR_PORT)
        draft.put(
            ("services", "nats", "settings", "http"),
            f"{LOOPBACK}:{port}",
            "For the exporter beside it alone.",
        )
    if node.jetstream:
        collect.append("-jsz=all")
    return {"url": f"http://{_address(site, node.id)}:{port}", "extraFlags": collect}


def _nginx(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:  # noqa: ARG001
    if _nginx_has_http(site, host):
        draft.put(("services", "nginx", "statusPage"), True, "For the exporter; only this host sees it.")
        return {}
    port = site.metrics.free_port(host.id, "nginx-status", NGINX_STATUS_PORT)
    draft.put(
        ("services", "nginx", "virtualHosts", "nginx-status"),
        {
            "listen": [{"addr": LOOPBACK, "port": port}],
            "locations": {"/nginx_status": {"extraConfig": Multiline("stub_status;\naccess_log off;\n")}},
        },
        "For the exporter; only this host sees it.",
    )
    return {"scrapeUri": f"http://{LOOPBACK}:{port}/nginx_status"}


def _nginx_has_http(site: Site, host: Host) -> bool:
    """Whether nginx serves port 80 in plain HTTP already, where its module's status page stands.

    A balancer in tcp mode takes the port whole; then, or where another program may have it, the page goes
    elsewhere.
    """
    for node in site.of_form(host.id, Form.NGINX):
        assert isinstance(node, LoadBalancer)
        if node.mode is BalancerMode.HTTP and any(HTTP_PORT in node.plain_ports(one) for one in node.hosts):
            return True
    return False


def _blackbox(site: Site, draft: Draft, host: Host, exporter: Exporter) -> dict[str, Plain]:  # noqa: ARG001
    return blackbox_options()


_OPTIONS: dict[MonitoringEngine, _Options] = {
    MonitoringEngine.NODE_EXPORTER: _node,
    MonitoringEngine.POSTGRES_EXPORTER: _postgres,
    MonitoringEngine.MYSQLD_EXPORTER: _mysqld,
    MonitoringEngine.REDIS_EXPORTER: _redis,
    MonitoringEngine.NATS_EXPORTER: _nats,
    MonitoringEngine.NGINX_EXPORTER: _nginx,
    MonitoringEngine.MONGODB_EXPORTER: mongodb_options,
    MonitoringEngine.BLACKBOX_EXPORTER: _blackbox,
}


def _plugins(site: Site, draft: Draft, host: Host) -> None:
    """Let RabbitMQ tell its metrics where somebody asks; with a `monitor_port` it does so anyway."""
    for edge, source in site.metrics.edges_at.get(host.id, ()):
        target = site.graph.by_id[edge.target]
        silent = isinstance(target, MessageBus) and target.monitor_port is None and edge.port is None
        asked = source.engine is MonitoringEngine.PROMETHEUS
        if asked and silent and site.forms.get(edge.target) is Form.RABBITMQ:
            draft.add(("services", "rabbitmq", "plugins"), ["rabbitmq_prometheus"], f"{edge.id}.")


def _target(site: Site, exporter: Exporter) -> object:
    return site.graph.by_id.get(exporter.targets[0]) if exporter.targets else None


def _address(site: Site, node_id: str) -> str:
    """A node's address as its own host sees it."""
    copies = site.copies(node_id)
    in_container = site.forms[node_id] is Form.CONTAINER and copies
    return copies[0].address or LOOPBACK if in_container else LOOPBACK
