"""Message buses.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from nix_gen.nodes.base import RunningBase
from nix_gen.scalars import Name, Part, Port, Settings


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


class MessageBus(RunningBase):
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
