"""What a graph may ask of the place of a node. Pure data; `nix_gen.placement` decides."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from nix_gen.scalars import ITEMS_MAX_COUNT, HostId, NodeId, Part, SizeBytes

CPU_MAX_MILLI = 1_024_000


class Spread(StrEnum):
    """How far apart the replicas of a workload stand."""

    NONE = "none"
    """All on one host, as copies of one service."""
    HOST = "host"
    """Each on a host of its own, as far as there are enough."""
    ZONE = "zone"
    """Each in a zone of its own, as far as there are enough; in any case on hosts of their own."""


def _sorted(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(ids)))


class PlacementRules(Part):
    """Where a node may stand, if its `host` does not say it already. All of it must hold."""

    hosts: Annotated[tuple[HostId, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(_sorted)] = ()
    """The hosts it may stand on. Empty: any."""
    apart_from: Annotated[tuple[NodeId, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(_sorted)] = ()
    """Nodes that must not stand on the same host."""
    together_with: Annotated[
        tuple[NodeId, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(_sorted)
    ] = ()
    """Nodes that must stand on the same host."""
    spread: Spread = Spread.NONE
    """Of a service or agent with `replicas` over 1: each becomes a node `<id>-1`, `<id>-2`, … of its own."""


class Capacity(Part):
    """What the nodes of a host may reserve together."""

    cpu_milli: Annotated[int, Field(strict=True, ge=1, le=CPU_MAX_MILLI)]
    """Thousandths of one CPU."""
    memory_bytes: Annotated[SizeBytes, Field(ge=1)]
