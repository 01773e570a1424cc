"""MongoDB, RabbitMQ, Kafka and monitoring programs as native nodes: what their images read, and what hinders.

Pure. Each program is native only where everything the service says can be said of its node; otherwise it
keeps its container, and `server_obstacle` says why.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nix_gen.compose.images import FACTS, Program, is_data
from nix_gen.compose.reading import NativeReading
from nix_gen.compose.services import ServiceSource
from nix_gen.compose.syntax import duration_ms, image_name
from nix_gen.nodes import BusUser, Database, DatabaseUser, MessageBus, Monitoring, SecretRef

_MONGO_USER = ("MONGO_INITDB_ROOT_USERNAME", "MONGODB_ROOT_USER")
_MONGO_PASSWORD = ("MONGO_INITDB_ROOT_PASSWORD", "MONGODB_ROOT_PASSWORD")
_MONGO_FLAGS = frozenset({"--auth", "--bind_ip_all", "--quiet", "--bind_ip", "0.0.0.0"})  # noqa: S104
_RABBIT_USER = ("RABBITMQ_DEFAULT_USER", "RABBITMQ_USERNAME")
_RABBIT_PASSWORD = ("RABBITMQ_DEFAULT_PASS", "RABBITMQ_PASSWORD")
_RETENTION = "--storage.tsdb.retention.time"
_USUAL_FLAGS: dict[Program, dict[str, str | None]] = {
    Program.PROMETHEUS: {
        "--config.file": "/etc/prometheus/prometheus.yml",
        "--storage.tsdb.path": "/prometheus",
        "--web.console.libraries": None,
        "--web.console.templates": None,
        _RETENTION: None,
    },
    Program.ALERTMANAGER: {
        "--config.file": "/etc/alertmanager/alertmanager.yml",
        "--storage.path": "/alertmanager",
    },
    Program.LOKI: {"-config.file": "/etc/loki/local-config.yaml"},
    Program.NODE_EXPORTER: {"--path.rootfs": None, "--path.procfs": None, "--path.sysfs": None},
    Program.GRAFANA: {},
}
"""Flags that say what is so anyway, with the value they then have; None: any."""
TIME_ZONES = frozenset({"/etc/localtime", "/etc/timezone"})
_KAFKA_DEFAULTS = {
    "KAFKA_NODE_ID": r"[0-9]+",
    "KAFKA_BROKER_ID": r"[0-9]+",
    "KAFKA_PROCESS_ROLES": r"broker, ?controller|controller, ?broker",
    "KAFKA_LISTENERS": r"PLAINTEXT://[^,/]*:9092,CONTROLLER://[^,/]*:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": r"CONTROLLER",
    "KAFKA_INTER_BROKER_LISTENER_NAME": r"PLAINTEXT",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": r"((CONTROLLER|PLAINTEXT):PLAINTEXT,?)+",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": r"[0-9]+@[^,]+:9093",
    "CLUSTER_ID": r".*",
    "KAFKA_LOG_DIRS": r".*",
}
"""Variables that say what the native server does anyway."""


def server_obstacle(source: ServiceSource, program: Program) -> str | None:
    """Why a service of one of these programs stays a container; None for any other program."""
    if program not in SERVERS:
        return None
    for use, _ in source.volumes:
        seen = program is Program.NODE_EXPORTER or is_data(use.target, program) or use.target in TIME_ZONES
        if not seen and use.type not in {"tmpfs", "anonymous"}:
            return f"it mounts {use.target}, which the native service would not read"
    if source.configs:
        return f"it mounts {source.configs[0][0].target}, which the native service would not read"
    return _OBSTACLES[program](source, program)


def _value(source: ServiceSource, *keys: str) -> str:
    return next((source.environment[key].value for key in keys if key in source.environment), "")


def _has(source: ServiceSource, *keys: str) -> bool:
    found = [
        source.environment[name]
        for key in keys
        for name in (key, f"{key}_FILE")
        if name in source.environment
    ]
    return any(entry.value or entry.secret for entry in found)


def _mongo_obstacle(source: ServiceSource, _: Program) -> str | None:
    arguments = [one for one in source.command or () if one not in FACTS[Program.MONGODB].servers]
    strange = [one for one in arguments if one.partition("=")[0] not in _MONGO_FLAGS]
    if strange:
        return f"its command says {strange[0]}, which has no field in the graph"
    if _has(source, *_MONGO_PASSWORD) != bool(_value(source, *_MONGO_USER)):
        return "its administrator has only one of name and password here"
    return None


def _rabbit_obstacle(source: ServiceSource, _: Program) -> str | None:
    if "management" in (image_name(source.image or "").tag or ""):
        return "it has the management plugin, which the native service does not switch on"
    if not _value(source, *_RABBIT_USER) or not _has(source, *_RABBIT_PASSWORD):
        return "it names no user and password, and its guest may log in from everywhere"
    if _value(source, "RABBITMQ_DEFAULT_VHOST") not in {"", "/"}:
        return "its virtual host is another than /"
    return None


def _kafka_obstacle(source: ServiceSource, _: Program) -> str | None:
    if source.command:
        return "it has a command of its own"
    names = {source.name, source.id, *source.aliases}
    for key, entry in source.environment.items():
        if key == "KAFKA_ADVERTISED_LISTENERS":
            found = re.fullmatch(r"PLAINTEXT://([^,/:]+):9092", entry.value)
            if found is None or found[1] not in names:
                return "it advertises listeners of its own"
        elif key in _KAFKA_DEFAULTS:
            if not re.fullmatch(_KAFKA_DEFAULTS[key], entry.value):
                return f"{key} says more than one server with the usual listeners"
        elif not key.startswith("KAFKA_") or entry.secret:
            return f"{key} has no field in the graph"
    return None


def _monitor_obstacle(source: ServiceSource, program: Program) -> str | None:
    usual = _USUAL_FLAGS[program]
    arguments = [one for one in source.command or () if one not in FACTS[program].servers]
    for argument in arguments:
        name, _, held = argument.partition("=")
        if name not in usual or usual[name] not in {None, held}:
            return f"its command says {name}, which has no field in the graph"
    if program is Program.GRAFANA:
        if _has(source, "GF_INSTALL_PLUGINS", "GF_PLUGINS_PREINSTALL"):
            return "it fetches plugins when it starts"
        paths = [key for key, entry in source.environment.items() if entry.value.startswith("/")]
        if paths:
            return f"{paths[0]} names a file of the container"
    return None


_OBSTACLES: dict[Program, Callable[[ServiceSource, Program], str | None]] = {
    Program.MONGODB: _mongo_obstacle,
    Program.RABBITMQ: _rabbit_obstacle,
    Program.KAFKA: _kafka_obstacle,
    **dict.fromkeys(_USUAL_FLAGS, _monitor_obstacle),
}


def _mongodb(reading: NativeReading) -> tuple[type[Any], dict[str, object]]:
    name = reading.text(*_MONGO_USER)
    password = reading.secret(*_MONGO_PASSWORD)
    database = reading.text("MONGO_INITDB_DATABASE")
    users = (DatabaseUser(name=name, password=password, superuser=True),) if name and password else ()
    return Database, {"engine": "mongodb", "users": users, "databases": (database,) if database else ()}


def _rabbitmq(reading: NativeReading) -> tuple[type[Any], dict[str, object]]:
    name, password = reading.text(*_RABBIT_USER), reading.secret(*_RABBIT_PASSWORD)
    reading.text("RABBITMQ_DEFAULT_VHOST")
    user = reading.importing.built(
        BusUser,
        reading.source.where,
        line=reading.source.line,
        name=name,
        password=password,
        configure=".*",
        administrator=True,
    )
    return MessageBus, {"engine": "rabbitmq", "users": () if user is None else (user,)}


def _kafka(reading: NativeReading) -> tuple[type[Any], dict[str, object]]:
    settings = {}
    for key, entry in reading.source.environment.items():
        reading.used.add(key)
        if key not in _KAFKA_DEFAULTS and key != "KAFKA_ADVERTISED_LISTENERS":
            settings[key.removeprefix("KAFKA_").lower().replace("_", ".")] = entry.value
    return MessageBus, {"engine": "kafka", "settings": settings}


def _monitor(program: Program) -> Callable[[NativeReading], tuple[type[Any], dict[str, object]]]:
    def _read(reading: NativeReading) -> tuple[type[Any], dict[str, object]]:
        fields: dict[str, object] = {"engine": program.value}
        for argument in reading.source.command or ():
            name, _, held = argument.partition("=")
            if name == _RETENTION:
                fields["retention_ms"] = reading.importing.attempt(
                    lambda held=held: duration_ms(_days(held)),  # type: ignore[misc]
                    f"{reading.source.where}, command",
                    "write 15d",
                    line=reading.source.line,
                )
        return Monitoring, fields

    return _read


def _days(text: str) -> str:
    """A duration of Prometheus with its weeks and years in days."""
    found = re.fullmatch(r"([0-9]{1,4})([wy])", text)
    return text if found is None else f"{int(found[1]) * {'w': 7, 'y': 365}[found[2]]}d"


def _grafana(reading: NativeReading) -> tuple[type[Any], dict[str, object]]:
    """Grafana reads the same variables natively; those with secrets come from the host."""
    password = reading.secret("GF_SECURITY_ADMIN_PASSWORD")
    environment: dict[str, str] = {}
    secrets = list(reading.source.secrets)
    for key, entry in reading.source.environment.items():
        if key in reading.used:
            continue
        reading.used.add(key)
        if entry.secret or reading.importing.concealed.inside(entry.value):
            name = reading.importing.secret_name(reading.source.id, key, entry.variable, entry.value)
            secrets.append(SecretRef(name=name, env=key))
            reading.tell_secret(key, name, entry.line)
        else:
            environment[key] = entry.value
    return Monitoring, {
        "engine": "grafana",
        "password": password,
        "environment": environment,
        "secrets": tuple(secrets),
    }


SERVERS: dict[Program, Callable[[NativeReading], tuple[type[Any], dict[str, object]]]] = {
    Program.MONGODB: _mongodb,
    Program.RABBITMQ: _rabbitmq,
    Program.KAFKA: _kafka,
    Program.GRAFANA: _grafana,
    **{program: _monitor(program) for program in _USUAL_FLAGS if program is not Program.GRAFANA},
}
"""What each program's node is made of: its kind and its fields."""
