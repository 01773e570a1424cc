"""The eight kinds of node of a deployment graph.

Pure data. A node says *what* runs; how it relates to others is said by edges (`nix_gen.edges`), on which
machine it stands by `host`. Secrets are names only: no field of a node may hold the value of one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nix_gen.scalars import (
    ITEMS_MAX_COUNT,
    REPLICAS_MAX_COUNT,
    AbsolutePath,
    Address,
    Arguments,
    Count,
    Environment,
    EnvName,
    HostId,
    ImageRef,
    Labels,
    Milliseconds,
    Name,
    NodeId,
    PackageRef,
    Part,
    Port,
    Protocol,
    SecretName,
    Settings,
    SizeBytes,
    Text,
    Value,
    in_one_order,
)


class PortBinding(Part):
    """A port a node listens on and, if `published`, where the outside reaches it."""

    port: Port
    """What the process itself listens on (the container port of a container)."""
    published: Port | None = None
    """Port on the host. None: only other nodes of the graph reach it."""
    address: Address | None = None
    """Host address the published port is bound to. None: every address."""
    protocol: Protocol = Protocol.TCP


class SecretRef(Part):
    """A secret a workload receives, by name: in a variable, in a file, or both."""

    name: SecretName
    env: EnvName | None = None
    """Environment variable that carries the value."""
    path: AbsolutePath | None = None
    """File that carries the value, as the workload sees it."""


class MountKind(StrEnum):
    """What is mounted: a path of the host, memory, or a fresh directory of the node's own."""

    BIND = "bind"
    TMPFS = "tmpfs"
    ANONYMOUS = "anonymous"


class Mount(Part):
    """A mount of this node alone. Named volumes are storage nodes and `mounts_volume` edges."""

    kind: MountKind = MountKind.BIND
    source: AbsolutePath | None = None
    """Path on the host; for `bind` only."""
    target: AbsolutePath
    """Path as the workload sees it."""
    read_only: bool = False
    size_bytes: SizeBytes | None = None
    """Upper limit; for `tmpfs` only."""

    @model_validator(mode="after")
    def _source_for_bind_only(self) -> Mount:
        if (self.kind is MountKind.BIND) != (self.source is not None):
            raise ValueError("a bind mount needs a source, and no other kind has one")
        return self


class HealthCheck(Part):
    """How to see that a node is healthy: exactly one of `command` and `shell`."""

    command: Arguments = ()
    """Program and arguments, run inside the workload."""
    shell: Value | None = None
    """One line for `/bin/sh -c`, run inside the workload."""
    interval_ms: Milliseconds = 30_000
    timeout_ms: Milliseconds = 30_000
    start_period_ms: Milliseconds = 0
    retries: Annotated[Count, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _one_way(self) -> HealthCheck:
        if bool(self.command) == bool(self.shell):
            raise ValueError("give exactly one of command and shell")
        return self


class Restart(StrEnum):
    """When a stopped node is started again (the words of docker)."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


class Resources(Part):
    """Upper and lower bounds of what a node may use. None: unbounded."""

    cpu_limit_milli: Annotated[int, Field(strict=True, ge=1, le=1_024_000)] | None = None
    """Thousandths of one CPU."""
    memory_limit_bytes: SizeBytes | None = None
    memory_reservation_bytes: SizeBytes | None = None
    pids_limit_count: Annotated[Count, Field(ge=1)] | None = None


class Build(Part):
    """An image that has to be built before deployment; nothing here is read by the translator."""

    context: Text = "."
    dockerfile: Text | None = None
    target: Name | None = None
    args: Environment = Field(default_factory=dict)


class _Node(Part):
    id: NodeId
    description: Text | None = None
    labels: Labels = Field(default_factory=dict)


class _Placed(_Node):
    host: HostId | None = None
    """Id of the host node this one runs on. See `Graph.host_of` for what an absent one means."""


class _Running(_Placed):
    image: ImageRef | None = None
    """Container image; on a native node the image it was imported from, kept as provenance."""
    ports: Annotated[
        tuple[PortBinding, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    aliases: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda a: tuple(sorted(set(a))))
    ] = ()
    """Names other than the id by which peers reach it on the network: a hostname, `My_DB.1`."""
    environment: Environment = Field(default_factory=dict)
    secrets: Annotated[
        tuple[SecretRef, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    mounts: Annotated[tuple[Mount, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)] = ()
    health_check: HealthCheck | None = None
    restart: Restart | None = None
    """None: the sensible default of the platform."""
    resources: Resources | None = None


class _Workload(_Running):
    build: Build | None = None
    """Set when the image must be built; `image`, if set too, is the name the build gives it."""
    package: PackageRef | None = None
    """Nix package whose main program runs as a systemd service."""
    entrypoint: Arguments | None = None
    """Container entrypoint. None: the image's own."""
    command: Arguments | None = None
    """Container command; arguments of `package`; or, with neither, an absolute program and its arguments."""
    user: Name | None = None
    group: Name | None = None
    working_dir: AbsolutePath | None = None
    hostname: Name | None = None
    replicas: Annotated[int, Field(strict=True, ge=0, le=REPLICAS_MAX_COUNT)] = 1
    stop_signal: Name | None = None

    @model_validator(mode="after")
    def _something_to_run(self) -> _Workload:
        if self.package is not None and (self.image is not None or self.build is not None):
            raise ValueError("package and image or build exclude each other")
        if self.image is None and self.build is None and self.package is None and not self.command:
            raise ValueError("needs an image, a build, a package or a command")
        bare = self.image is None and self.build is None and self.package is None
        if bare and self.command and not self.command[0].startswith("/"):
            raise ValueError("a command without image or package starts with an absolute path")
        return self

    @property
    def is_container(self) -> bool:
        """Whether this runs as an OCI container rather than as a systemd service."""
        return self.image is not None or self.build is not None


class Service(_Workload):
    """A program of the user's: a container, a Nix package, or a command."""

    kind: Literal["service"] = "service"


class Agent(_Workload):
    """A Conclave agent: a workload that registers capabilities over NATS."""

    kind: Literal["agent"] = "agent"
    capabilities: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda c: tuple(sorted(set(c))))
    ] = ()
    max_tasks_count: Annotated[Count, Field(ge=1)] = 1


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


class Database(_Running):
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

    @property
    def listen_port(self) -> int | None:
        """The port clients use; None for an engine without one (sqlite)."""
        return self.port if self.port is not None else DATABASE_PORTS.get(self.engine)


class BusEngine(StrEnum):
    """Message bus engines."""

    NATS = "nats"
    KAFKA = "kafka"
    RABBITMQ = "rabbitmq"


BUS_PORTS: dict[BusEngine, int] = {BusEngine.NATS: 4222, BusEngine.KAFKA: 9092, BusEngine.RABBITMQ: 5672}


class BusCluster(Part):
    """Membership of a message bus in a cluster; routes come from `replicates` edges and equal names."""

    name: Name
    port: Port = 6222


class MessageBus(_Running):
    """A message bus run by its native NixOS module."""

    kind: Literal["message_bus"] = "message_bus"
    engine: BusEngine = BusEngine.NATS
    version: Name | None = None
    port: Port | None = None
    """None: the usual port of the engine (`listen_port`)."""
    monitor_port: Port | None = None
    jetstream: bool = False
    cluster: BusCluster | None = None
    settings: Settings = Field(default_factory=dict)

    @property
    def listen_port(self) -> int:
        """The port clients use."""
        return self.port if self.port is not None else BUS_PORTS[self.engine]


class BalancerEngine(StrEnum):
    """Load balancer engines."""

    NGINX = "nginx"
    HAPROXY = "haproxy"


class VirtualHost(Part):
    """A name a load balancer answers for, on behalf of the `load_balances` edges that name it or none."""

    name: Name
    """Server name; `_` answers for every name."""
    aliases: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda a: tuple(sorted(set(a))))
    ] = ()
    listen: Annotated[
        tuple[Port, ...], Field(max_length=16), AfterValidator(lambda p: tuple(sorted(set(p))))
    ] = ()
    """Ports of this virtual host. Empty: the `listen` ports of the balancer."""


class LoadBalancer(_Running):
    """A reverse proxy; upstreams and weights come from its `load_balances` edges."""

    kind: Literal["load_balancer"] = "load_balancer"
    engine: BalancerEngine = BalancerEngine.NGINX
    version: Name | None = None
    listen: Annotated[
        tuple[Port, ...], Field(max_length=16), AfterValidator(lambda p: tuple(sorted(set(p))))
    ] = (80,)
    virtual_hosts: Annotated[
        tuple[VirtualHost, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    """Empty: one virtual host `_` on the `listen` ports."""
    settings: Settings = Field(default_factory=dict)


class StorageKind(StrEnum):
    """Where the bytes of a storage node live."""

    LOCAL = "local"
    NFS = "nfs"
    S3 = "s3"
    BLOCK = "block"


class Storage(_Placed):
    """A place for data that outlives the workloads which mount it."""

    kind: Literal["storage"] = "storage"
    storage: StorageKind = StorageKind.LOCAL
    path: AbsolutePath | None = None
    """Directory on the host (local), export (nfs), mount point (block). None: derived from the id."""
    size_bytes: SizeBytes | None = None
    server: Name | None = None
    """Address of an nfs server or S3 endpoint outside the graph."""
    device: AbsolutePath | None = None
    """Block device; for `block` only."""
    fs_type: Name | None = None
    bucket: Name | None = None
    credentials: SecretName | None = None


class MonitoringEngine(StrEnum):
    """Monitoring engines; `MONITORING_PORTS` gives the usual port of each."""

    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"
    LOKI = "loki"
    ALERTMANAGER = "alertmanager"
    NODE_EXPORTER = "node_exporter"


MONITORING_PORTS: dict[MonitoringEngine, int] = {
    MonitoringEngine.PROMETHEUS: 9090,
    MonitoringEngine.GRAFANA: 3000,
    MonitoringEngine.LOKI: 3100,
    MonitoringEngine.ALERTMANAGER: 9093,
    MonitoringEngine.NODE_EXPORTER: 9100,
}


class Monitoring(_Running):
    """A monitoring program run by its native NixOS module; what it watches are its `monitors` edges."""

    kind: Literal["monitoring"] = "monitoring"
    engine: MonitoringEngine
    version: Name | None = None
    port: Port | None = None
    """None: the usual port of the engine (`listen_port`)."""
    retention_ms: Annotated[int, Field(strict=True, ge=0, le=10 * 365 * 24 * 3600 * 1000)] | None = None
    password: SecretName | None = None
    """Name of the secret that holds the administrator's password."""
    settings: Settings = Field(default_factory=dict)

    @property
    def listen_port(self) -> int:
        """The port clients use."""
        return self.port if self.port is not None else MONITORING_PORTS[self.engine]


class System(StrEnum):
    """Platforms a host may have."""

    X86_64_LINUX = "x86_64-linux"
    AARCH64_LINUX = "aarch64-linux"


class Machine(StrEnum):
    """What a host is, so that its file systems and boot loader can be written."""

    CONTAINER = "container"
    """A NixOS container: `boot.isContainer = true`."""
    BY_LABEL = "by-label"
    """A machine partitioned as the NixOS manual does it: labels `nixos`, `boot` and `swap`, systemd-boot."""


class Host(_Node):
    """A NixOS machine."""

    kind: Literal["host"] = "host"
    id: HostId
    addresses: Annotated[tuple[Address, ...], Field(max_length=64)] = ()
    """The first is the one other hosts use."""
    system: System = System.X86_64_LINUX
    state_version: Annotated[str, Field(pattern=r"^[0-9]{2}\.(05|11)$")] = "25.11"
    machine: Machine = Machine.CONTAINER


Node = Annotated[
    Service | Agent | Database | MessageBus | LoadBalancer | Storage | Monitoring | Host,
    Field(discriminator="kind"),
]
NODE_KINDS = ("agent", "database", "host", "load_balancer", "message_bus", "monitoring", "service", "storage")
Running = Service | Agent | Database | MessageBus | LoadBalancer | Monitoring
"""Every kind that is a running program with ports."""
Placed = Running | Storage
"""Every kind that stands on a host."""
