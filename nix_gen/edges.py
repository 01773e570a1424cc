"""The ten kinds of edge of a deployment graph: the sentence reads source, kind, target.

Pure data. Which kinds of node an edge kind may join is a table in `nix_gen.rules.structure`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from nix_gen.scalars import (
    ITEMS_MAX_COUNT,
    WEIGHT_MAX,
    AbsolutePath,
    Milliseconds,
    Name,
    NodeId,
    Part,
    Port,
    Protocol,
    SecretName,
    Text,
)


class _Edge(Part):
    source: NodeId
    target: NodeId
    description: Text | None = None

    @property
    def id(self) -> str:
        """How findings and comments name this edge: `web -depends_on-> db`."""
        return f"{self.source} -{getattr(self, 'kind', '?')}-> {self.target}"


class Condition(StrEnum):
    """What must be true of the target before the source starts."""

    STARTED = "started"
    HEALTHY = "healthy"
    COMPLETED = "completed"


class DependsOn(_Edge):
    """The source starts after the target."""

    kind: Literal["depends_on"] = "depends_on"
    condition: Condition = Condition.STARTED
    required: bool = True
    """False: the source starts even if the target cannot."""


class ConnectsTo(_Edge):
    """The source opens connections to the target."""

    kind: Literal["connects_to"] = "connects_to"
    port: Port | None = None
    """Port of the target. None: every port it listens on."""
    protocol: Protocol = Protocol.TCP


class DataFlow(_Edge):
    """Data goes from source to target; the source opens the connection."""

    kind: Literal["data_flow"] = "data_flow"
    port: Port | None = None
    protocol: Protocol = Protocol.TCP
    format: Name | None = None


class LoadBalances(_Edge):
    """The source, a load balancer, spreads requests over the target."""

    kind: Literal["load_balances"] = "load_balances"
    port: Port | None = None
    """Port of the target. None: the first TCP port it listens on."""
    weight: Annotated[int, Field(strict=True, ge=1, le=WEIGHT_MAX)] = 1
    backup: bool = False
    """Gets something only while no other target lives."""
    listen: Port | None = None
    """Port of the source it is for; tcp mode only. None: every port the source listens on."""
    virtual_host: Name | None = None
    """Virtual host of the source. None: every one."""
    path: Annotated[str, Field(pattern=r"^/[^\s\x00-\x1f\x7f;{}\"'\\$]*$", max_length=1024)] = "/"
    """Prefix of the request path."""
    websockets: bool = False


class MountsVolume(_Edge):
    """The source sees the target, a storage node, at a path."""

    kind: Literal["mounts_volume"] = "mounts_volume"
    path: AbsolutePath
    read_only: bool = False
    subpath: Text | None = None


Subjects = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]+$", max_length=1024)], ...],
    Field(max_length=ITEMS_MAX_COUNT),
    AfterValidator(lambda s: tuple(sorted(set(s)))),
]


StreamName = Annotated[str, Field(pattern=r"^[^\s.*>/\\\x00-\x1f\x7f]+$", max_length=255)]
"""Name of a JetStream stream or consumer: one token of a subject."""


class PublishesTo(_Edge):
    """The source publishes on the target, a message bus.

    No subjects: any, but for those of the server itself; from an agent: Conclave's own for it, no others.
    """

    kind: Literal["publishes_to"] = "publishes_to"
    subjects: Subjects = ()
    administers_streams: bool = False
    """The source makes, changes and deletes streams and consumers: the whole JetStream API of the bus."""


class SubscribesTo(_Edge):
    """The source subscribes on the target, a message bus. No subjects: as `PublishesTo`."""

    kind: Literal["subscribes_to"] = "subscribes_to"
    subjects: Subjects = ()
    stream: StreamName | None = None
    """JetStream stream the messages are pulled from; then `subjects` say for which of its subjects the source
    may make consumers, and nothing is subscribed to directly."""
    durable: StreamName | None = None
    """Durable consumer of the stream, made by somebody else; the source may pull from it and no other."""
    responds: bool = False
    """The source answers requests: once into the reply subject of each message, whatever that subject is, so
    only for a program that checks where it answers to."""

    @model_validator(mode="after")
    def _durable_of_a_stream(self) -> SubscribesTo:
        if self.durable is not None and self.stream is None:
            raise ValueError("a durable consumer belongs to a stream: name the stream")
        return self


class Manages(_Edge):
    """The source, an agent, is responsible for the target."""

    kind: Literal["manages"] = "manages"


class ReplicationMode(StrEnum):
    """Whether the primary waits for the replica."""

    ASYNC = "async"
    SYNC = "sync"


class Replicates(_Edge):
    """The source is a replica of the target (database), or its peer (message bus, storage)."""

    kind: Literal["replicates"] = "replicates"
    mode: ReplicationMode = ReplicationMode.ASYNC
    """`sync`: the primary's commits wait for this replica (SQL), or it refuses writes without it (redis)."""
    password: SecretName | None = None
    """Secret of the replica's login. None: `<target id>-replication`; redis: that of its primary."""


class Monitors(_Edge):
    """The source, a monitoring node, observes the target."""

    kind: Literal["monitors"] = "monitors"
    port: Port | None = None
    """Port of the metrics. None: the exporter's or the target's first."""
    path: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~%/?&=+:,@!*-]*$", max_length=1024)] = "/metrics"
    """Path of the metrics, with a query after `?` if they need one; anything else is percent-encoded."""
    interval_ms: Milliseconds | None = None


Edge = Annotated[
    DependsOn
    | ConnectsTo
    | DataFlow
    | LoadBalances
    | MountsVolume
    | PublishesTo
    | SubscribesTo
    | Manages
    | Replicates
    | Monitors,
    Field(discriminator="kind"),
]
EDGE_KINDS = (
    "connects_to",
    "data_flow",
    "depends_on",
    "load_balances",
    "manages",
    "monitors",
    "mounts_volume",
    "publishes_to",
    "replicates",
    "subscribes_to",
)
