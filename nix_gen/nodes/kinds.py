"""The kinds of node, together: any, any that runs, any that stands on a host. Pure data."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from nix_gen.nodes.balancers import LoadBalancer
from nix_gen.nodes.buses import MessageBus
from nix_gen.nodes.databases import Database
from nix_gen.nodes.hosts import Host
from nix_gen.nodes.monitors import Monitoring
from nix_gen.nodes.storages import Storage
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
