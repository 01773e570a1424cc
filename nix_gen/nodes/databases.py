"""Database servers.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from nix_gen.nodes.base import RunningBase
from nix_gen.nodes.parts import Backup
from nix_gen.scalars import (
    ITEMS_MAX_COUNT,
    Name,
    Part,
    Port,
    SecretName,
    Settings,
    in_one_order,
    without_keywords,
)


class DatabaseEngine(StrEnum):
    """Database engines; `DATABASE_PORTS` gives the usual port of each."""

    POSTGRESQL = "postgresql"
    MYSQL = "mysql"
    MARIADB = "mariadb"
    REDIS = "redis"
    MONGODB = "mongodb"
    SQLITE = "sqlite"


DATABASE_PORTS: dict[DatabaseEngine, int] = {
    DatabaseEngine.POSTGRESQL: 5432,
    DatabaseEngine.MYSQL: 3306,
    DatabaseEngine.MARIADB: 3306,
    DatabaseEngine.REDIS: 6379,
    DatabaseEngine.MONGODB: 27017,
}


class DatabaseUser(Part):
    """A user of a database server; the password is a secret by name."""

    name: Name
    password: SecretName | None = None
    """Name of the secret that holds the password. None: no password login."""
    owns: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda o: tuple(sorted(set(o))))
    ] = ()
    """Databases (of the same node) this user owns."""
    superuser: bool = False


ExtensionName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=63), AfterValidator(without_keywords)
]
"""Name of a package in the package set of a PostgreSQL of nixpkgs: `postgis`, `pgvector`."""


class Database(RunningBase):
    """A database server run by its native NixOS module."""

    kind: Literal["database"] = "database"
    engine: DatabaseEngine
    version: Name | None = None
    """As the source wrote it: `16`, `10.6.4`. None: the platform's default."""
    port: Port | None = None
    """None: the usual port of the engine (`listen_port`)."""
    databases: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda d: tuple(sorted(set(d))))
    ] = ()
    users: Annotated[
        tuple[DatabaseUser, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    password: SecretName | None = None
    """Redis: the secret every client must present. SQL engines keep passwords in `users`."""
    settings: Settings = Field(default_factory=dict)
    extensions: Annotated[
        tuple[ExtensionName, ...],
        Field(max_length=ITEMS_MAX_COUNT),
        AfterValidator(lambda e: tuple(sorted(set(e)))),
    ] = ()
    """PostgreSQL: packages of extensions the server can load. `CREATE EXTENSION` stays the application's."""
    backup: Backup | None = None

    @property
    def listen_port(self) -> int | None:
        """The port clients use; None for an engine without one (sqlite)."""
        return self.port if self.port is not None else DATABASE_PORTS.get(self.engine)
