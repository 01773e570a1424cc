"""Who copies whom: the lineage of replicas that `replicates` edges between databases describe.

Pure, and about the graph alone: which settings and units follow is decided in `nix_gen.lower`. A server with
replicas that is no replica itself is the origin of its lineage. Every function ends on graphs with circles
and with several primaries too; those are findings of `nix_gen.rules.replication`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from nix_gen.edges import Replicates
from nix_gen.graph import Graph
from nix_gen.nodes import Database, DatabaseEngine

REPLICA_NAME_MAX_CHARS = 32
"""What MySQL allows for a user; PostgreSQL allows 63 for roles and slots."""
AT_LEAST_AS_PRIMARY = {
    "max_connections": 100,
    "max_locks_per_transaction": 64,
    "max_prepared_transactions": 0,
    "max_worker_processes": 8,
}
"""Settings that a replica must not have lower than its primary, with their defaults: it refuses to start."""
_PREFIX = "replica_"
_DIGEST_CHARS = 6


def replications(graph: Graph) -> Iterator[tuple[Replicates, Database, Database]]:
    """Every edge of a replica to its primary, both databases of one engine, in canonical order."""
    for node in sorted(graph.nodes, key=lambda one: one.id):
        if isinstance(node, Database):
            yield from ((edge, node, target) for edge, target in upstreams(graph, node))


def upstreams(graph: Graph, node: Database) -> list[tuple[Replicates, Database]]:
    """What a database copies: one server, or none; more is a finding."""
    found = []
    for edge in graph.edges_from(node.id):
        target = graph.by_id.get(edge.target)
        if isinstance(edge, Replicates) and _are_one_kind(node, target):
            assert isinstance(target, Database)
            found.append((edge, target))
    return found


def replicas(graph: Graph, node: Database) -> list[tuple[Replicates, Database]]:
    """The databases that copy a database directly, by id."""
    found = []
    for edge in graph.edges_to(node.id):
        source = graph.by_id.get(edge.source)
        if isinstance(edge, Replicates) and _are_one_kind(node, source):
            assert isinstance(source, Database)
            found.append((edge, source))
    return found


def _are_one_kind(node: Database, other: object) -> bool:
    return isinstance(other, Database) and other.engine is node.engine and other.id != node.id


def origin(graph: Graph, node: Database) -> Database:
    """The server whose data a database has in the end: itself, if it copies nobody."""
    return next(reversed(ancestors(graph, node)), node)


def ancestors(graph: Graph, node: Database) -> list[Database]:
    """What a database copies, what that copies in turn, and so on, nearest first."""
    found: dict[str, Database] = {}
    while (above := [target for _, target in upstreams(graph, node)]) and above[0].id not in found:
        node = found[above[0].id] = above[0]
    return list(found.values())


def lineage(graph: Graph, node: Database) -> list[Database]:
    """The origin of a database and every direct and indirect replica of it, by id; alone: itself."""
    found = {}
    waiting: list[Database] = [origin(graph, node)]
    while waiting:
        one = waiting.pop()
        if one.id not in found:
            found[one.id] = one
            waiting += [replica for _, replica in replicas(graph, one)]
    return [found[node_id] for node_id in sorted(found)]


def descents(graph: Graph, node: Database) -> list[tuple[Replicates, Database]]:
    """Every direct and indirect replica below a database, with its edge, by id."""
    found: dict[str, tuple[Replicates, Database]] = {}
    waiting = [node]
    while waiting:
        for edge, replica in replicas(graph, waiting.pop()):
            if replica.id not in found:
                found[replica.id] = (edge, replica)
                waiting.append(replica)
    return [found[node_id] for node_id in sorted(found)]


def replica_name(node: Database) -> str:
    """Login and slot of a replica at its primary: letters, digits and `_`, which both accept.

    A digest keeps `a_b` apart from `a-b`, and one shortened name from another.
    """
    plain = node.id.replace("-", "_")
    if "_" not in node.id and len(_PREFIX + plain) <= REPLICA_NAME_MAX_CHARS:
        return _PREFIX + plain
    digest = hashlib.sha256(node.id.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{_PREFIX}{plain[: REPLICA_NAME_MAX_CHARS - len(_PREFIX) - _DIGEST_CHARS - 1]}_{digest}"


def replication_password(edge: Replicates) -> str:
    """Name of the secret with which the replica of an edge logs in at its primary."""
    return edge.password or f"{edge.target}-replication"


def major_version(node: Database) -> str:
    """The part of a version that decides whether two servers can copy each other: `16` of `16.4-alpine`."""
    words = (node.version or "").split("-")[0].split(".")
    return words[0] if node.engine is DatabaseEngine.POSTGRESQL else ".".join(words[:2])


def setting_number(node: Database, name: str) -> int | None:
    """A setting as a number; None if it is not set, or no number."""
    given = node.settings.get(name)
    if isinstance(given, str):
        return int(given) if given.isascii() and given.isdecimal() else None
    return None if isinstance(given, bool) else given
