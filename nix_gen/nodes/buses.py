"""Message buses.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from nix_gen.nodes.base import RunningBase
from nix_gen.scalars import ITEMS_MAX_COUNT, Name, Part, Port, SecretName, Settings, in_one_order


class BusEngine(StrEnum):
    """Message bus engines."""

    NATS = "nats"
    KAFKA = "kafka"
    RABBITMQ = "rabbitmq"


BUS_PORTS: dict[BusEngine, int] = {BusEngine.NATS: 4222, BusEngine.KAFKA: 9092, BusEngine.RABBITMQ: 5672}
CLUSTER_PORTS: dict[BusEngine, int] = {
    BusEngine.NATS: 6222,
    BusEngine.KAFKA: 9093,
    BusEngine.RABBITMQ: 25672,
}
EPMD_PORT = 4369
"""Where Erlang nodes of a host are looked up; it has no other number."""


class ClusterTls(Part):
    """Certificates by which members of a cluster know each other: each a secret by name, in PEM form."""

    certificate: SecretName
    """Of this member, for use as server and as client, with the address its peers dial."""
    key: SecretName
    authority: SecretName
    """The certificates that sign members; a peer with any other is refused."""


class BusCluster(Part):
    """Membership of a bus in a cluster, with the buses of an equal name, and with its `replicates` peers."""

    name: Name
    port: Port | None = None
    """Where the members reach each other. None: the usual port of the engine (`MessageBus.cluster_port`)."""
    member: Annotated[int, Field(strict=True, ge=1, le=32_767)] | None = None
    """Kafka: the number of the member, which must never change. None: its place among the members by id,
    which does change when a member is added before it."""
    tls: ClusterTls | None = None
    """NATS: encrypted routes between members that prove who they are. None: the firewall alone decides."""
    cookie: SecretName | None = None
    """RabbitMQ: the secret that every member and nobody else has; a cluster cannot do without."""


class BusUser(Part):
    """A user of a RabbitMQ server, with rights on the virtual host `/` as regular expressions."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,126}$")]
    password: SecretName
    configure: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=1024)] = ""
    """Exchanges and queues it may make and remove. Empty: none."""
    write: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=1024)] = ".*"
    read: Annotated[str, Field(pattern=r"^[\x20-\x7e]*$", max_length=1024)] = ".*"
    administrator: bool = False


class MessageBus(RunningBase):
    """A message bus run by its native NixOS module."""

    kind: Literal["message_bus"] = "message_bus"
    engine: BusEngine = BusEngine.NATS
    version: Name | None = None
    port: Port | None = None
    """None: the usual port of the engine (`listen_port`)."""
    monitor_port: Port | None = None
    """NATS: its HTTP monitoring. RabbitMQ: metrics for Prometheus. None: neither."""
    jetstream: bool = False
    cluster: BusCluster | None = None
    users: Annotated[
        tuple[BusUser, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    """RabbitMQ: who may log in. NATS knows its clients by `nkey`."""
    settings: Settings = Field(default_factory=dict)

    @property
    def listen_port(self) -> int:
        """The port clients use."""
        return self.port if self.port is not None else BUS_PORTS[self.engine]

    @property
    def cluster_port(self) -> int:
        """The port members of a cluster use among themselves; a Kafka server alone has it on loopback."""
        named = None if self.cluster is None else self.cluster.port
        return named if named is not None else CLUSTER_PORTS[self.engine]

    @property
    def peer_ports(self) -> tuple[int, ...]:
        """Every port that the members of its cluster open connections to, as far as it is in one."""
        if self.cluster is None:
            return ()
        match self.engine:
            case BusEngine.NATS:
                return (self.cluster_port,)
            case BusEngine.KAFKA:
                return tuple(sorted({self.listen_port, self.cluster_port}))
            case BusEngine.RABBITMQ:
                return tuple(sorted({EPMD_PORT, self.cluster_port}))

    @property
    def own_ports(self) -> tuple[int, ...]:
        """Every port it takes of its host when it runs natively, but for epmd's, which RabbitMQ shares."""
        inner = (
            {self.cluster_port} if self.engine is not BusEngine.NATS or self.cluster is not None else set()
        )
        watched = set() if self.monitor_port is None else {self.monitor_port}
        return tuple(sorted({self.listen_port} | inner | watched))
