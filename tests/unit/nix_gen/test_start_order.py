"""`depends_on` as systemd understands it: on one host, between hosts, and for jobs."""

import pytest

from tests.support.lowering import Node, options

APP: Node = {"kind": "service", "id": "app", "image": "example/app"}
OTHER: Node = {"kind": "service", "id": "other", "image": "example/other", "ports": [{"port": 9000}]}


def _edge(target: str, **more: object) -> Node:
    return {"kind": "depends_on", "source": "app", "target": target, **more}


def test_a_container_waits_for_a_container_through_podman() -> None:
    host = options(APP, OTHER, _edge("other"))
    assert host["virtualisation"]["oci-containers"]["containers"]["shop-app"]["dependsOn"] == ["shop-other"]
    assert host["systemd"]["services"]["podman-shop-app"]["requires"] == ["shop-network.service"]


def test_an_optional_dependency_is_wanted_not_required() -> None:
    host = options(APP, OTHER, _edge("other", required=False))
    assert "dependsOn" not in host["virtualisation"]["oci-containers"]["containers"]["shop-app"]
    assert host["systemd"]["services"]["podman-shop-app"]["wants"] == ["podman-shop-other.service"]


@pytest.mark.parametrize(
    ("engine", "unit"),
    [("postgresql", "postgresql.target"), ("mariadb", "mysql.service"), ("redis", "redis-db.service")],
)
def test_a_container_waits_for_a_database_until_it_accepts_connections(engine: str, unit: str) -> None:
    database = {"kind": "database", "id": "db", "engine": engine}
    service = options(APP, database, _edge("db", condition="healthy"))["systemd"]["services"][
        "podman-shop-app"
    ]
    assert unit in service["after"]
    assert unit in service["requires"]


def test_passwords_are_set_before_whoever_waits_for_the_database_starts() -> None:
    users = [{"name": "app", "password": "pw"}]
    for engine, target in (("postgresql", "postgresql.target"), ("mysql", None)):
        database = {"kind": "database", "id": "db", "engine": engine, "users": users}
        units = options(APP, database, _edge("db"))["systemd"]["services"]
        if target:
            assert units["shop-users-db"]["before"] == units["shop-users-db"]["requiredBy"] == [target]
        else:
            assert "shop-users-db.service" in units["podman-shop-app"]["requires"]


def test_health_is_podman_s_to_tell() -> None:
    healthy = {**OTHER, "health_check": {"command": ["probe", "--now"], "interval_ms": 1500}}
    host = options(APP, healthy, _edge("other", condition="healthy"))
    extra = host["virtualisation"]["oci-containers"]["containers"]["shop-other"]["extraOptions"]
    assert {'--health-cmd=["probe", "--now"]', "--health-interval=1500ms", "--sdnotify=healthy"} <= set(extra)
    assert host["systemd"]["services"]["podman-shop-other"]["serviceConfig"] == {"Delegate": True}


def test_a_job_runs_to_its_end_before_what_waits_for_its_completion() -> None:
    host = options(APP, OTHER, _edge("other", condition="completed"))
    service = host["systemd"]["services"]["podman-shop-other"]["serviceConfig"]
    assert service == {"RemainAfterExit": True, "Restart": "no", "Type": "oneshot"}
    extra = host["virtualisation"]["oci-containers"]["containers"]["shop-other"]["extraOptions"]
    assert "--detach=false" in extra


def test_another_host_is_waited_for_a_while_and_never_required() -> None:
    hosts = [{"kind": "host", "id": f"h{n}", "addresses": [f"10.0.0.{n}"]} for n in (1, 2)]
    parts = [*hosts, {**APP, "host": "h1"}, {**OTHER, "host": "h2"}, _edge("other")]
    units = options(*parts, host="h1")["systemd"]["services"]
    assert units["podman-shop-app"]["wants"] == ["shop-wait-other.service"]
    assert units["podman-shop-app"]["requires"] == ["shop-network.service"]
    assert "/dev/tcp/10.0.0.2/9000" in units["shop-wait-other"]["script"]
    assert units["shop-wait-other"]["serviceConfig"]["TimeoutStartSec"] == 300


@pytest.mark.parametrize(
    ("engine", "awaited"),
    [
        ("postgresql", {"postgresql.target"}),
        ("mysql", {"mysql.service", "shop-users-db.service"}),
        ("redis", {"redis-db.service"}),
    ],
)
@pytest.mark.parametrize("form", [{}, {"image": None, "package": "hello"}])
def test_a_client_of_a_database_starts_after_it_and_wants_it(
    engine: str, awaited: set[str], form: Node
) -> None:
    users = [] if engine == "redis" else [{"name": "app", "password": "pw"}]
    database = {"kind": "database", "id": "db", "engine": engine, "users": users}
    edge = {"kind": "connects_to", "source": "app", "target": "db"}
    units = options({**APP, **form}, database, edge)["systemd"]["services"]
    client = units["shop-app-app" if form else "podman-shop-app"]
    assert awaited <= set(client["after"])
    assert set(client["wants"]) == awaited
    both = options({**APP, **form}, database, edge, _edge("db"))["systemd"]["services"]
    assert "wants" not in both["shop-app-app" if form else "podman-shop-app"]


def test_a_client_that_its_database_waits_for_does_not_wait_for_the_database() -> None:
    database = {"kind": "database", "id": "db", "engine": "postgresql"}
    edges = [
        {"kind": "connects_to", "source": "app", "target": "db"},
        {"kind": "depends_on", "source": "db", "target": "other"},
        {"kind": "depends_on", "source": "other", "target": "app"},
    ]
    units = options(APP, OTHER, database, *edges)["systemd"]["services"]
    assert units["podman-shop-app"]["after"] == ["shop-network.service"]
    assert "podman-shop-other.service" in units["postgresql"]["after"]


def test_a_balancer_waits_for_its_backend_and_does_not_restart_with_it() -> None:
    balancer = {"kind": "load_balancer", "id": "lb"}
    edges = [{"kind": kind, "source": "lb", "target": "other"} for kind in ("load_balances", "depends_on")]
    nginx = options(OTHER, balancer, *edges)["systemd"]["services"]["nginx"]
    assert nginx == {"after": ["podman-shop-other.service"], "wants": ["podman-shop-other.service"]}


def test_a_nats_server_is_probed_when_its_health_is_asked_for() -> None:
    bus = {"kind": "message_bus", "id": "bus"}
    units = options(APP, bus, _edge("bus", condition="healthy"))["systemd"]["services"]
    assert {"nats.service", "shop-wait-bus.service"} <= set(units["podman-shop-app"]["requires"])
    assert units["shop-wait-bus"]["after"] == ["nats.service"]


_HOSTS: list[Node] = [
    {"kind": "host", "id": "one", "addresses": ["10.0.0.1"]},
    {"kind": "host", "id": "two", "addresses": ["10.0.0.2"]},
]


@pytest.mark.parametrize(
    ("target", "port"),
    [
        ({"kind": "database", "engine": "mongodb"}, 27017),
        ({"kind": "message_bus", "engine": "nats", "monitor_port": 1222}, 4222),
        ({"kind": "message_bus", "engine": "kafka"}, 9092),
        ({"kind": "message_bus", "engine": "rabbitmq"}, 5672),
        ({"kind": "load_balancer", "engine": "haproxy", "listen": [8080]}, 8080),
        ({"kind": "monitoring", "engine": "prometheus"}, 9090),
        ({"kind": "monitoring", "engine": "grafana"}, 3000),
        ({"kind": "monitoring", "engine": "loki"}, 3100),
    ],
)
def test_a_node_of_another_host_is_there_when_its_own_port_answers(target: Node, port: int) -> None:
    """And the firewall opens exactly the port that is asked."""
    nodes = [{**APP, "host": "one"}, {**target, "id": "far", "host": "two"}]
    near = options(*_HOSTS, *nodes, _edge("far"), host="one")["systemd"]["services"]
    assert "shop-wait-far.service" in near["podman-shop-app"]["after"]
    assert "shop-wait-far.service" in near["podman-shop-app"]["wants"]
    assert f"/dev/tcp/10.0.0.2/{port})" in near["shop-wait-far"]["script"]
    far = options(*_HOSTS, *nodes, _edge("far"), host="two")["networking"]["firewall"]
    rule = f'ip saddr {{ 10.0.0.1 }} tcp dport {{ {port} }} accept comment "app -> far (depends_on)"\n'
    assert far["extraInputRules"] == rule


def test_a_haproxy_waits_for_its_backend_and_does_not_restart_with_it() -> None:
    balancer = {"kind": "load_balancer", "id": "lb", "engine": "haproxy"}
    edges = [{"kind": kind, "source": "lb", "target": "other"} for kind in ("load_balances", "depends_on")]
    haproxy = options(OTHER, balancer, *edges)["systemd"]["services"]["haproxy"]
    assert haproxy == {"after": ["podman-shop-other.service"], "wants": ["podman-shop-other.service"]}


@pytest.mark.parametrize("kind", ["depends_on", "connects_to", "publishes_to", "subscribes_to"])
def test_a_client_of_rabbitmq_starts_after_its_login_exists(kind: str) -> None:
    bus = {
        "kind": "message_bus",
        "id": "mq",
        "engine": "rabbitmq",
        "users": [{"name": "app", "password": "pw"}],
    }
    units = options(APP, bus, {"kind": kind, "source": "app", "target": "mq"})["systemd"]["services"]
    assert {"rabbitmq.service", "shop-users-mq.service"} <= set(units["podman-shop-app"]["after"])


def test_a_client_that_its_rabbitmq_waits_for_does_not_wait_for_the_rabbitmq() -> None:
    bus = {"kind": "message_bus", "id": "mq", "engine": "rabbitmq"}
    edges = [
        {"kind": "publishes_to", "source": "app", "target": "mq"},
        {"kind": "depends_on", "source": "mq", "target": "app"},
    ]
    units = options(APP, bus, *edges)["systemd"]["services"]
    assert units["podman-shop-app"]["after"] == ["shop-network.service"]
