"""Compose services of known programs as native nodes: databases, message buses, load balancers.

Pure. What the image did by environment and command is said in the node's fields; the rest becomes notes.
"""

from __future__ import annotations

import re

from nix_gen.compose.flags import Flags, read_flags
from nix_gen.compose.images import FACTS, Program, is_data, version
from nix_gen.compose.lookup import Lookup, health_check_of
from nix_gen.compose.reading import NativeReading
from nix_gen.compose.servers import SERVERS
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing
from nix_gen.compose.syntax import VolumeUse
from nix_gen.compose.workloads import common_fields, secret_note
from nix_gen.concealment import key_looks_secret
from nix_gen.errors import quoted
from nix_gen.nodes import (
    Database,
    DatabaseUser,
    LoadBalancer,
    MessageBus,
    Monitoring,
    PortBinding,
    SecretRef,
)

_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
SQL_KEYS = {
    Program.POSTGRESQL: {
        "user": ("POSTGRES_USER", "POSTGRESQL_USERNAME"),
        "password": ("POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"),
        "root_password": ("POSTGRESQL_POSTGRES_PASSWORD", "POSTGRES_POSTGRES_PASSWORD"),
        "database": ("POSTGRES_DB", "POSTGRESQL_DATABASE"),
    },
    Program.MARIADB: {
        "user": ("MARIADB_USER", "MYSQL_USER"),
        "password": ("MARIADB_PASSWORD", "MYSQL_PASSWORD"),
        "root_password": ("MARIADB_ROOT_PASSWORD", "MYSQL_ROOT_PASSWORD"),
        "database": ("MARIADB_DATABASE", "MYSQL_DATABASE"),
    },
}
SQL_KEYS[Program.MYSQL] = SQL_KEYS[Program.MARIADB]
NGINX_COMMANDS = (None, (), ("nginx",), ("nginx", "-g", "daemon off;"), ("nginx-debug", "-g", "daemon off;"))
"""Commands that only start the server."""
NATS_MONITOR_PORT = 8222


def native_node(
    source: ServiceSource, program: Program, importing: Importing
) -> Database | MessageBus | LoadBalancer | Monitoring | None:
    """The native node for a service of a known program; None with a problem where a value is not valid."""
    if source.name != source.id:
        source.aliases.add(source.name)
    reading = NativeReading(source, importing)
    common = common_fields(source) | {
        "health_check": health_check_of(Lookup(source, importing, adds=False)),
        "version": version(source.image or ""),
        "secrets": _unused_secrets(source),
    }
    kind: type[Database | MessageBus | LoadBalancer | Monitoring]
    if program in SERVERS:
        kind, fields = SERVERS[program](reading)
    elif program is Program.NGINX:
        kind, fields = LoadBalancer, _nginx(source, importing)
    elif program is Program.NATS:
        kind, fields = MessageBus, _nats(source, importing)
    elif program is Program.REDIS:
        kind, fields = Database, _redis(reading)
    else:
        kind, fields = Database, _sql(reading, program)
    reading.leftovers()
    node: Database | MessageBus | LoadBalancer | Monitoring | None = importing.built(
        kind, source.where, line=source.line, **{**common, "ports": tuple(source.ports), **fields}
    )
    return node


def _unused_secrets(source: ServiceSource) -> tuple[SecretRef, ...]:
    """Secrets the service mounts and no `_FILE` variable points at: kept, for whatever reads them."""
    paths = {entry.value for key, entry in source.environment.items() if key.endswith("_FILE")}
    return tuple(ref for ref in source.secrets if ref.path not in paths)


def _sql(reading: NativeReading, program: Program) -> dict[str, object]:
    keys = SQL_KEYS[program]
    root = "postgres" if program is Program.POSTGRESQL else "root"
    postgres = program is Program.POSTGRESQL
    user = reading.text(*keys["user"]) or (root if postgres else None)
    password, root_password = reading.secret(*keys["password"]), reading.secret(*keys["root_password"])
    database = reading.text(*keys["database"]) or (user if postgres else None)
    owned = (database,) if database is not None and not (postgres and database == root) else ()
    users: list[DatabaseUser] = []
    for fields in _users(user, password, root, root_password, owned, postgres=postgres):
        built = reading.importing.built(
            DatabaseUser, reading.source.where, line=reading.source.line, **fields
        )
        if built is not None:
            users.append(built)
    for key in ("MYSQL_RANDOM_ROOT_PASSWORD", "MARIADB_RANDOM_ROOT_PASSWORD", "POSTGRES_HOST_AUTH_METHOD"):
        _weigh(reading, key)
    flags = read_flags(program, reading.source, reading.importing)
    return {
        "engine": program.value,
        "port": _port(flags, FACTS[program].port),
        "databases": owned,
        "users": tuple(users),
        "settings": _settings(flags, reading),
    }


def _users(
    user: str | None,
    password: str | None,
    root: str,
    root_password: str | None,
    owned: tuple[str, ...],
    *,
    postgres: bool,
) -> list[dict[str, object]]:
    """Users the image would have created. PostgreSQL's named user is its superuser, MySQL's is not."""
    if user == root:
        return [
            {
                "name": root,
                "password": root_password or password,
                "superuser": True,
                "owns": owned if postgres else (),
            }
        ]
    found: list[dict[str, object]] = []
    if root_password is not None:
        found.append({"name": root, "password": root_password, "superuser": True})
    if user is not None:
        superuser = postgres and root_password is None
        found.append({"name": user, "password": password, "owns": owned, "superuser": superuser})
    return found


def _weigh(reading: NativeReading, key: str) -> None:
    """Note a variable that weakens or replaces a password, as a warning."""
    if reading.text(key) is not None:
        line = reading.source.environment[key].line
        mend = "choose how users log in on the host"
        reading.importing.dropped(reading.source.id, f"{key} of the image", mend, line=line, warn=True)


def _redis(reading: NativeReading) -> dict[str, object]:
    password = reading.secret("REDIS_PASSWORD", "VALKEY_PASSWORD")
    reading.text("ALLOW_EMPTY_PASSWORD")
    flags = read_flags(Program.REDIS, reading.source, reading.importing)
    given = flags.values.pop("requirepass", None)
    if given is not None:
        variable = _variable_of(reading, given)
        value = given if isinstance(given, str) else ""
        password = reading.importing.secret_name(reading.source.id, "requirepass", variable, value)
        secret_note(reading.source, "--requirepass", password, reading.source.line, reading.importing)
    return {
        "engine": "redis",
        "port": _port(flags, FACTS[Program.REDIS].port),
        "password": password,
        "settings": _settings(flags, reading),
    }


def _variable_of(reading: NativeReading, given: object) -> str | None:
    """The variable of the file that a password in the command came from, as far as that can be told."""
    unset = [name for name in reading.source.command_unset if key_looks_secret(name)]
    if isinstance(given, str):
        return reading.importing.variables.get(given)
    return unset[0] if len(unset) == 1 else None


def _port(flags: Flags, usual: int) -> int | None:
    text = flags.values.pop("port", None)
    return int(text) if isinstance(text, str) and text.isdecimal() and int(text) != usual else None


def _settings(flags: Flags, reading: NativeReading) -> dict[str, str | bool]:
    settings: dict[str, str | bool] = {}
    for name, value in sorted(flags.values.items()):
        hidden = key_looks_secret(name) or (
            isinstance(value, str) and reading.importing.concealed.inside(value)
        )
        if hidden or not _SETTING.fullmatch(name):
            mend = "give it to the service on the host"
            what = f"the argument {quoted(name)}"
            reading.importing.dropped(reading.source.id, what, mend, line=reading.source.line, warn=True)
        else:
            settings[name] = value
    return settings


def _nats(source: ServiceSource, importing: Importing) -> dict[str, object]:
    flags = read_flags(Program.NATS, source, importing).values
    monitor = flags.get("http_port")
    if monitor is None and not source.command:
        monitor = str(NATS_MONITOR_PORT)
    port = flags.get("port")
    cluster = flags.get("cluster_name")
    return {
        "port": int(port) if isinstance(port, str) and port.isdecimal() else None,
        "monitor_port": int(monitor) if isinstance(monitor, str) and monitor.isdecimal() else None,
        "jetstream": flags.get("jetstream") in {True, "true"},
        "cluster": {"name": cluster} if isinstance(cluster, str) and cluster else None,
    }


def _nginx(source: ServiceSource, importing: Importing) -> dict[str, object]:
    """The published port becomes the one nginx itself listens on; 443 needs a certificate and is left out."""
    listen: dict[int, PortBinding] = {}
    for binding in source.ports:
        port = binding.published or binding.port
        if binding.port == 443:
            importing.dropped(
                source.id,
                f"port {port} for TLS",
                "give the virtual host a certificate on the host",
                line=source.line,
                warn=True,
            )
        elif binding.protocol == "tcp":
            listen[port] = binding.model_copy(update={"port": port})
    return {"listen": tuple(sorted(listen)) or (80,), "ports": tuple(listen.values())}


def data_volumes(
    source: ServiceSource, program: Program, importing: Importing
) -> list[tuple[VolumeUse, int]]:
    """Mounts of a native node that hold its data; the others become notes."""
    kept = []
    for use, line in source.volumes:
        if program is Program.NODE_EXPORTER:
            continue  # it sees the host itself
        if is_data(use.target, program) and use.type in {"volume", "bind"} and not use.read_only:
            kept.append((use, line))
        elif use.type not in {"tmpfs", "anonymous"}:
            importing.dropped(
                source.id,
                f"what {quoted(use.source)} holds for {use.target} in the image",
                "say it in the graph or in the host's configuration",
                line=line,
                warn=True,
            )
        else:
            importing.dropped(source.id, f"the {use.type} mount at {use.target}", "do without it", line=line)
    return kept
