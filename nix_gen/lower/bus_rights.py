"""What each client of a NATS bus may do, as the server is told: the permissions of its edges, and no more.

Pure. A client is known by its nkey. It may publish and subscribe to exactly the subjects of its edges, hear
answers in an inbox that is its own (`_INBOX_<id>.>`), and use of JetStream's interface what pulling from the
streams of its edges takes. The server checks no reply subject: `allow_responses` therefore only where an edge
says `responds`.

Source: nats-server's `authorization.users` and ADR-37 of nats-architecture-and-design (consumer creation with
the filter in the subject); measured in tests/integration/nix_gen/test_nats_for_real.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from nix_gen.bus_clients import BusClient, clients, is_sweeping
from nix_gen.edges import SubscribesTo
from nix_gen.graph import Graph
from nix_gen.ir import AttrSet, Binding, Str, value
from nix_gen.nodes import Agent, MessageBus

ANYTHING = ">"
SERVERS_OWN = ("$JS.>", "$SYS.>")
"""Subjects of the server itself, which `>` must not reach."""
STREAM_INTERFACE = "$JS.API.>"
SHARED_INBOX = "_INBOX.>"
ANSWERS_PER_REQUEST = 1
ANSWER_EXPIRY = "10s"
"""How long a responder may take; a requester has given up by then."""
CONCLAVE = "conclave"
"""First token of Conclave's subjects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one client may do; what is not allowed, or is denied, the server refuses."""

    publish: tuple[str, ...]
    publish_deny: tuple[str, ...] = ()
    subscribe: tuple[str, ...]
    subscribe_deny: tuple[str, ...] = ()
    responds: bool = False


def rights_of(client: BusClient) -> Rights:
    """The rights of a client, from its edges."""
    is_agent = isinstance(client.node, Agent)
    administers = any(edge.administers_streams for edge in client.publishes)
    publish: set[str] = set()
    subscribe: set[str] = {_inbox(client)}
    if is_agent:
        said, heard = conclave_subjects(client.node.id)
        publish |= set(said)
        subscribe |= set(heard)
    for sent in client.publishes:
        publish |= set(sent.subjects or ([] if is_agent else [ANYTHING]))
    for received in client.subscribes:
        if received.stream is None:
            subscribe |= set(received.subjects or ([] if is_agent else [ANYTHING]))
        else:
            publish |= set(_pulling(received))
    publish_deny = set(SERVERS_OWN) if is_sweeping(publish) else set()
    if administers:
        publish = {subject for subject in publish if not subject.startswith("$JS.API.")} | {STREAM_INTERFACE}
        publish_deny.discard(SERVERS_OWN[0])
    subscribe_deny = set(SERVERS_OWN) if is_sweeping(subscribe) else set()
    if subscribe_deny and SHARED_INBOX not in subscribe:
        subscribe_deny.add(SHARED_INBOX)
    return Rights(
        publish=tuple(sorted(publish)),
        publish_deny=tuple(sorted(publish_deny)),
        subscribe=tuple(sorted(subscribe)),
        subscribe_deny=tuple(sorted(subscribe_deny)),
        responds=any(edge.responds for edge in client.subscribes),
    )


def conclave_subjects(agent: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an agent of Conclave says and hears, whatever its edges say: it speaks under its own id alone.

    The same as `conclave.identity.agent_permissions`; a test holds the two together.
    """
    own_answers = f"_INBOX_{agent}.>"
    said = (f"{CONCLAVE}.call.*.*.{agent}", f"{CONCLAVE}.presence.{agent}", own_answers)
    return said, (own_answers, f"{CONCLAVE}.inbox.{agent}.>", f"{CONCLAVE}.event.>")


def _inbox(client: BusClient) -> str:
    shared = getattr(client.node, "shared_inbox", False)
    return SHARED_INBOX if shared else f"_INBOX_{client.node.id}.>"


def _pulling(edge: SubscribesTo) -> list[str]:
    """What pulling from a stream publishes: asking for messages, and acknowledging them.

    With a durable consumer, only what that one needs. Without, consumers of its own, each for a subject of
    the edge: the server refuses one whose filter is not the subject it was asked on.
    """
    consumer = edge.durable or "*"
    asked = [
        f"$JS.API.CONSUMER.INFO.{edge.stream}.{consumer}",
        f"$JS.API.CONSUMER.MSG.NEXT.{edge.stream}.{consumer}",
        # Two forms of acknowledgement: the second names domain and account first.
        f"$JS.ACK.{edge.stream}.{consumer}.>",
        f"$JS.ACK.*.*.{edge.stream}.{consumer}.>",
    ]
    if edge.durable is None:
        asked += [f"$JS.API.CONSUMER.CREATE.{edge.stream}.*.{each}" for each in edge.subjects or (ANYTHING,)]
        asked += [f"$JS.API.CONSUMER.DELETE.{edge.stream}.*", f"$JS.API.STREAM.INFO.{edge.stream}"]
    return asked


def permissions(graph: Graph, members: tuple[MessageBus, ...]) -> list[dict[str, Any]]:
    """The `authorization.users` of a bus: one per client with a key, by id; none where nobody has one."""
    return [
        {"nkey": nkey, "permissions": _permissions(_of_all(holders))}
        for nkey, holders in _known(graph, members).items()
    ]


def user_sets(graph: Graph, members: tuple[MessageBus, ...]) -> list[AttrSet]:
    """The same as Nix, each with a word on whose it is."""
    sets = []
    for nkey, holders in _known(graph, members).items():
        comments = tuple(_edges_of(client) for client in holders)
        rights = value(_permissions(_of_all(holders)))
        sets.append(AttrSet((Binding("nkey", Str(nkey), comments), Binding("permissions", rights))))
    return sets


def _edges_of(client: BusClient) -> str:
    edges = sorted({f"{edge.kind} {edge.target}" for edge in client.edges})
    return f"{client.node.id}: {', '.join(edges)}."


def _known(graph: Graph, members: tuple[MessageBus, ...]) -> dict[str, list[BusClient]]:
    """The clients with a key, by key: one, or the copies of one program (`are_copies`)."""
    known: dict[str, list[BusClient]] = {}
    for client in clients(graph, members):
        if client.nkey is not None:
            known.setdefault(client.nkey, []).append(client)
    return known


def _of_all(holders: list[BusClient]) -> Rights:
    """The rights of copies: those of one of them, and the inboxes of all."""
    rights = [rights_of(client) for client in holders]
    heard = {subject for each in rights for subject in each.subscribe}
    return replace(rights[0], subscribe=tuple(sorted(heard)))


def _permissions(rights: Rights) -> dict[str, Any]:
    held: dict[str, Any] = {
        "publish": _allowed(rights.publish, rights.publish_deny),
        "subscribe": _allowed(rights.subscribe, rights.subscribe_deny),
    }
    if rights.responds:
        held["allow_responses"] = {"max": ANSWERS_PER_REQUEST, "expires": ANSWER_EXPIRY}
    return held


def _allowed(allow: tuple[str, ...], deny: tuple[str, ...]) -> dict[str, Any]:
    """One side of the permissions. To the server an empty list of what is allowed would mean everything."""
    if not allow:
        return {"deny": [ANYTHING]}
    return {"allow": list(allow)} | ({"deny": list(deny)} if deny else {})
