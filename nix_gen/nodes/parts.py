"""The parts of a node: ports, secrets, mounts, health checks, limits, builds.

Pure data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from nix_gen.scalars import (
    AbsolutePath,
    Address,
    Arguments,
    Count,
    Environment,
    EnvName,
    Milliseconds,
    Name,
    NodeId,
    Part,
    Port,
    Protocol,
    SecretName,
    SizeBytes,
    Text,
    Value,
)

CALENDAR_PATTERN = r"^[A-Za-z0-9*][A-Za-z0-9*.,:/~ +_-]*$"
"""What a calendar expression of systemd is spelled with; systemd itself reads it."""


class PortBinding(Part):
    """A port a node listens on and, if `published`, where the outside reaches it."""

    port: Port
    """What the process itself listens on (the container port of a container)."""
    published: Port | None = None
    """Port on the host. None: only other nodes of the graph reach it."""
    address: Address | None = None
    """Host address the published port is bound to. None: every address."""
    protocol: Protocol = Protocol.TCP


class SecretRef(Part):
    """A secret a workload receives, by name: in a variable, in a file, or both."""

    name: SecretName
    env: EnvName | None = None
    """Environment variable that carries the value."""
    path: AbsolutePath | None = None
    """File that carries the value, as the workload sees it."""


class MountKind(StrEnum):
    """What is mounted: a path of the host, memory, or a fresh directory of the node's own."""

    BIND = "bind"
    TMPFS = "tmpfs"
    ANONYMOUS = "anonymous"


class Mount(Part):
    """A mount of this node alone. Named volumes are storage nodes and `mounts_volume` edges."""

    kind: MountKind = MountKind.BIND
    source: AbsolutePath | None = None
    """Path on the host; for `bind` only."""
    target: AbsolutePath
    """Path as the workload sees it."""
    read_only: bool = False
    size_bytes: SizeBytes | None = None
    """Upper limit; for `tmpfs` only."""
    directory: bool = False
    """Whether the source is a directory that the host makes if it is missing; for `bind` only."""

    @model_validator(mode="after")
    def _source_for_bind_only(self) -> Mount:
        if (self.kind is MountKind.BIND) != (self.source is not None):
            raise ValueError("a bind mount needs a source, and no other kind has one")
        if self.directory and self.kind is not MountKind.BIND:
            raise ValueError("only a bind mount has a directory to make")
        return self


class HealthCheck(Part):
    """How to see that a node is healthy: exactly one of `command` and `shell`."""

    command: Arguments = ()
    """Program and arguments, run inside the workload."""
    shell: Value | None = None
    """One line for `/bin/sh -c`, run inside the workload."""
    interval_ms: Milliseconds = 30_000
    timeout_ms: Milliseconds = 30_000
    start_period_ms: Milliseconds = 0
    retries: Annotated[Count, Field(ge=1)] = 3

    @model_validator(mode="after")
    def _one_way(self) -> HealthCheck:
        if bool(self.command) == bool(self.shell):
            raise ValueError("give exactly one of command and shell")
        return self


class Restart(StrEnum):
    """When a stopped node is started again (the words of docker)."""

    NO = "no"
    ALWAYS = "always"
    ON_FAILURE = "on-failure"
    UNLESS_STOPPED = "unless-stopped"


class Resources(Part):
    """Upper and lower bounds of what a node may use. None: unbounded."""

    cpu_limit_milli: Annotated[int, Field(strict=True, ge=1, le=1_024_000)] | None = None
    """Thousandths of one CPU."""
    memory_limit_bytes: SizeBytes | None = None
    memory_reservation_bytes: SizeBytes | None = None
    pids_limit_count: Annotated[Count, Field(ge=1)] | None = None


class Backup(Part):
    """Copies of a node's data, taken by a timer, of which the last few are kept."""

    schedule: Annotated[str, StringConstraints(pattern=CALENDAR_PATTERN, max_length=128)] = "daily"
    """When, as a systemd calendar expression: `daily`, `*-*-* 03:00:00`, `Mon..Fri 22:30`."""
    keep_count: Annotated[int, Field(strict=True, ge=1, le=10_000)] = 7
    """How many copies are kept."""
    to: NodeId | None = None
    """A storage node. None: `/var/backup` on the host."""
    password: SecretName | None = None
    """Secret that encrypts the copies where restic keeps them. None: `<node id>-backup`."""


class Build(Part):
    """An image that has to be built before deployment; nothing here is read by the translator."""

    context: Text = "."
    dockerfile: Text | None = None
    target: Name | None = None
    args: Environment = Field(default_factory=dict)
