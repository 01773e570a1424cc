"""Settings of native database servers that would take from the machine what it rests on. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.lower.forms import Form, forms_of
from nix_gen.nodes import Database, DatabaseEngine
from nix_gen.replication import lineage

_STORAGE = "where the data lies is decided by the storage it mounts"
_ACCESS = "who may log in is decided by edges and users"
_EDGE = "whom it follows is decided by replicates edges"
_SECRET = "a setting stands in the Nix store for all to read"  # noqa: S105  # says so of passwords
_UNIT = "how it runs is decided by its unit"
_PORT = "where it listens is decided by port and edges"
_LOG = "its replicas read its log, by transaction ids"
_REFUSED: dict[DatabaseEngine, dict[str, str]] = {
    DatabaseEngine.POSTGRESQL: {
        "config_file": _UNIT,
        "data_directory": _STORAGE,
        "external_pid_file": _UNIT,
        "hba_file": _ACCESS,
        "ident_file": _ACCESS,
        "primary_conninfo": _EDGE,
        "primary_slot_name": _EDGE,
        "synchronous_standby_names": _EDGE,
        "unix_socket_directories": _UNIT,
    },
    DatabaseEngine.REDIS: {
        "daemonize": _UNIT,
        "include": _UNIT,
        "masterauth": _SECRET,
        "replicaof": _EDGE,
        "requirepass": _SECRET,
        "slaveof": _EDGE,
        "supervised": _UNIT,
    },
    DatabaseEngine.MONGODB: {
        "net.bindIp": _PORT,
        "net.port": _PORT,
        "processManagement.fork": _UNIT,
        "replication.replSetName": _EDGE,
        "security.authorization": _ACCESS,
        "security.keyFile": _ACCESS,
        "storage.dbPath": _STORAGE,
        "systemLog.destination": _UNIT,
    },
}
_MYSQL = {"skip_grant_tables": _ACCESS, "socket": _UNIT}
_MYSQL_OF_LINEAGE = dict.fromkeys(
    ("enforce_gtid_consistency", "gtid_mode", "gtid_strict_mode", "log_bin", "read_only", "skip_log_bin"),
    _LOG,
)
_MYSQL_DATA = "/var/lib/mysql"
_NATIVE = frozenset({Form.POSTGRESQL, Form.MYSQL, Form.REDIS, Form.MONGODB})
_SQL = frozenset({DatabaseEngine.MYSQL, DatabaseEngine.MARIADB})


def setting_findings(graph: Graph) -> Iterator[Finding]:
    """setting-refused; a container has settings of its own, and may set what it likes."""
    suspects = [
        (node, reasons)
        for node in graph.nodes_in_order
        if isinstance(node, Database) and (reasons := _refused(graph, node))
    ]
    if not suspects:
        return
    forms, _ = forms_of(graph)
    for node, reasons in suspects:
        if forms.get(node.id) in _NATIVE:
            for name, reason in sorted(reasons.items()):
                message = f"the setting {name} is not taken: {reason}"
                yield finding("setting-refused", node.id, message, "leave it out")


def _refused(graph: Graph, node: Database) -> dict[str, str]:
    """Settings of a node that a native server could not have, with why."""
    if node.engine in _SQL:
        return _refused_by_mysql(graph, node)
    refused = _REFUSED.get(node.engine, {})
    found = {name: refused[name] for name in node.settings if name in refused}
    if node.engine is DatabaseEngine.POSTGRESQL:
        if str(node.settings.get("password_encryption")).lower() == "md5":
            found["password_encryption"] = "access rules ask for scram-sha-256"  # noqa: S105  # no password
        if str(node.settings.get("wal_level")).lower() == "minimal" and len(lineage(graph, node)) > 1:
            found["wal_level"] = "its replicas read its log"
    return found


def _refused_by_mysql(graph: Graph, node: Database) -> dict[str, str]:
    refused = _MYSQL | (_MYSQL_OF_LINEAGE if len(lineage(graph, node)) > 1 else {})
    found = {name: reason for name in node.settings if (reason := refused.get(name.replace("-", "_")))}
    if node.settings.get("datadir", _MYSQL_DATA) != _MYSQL_DATA:
        found["datadir"] = _STORAGE
    return found
