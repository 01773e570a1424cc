"""Message buses: subjects that are subjects, clients a guarded bus knows, members that agree. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from nix_gen.bus_clients import BusClient, are_copies, buses, clients, is_guarded, is_subject, is_sweeping
from nix_gen.codes import finding
from nix_gen.edges import PublishesTo, SubscribesTo
from nix_gen.findings import Finding
from nix_gen.graph import Graph
from nix_gen.nodes import Agent, BusEngine, MessageBus

CONCLAVE_NAMES = frozenset(
    {"registry", "tasks", "dialog", "consensus", "knowledge", "artifacts", "gateway", "operator", "witness"}
)
"""Ids under which Conclave's own services speak: an agent called so would speak as one of them."""


def bus_findings(graph: Graph) -> Iterator[Finding]:
    """Findings about buses, their clusters and their clients. Complexity: linear in nodes and edges."""
    for engine in BusEngine:
        for members in buses(graph, engine):
            yield from _cluster(members)
            if engine is BusEngine.NATS:
                known = clients(graph, members)
                yield from _clients(members, known)
                for client in known:
                    yield from _edges(members, client)


def _cluster(members: tuple[MessageBus, ...]) -> Iterator[Finding]:
    if members[0].cluster is None and len(members) == 1:
        return
    names = sorted({member.cluster.name for member in members if member.cluster is not None})
    for member in members:
        if member.cluster is None:
            message = "a replicates edge joins it to a cluster, and it states none"
            yield finding("cluster-differs", member.id, message, _give_cluster(names))
        elif member.cluster.name != names[0]:
            message = f"the cluster {member.cluster.name} and the cluster {names[0]} are joined by replicates"
            yield finding("cluster-differs", member.id, message, "give all members one cluster name")
    if len({None if member.cluster is None else member.cluster.tls is None for member in members}) > 1:
        message = f"some members of the cluster {names[0]} have tls and some have none"
        yield finding("cluster-differs", members[0].id, message, "give every member tls, or none")
    if members[0].engine is BusEngine.RABBITMQ:
        yield from _cookies(members, names[0])
    if members[0].engine is BusEngine.KAFKA:
        yield from _numbers(members)


def _give_cluster(names: list[str]) -> str:
    return f"give it cluster: {{name: {names[0]}}}" if names else "give all members cluster: {name: ...}"


def _cookies(members: tuple[MessageBus, ...], name: str) -> Iterator[Finding]:
    cookies = {None if member.cluster is None else member.cluster.cookie for member in members}
    if cookies == {None}:
        message = f"the RabbitMQ cluster {name} has no cookie, by which its members know each other"
        yield finding("cookie-missing", members[0].id, message, "name a secret as cluster.cookie")
    elif len(cookies) > 1:
        message = f"the members of the cluster {name} have different cookies"
        yield finding("cluster-differs", members[0].id, message, "name one secret as cookie of all")


def member_numbers(members: tuple[MessageBus, ...]) -> dict[str, int]:
    """The number of each member of a Kafka cluster: the one it states, else its place by id, from 1."""
    return {
        member.id: place if member.cluster is None or member.cluster.member is None else member.cluster.member
        for place, member in enumerate(members, start=1)
    }


def _numbers(members: tuple[MessageBus, ...]) -> Iterator[Finding]:
    holders: dict[int, str] = {}
    for node_id, number in sorted(member_numbers(members).items()):
        holder = holders.setdefault(number, node_id)
        if holder != node_id:
            message = f"{holder} and {node_id} are both member {number} of their cluster"
            yield finding("cluster-differs", node_id, message, "give every member its own cluster.member")


def _clients(members: tuple[MessageBus, ...], known: tuple[BusClient, ...]) -> Iterator[Finding]:
    if not is_guarded(known):
        return
    bus = members[0].id
    example = min(client.node.id for client in known if client.nkey is not None)
    holders: dict[str, BusClient] = {}
    for client in known:
        node = client.node
        if client.nkey is None:
            message = f"{bus} lets in only clients it knows, as {example} has an nkey, and {node.id} has none"
            mend = f"give {node.id} an nkey, or take away those of all clients of {bus}"
            yield finding("client-without-identity", node.id, message, mend)
            continue
        holder = holders.setdefault(client.nkey, client)
        if holder is not client and not are_copies(holder, client):
            message = f"{holder.node.id} has the same nkey, so {bus} could not tell the two apart"
            yield finding("identity-twice", node.id, message, "make a key of its own for each node")
        if isinstance(node, Agent) and node.id in CONCLAVE_NAMES:
            message = f"Conclave itself speaks as '{node.id}'"
            yield finding("reserved-name", node.id, message, "rename the agent")


def _edges(members: tuple[MessageBus, ...], client: BusClient) -> Iterator[Finding]:
    edges: tuple[PublishesTo | SubscribesTo, ...] = (*client.publishes, *client.subscribes)
    for edge in edges:
        for subject in edge.subjects:
            if not is_subject(subject):
                message = f"{subject!r} is no subject"
                mend = "write words between dots; * stands for one word, > for all that follow"
                yield finding("bad-subject", edge.id, message, mend)
    streaming = [edge for edge in client.subscribes if edge.stream is not None]
    administering = [edge for edge in client.publishes if edge.administers_streams]
    if not any(member.jetstream for member in members):
        for wanting in edges:
            if wanting in streaming or wanting in administering:
                message = f"{wanting.target} keeps no streams"
                yield finding(
                    "jetstream-off", wanting.id, message, f"set jetstream: true on {wanting.target}"
                )
    # The server's deny list beats its allow list: what keeps a sweeping client off JetStream's interface
    # would keep it off the one stream it may read, too.
    sweeping = [edge for edge in client.publishes if is_sweeping(edge.subjects or (">",))]
    if streaming and sweeping and not administering and not isinstance(client.node, Agent):
        message = f"may publish on any subject, which excludes pulling from the stream {streaming[0].stream}"
        yield finding("subjects-needed", sweeping[0].id, message, "name the subjects it publishes on")
