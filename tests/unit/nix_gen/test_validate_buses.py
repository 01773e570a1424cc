"""Findings about message buses and their clients, with exact messages; keys; what counts as a subject."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from coordination.runtime.credentials import Credentials
from nix_gen import Graph, validate
from nix_gen.bus_clients import is_subject
from nix_gen.edges import SubscribesTo
from nix_gen.findings import Severity
from nix_gen.nodes import Service
from tests.support.bus_cases import APP, BUS, BUS_CASES, KEYS, TLS, WEB, edge
from tests.support.nats_users import new_credentials

Parts = list[dict[str, Any]]


def findings(nodes: Parts, edges: Parts) -> list[str]:
    return [str(finding) for finding in validate(Graph.model_validate({"nodes": nodes, "edges": edges}))]


@pytest.mark.parametrize(("nodes", "edges", "expected"), BUS_CASES)
def test_each_fault_of_a_bus_is_found_with_place_and_mend(nodes: Parts, edges: Parts, expected: str) -> None:
    assert expected in findings(nodes, edges)


@pytest.mark.parametrize(
    ("nodes", "edges"),
    [
        ([APP, WEB, BUS], [edge("app", "publishes_to", "bus"), edge("web", "subscribes_to", "bus")]),
        ([APP, {**BUS, "monitor_port": 8222}, {**WEB, "nkey": None}],
         [edge("app", "publishes_to", "bus"), edge("web", "connects_to", "bus", port=8222)]),
        ([{**BUS, "id": f"b{i}", "cluster": {"name": "c", "tls": TLS}} for i in range(3)], []),
        ([APP, {**BUS, "jetstream": True}],
         [edge("app", "publishes_to", "bus", administers_streams=True),
          edge("app", "subscribes_to", "bus", stream="S", durable="d")]),
        ([APP, {**BUS, "engine": "kafka"}], [edge("app", "publishes_to", "bus", subjects=["a..b"])]),
    ],
)  # fmt: skip
def test_a_sound_bus_has_no_error_of_its_own(nodes: Parts, edges: Parts) -> None:
    hosts = [{"kind": "host", "id": f"h{i}", "addresses": [f"10.0.0.{i}"]} for i in range(len(nodes))]
    placed = [{**node, "host": f"h{place}"} for place, node in enumerate(nodes)]
    found = validate(Graph.model_validate({"nodes": hosts + placed, "edges": edges}))
    assert [one for one in found if one.severity is Severity.ERROR] == []


@pytest.mark.parametrize("wrong", ["one letter", "truncated", "seed", "other kind"])
def test_a_key_that_is_no_users_is_refused_before_it_reaches_a_server(wrong: str) -> None:
    credentials = new_credentials()
    key = credentials.public_key
    given_key = {
        "one letter": key[:10] + ("A" if key[10] != "A" else "B") + key[11:],
        "truncated": key[:-1],
        "seed": credentials.seed,
        "other kind": "N" + key[1:],
    }[wrong]
    with pytest.raises(ValidationError) as refused:
        Service.model_validate({"id": "app", "package": "hello", "nkey": given_key})
    assert refused.value.errors()[0]["loc"] == ("nkey",)


@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_nkeys_makes_is_accepted(raw: bytes) -> None:

    key = Credentials.generate(raw).public_key
    assert Service.model_validate({"id": "app", "package": "hello", "nkey": key}).nkey == key


def test_a_durable_consumer_needs_its_stream() -> None:
    with pytest.raises(ValidationError, match="name the stream"):
        SubscribesTo(source="a", target="b", durable="d")
    with pytest.raises(ValidationError):
        SubscribesTo(source="a", target="b", stream="two.words")


@pytest.mark.parametrize("text", ["a", "a.b", "a.*.b", "*", ">", "a.>", "$KV.x.>", "_INBOX_a.>"])
def test_subjects_may_have_wildcards_as_words(text: str) -> None:
    assert is_subject(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", ">.a", "a.>.b", "a*", "a.b>", "**", ">>"])
def test_what_the_server_would_not_take_or_would_take_literally_is_no_subject(text: str) -> None:
    assert not is_subject(text)


def test_the_members_of_a_cluster_are_found_by_name_and_by_edge() -> None:
    nodes = [
        {**BUS, "id": name, "cluster": {"name": cluster}}
        for name, cluster in [("a", "x"), ("b", "x"), ("c", "y")]
    ]
    alone = {**BUS, "id": "d", "engine": "kafka", "cluster": {"name": "x"}}
    graph = Graph.model_validate({"nodes": [*nodes, alone, APP], "edges": [edge("c", "replicates", "b")]})
    assert [member.id for member in graph.bus_members("a")] == ["a", "b", "c"]
    assert [member.id for member in graph.bus_members("d")] == ["d"]
    assert graph.bus_members("app") == ()
    assert KEYS[0] not in str(graph.bus_members("a"))
