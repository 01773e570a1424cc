"""What only a container has: namespaces, capabilities, devices, kernel settings, podman's own options.

Pure data. A node without `ContainerOptions` is a container with podman's defaults in the network its host's
containers share. Every field is typed and checked by pattern, so that none can say more than its name does.
A reference to another node is written `node:<id>`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from nix_gen.scalars import (
    ID_PATTERN,
    ITEMS_MAX_COUNT,
    NAME_MAX_CHARS,
    AbsolutePath,
    Address,
    Labels,
    Milliseconds,
    Name,
    NodeId,
    Part,
    SizeBytes,
    Value,
    in_one_order,
)

_NODE = rf"node:{ID_PATTERN[1:-1]}"
_WORD_MAX_CHARS = 128
NETWORKS_MAX_COUNT = 32
"""Networks of one container."""
SHARES_MAX = 262_144
OOM_SCORE_MAX = 1000

Capability = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]{1,62}$")]
"""A Linux capability without `CAP_`: `NET_ADMIN`, or `ALL`."""
NetworkMode = Annotated[str, StringConstraints(pattern=rf"^(bridge|host|none|{_NODE})$")]
PidMode = Annotated[str, StringConstraints(pattern=rf"^(private|host|{_NODE})$")]
IpcMode = Annotated[str, StringConstraints(pattern=rf"^(private|shareable|none|host|{_NODE})$")]
UtsMode = Annotated[str, StringConstraints(pattern=r"^(private|host)$")]
UsernsMode = Annotated[str, StringConstraints(pattern=r"^(host|auto|keep-id|nomap)$")]
CgroupMode = Annotated[str, StringConstraints(pattern=r"^(private|host)$")]
CdiDevice = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*$",
        max_length=NAME_MAX_CHARS,
    ),
]
"""A device by its Container Device Interface name: `nvidia.com/gpu=all`."""
DevicePermissions = Annotated[str, StringConstraints(pattern=r"^(r|w|m|rw|rm|wm|rwm)$")]
SysctlName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9_]+([./][A-Za-z0-9_-]+){1,7}$", max_length=NAME_MAX_CHARS),
]
SysctlValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:, \t-]*$", max_length=NAME_MAX_CHARS)]
Word = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/@+-]*$", max_length=_WORD_MAX_CHARS)
]
OptionName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=_WORD_MAX_CHARS)
]
SecurityOption = Annotated[
    str,
    StringConstraints(
        pattern=r"^(no-new-privileges(:(true|false))?"
        r"|(seccomp|apparmor|label|mask|unmask|proc-opts|systempaths)[=:][^\x00-\x1f\x7f]+)$",
        max_length=512,
    ),
]
"""As podman takes it: `no-new-privileges`, `seccomp=unconfined`, `label=disable`."""
DnsOption = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*(:[0-9]+)?$", max_length=64)]
CgroupRule = Annotated[
    str, StringConstraints(pattern=r"^[acb] ([0-9]{1,6}|\*):([0-9]{1,6}|\*) (r|w|m|rw|rm|wm|rwm)$")
]
"""A rule of the device cgroup: `c 189:* rwm`."""
MacAddress = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]
Platform = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+/[a-z0-9_]+(/[a-z0-9.]+)?$", max_length=64)]
CpuSet = Annotated[str, StringConstraints(pattern=r"^[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*$", max_length=256)]
CgroupPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_/][A-Za-z0-9_.:/@-]*$", max_length=255)]


class Device(Part):
    """A device of the host that the container sees."""

    source: AbsolutePath
    target: AbsolutePath | None = None
    """Path in the container. None: the same."""
    permissions: DevicePermissions = "rwm"
    """Any of read, write, mknod, in this order."""


class Ulimit(Part):
    """A resource limit of the container's processes; -1 is no limit."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z]{2,16}$")]
    soft: Annotated[int, Field(strict=True, ge=-1, lt=2**63)]
    hard: Annotated[int, Field(strict=True, ge=-1, lt=2**63)]


class HostEntry(Part):
    """A line of the container's hosts file."""

    name: Annotated[
        str, StringConstraints(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$", max_length=253)
    ]
    address: Address | None = None
    """None: the host, as the container reaches it."""


class NetworkUse(Part):
    """One of the networks a container is in; containers that share none cannot reach each other."""

    name: NodeId
    """`default` is the network of all containers that name none."""
    aliases: Annotated[
        tuple[Name, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(lambda a: tuple(sorted(set(a))))
    ] = ()
    """Names it has in this network alone."""
    internal: bool = False
    """Whether the network leads nowhere else; it does if one of its containers says so."""


class Logging(Part):
    """Where the container's output goes. None of it: the journal of the host."""

    driver: Annotated[str, StringConstraints(pattern=r"^(journald|k8s-file|json-file|none|passthrough)$")]
    options: Annotated[dict[OptionName, Value], Field(max_length=ITEMS_MAX_COUNT)] = Field(
        default_factory=dict
    )


class DeviceRate(Part):
    """A limit on the traffic with one block device."""

    kind: Annotated[str, StringConstraints(pattern=r"^(read-bps|write-bps|read-iops|write-iops)$")]
    """Bytes (`bps`) or operations (`iops`) each second."""
    path: AbsolutePath
    rate: Annotated[int, Field(strict=True, ge=0, lt=2**63)]


class Pull(StrEnum):
    """When the image is fetched (the words of podman)."""

    ALWAYS = "always"
    MISSING = "missing"
    NEVER = "never"
    NEWER = "newer"


class TextFile(Part):
    """A small text file a node reads; it is part of the graph, so it must hold no secret."""

    path: AbsolutePath
    """Where the node sees it."""
    text: Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=65_536)]
    mode: Annotated[str, StringConstraints(pattern=r"^0[0-7]{3}$")] = "0444"
    uid: Annotated[int, Field(strict=True, ge=0, lt=2**32 - 1)] | None = None
    gid: Annotated[int, Field(strict=True, ge=0, lt=2**32 - 1)] | None = None

    @model_validator(mode="after")
    def _no_name_of_nix(self) -> TextFile:
        if self.path == "/" or self.path.endswith("/"):
            raise ValueError("the path names a directory")
        return self


class ContainerOptions(Part):
    """Options of a container. Every default is podman's own."""

    network: NetworkMode = "bridge"
    """`bridge`: addresses of its own. `host`: its ports are the host's. `none`: loopback only.
    `node:<id>`: the network of another container of the same host."""
    networks: Annotated[
        tuple[NetworkUse, ...], Field(max_length=NETWORKS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    """Empty: the one network of the host's containers. With `bridge` only."""
    privileged: bool = False
    cap_add: Annotated[
        tuple[Capability, ...], Field(max_length=64), AfterValidator(lambda c: tuple(sorted(set(c))))
    ] = ()
    cap_drop: Annotated[
        tuple[Capability, ...], Field(max_length=64), AfterValidator(lambda c: tuple(sorted(set(c))))
    ] = ()
    security_opt: Annotated[
        tuple[SecurityOption, ...], Field(max_length=64), AfterValidator(lambda s: tuple(sorted(set(s))))
    ] = ()
    devices: Annotated[
        tuple[Device, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    cdi_devices: Annotated[
        tuple[CdiDevice, ...], Field(max_length=64), AfterValidator(lambda c: tuple(sorted(set(c))))
    ] = ()
    device_cgroup_rules: Annotated[tuple[CgroupRule, ...], Field(max_length=64)] = ()
    pid: PidMode | None = None
    ipc: IpcMode | None = None
    uts: UtsMode | None = None
    userns: UsernsMode | None = None
    cgroup: CgroupMode | None = None
    cgroup_parent: CgroupPath | None = None
    group_add: Annotated[
        tuple[Name, ...], Field(max_length=64), AfterValidator(lambda g: tuple(sorted(set(g))))
    ] = ()
    read_only: bool = False
    """Whether the root file system is read-only."""
    init: bool = False
    """Whether a small init runs as process 1 and reaps orphans."""
    tty: bool = False
    stdin_open: bool = False
    shm_size_bytes: SizeBytes | None = None
    sysctls: Annotated[dict[SysctlName, SysctlValue], Field(max_length=64)] = Field(default_factory=dict)
    ulimits: Annotated[tuple[Ulimit, ...], Field(max_length=64), AfterValidator(in_one_order)] = ()
    dns: Annotated[tuple[Address, ...], Field(max_length=16)] = ()
    dns_search: Annotated[tuple[Name, ...], Field(max_length=16)] = ()
    dns_options: Annotated[tuple[DnsOption, ...], Field(max_length=16)] = ()
    domain_name: Name | None = None
    extra_hosts: Annotated[
        tuple[HostEntry, ...], Field(max_length=ITEMS_MAX_COUNT), AfterValidator(in_one_order)
    ] = ()
    mac_address: MacAddress | None = None
    cpu_shares: Annotated[int, Field(strict=True, ge=2, le=SHARES_MAX)] | None = None
    cpu_period_us: Annotated[int, Field(strict=True, ge=1000, le=1_000_000)] | None = None
    cpu_quota_us: Annotated[int, Field(strict=True, ge=1000, lt=2**40)] | None = None
    cpu_rt_period_us: Annotated[int, Field(strict=True, ge=1, lt=2**40)] | None = None
    cpu_rt_runtime_us: Annotated[int, Field(strict=True, ge=0, lt=2**40)] | None = None
    cpuset: CpuSet | None = None
    memory_swap_bytes: Annotated[int, Field(strict=True, ge=-1, le=2**60)] | None = None
    """Memory and swap together; -1 is no limit."""
    memory_swappiness: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    oom_kill_disable: bool = False
    oom_score_adj: Annotated[int, Field(strict=True, ge=-OOM_SCORE_MAX, le=OOM_SCORE_MAX)] | None = None
    blkio_weight: Annotated[int, Field(strict=True, ge=10, le=1000)] | None = None
    device_rates: Annotated[tuple[DeviceRate, ...], Field(max_length=64), AfterValidator(in_one_order)] = ()
    logging: Logging | None = None
    platform: Platform | None = None
    pull: Pull | None = None
    runtime: Word | None = None
    storage_opt: Annotated[dict[OptionName, Word], Field(max_length=64)] = Field(default_factory=dict)
    stop_grace_ms: Milliseconds | None = None
    """Time between the stop signal and the end by force. None: 10 s."""
    restart_max_count: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    """How often a failed container is started again before it is given up. None: no limit."""
    annotations: Labels = Field(default_factory=dict)

    @model_validator(mode="after")
    def _networks_of_a_bridge(self) -> ContainerOptions:
        names = [use.name for use in self.networks]
        if names and self.network != "bridge":
            raise ValueError("networks need the network mode bridge")
        if len(set(names)) != len(names):
            raise ValueError("names a network twice")
        return self

    @model_validator(mode="after")
    def _own_network(self) -> ContainerOptions:
        """What belongs to a network is said by whoever has it: podman starts no container that differs."""
        if self.network == "host" and any(re.match(r"net[./]", name) for name in self.sysctls):
            raise ValueError("sysctls of the network (net.*) need a network of its own")
        if self.network in {"host", "none"} and self.mac_address is not None:
            raise ValueError("mac_address needs a network of its own")
        lent = ("dns", "dns_search", "dns_options", "extra_hosts", "mac_address")
        if self.network_node is not None and any(getattr(self, name) for name in lent):
            raise ValueError(f"{', '.join(lent)} are said by the node whose network it shares")
        return self

    @property
    def network_node(self) -> str | None:
        """Id of the node whose network this container shares."""
        return node_named(self.network)


def node_named(mode: str | None) -> str | None:
    """The node id in `node:<id>`; None for any other mode."""
    return mode.removeprefix("node:") if mode is not None and mode.startswith("node:") else None
