"""The eight kinds of node of a deployment graph.

Pure data. A node says *what* runs; how it relates to others is said by edges (`nix_gen.edges`), on which
machine it stands by `host`. Secrets are names only: no field of a node may hold the value of one.
"""

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
from nix_gen.nodes.kinds import NODE_KINDS, Node, Placed, Running
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
