"""What the pictures of a small graph say."""

from __future__ import annotations

from nix_gen.draw import dot, mermaid, svg
from nix_gen.draw.grid import Relation, arrange
from nix_gen.draw.scene import Arrow, scene_of
from nix_gen.graph import Graph

GRAPH = Graph.model_validate(
    {
        "name": "shop",
        "nodes": [
            {"kind": "host", "id": "one", "addresses": ["10.0.0.1"]},
            {"kind": "host", "id": "two"},
            {"kind": "load_balancer", "id": "gate", "host": "one"},
            {"kind": "service", "id": "web", "host": "two", "image": "a/web:1", "replicas": 3},
            {"kind": "database", "id": "db", "host": "two", "engine": "postgresql", "version": "16"},
        ],
        "edges": [
            {"source": "gate", "kind": "load_balances", "target": "web", "port": 80},
            {"source": "web", "kind": "connects_to", "target": "db"},
            {"source": "web", "kind": "depends_on", "target": "db"},
            {"source": "web", "kind": "connects_to", "target": "nobody"},
        ],
    }
)


ABOVE = Relation.ABOVE


def test_mermaid_shows_hosts_shapes_and_edges() -> None:
    assert mermaid(GRAPH).splitlines() == [
        "flowchart TB",
        '  subgraph h1["one 10.0.0.1"]',
        '    n1{{"gate<br/>nginx, port 80"}}',
        "  end",
        '  subgraph h2["two"]',
        '    n2[("db<br/>postgresql 16")]',
        '    n3["web<br/>web:1, #215;3"]',
        "  end",
        '  n1 ==>|"balances over"| n3',
        '  n3 -->|"connects to, waits"| n2',
        '  subgraph legend["legend"]',
        "    direction LR",
        '    l_database[("database")]',
        '    l_load_balancer{{"load balancer"}}',
        '    l_service["service"]',
        "  end",
    ]


def test_start_order_beside_another_edge_is_a_mark_and_no_second_line() -> None:
    arrows = scene_of(GRAPH).arrows
    assert [(arrow.kind, arrow.waits) for arrow in arrows] == [
        ("load_balances", False),
        ("connects_to", True),
    ]
    assert arrows[1] == Arrow(source="web", target="db", kind="connects_to", count=1, waits=True)


def test_dot_has_a_cluster_for_each_host_and_a_legend() -> None:
    text = dot(GRAPH)
    assert text.startswith('digraph "shop" {\n')
    assert '  subgraph cluster_1 {\n    label="one  10.0.0.1"; style=rounded;' in text
    assert '"db" [label="db\\npostgresql 16", shape=cylinder, color="#2563ad"];' in text
    assert '"web" -> "db" [color="#5b6b7f", label="connects to, waits"];' in text
    assert "subgraph cluster_legend {" in text


def test_svg_shows_every_node_host_and_edge_and_explains_itself() -> None:
    text = svg(GRAPH)
    for word in (
        "gate",
        "web",
        "db",
        "postgresql 16",
        "one",
        "10.0.0.1",
        "web connects to db, and starts after it",
    ):
        assert word in text
    assert text.count('class="frame"') == 2
    assert "prefers-color-scheme:dark" in text
    assert "<script" not in text
    assert "href" not in text


def test_what_is_needed_stands_below_what_needs_it() -> None:
    grid = arrange({"one": ["gate"], "two": ["db", "web"]}, [("gate", "web", ABOVE), ("web", "db", ABOVE)])
    assert [grid.cells[box][1] for box in ("gate", "web", "db")] == [0, 1, 2]


def test_a_replica_stands_beside_its_primary() -> None:
    edges = [("web", "db", ABOVE), ("copy", "db", Relation.LEVEL), ("eye", "db", Relation.FREE)]
    grid = arrange({"one": ["web", "db"], "two": ["copy", "eye"]}, edges)
    assert grid.cells["copy"][1] == grid.cells["db"][1]
    assert grid.cells["eye"][1] == grid.cells["web"][1]


def test_a_circle_of_edges_is_drawn_all_the_same() -> None:
    grid = arrange({"one": ["a", "b", "c"]}, [("a", "b", ABOVE), ("b", "c", ABOVE), ("c", "a", ABOVE)])
    assert len(set(grid.cells.values())) == 3


def test_many_hosts_are_not_drawn_in_one_long_row() -> None:
    grid = arrange({f"h{n:02}": [f"n{n}"] for n in range(25)}, [])
    assert grid.columns <= 8
    assert len(set(grid.cells.values())) == 25


def test_a_graph_without_nodes_on_a_host_is_a_picture_too() -> None:
    empty = Graph.model_validate({"nodes": [{"kind": "host", "id": "one"}]})
    assert 'class="frame"' in svg(empty)
    assert mermaid(empty).startswith("flowchart TB\n")


def test_members_of_a_cluster_are_joined_where_no_edge_joins_them() -> None:
    members = [
        {"kind": "message_bus", "id": name, "host": f"h-{name}", "cluster": {"name": "mesh"}}
        for name in "abc"
    ]
    hosts = [
        {"kind": "host", "id": f"h-{name}", "addresses": [f"10.0.0.{n}"]} for n, name in enumerate("abc")
    ]
    edge = {"kind": "replicates", "source": "b", "target": "a"}
    graph = Graph.model_validate({"name": "g", "nodes": [*hosts, *members], "edges": [edge]})
    kinds = {(arrow.source, arrow.target): arrow.kind for arrow in scene_of(graph).arrows}
    assert kinds == {("b", "a"): "replicates", ("b", "c"): "cluster"}
    assert "is in a cluster with" in dot(graph)
    assert "is in a cluster with" in mermaid(graph)
    assert "b is in a cluster with c" in svg(graph)
