"""What nodes have in common: an id, a place, and for running programs ports, variables and mounts.

Pure data.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from nix_gen.nodes.container_options import ContainerOptions, TextFile
from nix_gen.nodes.parts import HealthCheck, Mount, PortBinding, Resources, Restart, SecretRef
from nix_gen.nodes.placement import PlacementRules
from nix_gen.scalars import (
    ITEMS_MAX_COUNT,
    Environment,
    HostId,
    ImageRef,
    Labels,
    Name,
    NodeId,
    Part,
    Text,
    in_one_order,
)


class NodeBase(Part):
    """Every node: an id, words for people, labels."""

    id: NodeId
    description: Text | None = None
    labels: Labels = Field(default_factory=dict)


class PlacedBase(NodeBase):
    """A node that stands on a host."""

    host: HostId | None = None
    """Id of the host node this one runs on. None: placement finds one (`nix_gen.placement`)."""
    placement: PlacementRules | None = None
    """Rules for that search."""


class RunningBase(PlacedBase):
    """A node that is a running program."""

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
    files: Annotated[
        tuple[TextFile, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    """Small text files the node reads, from the graph itself."""
    container: ContainerOptions | None = None
    """Options that only a container has. None: podman's defaults."""
