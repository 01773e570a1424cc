"""Which images are known programs with a native NixOS module, and which only look like one.

Pure. Only the official images (Docker Hub's library and its mirrors) and Bitnami's builds of the same
programs are known; an image of the same name from elsewhere may hold anything and stays a container.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from nix_gen.compose.syntax import image_name


class Program(StrEnum):
    """Programs that are lowered to a native module."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MARIADB = "mariadb"
    REDIS = "redis"
    NATS = "nats"
    NGINX = "nginx"


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
        port=5432,
        module="services.postgresql",
        servers=frozenset({"postgres"}),
        data=("/var/lib/postgresql", "/bitnami/postgresql"),
    ),
    Program.MYSQL: ProgramFacts(
        port=3306,
        module="services.mysql",
        servers=frozenset({"mysqld", "mysqld_safe"}),
        data=("/var/lib/mysql", "/bitnami/mysql"),
    ),
    Program.MARIADB: ProgramFacts(
        port=3306,
        module="services.mysql",
        servers=frozenset({"mysqld", "mariadbd", "mysqld_safe"}),
        data=("/var/lib/mysql", "/bitnami/mariadb"),
    ),
    Program.REDIS: ProgramFacts(
        port=6379,
        module="services.redis",
        servers=frozenset({"redis-server", "valkey-server"}),
        data=("/data", "/bitnami/redis", "/bitnami/valkey"),
    ),
    Program.NATS: ProgramFacts(
        port=4222,
        module="services.nats",
        servers=frozenset({"nats-server", "/nats-server"}),
        data=("/data", "/nats", "/tmp/nats"),  # noqa: S108
    ),
    Program.NGINX: ProgramFacts(port=80, module="services.nginx", servers=frozenset({"nginx"})),
}
_OFFICIAL = {
    "postgres": Program.POSTGRESQL,
    "mysql": Program.MYSQL,
    "mariadb": Program.MARIADB,
    "redis": Program.REDIS,
    "nats": Program.NATS,
    "nginx": Program.NGINX,
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
    if name.registry != "docker.io":
        return None
    owner, _, short = name.path.partition("/")
    if owner in {"bitnami", "bitnamilegacy"}:
        return _BITNAMI.get(short)
    return Program.REDIS if name.path == "valkey/valkey" else None


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
    return known_program(image) in {None, Program.NGINX} and "fpm" not in image


def version(image: str) -> str | None:
    """`16` for `postgres:16-alpine`; None where the tag names no version."""
    tag = image_name(image).tag
    found = re.match(r"v?(\d+(?:\.\d+){0,3})", tag or "")
    return found[1] if found else None
