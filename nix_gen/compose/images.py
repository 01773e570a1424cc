"""Which images are known programs with a native NixOS module, and which only look like one.

Pure. Only the official images (Docker Hub's library and its mirrors) and Bitnami's builds of the same
programs are known; an image of the same name from elsewhere may hold anything and stays a container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from nix_gen.compose.syntax import image_name
from nix_gen.nodes import (
    BUS_PORTS,
    DATABASE_PORTS,
    MONITORING_PORTS,
    BusEngine,
    DatabaseEngine,
    MonitoringEngine,
)
from nix_gen.nodes.balancers import HTTP_PORT


class Program(StrEnum):
    """Programs that are lowered to a native module."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MARIADB = "mariadb"
    REDIS = "redis"
    NATS = "nats"
    NGINX = "nginx"
    MONGODB = "mongodb"
    RABBITMQ = "rabbitmq"
    KAFKA = "kafka"
    PROMETHEUS = "prometheus"
    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    LOKI = "loki"
    NODE_EXPORTER = "node_exporter"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramFacts:
    """What the importer knows of a program's images."""

    port: int
    module: str
    """NixOS module that runs it; a host runs one of each."""
    servers: frozenset[str]
    """Names of the server in a container command."""
    data: tuple[str, ...] = ()
    """Directories in the image that hold its data."""


FACTS = {
    Program.POSTGRESQL: ProgramFacts(
        port=DATABASE_PORTS[DatabaseEngine.POSTGRESQL],
        module="services.postgresql",
        servers=frozenset({"postgres"}),
        data=("/var/lib/postgresql", "/bitnami/postgresql"),
    ),
    Program.MYSQL: ProgramFacts(
        port=DATABASE_PORTS[DatabaseEngine.MYSQL],
        module="services.mysql",
        servers=frozenset({"mysqld", "mysqld_safe"}),
        data=("/var/lib/mysql", "/bitnami/mysql"),
    ),
    Program.MARIADB: ProgramFacts(
        port=DATABASE_PORTS[DatabaseEngine.MARIADB],
        module="services.mysql",
        servers=frozenset({"mysqld", "mariadbd", "mysqld_safe"}),
        data=("/var/lib/mysql", "/bitnami/mariadb"),
    ),
    Program.REDIS: ProgramFacts(
        port=DATABASE_PORTS[DatabaseEngine.REDIS],
        module="services.redis",
        servers=frozenset({"redis-server", "valkey-server"}),
        data=("/data", "/bitnami/redis", "/bitnami/valkey"),
    ),
    Program.NATS: ProgramFacts(
        port=BUS_PORTS[BusEngine.NATS],
        module="services.nats",
        servers=frozenset({"nats-server", "/nats-server"}),
        data=("/data", "/nats", "/tmp/nats"),  # noqa: S108
    ),
    Program.NGINX: ProgramFacts(port=HTTP_PORT, module="services.nginx", servers=frozenset({"nginx"})),
    Program.MONGODB: ProgramFacts(
        port=DATABASE_PORTS[DatabaseEngine.MONGODB],
        module="services.mongodb",
        servers=frozenset({"mongod"}),
        data=("/data/db", "/data/configdb", "/bitnami/mongodb"),
    ),
    Program.RABBITMQ: ProgramFacts(
        port=BUS_PORTS[BusEngine.RABBITMQ],
        module="services.rabbitmq",
        servers=frozenset({"rabbitmq-server"}),
        data=("/var/lib/rabbitmq",),
    ),
    Program.KAFKA: ProgramFacts(
        port=BUS_PORTS[BusEngine.KAFKA],
        module="services.apache-kafka",
        servers=frozenset({"/etc/kafka/docker/run"}),
        data=("/var/lib/kafka/data", "/tmp/kafka-logs", "/tmp/kraft-combined-logs"),  # noqa: S108
    ),
    Program.PROMETHEUS: ProgramFacts(
        port=MONITORING_PORTS[MonitoringEngine.PROMETHEUS],
        module="services.prometheus",
        servers=frozenset({"prometheus", "/bin/prometheus"}),
        data=("/prometheus",),
    ),
    Program.ALERTMANAGER: ProgramFacts(
        port=MONITORING_PORTS[MonitoringEngine.ALERTMANAGER],
        module="services.prometheus.alertmanager",
        servers=frozenset({"alertmanager", "/bin/alertmanager"}),
        data=("/alertmanager",),
    ),
    Program.GRAFANA: ProgramFacts(
        port=MONITORING_PORTS[MonitoringEngine.GRAFANA],
        module="services.grafana",
        servers=frozenset({"grafana-server", "/run.sh"}),
        data=("/var/lib/grafana",),
    ),
    Program.LOKI: ProgramFacts(
        port=MONITORING_PORTS[MonitoringEngine.LOKI],
        module="services.loki",
        servers=frozenset({"loki", "/usr/bin/loki"}),
        data=("/loki",),
    ),
    Program.NODE_EXPORTER: ProgramFacts(
        port=MONITORING_PORTS[MonitoringEngine.NODE_EXPORTER],
        module="services.prometheus.exporters.node",
        servers=frozenset({"node_exporter", "/bin/node_exporter"}),
    ),
}
_OFFICIAL = {
    "postgres": Program.POSTGRESQL,
    "mysql": Program.MYSQL,
    "mariadb": Program.MARIADB,
    "redis": Program.REDIS,
    "nats": Program.NATS,
    "nginx": Program.NGINX,
    "mongo": Program.MONGODB,
    "rabbitmq": Program.RABBITMQ,
}
_VENDORS = {
    "apache/kafka": Program.KAFKA,
    "grafana/grafana": Program.GRAFANA,
    "grafana/grafana-oss": Program.GRAFANA,
    "grafana/loki": Program.LOKI,
    "prom/alertmanager": Program.ALERTMANAGER,
    "prom/node-exporter": Program.NODE_EXPORTER,
    "prom/prometheus": Program.PROMETHEUS,
    "valkey/valkey": Program.REDIS,
}
"""Images on Docker Hub that the makers of a program publish themselves."""
_QUAY = {
    "prometheus/alertmanager": Program.ALERTMANAGER,
    "prometheus/node-exporter": Program.NODE_EXPORTER,
    "prometheus/prometheus": Program.PROMETHEUS,
}
_BITNAMI = {
    "postgresql": Program.POSTGRESQL,
    "mysql": Program.MYSQL,
    "mariadb": Program.MARIADB,
    "redis": Program.REDIS,
    "valkey": Program.REDIS,
    "nats": Program.NATS,
}
"""Not nginx: Bitnami's listens on 8080 and serves a tree of its own."""
_MODULES = re.compile(r"^(redis/redis-stack(-server)?|redislabs/\w+|redis/rejson)$")
_LIBRARIES = (("docker.io", "library/"), ("public.ecr.aws", "docker/library/"), ("mirror.gcr.io", "library/"))


def known_program(image: str) -> Program | None:
    """The program of an official or Bitnami image, or None."""
    name = image_name(image)
    for registry, folder in _LIBRARIES:
        if name.registry == registry and name.path.startswith(folder):
            return _OFFICIAL.get(name.path.removeprefix(folder))
    if name.registry == "quay.io":
        return _QUAY.get(name.path)
    if name.registry != "docker.io":
        return None
    owner, _, short = name.path.partition("/")
    if owner in {"bitnami", "bitnamilegacy"}:
        return _BITNAMI.get(short)
    return _VENDORS.get(name.path)


def why_container(image: str) -> str | None:
    """Why an image that looks like a known program stays a container; None where it does not."""
    name = image_name(image)
    if name.registry == "docker.io" and _MODULES.match(name.path):
        return "it carries Redis modules, which the native service does not have"
    short = name.path.rpartition("/")[2]
    if short in _OFFICIAL and known_program(image) is None:
        return "it is not the official image and may hold anything"
    return None


def is_data(path: str, program: Program) -> bool:
    """Whether a path in the image of a program holds its data."""
    return any(path == one or path.startswith(f"{one}/") for one in FACTS[program].data)


def serves_http(image: str | None, *, built: bool) -> bool:
    """Whether a load balancer before a service of this image makes sense: no database, and not FastCGI."""
    if built or image is None:
        return True
    web = {None, Program.NGINX, Program.GRAFANA, Program.PROMETHEUS, Program.ALERTMANAGER, Program.LOKI}
    return known_program(image) in web and "fpm" not in image


MAJORS = {
    Program.POSTGRESQL: range(13, 19),
    Program.MYSQL: range(8, 9),
    Program.MARIADB: range(10, 12),
    Program.REDIS: range(6, 10),
    Program.NATS: range(2, 3),
    Program.MONGODB: range(8, 9),
    Program.RABBITMQ: range(4, 5),
    Program.KAFKA: range(4, 5),
    Program.PROMETHEUS: range(3, 4),
    Program.ALERTMANAGER: range(1),
    Program.GRAFANA: range(11, 13),
    Program.LOKI: range(3, 4),
    Program.NODE_EXPORTER: range(1, 2),
}
"""Major versions whose data the pinned nixpkgs can take over without a migration by hand."""
PACKAGED = {Program.MYSQL: "8.4", Program.MARIADB: "11", Program.REDIS: "8", Program.GRAFANA: "12"}
"""What runs in place of an older version of a program that nixpkgs has once."""


def version_obstacle(image: str, program: Program) -> str | None:
    """Why a version stays a container: the pinned nixpkgs has no package that could take its data over."""
    asked = version(image)
    majors = MAJORS.get(program)
    if asked is None or majors is None or int(asked.partition(".")[0][:6]) in majors:
        return None
    return f"the pinned nixpkgs has no {program.value} {asked}, and another major version needs a migration"


def replaced_by(image: str, program: Program) -> str | None:
    """The version that runs natively where another one was asked for; None where it is the same."""
    asked, packaged = version(image), PACKAGED.get(program)
    if asked is None or packaged is None or f"{asked}.".startswith(f"{packaged}."):
        return None
    return None if f"{packaged}.".startswith(f"{asked}.") else packaged


def version(image: str) -> str | None:
    """`16` for `postgres:16-alpine`; None where the tag names no version."""
    tag = image_name(image).tag
    found = re.match(r"v?(\d+(?:\.\d+){0,3})", tag or "")
    return found[1] if found else None
