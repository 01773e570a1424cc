"""What the demo's agents look for in a graph, each within its capability. Pure.

Nothing here is staged: a remark is made because the graph gives cause for it. The validator's findings
are the common ground; beyond them each specialist has checks of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from nix_gen import Finding, Severity
from nix_gen.edges import Condition, DependsOn, Replicates
from nix_gen.graph import Graph
from nix_gen.nodes import (
    Agent,
    Database,
    DatabaseEngine,
    LoadBalancer,
    MessageBus,
    Monitoring,
    MountKind,
    Restart,
    Running,
    Service,
)

RUNNING: Final = (Service, Agent, Database, MessageBus, LoadBalancer, Monitoring)
EVERYWHERE: Final = frozenset({None, "0.0.0.0", "::"})  # noqa: S104 - looked for, not bound
STORE_PORTS: Final = {
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    5984: "CouchDB",
    6379: "Redis",
    9042: "Cassandra",
    9200: "Elasticsearch",
    11211: "memcached",
    27017: "MongoDB",
}
"""Ports that stores listen on by convention, and that hand out everything where they have no password."""
CONTROL_SOCKETS: Final = ("/var/run/docker.sock", "/run/docker.sock", "/run/podman/podman.sock")


class Weight(StrEnum):
    """What a remark means for the vote."""

    BLOCKING = "blocking"
    """The graph cannot work: every agent that hears of it votes against."""
    OBJECTION = "objection"
    """Whoever found it votes against."""
    ADVICE = "advice"
    """Said, and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One thing an agent says about the graph."""

    weight: Weight
    code: str
    place: str
    """Id of the node or edge, or the graph's name."""
    text: str


Check = Callable[[Graph], Iterator[Remark]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Specialist:
    """An agent of the demo: what it is able to judge."""

    agent: str
    capability: str
    description: str
    codes: frozenset[str]
    """Validator findings it speaks about."""
    checks: tuple[Check, ...]
    """What it looks for beyond them."""
    objects_to: frozenset[str] = frozenset()
    """Of `codes`: warnings that are reason enough to vote against."""


def review(specialist: Specialist, graph: Graph, findings: Iterable[Finding]) -> tuple[Remark, ...]:
    """What `specialist` has to say: the findings it covers, then its own checks.

    Findings that no specialist covers belong to the first of `SPECIALISTS`, so that none is passed over.
    """
    remarks = [_spoken(finding, specialist) for finding in findings if _covers(specialist, finding.code)]
    for check in specialist.checks:
        remarks.extend(check(graph))
    return tuple(sorted(remarks, key=lambda remark: list(Weight).index(remark.weight)))


def _covers(specialist: Specialist, code: str) -> bool:
    if code in specialist.codes:
        return True
    return specialist is SPECIALISTS[0] and not any(code in each.codes for each in SPECIALISTS)


def _spoken(finding: Finding, specialist: Specialist) -> Remark:
    if finding.severity is Severity.ERROR:
        weight = Weight.BLOCKING
    else:
        weight = Weight.OBJECTION if finding.code in specialist.objects_to else Weight.ADVICE
    text = f"{finding.message}; {finding.mend}" if finding.mend else finding.message
    return Remark(weight=weight, code=finding.code, place=finding.place, text=text)


def _running(graph: Graph) -> Iterator[Running]:
    for node in sorted(graph.nodes, key=lambda node: node.id):
        if isinstance(node, RUNNING):
            yield node


def exposed_store_ports(graph: Graph) -> Iterator[Remark]:
    """Containers that publish the usual port of a data store to every network."""
    for node in _running(graph):
        if not isinstance(node, Service | Agent):
            continue  # of databases and buses the validator speaks
        for port in node.ports:
            store = STORE_PORTS.get(port.port)
            if store is not None and port.published is not None and port.address in EVERYWHERE:
                yield Remark(
                    weight=Weight.OBJECTION,
                    code="exposed-store",
                    place=node.id,
                    text=f"port {port.published}, which is {store}, is open to every network; "
                    "publish it on 127.0.0.1 or not at all",
                )


def control_sockets(graph: Graph) -> Iterator[Remark]:
    """Workloads that hold the container engine's socket, and with it the host."""
    for node in _running(graph):
        for mount in node.mounts:
            if mount.kind is MountKind.BIND and mount.source in CONTROL_SOCKETS:
                yield Remark(
                    weight=Weight.OBJECTION,
                    code="control-socket",
                    place=node.id,
                    text=f"mounts {mount.source}, which gives it the whole host",
                )


def bypassed_balancer(graph: Graph) -> Iterator[Remark]:
    """Services published beside the balancer that should be their only door."""
    for balancer in _running(graph):
        if not isinstance(balancer, LoadBalancer):
            continue
        for edge in graph.edges_from(balancer.id):
            target = graph.by_id.get(edge.target)
            if edge.kind != "load_balances" or not isinstance(target, Service | Agent):
                continue
            if any(port.published and port.address in EVERYWHERE for port in target.ports):
                yield Remark(
                    weight=Weight.ADVICE,
                    code="bypassed-balancer",
                    place=target.id,
                    text=f"is published although {balancer.id} stands in front of it",
                )


def lone_databases(graph: Graph) -> Iterator[Remark]:
    """Databases without a second copy."""
    replicated = {edge.target for edge in graph.edges if isinstance(edge, Replicates)}
    replicated |= {edge.source for edge in graph.edges if isinstance(edge, Replicates)}
    for node in _running(graph):
        if (
            isinstance(node, Database)
            and node.engine is not DatabaseEngine.REDIS
            and node.id not in replicated
        ):
            text = "has no replica; plan a backup"
            yield Remark(weight=Weight.ADVICE, code="lone-database", place=node.id, text=text)


def unversioned_databases(graph: Graph) -> Iterator[Remark]:
    """Databases that would be upgraded by surprise."""
    for node in _running(graph):
        if isinstance(node, Database) and node.version in (None, "latest", "alpine"):
            text = "names no version, so a rebuild may change it under the data"
            yield Remark(weight=Weight.ADVICE, code="unversioned-database", place=node.id, text=text)


def hopeful_start_order(graph: Graph) -> Iterator[Remark]:
    """Dependencies that wait for a process to start, not for it to answer."""
    for edge in graph.edges:
        target = graph.by_id.get(edge.target)
        if (
            isinstance(edge, DependsOn)
            and edge.condition is Condition.STARTED
            and isinstance(target, RUNNING)
            and target.health_check is not None
        ):
            text = "waits for the start although the target has a health check; wait for `healthy`"
            yield Remark(weight=Weight.ADVICE, code="hopeful-start-order", place=edge.id, text=text)


def no_restart(graph: Graph) -> Iterator[Remark]:
    """Services that stay down after a crash."""
    for node in _running(graph):
        if isinstance(node, Service | Agent) and node.restart is Restart.NO:
            text = "is not restarted after a crash"
            yield Remark(weight=Weight.ADVICE, code="no-restart", place=node.id, text=text)


def unpinned_images(graph: Graph) -> Iterator[Remark]:
    """Container images whose content may change between two builds."""
    for node in _running(graph):
        if isinstance(node, Service | Agent) and node.image is not None and node.build is None:
            name = node.image.rpartition("/")[2]
            if "@" not in node.image and (":" not in name or name.endswith(":latest")):
                text = f"image {node.image} names no version"
                yield Remark(weight=Weight.ADVICE, code="unpinned-image", place=node.id, text=text)


def images_to_build(graph: Graph) -> Iterator[Remark]:
    """Images that must exist before the flake can be switched to."""
    for node in _running(graph):
        if isinstance(node, Service | Agent) and node.build is not None:
            text = f"its image is built from {node.build.context}; build and load it before deploying"
            yield Remark(weight=Weight.ADVICE, code="image-to-build", place=node.id, text=text)


SPECIALISTS: Final = (
    Specialist(
        agent="architect",
        capability="review.structure",
        description="Looks at the graph as a whole: cycles, dangling edges, placement.",
        codes=frozenset(),
        checks=(),
    ),
    Specialist(
        agent="security",
        capability="review.security",
        description="Looks for what can be reached or taken over.",
        codes=frozenset({"exposed-database", "password-missing", "replicas-share-port"}),
        checks=(exposed_store_ports, control_sockets, bypassed_balancer),
        objects_to=frozenset({"exposed-database"}),
    ),
    Specialist(
        agent="keeper",
        capability="review.data",
        description="Looks after the data: volumes, versions, copies.",
        codes=frozenset(
            {
                "cross-host-mount",
                "database-without-volume",
                "mount-path-twice",
                "unknown-database",
                "unmounted-storage",
            }
        ),
        checks=(lone_databases, unversioned_databases),
    ),
    Specialist(
        agent="reliability",
        capability="review.reliability",
        description="Looks at what happens when something is slow, hung or gone.",
        codes=frozenset({"missing-health-check", "never-completes", "no-health-check", "small-cluster"}),
        checks=(hopeful_start_order, no_restart),
    ),
    Specialist(
        agent="builder",
        capability="nix.translate",
        description="Looks at what it takes to build the graph, and builds it.",
        codes=frozenset({"engine-twice", "port-clash", "reserved-name"}),
        checks=(unpinned_images, images_to_build),
    ),
)
"""The five agents. The first one leads: it opens the dialog, proposes, and covers what is nobody's."""
