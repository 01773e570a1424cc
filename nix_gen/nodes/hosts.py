"""Hosts: NixOS machines, from the disk up to who may log in.

Pure data.
"""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from nix_gen.nodes.base import NodeBase
from nix_gen.nodes.placement import Capacity
from nix_gen.scalars import (
    AbsolutePath,
    Address,
    HostId,
    Name,
    Part,
    Port,
    in_one_order,
)

DISKS_MAX_COUNT = 64
USERS_MAX_COUNT = 256


class System(StrEnum):
    """Platforms a host may have."""

    X86_64_LINUX = "x86_64-linux"
    AARCH64_LINUX = "aarch64-linux"


class Machine(StrEnum):
    """What a host is, so that its file systems and boot loader can be written."""

    CONTAINER = "container"
    """A NixOS container: `boot.isContainer = true`."""
    BY_LABEL = "by-label"
    """A machine partitioned as the NixOS manual does it: labels `nixos` and `boot`, systemd-boot."""
    VM = "vm"
    """A QEMU guest: virtio, a guest agent, a serial console; otherwise as `by-label`."""


class Disk(Part):
    """A file system that is mounted when the machine starts, or a swap device."""

    device: AbsolutePath
    """A name that stays: `/dev/disk/by-label/data`, `/dev/disk/by-uuid/...`."""
    mount: AbsolutePath | None = None
    """Where; None for swap."""
    fs_type: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")] = "ext4"
    """`swap` for a swap device."""
    options: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[^\s\x00-\x1f\x7f,]+$", max_length=256)], ...],
        Field(max_length=32),
    ] = ()

    @model_validator(mode="after")
    def _mounted_or_swap(self) -> Disk:
        if (self.fs_type == "swap") != (self.mount is None):
            raise ValueError("a disk has a mount point, except swap, which has none")
        return self


class BootLoader(StrEnum):
    """Boot loaders."""

    SYSTEMD_BOOT = "systemd-boot"
    """For machines with UEFI."""
    GRUB = "grub"


class Boot(Part):
    """How a machine starts."""

    loader: BootLoader = BootLoader.SYSTEMD_BOOT
    device: AbsolutePath | None = None
    """The disk whose first sectors hold GRUB: `/dev/vda`."""

    @model_validator(mode="after")
    def _device_for_grub(self) -> Boot:
        if (self.loader is BootLoader.GRUB) != (self.device is not None):
            raise ValueError("grub needs the device it is installed on, and no other loader has one")
        return self


class Cpu(StrEnum):
    """Whose microcode a machine loads."""

    INTEL = "intel"
    AMD = "amd"


def _person(name: str) -> str:
    if name in {"root", "nobody"}:
        raise ValueError(f"{name} is no person")
    return name


class HostUser(Part):
    """A person who may log in to a host, by SSH key alone."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]{0,30}$"), AfterValidator(_person)]
    keys: Annotated[
        tuple[
            Annotated[
                str,
                StringConstraints(
                    pattern=r"^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|"
                    r"sk-ecdsa-sha2-nistp256@openssh\.com) [A-Za-z0-9+/]+={0,3}( [^\x00-\x1f\x7f]*)?$",
                    max_length=4096,
                ),
            ],
            ...,
        ],
        Field(max_length=64),
    ] = ()
    """Public SSH keys, one line each."""
    admin: bool = False
    """Whether the user may become root (group `wheel`, without a password: there is none)."""


def _network(network: str) -> str:
    try:
        return str(ipaddress.ip_network(network))
    except ValueError:
        raise ValueError("is not an IPv4 or IPv6 network, such as 10.0.0.0/24") from None


Network = Annotated[str, StringConstraints(max_length=64), AfterValidator(_network)]
"""A network, or one address."""


class Ssh(Part):
    """The SSH server of a host: keys only, root never."""

    port: Port = 22
    sources: Annotated[
        tuple[Network, ...], Field(max_length=256), AfterValidator(lambda s: tuple(sorted(set(s))))
    ] = ()
    """Networks from which it is reached. None given: from everywhere, or with `hosts` from those alone."""
    hosts: bool = False
    """Whether the other hosts of the graph reach it, besides `sources`."""


class Interface(Part):
    """A network interface with a fixed address; one with an IPv4 and an IPv6 address is there twice."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,15}$")]
    address: Address
    prefix_length: Annotated[int, Field(strict=True, ge=0, le=128)]
    gateway: Address | None = None

    @model_validator(mode="after")
    def _one_family(self) -> Interface:
        version = ipaddress.ip_address(self.address).version
        if self.prefix_length > ipaddress.ip_address(self.address).max_prefixlen:
            raise ValueError("the prefix is longer than the address")
        if self.gateway is not None and ipaddress.ip_address(self.gateway).version != version:
            raise ValueError("address and gateway are of one family")
        return self


class Host(NodeBase):
    """A NixOS machine."""

    kind: Literal["host"] = "host"
    id: HostId
    addresses: Annotated[tuple[Address, ...], Field(max_length=64)] = ()
    """The first is the one other hosts use."""
    system: System = System.X86_64_LINUX
    state_version: Annotated[str, Field(pattern=r"^[0-9]{2}\.(05|11)$")] = "25.11"
    machine: Machine = Machine.CONTAINER
    disks: Annotated[tuple[Disk, ...], Field(max_length=DISKS_MAX_COUNT), AfterValidator(in_one_order)] = ()
    """None: those of the kind of machine."""
    boot: Boot | None = None
    """None: systemd-boot."""
    kernel_modules: Annotated[
        tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,63}$")], ...],
        Field(max_length=64),
        AfterValidator(lambda m: tuple(sorted(set(m)))),
    ] = ()
    """Kernel modules to load at start."""
    cpu: Cpu | None = None
    interfaces: Annotated[tuple[Interface, ...], Field(max_length=64), AfterValidator(in_one_order)] = ()
    """None: addresses come from DHCP, or from the hardware module."""
    nameservers: Annotated[tuple[Address, ...], Field(max_length=8)] = ()
    """Asked in this order; needed where no DHCP names any."""
    time_zone: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$")] = "UTC"
    users: Annotated[
        tuple[HostUser, ...], Field(max_length=USERS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    ssh: Ssh | None = None
    """None: no SSH server."""
    zone: Name | None = None
    """Failure domain: a room, a rack, a power line. None: the host is one by itself."""
    capacity: Capacity | None = None
    """What placement may fill. None: unknown, see docs/placement.md."""

    @model_validator(mode="after")
    def _fits_its_machine(self) -> Host:
        if self.machine is Machine.CONTAINER and (
            self.disks or self.boot is not None or self.kernel_modules or self.cpu is not None
        ):
            raise ValueError("a container has no disks, boot loader, kernel modules or CPU of its own")
        mounts = [disk.mount for disk in self.disks if disk.mount is not None]
        if mounts and "/" not in mounts:
            raise ValueError("one of the disks is mounted at /")
        for what, names in (
            ("mount point", mounts),
            ("user", [user.name for user in self.users]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"a {what} is named twice")
        if len({one.address for one in self.interfaces}) < len(self.interfaces):
            raise ValueError("an interface has an address that is given twice")
        families = {(one.name, ipaddress.ip_address(one.address).version) for one in self.interfaces}
        if len(families) < len(self.interfaces):
            raise ValueError("an interface is named twice for one family of addresses")
        routers = [ipaddress.ip_address(one.gateway).version for one in self.interfaces if one.gateway]
        if len(set(routers)) < len(routers):
            raise ValueError("one interface has the gateway")
        return self
