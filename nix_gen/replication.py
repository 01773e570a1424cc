"""Who copies whom: the lineage of replicas that `replicates` edges between databases describe.

Pure, and about the graph alone: which settings and units follow is decided in `nix_gen.lower`. A server with
replicas that is no replica itself is the origin of its lineage. Every function ends, and fast, on graphs with
circles, several primaries and endless chains too; those are findings of `nix_gen.rules.replication`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nix_gen.edges import Edge, Replicates
from nix_gen.nodes import Database, DatabaseEngine, Node

if TYPE_CHECKING:
    from nix_gen.graph import Graph

REPLICA_NAME_MAX_CHARS = 32
"""What MySQL allows for a user; PostgreSQL allows 63 for roles and slots."""
AT_LEAST_AS_PRIMARY = {
    "max_connections": 100,
    "max_locks_per_transaction": 64,
    "max_prepared_transactions": 0,
    "max_worker_processes": 8,
}
"""Settings that a replica must not have lower than its primary, with their defaults: it refuses to start."""
CHAIN_MAX_COUNT = 8
"""Steps from a replica to the origin; `ancestors` looks no further."""
_PREFIX = "replica_"
_DIGEST_CHARS = 6


Followed = tuple[Replicates, Database]
"""An edge, and the database at its other end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """The databases that `replicates` edges join."""

    origin: Database
    """What the others have their data from; among several, or in a circle, the first by id."""
    members: tuple[Database, ...]
    """All of them, by id."""

    def most(self, name: str) -> int:
        """The highest number any member states for a setting; 0 if none does."""
        if name not in self._most:
            self._most[name] = max(setting_number(node, name) or 0 for node in self.members)
        return self._most[name]

    _most: dict[str, int] = field(default_factory=dict, compare=False, repr=False)


class Lineages:
    """Every `replicates` edge between databases of one engine, found in one pass over a graph."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        databases = {node.id: node for node in nodes if isinstance(node, Database)}
        self.upstreams: dict[str, list[Followed]] = {}
        self.replicas: dict[str, list[Followed]] = {}
        for edge in edges:
            if not isinstance(edge, Replicates) or edge.source == edge.target:
                continue
            source, target = databases.get(edge.source), databases.get(edge.target)
            if source is not None and target is not None and source.engine is target.engine:
                self.upstreams.setdefault(source.id, []).append((edge, target))
                self.replicas.setdefault(target.id, []).append((edge, source))
        for found in (*self.upstreams.values(), *self.replicas.values()):
            found.sort(key=lambda one: (one[1].id, one[0].mode, one[0].password or ""))
        self._databases = databases
        self.of = {node.id: lineage for lineage in self._joined() for node in lineage.members}

    def _joined(self) -> list[Lineage]:
        """The lineages of more than one member."""
        found, seen = [], set()
        for node_id in sorted(self.upstreams.keys() | self.replicas.keys()):
            if node_id in seen:
                continue
            waiting, members = [node_id], set()
            while waiting:
                one = waiting.pop()
                if one not in members:
                    members.add(one)
                    near = (*self.upstreams.get(one, ()), *self.replicas.get(one, ()))
                    waiting += [other.id for _, other in near]
            seen |= members
            named = [self._databases[member] for member in sorted(members)]
            origin = next((node for node in named if node.id not in self.upstreams), named[0])
            found.append(Lineage(origin=origin, members=tuple(named)))
        return found


def replications(graph: Graph) -> list[tuple[Replicates, Database, Database]]:
    """Every edge of a replica to its primary, both databases of one engine, by replica."""
    known = graph.lineages
    return [
        (edge, replica, primary)
        for lineage in {id(lineage): lineage for lineage in known.of.values()}.values()
        for replica in lineage.members
        for edge, primary in known.upstreams.get(replica.id, ())
    ]


def upstreams(graph: Graph, node: Database) -> list[Followed]:
    """What a database copies: one server, or none; more is a finding."""
    return graph.lineages.upstreams.get(node.id, [])


def replicas(graph: Graph, node: Database) -> list[Followed]:
    """The databases that copy a database directly, by id."""
    return graph.lineages.replicas.get(node.id, [])


def lineage_of(graph: Graph, node: Database) -> Lineage:
    """The lineage of a database; alone: itself."""
    return graph.lineages.of.get(node.id) or Lineage(origin=node, members=(node,))


def lineage(graph: Graph, node: Database) -> tuple[Database, ...]:
    """The databases of a node's lineage, by id; alone: itself."""
    return lineage_of(graph, node).members


def origin(graph: Graph, node: Database) -> Database:
    """The server whose data a database has in the end: itself, if it copies nobody."""
    return lineage_of(graph, node).origin


def ancestors(graph: Graph, node: Database) -> list[Database]:
    """What a database copies, what that copies in turn, ..., nearest first, up to `CHAIN_MAX_COUNT` + 1."""
    found: dict[str, Database] = {}
    while (above := upstreams(graph, node)) and above[0][1].id not in found and len(found) <= CHAIN_MAX_COUNT:
        node = above[0][1]
        found[node.id] = node
    return list(found.values())


def descents(graph: Graph, node: Database) -> list[Followed]:
    """Every direct and indirect replica below a database, with its edge, by id."""
    found: dict[str, Followed] = {}
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
