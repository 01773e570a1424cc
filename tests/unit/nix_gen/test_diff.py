"""What changes between two graphs: every difference by name, and what follows from it on each host."""

from __future__ import annotations

from typing import Any

import pytest

from nix_gen.diff import HIDDEN, MISSING, Action, Changes, Rule, UnitChange, compare, describe, summary
from nix_gen.diff.effects import rule_of
from nix_gen.errors import InvalidGraphError
from nix_gen.graph import Graph

ONE = {"kind": "host", "id": "one", "addresses": ["10.0.0.1"]}
TWO = {"kind": "host", "id": "two", "addresses": ["10.0.0.2"]}
WEB: dict[str, Any] = {
    "kind": "service", "id": "web", "host": "one", "image": "a/web:1", "ports": [{"port": 8080}],
    "environment": {"DB_HOST": "db"},
}  # fmt: skip
DB: dict[str, Any] = {
    "kind": "database", "id": "db", "host": "two", "engine": "postgresql", "version": "15",
    "users": [{"name": "app", "password": "db-app"}],
}  # fmt: skip
GATE: dict[str, Any] = {"kind": "load_balancer", "id": "gate", "host": "one", "listen": [80]}
TO_DB = {"source": "web", "kind": "connects_to", "target": "db"}
TO_WEB = {"source": "gate", "kind": "load_balances", "target": "web"}


def graph(*parts: dict[str, Any], name: str = "shop") -> Graph:
    nodes = [part for part in parts if "source" not in part]
    return Graph.model_validate({"name": name, "nodes": nodes, "edges": [p for p in parts if "source" in p]})


BEFORE = graph(ONE, TWO, WEB, DB, GATE, TO_DB, TO_WEB)


def after(*without: dict[str, Any], plus: tuple[dict[str, Any], ...] = ()) -> Changes:
    kept = [part for part in (ONE, TWO, WEB, DB, GATE, TO_DB, TO_WEB) if part not in without]
    return compare(BEFORE, graph(*kept, *plus))


def text(changes: Changes) -> str:
    return "\n".join(map(str, describe(changes)))


def test_the_same_graph_needs_no_change() -> None:
    changes = compare(BEFORE, BEFORE)
    assert changes.is_empty
    assert changes.risks == ()
    assert text(changes) == "No changes: both graphs say the same."


def test_another_minor_version_is_an_update_and_another_major_one_a_replacement() -> None:
    (host,) = after(DB, plus=({**DB, "version": "15.4"},)).hosts
    assert [(node.id, node.action, node.reasons) for node in host.nodes] == [("db", Action.UPDATE, ())]
    changes = after(DB, plus=({**DB, "version": "16"},))
    (host,) = changes.hosts
    assert [(node.action, node.reasons) for node in host.nodes] == [
        (Action.REPLACE, ("major version 15 -> 16",))
    ]
    assert [risk.message for risk in changes.risks] == [
        "the database db starts anew without its data (major version 15 -> 16); dump and restore it"
    ]


def test_a_node_that_moves_is_told_on_both_hosts_with_its_ports() -> None:
    changes = after(DB, plus=({**DB, "host": "one"},))
    one, two = changes.hosts
    assert one.nodes[0].moved_from == "two"
    assert one.nodes[0].reasons == ("moves from two to one",)
    assert two.departures == (("db", "one"),)
    assert [rule.ports for rule in two.closed] == ["5432/tcp"]
    assert two.closed[0].source == "10.0.0.1"
    assert UnitChange(unit="postgresql.service", action=Action.DESTROY) in two.units
    assert UnitChange(unit="postgresql.service", action=Action.CREATE) in one.units
    assert (one.secrets_needed, two.secrets_released) == (("db-app",), ("db-app",))
    assert changes.risks[0].message == "the database db moves away from two; its data does not follow"


def test_an_edge_that_goes_closes_its_port_and_a_new_one_opens_its_own() -> None:
    changes = after(TO_DB, plus=({**TO_DB, "port": 5432, "kind": "data_flow"},))
    assert [(edge.id, edge.action) for edge in changes.edges] == [
        ("web -connects_to-> db", Action.DESTROY),
        ("web -data_flow-> db", Action.CREATE),
    ]
    assert not any(rule for host in changes.hosts for rule in (*host.opened, *host.closed)), "the same rule"
    gone = after(TO_DB)
    (two,) = (host for host in gone.hosts if host.id == "two")
    assert [(rule.ports, rule.source) for rule in two.closed] == [("5432/tcp", "10.0.0.1")]


def test_an_upstream_s_weight_is_one_changed_field_that_restarts_the_balancer() -> None:
    changes = after(TO_WEB, plus=({**TO_WEB, "weight": 5},))
    (edge,) = changes.edges
    assert [(field.path, field.old, field.new) for field in edge.fields] == [("weight", 1, 5)]
    assert edge.meaning[0] == "web is an upstream of weight 5 of gate (nginx)"
    (host,) = changes.hosts
    assert host.units == (UnitChange(unit="nginx.service", action=Action.UPDATE),)


def test_parts_of_lists_are_compared_by_name() -> None:
    users = [{"name": "app", "password": "db-app", "superuser": True}, {"name": "ops"}]
    (host,) = after(DB, plus=({**DB, "users": users},)).hosts
    assert [(field.path, field.old, field.new) for field in host.nodes[0].fields] == [
        ("users[app].superuser", False, True),
        ("users[ops]", MISSING, {"name": "ops", "password": None, "owns": [], "superuser": False}),
    ]


def test_values_that_look_like_secrets_are_never_shown() -> None:
    secret = "hunter2-hunter2"
    old = {
        **WEB, "command": ["serve", "--password", secret], "labels": {"api_key": secret},
        "environment": {"DB_PASSWORD": secret, "URL": f"http://u:{secret}@h", "MODE": "a"},
        "health_check": {"shell": f"curl -u x 'http://u:{secret}@h'"},
    }  # fmt: skip
    new = {
        **old, "command": ["serve", "--password", f"{secret}2"], "labels": {"api_key": f"{secret}2"},
        "environment": {"DB_PASSWORD": f"{secret}2", "URL": f"http://u:{secret}2@h", "MODE": "b"},
        "health_check": {"shell": f"curl -u y 'http://u:{secret}2@h'"},
    }  # fmt: skip
    hosts = (ONE, TWO, GATE, TO_WEB)
    pairs = ((None, graph(*hosts, old)), (graph(*hosts, old), graph(*hosts, new)), (graph(*hosts, old), None))
    for left, right in pairs:
        changes = compare(left, right)
        assert secret not in text(changes)
        assert secret not in str(changes.to_plain())
    fields = {f.path: (f.old, f.new) for f in compare(*pairs[1]).hosts[0].nodes[0].fields}
    assert fields["environment.MODE"] == ("a", "b")
    assert fields["environment.DB_PASSWORD"] == (HIDDEN, HIDDEN)
    assert fields["command[2]"] == (HIDDEN, HIDDEN)


def test_the_name_of_a_secret_is_no_secret() -> None:
    (host,) = after(DB, plus=({**DB, "users": [{"name": "app", "password": "other"}]},)).hosts
    (field,) = host.nodes[0].fields
    assert (field.path, field.old, field.new) == ("users[app].password", "db-app", "other")
    assert (host.secrets_needed, host.secrets_released) == (("other",), ("db-app",))


def test_storage_that_goes_moves_or_is_unmounted_is_data_at_risk() -> None:
    store = {"kind": "storage", "id": "store", "host": "one", "path": "/data"}
    mount = {"source": "web", "kind": "mounts_volume", "target": "store", "path": "/in"}
    base = (ONE, TWO, WEB, DB)
    old = graph(*base, store, mount)

    def risks(*parts: dict[str, Any]) -> list[str]:
        return [risk.message for risk in compare(old, graph(*base, *parts)).risks]

    assert risks() == ["the storage store goes away, and nothing uses its data any more"]
    assert risks(store) == ["web no longer sees the storage store, and what it wrote there"]
    assert risks({**store, "path": "/else"}, mount) == [
        "the storage store lies elsewhere (path); its data does not follow"
    ]
    remote = {"kind": "storage", "id": "store", "storage": "nfs", "server": "nas", "path": "/x"}
    assert risks({**remote, "host": "one"}, mount) == [
        "the storage store starts anew without its data (storage local -> nfs); dump and restore it"
    ]
    assert risks(store, mount) == []


def test_a_renamed_graph_makes_its_volumes_anew() -> None:
    changes = compare(BEFORE, graph(ONE, TWO, WEB, DB, GATE, TO_DB, TO_WEB, name="store"))
    assert [(field.path, field.old, field.new) for field in changes.graph] == [("name", "shop", "store")]
    assert [risk.message for risk in changes.risks] == [
        "the graph is renamed, and volumes named after it are made anew: db"
    ]


def test_nothing_before_and_nothing_after_are_compared_as_well() -> None:
    made, gone = compare(None, BEFORE), compare(BEFORE, None)
    assert summary(made) == (
        "Plan: 5 to create, 0 to update, 0 to replace, 0 to destroy; edges: 2 added, 0 changed, 0 removed."
    )
    assert summary(gone) == (
        "Plan: 0 to create, 0 to update, 0 to replace, 5 to destroy; edges: 0 added, 0 changed, 2 removed."
    )
    assert compare(None, None).is_empty
    assert [rule.ports for host in made.hosts for rule in host.opened] == [
        rule.ports for host in gone.hosts for rule in host.closed
    ]


def test_a_graph_with_errors_is_refused() -> None:
    with pytest.raises(InvalidGraphError):
        compare(BEFORE, graph(ONE, TWO, WEB, {**TO_DB, "target": "nobody"}))


def test_hostile_text_stays_in_its_line() -> None:
    nasty = {**WEB, "environment": {"A": "x\n\x1b[31mred\u2028"}, "description": "a\rb"}
    lines = [str(line) for line in describe(after(WEB, plus=(nasty,)))]
    assert all(line.isprintable() for line in lines)


def test_the_plan_reads_like_this() -> None:
    changes = after(DB, TO_WEB, plus=({**DB, "version": "16"}, {**TO_WEB, "weight": 5}))
    assert text(changes).split("\n")[1:] == [
        "",
        "host one",
        "  units",
        "    ~ restart nginx.service",
        "",
        "host two",
        "  -/+ db  (database)  major version 15 -> 16",
        '        ~ version: "15" -> "16"',
        "  units",
        "    ~ restart postgresql.service",
        "",
        "edges",
        "  ~ gate -load_balances-> web",
        "      ~ weight: 1 -> 5",
        "      web is an upstream of weight 5 of gate (nginx)",
        "      gate reaches web on 8080/tcp, within one",
        "",
        "data at risk",
        "  ! the database db starts anew without its data (major version 15 -> 16); dump and restore it",
        "",
        "Plan: 0 to create, 0 to update, 1 to replace, 0 to destroy; edges: 0 added, 1 changed, 0 removed.",
    ]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (
            'ip saddr { 10.0.0.1, 10.0.0.3 } tcp dport { 80, 443 } accept comment "a -> b (connects_to)"',
            Rule(ports="80, 443/tcp", source="10.0.0.1, 10.0.0.3", edges="a -> b (connects_to)"),
        ),
        (
            'iifname "br-conclave" ip saddr { 10.2.0.4 } udp dport { 53 } accept',
            Rule(ports="53/udp", source="containers 10.2.0.4"),
        ),
        ("ip6 daddr fd00::1 tcp dport 25 accept", Rule(ports="25/tcp", source="everyone", via="at fd00::1")),
        (
            'fib daddr type local tcp dport 80 redirect to :8080 comment "web published"',
            Rule(ports="80/tcp", source="everyone", via="leading to :8080", edges="web published"),
        ),
        (
            "ip saddr { 10.0.0.1 } ip daddr 10.0.0.2 tcp dport 9 dnat ip to 10.2.0.4",
            Rule(ports="9/tcp", source="10.0.0.1", via="at 10.0.0.2 leading to 10.2.0.4"),
        ),
        ("icmp type echo-request accept", Rule(ports="icmp type echo-request accept", source="")),
    ],
)
def test_a_firewall_rule_is_told_in_fewer_words(line: str, rule: Rule) -> None:
    assert rule_of(line) == rule


def test_new_words_about_a_node_restart_nothing() -> None:
    (host,) = after(DB, plus=({**DB, "description": "Orders."},)).hosts
    assert [field.path for field in host.nodes[0].fields] == ["description"]
    assert (host.units, host.opened, host.closed) == ((), (), ())
