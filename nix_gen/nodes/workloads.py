"""Services and agents: programs of the user's own.

Pure data.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from nix_gen.nodes.base import RunningBase
from nix_gen.nodes.identity import UserNkey
from nix_gen.nodes.parts import Build
from nix_gen.scalars import (
    REPLICAS_MAX_COUNT,
    AbsolutePath,
    Arguments,
    Name,
    PackageRef,
)

STOP_SIGNAL_PATTERN = r"^(SIG[A-Z0-9]{2,8}([+-][0-9]{1,2})?|[1-9][0-9]?)$"
CAPABILITIES_MAX_COUNT = 64
TASKS_MAX_COUNT = 1_000
CapabilityName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]
"""As Conclave's registry takes it, and no more of them, nor more tasks, than it takes."""
StopSignal = Annotated[str, StringConstraints(pattern=STOP_SIGNAL_PATTERN)]


class WorkloadBase(RunningBase):
    """What services and agents share: a container image, a Nix package, or a command."""

    build: Build | None = None
    """Set when the image must be built; `image`, if set too, is the name the build gives it."""
    package: PackageRef | None = None
    """Nix package whose main program runs as a systemd service."""
    entrypoint: Arguments | None = None
    """Container entrypoint. None: the image's own."""
    command: Arguments | None = None
    """Container command; arguments of `package`; or, with neither, an absolute program and its arguments."""
    user: Name | None = None
    group: Name | None = None
    working_dir: AbsolutePath | None = None
    hostname: Name | None = None
    replicas: Annotated[int, Field(strict=True, ge=0, le=REPLICAS_MAX_COUNT)] = 1
    stop_signal: StopSignal | None = None
    """`SIGINT`, `SIGRTMIN+3`, or a number. None: `SIGTERM`, or what the image says."""
    nkey: UserNkey | None = None
    """Who this is to the NATS servers its edges lead to: the public half of its key. The seed is a secret.

    As soon as one client of a bus has one, the bus lets in nobody without, and holds each to its edges."""
    shared_inbox: bool = False
    """For a program whose NATS client cannot be told an inbox prefix: answers come to `_INBOX.>`, where it
    hears those for others, too. False: to `_INBOX_<id>.>`, where nobody else may listen."""

    @model_validator(mode="after")
    def _something_to_run(self) -> WorkloadBase:
        if self.package is not None and (self.image is not None or self.build is not None):
            raise ValueError("package and image or build exclude each other")
        if self.image is None and self.build is None and self.package is None and not self.command:
            raise ValueError("needs an image, a build, a package or a command")
        bare = self.image is None and self.build is None and self.package is None
        if bare and self.command and not self.command[0].startswith("/"):
            raise ValueError("a command without image or package starts with an absolute path")
        return self

    @property
    def is_container(self) -> bool:
        """Whether this runs as an OCI container rather than as a systemd service."""
        return self.image is not None or self.build is not None


class Service(WorkloadBase):
    """A program of the user's: a container, a Nix package, or a command."""

    kind: Literal["service"] = "service"


class Agent(WorkloadBase):
    """A Conclave agent: a workload that registers capabilities over NATS."""

    kind: Literal["agent"] = "agent"
    capabilities: Annotated[
        tuple[CapabilityName, ...],
        Field(max_length=CAPABILITIES_MAX_COUNT),
        AfterValidator(lambda c: tuple(sorted(set(c)))),
    ] = ()
    """What it can do beside what its handlers say; its program gets them in `CONCLAVE_CAPABILITIES`."""
    max_tasks_count: Annotated[int, Field(strict=True, ge=1, le=TASKS_MAX_COUNT)] = 1
    """Tasks it works on at a time, where its program does not say; in `CONCLAVE_MAX_TASKS`."""
