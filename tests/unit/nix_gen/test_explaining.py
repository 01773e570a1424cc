"""What is said of nodes, edges and hosts when somebody asks why."""

from __future__ import annotations

from typing import Any

import pytest

from nix_gen import Graph, NothingToExplainError, explain
from nix_gen.explaining import CODES, Explanation, explain_code

ONE = {"kind": "host", "id": "one", "addresses": ["10.0.0.1"]}
TWO = {"kind": "host", "id": "two", "addresses": ["10.0.0.2"]}
WEB: dict[str, Any] = {
    "kind": "service", "id": "web", "host": "one", "image": "a/web:1", "description": "The shop.",
    "ports": [{"port": 8080, "published": 80}], "secrets": [{"name": "web-key", "env": "KEY"}],
}  # fmt: skip
DB: dict[str, Any] = {
    "kind": "database", "id": "db", "host": "two", "engine": "postgresql", "version": "16",
    "users": [{"name": "app", "password": "db-app"}], "databases": ["app"],
}  # fmt: skip
TO_DB = {"source": "web", "kind": "connects_to", "target": "db"}
WAITS = {
    "source": "web",
    "kind": "depends_on",
    "target": "db",
    "condition": "healthy",
    "description": "First.",
}


def graph(*parts: dict[str, Any], **attributes: Any) -> Graph:
    nodes = [part for part in parts if "source" not in part]
    edges = [part for part in parts if "source" in part]
    return Graph.model_validate({"graph": {"name": "shop", **attributes}, "nodes": nodes, "edges": edges})


SHOP = graph(ONE, TWO, WEB, DB, TO_DB, WAITS)


def said(explanation: Explanation) -> dict[str, tuple[str, ...]]:
    return {section.title: section.lines for section in explanation.sections}


def test_a_container_says_why_it_is_one_where_it_runs_and_what_it_reaches() -> None:
    web = said(explain(SHOP, "web"))
    assert web["what it is"] == ("The shop.",)
    assert web["becomes"] == ("container: it has the image a/web:1",)
    assert web["stands on"][0].startswith("one: ")
    assert web["runs as"][0].startswith("shop-web, podman-shop-web.service, at 10.213.")
    assert web["listens on"] == ("8080/tcp, published on every address:80",)
    assert web["reaches"] == ("db at 10.0.0.2 on 5432/tcp, by connects_to, depends_on",)
    assert web["starts"][0] == "step 2 of 2"
    assert "shop-wait-db.service" in web["starts"][1]
    assert web["secrets"] == ("web-key, at /run/secrets/web-key",)
    assert "hosts/one/default.nix: virtualisation.oci-containers.containers.shop-web" in web["written in"]


def test_a_native_server_says_who_reaches_it_through_which_rule() -> None:
    database = said(explain(SHOP, "db"))
    assert database["becomes"] == ("services.postgresql: NixOS has a module for postgresql",)
    assert database["reached by"] == ("web on one on 5432/tcp, by connects_to, depends_on",)
    assert database["firewall"] == ("5432/tcp from 10.0.0.1  (web -> db (connects_to, depends_on))",)
    assert database["named by"] == ("web -connects_to-> db", "web -depends_on-> db")
    assert database["secrets"] == ("db-app, at /run/secrets/db-app",)
    assert database["starts"][0] == "step 1 of 2"


def test_a_second_server_of_an_engine_says_why_it_is_a_container() -> None:
    second = {**DB, "id": "later", "port": 5433}
    later = said(explain(graph(ONE, TWO, WEB, DB, second), "later"))
    assert later["becomes"] == ("container: a host has one postgresql from NixOS, and db is it",)


def test_a_server_with_mounts_says_that_they_make_it_a_container() -> None:
    mounted = {**DB, "mounts": [{"source": "/etc/x", "target": "/x"}]}
    database = said(explain(graph(ONE, TWO, WEB, mounted), "db"))
    assert database["becomes"] == ("container: it has mounts of its own, which only a container can have",)


def test_where_secrets_lie_depends_on_who_brings_them() -> None:
    by_agenix = graph(ONE, TWO, WEB, DB, secrets="agenix")
    assert said(explain(by_agenix, "db"))["secrets"] == ("db-app, at /run/agenix/db-app",)
    by_systemd = graph(ONE, TWO, WEB, DB, secrets="credentials")
    assert said(explain(by_systemd, "db"))["secrets"] == ("db-app, at /etc/credstore.encrypted/db-app",)


def test_an_edge_says_what_it_means_and_opens() -> None:
    edge = said(explain(SHOP, "web -depends_on-> db"))
    assert edge["what it is"] == ("First.",)
    assert edge["means"] == ("web starts when db is healthy", "web on one reaches db on two on 5432/tcp")
    assert edge["firewall of two"] == ("5432/tcp from 10.0.0.1  (web -> db (connects_to, depends_on))",)
    both = said(explain(SHOP, "web db"))
    assert {"web -connects_to-> db", "web -depends_on-> db"} <= both.keys()


def test_a_host_says_what_stands_on_it_and_who_gets_in() -> None:
    host = said(explain(SHOP, "two"))
    assert host["machine"] == ("container, x86_64-linux, NixOS 25.11, 10.0.0.2",)
    assert host["nodes, in the order they start"] == (
        "1. db  database, postgresql 16 -> services.postgresql",
    )
    assert host["secrets it needs"] == ("db-app, at /run/secrets/db-app",)
    assert "postgresql.service" in host["units"]
    assert len(host["firewall"]) == 1


def test_the_graph_as_a_whole_is_its_hosts_and_its_findings() -> None:
    whole = explain(SHOP)
    assert whole.title == f"shop  (graph, {SHOP.digest()[:12]})"
    assert said(whole)["host two"] == ("1. db  database, postgresql 16 -> services.postgresql",)
    assert any("missing-health-check" in line for line in said(whole)["findings"])


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code: str) -> None:
    facts = said(explain_code(code))
    assert facts["means"] == (CODES[code].meaning,)
    assert facts["mend"] == (CODES[code].mend,)
    assert explain(SHOP, code) == explain_code(code)


def test_a_node_named_like_a_code_is_the_node() -> None:
    named = graph({**WEB, "id": "renamed", "host": None})
    assert explain(named, "renamed").title == "renamed  (service)"


@pytest.mark.parametrize(
    ("subject", "message"),
    [
        ("wbe", "there is no 'wbe' to explain; did you mean 'web'?"),
        ("x\ny", "there is no 'x y' to explain; name a node, a host, an edge or the code of a finding"),
    ],
)
def test_what_is_not_there_cannot_be_explained(subject: str, message: str) -> None:
    with pytest.raises(NothingToExplainError) as raised:
        explain(SHOP, subject)
    assert str(raised.value) == message
    with pytest.raises(NothingToExplainError):
        explain_code(subject)


def test_a_graph_with_errors_is_explained_as_far_as_it_goes() -> None:
    clash = graph(ONE, TWO, WEB, DB, {**WEB, "id": "other"})
    other = said(explain(clash, "other"))
    assert any(
        "port-clash" in line for line in [*other.get("findings", ()), *said(explain(clash))["findings"]]
    )


def test_texts_of_the_graph_stay_in_their_line() -> None:
    nasty = graph(ONE, TWO, {**WEB, "description": "a\nb\x1b[31m"}, DB, {**TO_DB, "description": "\r\x07"})
    for subject in ("web", "web db", None):
        for section in explain(nasty, subject).sections:
            assert all(line.isprintable() for line in section.lines)
