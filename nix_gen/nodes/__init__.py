"""The eight kinds of node of a deployment graph.

Pure data. A node says *what* runs; how it relates to others is said by edges (`nix_gen.edges`), on which
machine it stands by `host`. Secrets are names only: no field of a node may hold the value of one.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nix_gen.nodes.balancers import (
    Algorithm,
    BalancerEngine,
    BalancerMode,
    LoadBalancer,
    Tls,
    VirtualHost,
    VirtualIp,
)
from nix_gen.nodes.buses import BUS_PORTS, BusCluster, BusEngine, BusUser, ClusterTls, MessageBus
from nix_gen.nodes.container_options import ContainerOptions, NetworkUse, TextFile
from nix_gen.nodes.databases import DATABASE_PORTS, Database, DatabaseEngine, DatabaseUser
from nix_gen.nodes.hosts import (
    BootLoader,
    Cpu,
    Disk,
    Host,
    HostUser,
    Interface,
    Machine,
    Ssh,
    System,
)
from nix_gen.nodes.monitors import (
    EXPORTERS,
    MONITORING_PORTS,
    AlertSeverity,
    Email,
    Monitoring,
    MonitoringEngine,
    Receiver,
)
from nix_gen.nodes.parts import (
    Backup,
    Build,
    HealthCheck,
    Mount,
    MountKind,
    PortBinding,
    Resources,
    Restart,
    SecretRef,
)
from nix_gen.nodes.placement import Capacity, PlacementRules, Spread
from nix_gen.nodes.storages import Storage, StorageKind
from nix_gen.nodes.workloads import Agent, Service

Node = Annotated[
    Service | Agent | Database | MessageBus | LoadBalancer | Storage | Monitoring | Host,
    Field(discriminator="kind"),
]
NODE_KINDS = ("agent", "database", "host", "load_balancer", "message_bus", "monitoring", "service", "storage")
Running = Service | Agent | Database | MessageBus | LoadBalancer | Monitoring
"""Every kind that is a running program with ports."""
Placed = Running | Storage
"""Every kind that stands on a host."""

__all__ = [
    "BUS_PORTS",
    "DATABASE_PORTS",
    "EXPORTERS",
    "MONITORING_PORTS",
    "NODE_KINDS",
    "Agent",
    "AlertSeverity",
    "Algorithm",
    "Backup",
    "BalancerEngine",
    "BalancerMode",
    "BootLoader",
    "Build",
    "BusCluster",
    "BusEngine",
    "BusUser",
    "Capacity",
    "ClusterTls",
    "ContainerOptions",
    "Cpu",
    "Database",
    "DatabaseEngine",
    "DatabaseUser",
    "Disk",
    "Email",
    "HealthCheck",
    "Host",
    "HostUser",
    "Interface",
    "LoadBalancer",
    "Machine",
    "MessageBus",
    "Monitoring",
    "MonitoringEngine",
    "Mount",
    "MountKind",
    "NetworkUse",
    "Node",
    "Placed",
    "PlacementRules",
    "PortBinding",
    "Receiver",
    "Resources",
    "Restart",
    "Running",
    "SecretRef",
    "Service",
    "Spread",
    "Ssh",
    "Storage",
    "StorageKind",
    "System",
    "TextFile",
    "Tls",
    "VirtualHost",
    "VirtualIp",
]
