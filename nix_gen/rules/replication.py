"""Replicas of databases: one primary each, no circle, both ends native, settings the server accepts. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.codes import finding
from nix_gen.edges import Replicates, ReplicationMode
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.lower.forms import Form, forms_of, has_administrator
from nix_gen.nodes import Database, DatabaseEngine, Host
from nix_gen.replication import (
    AT_LEAST_AS_PRIMARY,
    CHAIN_MAX_COUNT,
    Lineage,
    ancestors,
    descents,
    major_version,
    origin,
    replications,
    setting_number,
    upstreams,
)

_NATIVE = {
    DatabaseEngine.POSTGRESQL: Form.POSTGRESQL,
    DatabaseEngine.MYSQL: Form.MYSQL,
    DatabaseEngine.MARIADB: Form.MYSQL,
    DatabaseEngine.REDIS: Form.REDIS,
    DatabaseEngine.MONGODB: Form.MONGODB,
}
"""The form in which an engine can be, or have, a replica."""
_SQL = frozenset({DatabaseEngine.POSTGRESQL, DatabaseEngine.MYSQL, DatabaseEngine.MARIADB})
SET_MAX_COUNT = 7
"""Members of a MongoDB set that may vote."""
_ALONE = "a host of its own, without mounts of files and without options of a container"


def replication_findings(graph: Graph) -> Iterator[Finding]:
    """Findings about edges of replicas to their primaries, and about the replicas.

    Complexity: linear in the edges and the lengths of the lineages.
    """
    edges = list(replications(graph))
    if not edges:
        return
    forms, _ = forms_of(graph)
    for edge, replica, primary in edges:
        yield from _native(forms, edge, replica, primary)
        yield from _versions(graph, edge, replica, primary)
        yield from _settings(graph, edge, replica)
        yield from _mode(graph, edge, primary)
        yield from _password(graph, edge, replica, primary)
    for known in {id(known): known for known in graph.lineages.of.values()}.values():
        yield from _size(known)
    for replica in {replica.id: replica for _, replica, _ in edges}.values():
        yield from _lineage(graph, replica)
        yield from _inherits(replica)


def _native(
    forms: dict[str, Form], edge: Replicates, replica: Database, primary: Database
) -> Iterator[Finding]:
    wanted = _NATIVE.get(replica.engine)
    if wanted is None:
        message = f"{replica.engine} is a file, and its copies do not follow it"
        yield finding("replica-not-native", edge.id, message, "use a database server")
        return
    for node in (replica, primary):
        if forms.get(node.id, wanted) is not wanted:
            message = f"{node.id} does not run natively ({forms[node.id]}), so replication cannot be set up"
            yield finding("replica-not-native", edge.id, message, f"give {node.id} {_lacks(node)}")


def _lacks(node: Database) -> str:
    """What a server would have to have to run natively."""
    if node.engine is DatabaseEngine.MONGODB and not has_administrator(node):
        return "a user with `superuser` and `password`, who makes the others"
    return _ALONE


def _lineage(graph: Graph, replica: Database) -> Iterator[Finding]:
    above = [primary.id for _, primary in upstreams(graph, replica)]
    if len(set(above)) > 1:
        message = f"it replicates {' and '.join(sorted(set(above)))}, and can follow one server"
        yield finding("replica-of-two", replica.id, message, "keep one replicates edge")
    chain = [one.id for one in ancestors(graph, replica)]
    if len(chain) > CHAIN_MAX_COUNT and replica.id not in chain:
        message = f"it is more than {CHAIN_MAX_COUNT} replicas away from the origin of its data"
        yield finding("replica-limit", replica.id, message, "replicate a server nearer to the origin")
    if replica.id == min((*chain, replica.id)) and replica.id in chain:
        message = f"it replicates itself, by {' and '.join(sorted(set(chain) - {replica.id}))}"
        yield finding("replica-circle", replica.id, message, "remove one replicates edge of the circle")


def _size(known: Lineage) -> Iterator[Finding]:
    """A MongoDB set elects among seven at most."""
    count = len(known.members)
    if known.origin.engine is DatabaseEngine.MONGODB and count > SET_MAX_COUNT:
        message = f"its set has {count} members, and {SET_MAX_COUNT} can vote"
        yield finding("replica-limit", known.origin.id, message, f"keep {SET_MAX_COUNT} members")


def _versions(graph: Graph, edge: Replicates, replica: Database, primary: Database) -> Iterator[Finding]:
    if replica.version is not None:
        given = f"{primary.version}" if primary.version is not None else "no version"
        if major_version(replica) != major_version(primary):
            message = f"{replica.id} asks for {replica.version} and {primary.id} for {given}"
            yield finding("replica-version", edge.id, message, "give both the same version")
    elif primary.version is None and replica.engine is DatabaseEngine.POSTGRESQL:
        here, there = (_state_version(graph, node) for node in (replica, primary))
        if here != there:
            message = (
                f"neither end names a version, and the hosts begin with NixOS {here} and {there}, "
                "whose PostgreSQL may differ"
            )
            yield finding("replica-version", edge.id, message, f"give {primary.id} a version")


def _state_version(graph: Graph, node: Database) -> str | None:
    host = graph.by_id.get(graph.host_of(node.id) or "")
    return host.state_version if isinstance(host, Host) else None


def _settings(graph: Graph, edge: Replicates, replica: Database) -> Iterator[Finding]:
    if replica.engine is not DatabaseEngine.POSTGRESQL:
        return
    for name, usual in AT_LEAST_AS_PRIMARY.items():
        own = setting_number(replica, name)
        stated = [setting_number(one, name) for one in ancestors(graph, replica)]
        needed = max((number for number in stated if number is not None), default=usual)
        if own is not None and own < needed:
            message = f"{name} is {own} at {replica.id} and {needed} at its primary: it would not start"
            yield finding("replica-setting", edge.id, message, f"raise it to {needed}, or leave it out")


def _mode(graph: Graph, edge: Replicates, primary: Database) -> Iterator[Finding]:
    if edge.mode is not ReplicationMode.SYNC:
        return
    if upstreams(graph, primary) and primary.engine is not DatabaseEngine.MONGODB:
        message = f"{primary.id} is a replica itself, and nothing waits for replicas of replicas"
        yield finding("replica-not-sync", edge.id, message, "make it async, or replicate the origin")
    elif primary.engine in {DatabaseEngine.MYSQL, DatabaseEngine.MARIADB}:
        message = f"{primary.engine} does not wait for its replicas here"
        yield finding("replica-not-sync", edge.id, message, "make it async, or use PostgreSQL")


def _password(graph: Graph, edge: Replicates, replica: Database, primary: Database) -> Iterator[Finding]:
    if replica.engine is DatabaseEngine.REDIS:
        if edge.password is not None and edge.password != primary.password:
            has = f"the secret {primary.password}" if primary.password is not None else "none"
            message = f"it names the secret {edge.password}, and {primary.id} asks for {has}"
            yield finding("replica-password", edge.id, message, "leave the password of the edge out")
    elif replica.engine is DatabaseEngine.MONGODB:
        below = descents(graph, origin(graph, replica))
        names = {other.password for other, _ in below[:SET_MAX_COUNT] if other.password is not None}
        if edge.password is not None and len(names) > 1:
            message = (
                f"it names the secret {edge.password}, and the set shares one: {' or '.join(sorted(names))}"
            )
            yield finding("replica-password", edge.id, message, "name one secret at every edge of the set")


def _inherits(replica: Database) -> Iterator[Finding]:
    stated = [name for name in ("databases", "users") if getattr(replica, name)]
    if stated and replica.engine in _SQL | {DatabaseEngine.MONGODB}:
        message = f"its {' and '.join(stated)} are those of its primary, and what it states is not used"
        yield finding("replica-inherits", replica.id, message, "state them at the primary")
