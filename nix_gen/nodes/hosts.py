"""Hosts: NixOS machines.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from nix_gen.nodes.base import NodeBase
from nix_gen.nodes.placement import Capacity
from nix_gen.scalars import Address, HostId, Name


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


class Host(NodeBase):
    """A NixOS machine."""

    kind: Literal["host"] = "host"
    id: HostId
    addresses: Annotated[tuple[Address, ...], Field(max_length=64)] = ()
    """The first is the one other hosts use."""
    system: System = System.X86_64_LINUX
    state_version: Annotated[str, Field(pattern=r"^[0-9]{2}\.(05|11)$")] = "25.11"
    machine: Machine = Machine.CONTAINER
    zone: Name | None = None
    """Failure domain: a room, a rack, a power line. None: the host is one by itself."""
    capacity: Capacity | None = None
    """What placement may fill. None: unknown, see docs/placement.md."""
