"""Which services of known programs become native nodes, and why others stay containers.

Pure. A native node must do what the container did: where a command, a name or a port says something that the
native module cannot, the container is kept and a note says why.
"""

from __future__ import annotations

import re

from nix_gen.compose.flags import runs_server
from nix_gen.compose.images import (
    FACTS,
    Program,
    is_data,
    known_program,
    replaced_by,
    serves_http,
    version,
    version_obstacle,
    why_container,
)
from nix_gen.compose.natives import NGINX_COMMANDS, SQL_KEYS
from nix_gen.compose.servers import SERVERS, TIME_ZONES, server_obstacle
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.source import Importing
from nix_gen.errors import quoted
from nix_gen.findings import Severity

NGINX_PORTS_MAX_COUNT = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""Names of users and databases that the native modules take."""
_TAKEN_NAMES = frozenset({"all", "sameuser", "samerole", "samegroup", "replication"})
_NGINX_CONFIG = "/etc/nginx"
_REPLICATED = re.compile(
    r"(POSTGRESQL|MYSQL|MARIADB|REDIS|VALKEY)_(REPLICATION_|MASTER_HOST|GALERA_|SENTINEL_)"
)
_PASSWORD_METHODS = frozenset({"scram-sha-256", "md5", "password"})
"""How PostgreSQL asks for passwords; the native server asks by scram-sha-256."""
_EMPTY_PASSWORD = re.compile(r"(MYSQL|MARIADB)_ALLOW_EMPTY_(ROOT_)?PASSWORD")
_ROUTES = ("--cluster=", "--cluster", "-cluster", "--routes", "-routes", "--routes=")
_CONFIG = ("-c", "--config", "-config")


def choose_natives(sources: list[ServiceSource], importing: Importing) -> dict[str, Program]:
    """The program of each service that becomes a native node, by node id."""
    natives: dict[str, Program] = {}
    modules: dict[str, str] = {}
    publishers = {
        binding.published: source.id
        for source in sources
        for binding in source.ports
        if binding.published is not None
    }
    upstreams = {source.id for source in sources if serves_http(source.image, built=source.build is not None)}
    ids = {source.name: source.id for source in sources}
    mounters = _mounters(sources)
    lent = _lent(sources)
    for source in sources:
        program = None if source.image is None else known_program(source.image)
        reason = why_container(source.image) if source.image is not None else None
        if program is not None:
            facts = FACTS[program]
            balances = any(ids[dependency.name] in upstreams for dependency in source.depends_on)
            reason = _shared(source, program, mounters) or _obstacle(source, program, balances=balances)
            if source.id in lent:
                reason = reason or f"{lent[source.id]} takes something of its container over"
            if facts.module in modules:
                reason = f"{modules[facts.module]} already uses {facts.module}, of which a host has one"
            elif program is not Program.NGINX and publishers.get(facts.port, source.id) != source.id:
                reason = f"{publishers[facts.port]} publishes port {facts.port} of the host"
        if program is not None and reason is None:
            _tell_version(source, program, importing)
            natives[source.id] = program
            modules[FACTS[program].module] = source.id
        elif reason is not None:
            message = f"{source.where} ({quoted(source.image)[1:-1]}) stays a container: {reason}"
            mend = "nothing to do, or write a native node into a graph file"
            importing.note("kept-as-container", source.id, message, mend, line=source.line)
    return natives


def _tell_version(source: ServiceSource, program: Program, importing: Importing) -> None:
    running = replaced_by(source.image or "", program)
    if running is not None:
        importing.note(
            "version-differs",
            source.id,
            f"{source.where} asks for {program.value} {version(source.image or '')}; {running} runs",
            "try the upgrade on a copy of the data, or model it as a service with its image",
            line=source.line,
            severity=Severity.WARNING,
        )


def _obstacle(source: ServiceSource, program: Program, *, balances: bool) -> str | None:
    """Why a service with a known image cannot be native."""
    for reason, holds in (
        ("its image is built from sources of its own", source.build is not None),
        ("it has an entrypoint of its own", source.entrypoint is not None),
        (f"it runs {source.replicas} times", source.replicas != 1),
        ("it shares the network of another container", source.place.mode.startswith("node:")),
    ):
        if holds:
            return reason
    if program is Program.NGINX:
        return _nginx_obstacle(source, balances=balances)
    if not runs_server(program, source.command):
        return "its command does not start the server"
    return (
        version_obstacle(source.image or "", program)
        or server_obstacle(source, program)
        or _mount_obstacle(source, program)
        or _command_obstacle(source, program)
        or _name_obstacle(source, program)
        or _login_obstacle(source, program)
    )


def _lent(sources: list[ServiceSource]) -> dict[str, str]:
    """Services of which another one shares a namespace or the volumes, each with that other one."""
    found: dict[str, str] = {}
    for source in sources:
        modes = (source.place.mode, source.container.get("pid"), source.container.get("ipc"))
        targets = [str(mode).removeprefix("node:") for mode in modes if str(mode).startswith("node:")]
        for target in (*targets, *(node_id for node_id, _, _ in source.volumes_from)):
            found.setdefault(target, source.id)
    return found


def _mounters(sources: list[ServiceSource]) -> dict[str, list[str]]:
    """Ids of the services that mount each named volume."""
    found: dict[str, list[str]] = {}
    for source in sources:
        for name in sorted({use.source for use, _ in source.volumes if use.type == "volume"}):
            found.setdefault(name, []).append(source.id)
    return found


def _shared(source: ServiceSource, program: Program, mounters: dict[str, list[str]]) -> str | None:
    """A volume that is not its data and that others mount too: of sockets, certificates, static files."""
    for use, _ in source.volumes:
        others = [one for one in mounters.get(use.source, []) if one != source.id]
        if use.type == "volume" and others and not is_data(use.target, program):
            return f"it shares the volume {quoted(use.source)} with {others[0]}"
    return None


def _nginx_obstacle(source: ServiceSource, *, balances: bool) -> str | None:
    published = {binding.published for binding in source.ports if binding.published is not None}
    targets = [use.target for use, _ in source.volumes] + [use.target for use, _ in source.configs]
    if any(_holds_nginx_config(target) for target in targets):
        return f"it mounts a configuration of its own at {_NGINX_CONFIG}, which says where its upstreams are"
    if not balances:
        return "it stands before no service, so it serves files of its own"
    if source.command not in NGINX_COMMANDS:
        return "its command does more than start the server"
    if not published:
        return "it publishes no port, so it serves other containers only"
    if len(published) > NGINX_PORTS_MAX_COUNT:
        return f"it listens on more than {NGINX_PORTS_MAX_COUNT} ports"
    return None


def _holds_nginx_config(target: str) -> bool:
    return target in {_NGINX_CONFIG, "/etc"} or target.startswith(f"{_NGINX_CONFIG}/")


def _command_obstacle(source: ServiceSource, program: Program) -> str | None:
    """A command that names files of the container, or members of a cluster, means nothing to the module."""
    arguments = list(source.command or ())
    if program in SERVERS:
        return None
    if program is Program.NATS:
        if any(argument.startswith(_ROUTES) and "cluster_" not in argument for argument in arguments):
            return "its command makes it a member of a cluster"
        if any(argument.partition("=")[0] in _CONFIG for argument in arguments):
            return "its command names a file of the container"
        return None
    if arguments and arguments[0] in FACTS[program].servers:
        arguments.pop(0)
    if any(argument.startswith("/") or "=/" in argument for argument in arguments):
        return "its command names a file of the container"
    return None


def _mount_obstacle(source: ServiceSource, program: Program) -> str | None:
    """Scripts, settings and certificates at paths of the image mean nothing to the module."""
    targets = [use.target for use, _ in source.volumes if use.type not in {"tmpfs", "anonymous"}]
    for target in [*targets, *(use.target for use, _ in source.configs)]:
        if not is_data(target, program) and target not in TIME_ZONES and program not in SERVERS:
            return f"it mounts {target}, which the native service would not read"
    replicated = sorted(
        key for key, entry in source.environment.items() if entry.value and _REPLICATED.match(key)
    )
    return f"{replicated[0]} makes it a member of a cluster" if replicated else None


def _login_obstacle(source: ServiceSource, program: Program) -> str | None:
    """A server that lets users in without a password, which the native one does from its own host alone."""
    if program not in SQL_KEYS:
        return None
    for key, entry in sorted(source.environment.items()):
        if key == "POSTGRES_HOST_AUTH_METHOD" and entry.value not in {"", *_PASSWORD_METHODS}:
            return f"{key}={entry.value} lets users in as the native service would not"
        if _EMPTY_PASSWORD.fullmatch(key) and entry.value:
            names = SQL_KEYS[program]["root_password"]
            given = [source.environment.get(name) for root in names for name in (root, f"{root}_FILE")]
            if not any(one is not None and (one.value or one.secret) for one in given):
                return f"{key} lets root in without a password, and the native service would not"
    return None


def _name_obstacle(source: ServiceSource, program: Program) -> str | None:
    keys = SQL_KEYS.get(program, {})
    for kind in ("user", "database"):
        for key in keys.get(kind, ()):
            if (named := source.environment.get(f"{key}_FILE")) is not None and named.value:
                return f"{key}_FILE names a file of the container"
            entry = source.environment.get(key)
            if entry is not None and entry.secret and not entry.value:
                return f"{key} has no value here, and the host gives it to containers only"
            if entry is None or not entry.value:
                continue
            if not _NAME.fullmatch(entry.value) or entry.value in _TAKEN_NAMES:
                return f"{key} is a name that the native service does not take"
    return None
