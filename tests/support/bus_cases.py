"""Graphs with one fault in or around a message bus each, and the exact finding."""

from __future__ import annotations

from typing import Any

from tests.support.nats_users import new_credentials

# ruff: noqa: E501 - each line is the exact finding, kept in one piece
KEYS = [new_credentials().public_key for _ in range(3)]
BUS: dict[str, Any] = {"id": "bus", "kind": "message_bus"}
APP: dict[str, Any] = {"id": "app", "kind": "service", "package": "hello", "nkey": KEYS[0]}
WEB: dict[str, Any] = {"id": "web", "kind": "service", "package": "hello", "nkey": KEYS[1]}


def edge(source: str, kind: str, target: str, **fields: Any) -> dict[str, Any]:
    return {"source": source, "kind": kind, "target": target, **fields}


def _member(node_id: str, engine: str = "nats", **cluster: Any) -> dict[str, Any]:
    return {**BUS, "id": node_id, "engine": engine, "cluster": {"name": "c", **cluster}}


TLS = {"certificate": "cert", "key": "key", "authority": "ca"}
JOINED = [edge("b2", "replicates", "b1")]
BUS_CASES: list[tuple[list[dict[str, Any]], list[dict[str, Any]], str]] = [
    (
        [APP, BUS],
        [edge("app", "publishes_to", "bus", subjects=["orders..new"])],
        "error bad-subject: app -publishes_to-> bus: 'orders..new' is no subject; write words between dots; * stands for one word, > for all that follow",
    ),
    (
        [APP, BUS],
        [edge("app", "subscribes_to", "bus", subjects=["orders.>.new"])],
        "error bad-subject: app -subscribes_to-> bus: 'orders.>.new' is no subject; write words between dots; * stands for one word, > for all that follow",
    ),
    (
        [APP, {**WEB, "nkey": None}, BUS],
        [edge("app", "publishes_to", "bus", subjects=["a"]), edge("web", "connects_to", "bus")],
        "error client-without-identity: web: bus lets in only clients it knows, as app has an nkey, and web has none; give web an nkey, or take away those of all clients of bus",
    ),
    (
        [{**BUS, "id": "b1"}, _member("b2")],
        JOINED,
        "error cluster-differs: b1: a replicates edge joins it to a cluster, and it states none; give it cluster: {name: c}",
    ),
    (
        [{**BUS, "id": "b1"}, {**BUS, "id": "b2"}],
        JOINED,
        "error cluster-differs: b1: a replicates edge joins it to a cluster, and it states none; give all members cluster: {name: ...}",
    ),
    (
        [{**BUS, "id": "b1", "cluster": {"name": "a"}}, _member("b2")],
        JOINED,
        "error cluster-differs: b2: the cluster c and the cluster a are joined by replicates; give all members one cluster name",
    ),
    (
        [_member("b1", tls=TLS), _member("b2")],
        [],
        "error cluster-differs: b1: some members of the cluster c have tls and some have none; give every member tls, or none",
    ),
    (
        [_member("b1", "rabbitmq", cookie="one"), _member("b2", "rabbitmq", cookie="two")],
        [],
        "error cluster-differs: b1: the members of the cluster c have different cookies; name one secret as cookie of all",
    ),
    (
        [_member("b1", "kafka"), _member("b2", "kafka", member=1)],
        [],
        "error cluster-differs: b2: b1 and b2 are both member 1 of their cluster; give every member its own cluster.member",
    ),
    (
        [_member("b1", "rabbitmq"), _member("b2", "rabbitmq")],
        [],
        "error cookie-missing: b1: the RabbitMQ cluster c has no cookie, by which its members know each other; name a secret as cluster.cookie",
    ),
    (
        [APP, {**WEB, "nkey": KEYS[0]}, BUS],
        [edge("app", "publishes_to", "bus"), edge("web", "publishes_to", "bus", subjects=["a"])],
        "error identity-twice: web: app has the same nkey, so bus could not tell the two apart; make a key of its own for each node",
    ),
    (
        [APP, BUS],
        [edge("app", "subscribes_to", "bus", stream="ORDERS")],
        "error jetstream-off: app -subscribes_to-> bus: bus keeps no streams; set jetstream: true on bus",
    ),
    (
        [APP, BUS],
        [edge("app", "publishes_to", "bus", administers_streams=True)],
        "error jetstream-off: app -publishes_to-> bus: bus keeps no streams; set jetstream: true on bus",
    ),
    (
        [{"kind": "agent", "id": "registry", "package": "hello", "nkey": KEYS[2]}, BUS],
        [edge("registry", "connects_to", "bus")],
        "error reserved-name: registry: Conclave itself speaks as 'registry'; rename the agent",
    ),
    (
        [APP, {**BUS, "jetstream": True}],
        [edge("app", "publishes_to", "bus"), edge("app", "subscribes_to", "bus", stream="ORDERS")],
        "error subjects-needed: app -publishes_to-> bus: may publish on any subject, which excludes pulling from the stream ORDERS; name the subjects it publishes on",
    ),
]
