"""What `monitors` edges become: exporters, scrape targets, rules, receivers, log shipping, dashboards."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from nix_gen import Graph, validate
from nix_gen.lower.monitoring.rules import RULES
from nix_gen.nodes import Monitoring
from tests.support.lowering import Node, graph_of, lowered, options
from tests.support.monitored import everything
from tests.support.monitoring_cases import HOSTS, MONITORING_CASES, monitor, watches

# ruff: noqa: E501 - each line is the exact finding, kept in one piece
DB: Node = {"kind": "database", "id": "db", "engine": "postgresql"}
WATCH = monitor("prometheus", "watch")


def _findings(*parts: Node) -> list[str]:
    return [str(finding) for finding in lowered(*parts).findings]


def _jobs(host: Any) -> dict[str, list[tuple[str, dict[str, str]]]]:
    return {
        job["job_name"]: [(one["targets"][0], one["labels"]) for one in job["static_configs"]]
        for job in host["services"]["prometheus"]["scrapeConfigs"]
    }


def _rules(host: Any) -> str:
    return str(host["services"]["prometheus"].get("rules", ""))


@pytest.mark.parametrize(("nodes", "edges", "expected"), MONITORING_CASES)
def test_each_fault_of_monitoring_is_found_with_place_and_mend(
    nodes: list[Node], edges: list[Node], expected: str
) -> None:
    graph = Graph.model_validate({"nodes": nodes, "edges": edges})
    assert expected in [str(finding) for finding in validate(graph)]


def test_a_database_is_asked_through_an_exporter_beside_it_that_needs_no_password() -> None:
    parts = [*HOSTS, {**DB, "host": "alpha", "port": 5499}, {**WATCH, "host": "beta"}, watches("watch", "db")]
    alpha, beta = options(*parts, host="alpha"), options(*parts, host="beta")
    exporter = alpha["services"]["prometheus"]["exporters"]["postgres"]
    assert exporter["dataSourceName"] == (
        "user=postgres-exporter database=postgres host=/run/postgresql port=5499 sslmode=disable"
    )
    assert exporter["listenAddress"] == "0.0.0.0"
    assert (
        'GRANT pg_monitor TO "postgres-exporter";'
        in alpha["systemd"]["services"]["shop-monitoring-db"]["script"]
    )
    assert alpha["networking"]["firewall"]["extraInputRules"] == (
        'ip saddr { 10.0.0.2 } tcp dport { 9187 } accept comment "watch -> db (monitors)"\n'
    )
    labels = {"host": "alpha", "node": "db", "kind": "database"}
    assert _jobs(beta)["postgres"] == [("10.0.0.1:9187", labels)]
    assert "extraInputRules" not in beta["networking"]["firewall"]


def test_an_exporter_that_its_own_host_alone_asks_listens_on_loopback() -> None:
    host = options(DB, WATCH, watches("watch", "db"))
    assert host["services"]["prometheus"]["exporters"]["postgres"]["listenAddress"] == "127.0.0.1"
    assert host["services"]["prometheus"]["listenAddress"] == "127.0.0.1"
    assert _jobs(host)["postgres"][0][0] == "127.0.0.1:9187"


def test_an_exporter_takes_another_port_where_a_node_has_its_usual_one() -> None:
    web = {"kind": "service", "id": "web", "command": ["/x"], "ports": [{"port": 9187}]}
    host = options(DB, WATCH, web, watches("watch", "db"))
    assert host["services"]["prometheus"]["exporters"]["postgres"]["port"] == 9188
    named = options(DB, WATCH, monitor("postgres_exporter", "e", port=9999), watches("watch", "db"))
    assert named["services"]["prometheus"]["exporters"]["postgres"]["port"] == 9999
    assert _jobs(named)["postgres"][0][0] == "127.0.0.1:9999"


def test_the_role_of_an_exporter_of_a_replica_is_made_in_its_primary() -> None:
    replica = {"kind": "replicates", "source": "copy", "target": "db"}
    copy = {**DB, "id": "copy", "host": "beta"}
    parts = [
        *HOSTS,
        {**DB, "host": "alpha"},
        copy,
        replica,
        {**WATCH, "host": "beta"},
        watches("watch", "copy"),
    ]
    alpha, beta = options(*parts, host="alpha"), options(*parts, host="beta")
    assert "shop-monitoring-db" in alpha["systemd"]["services"]
    assert "shop-monitoring-copy" not in beta["systemd"]["services"]
    assert "exporters" not in alpha["services"].get("prometheus", {})
    assert "pg_replication_lag_seconds" in _rules(beta)


def test_one_exporter_asks_all_redis_servers_of_a_host_with_the_password_of_each() -> None:
    one = {"kind": "database", "id": "one", "engine": "redis", "password": "one-password"}
    two = {"kind": "database", "id": "two", "engine": "redis", "port": 6400}
    host = options(one, two, WATCH, watches("watch", "one"), watches("watch", "two"))
    unit = host["systemd"]["services"]["prometheus-redis-exporter"]
    assert unit["serviceConfig"]["LoadCredential"] == ["one-password:/run/secrets/one-password"]
    assert '"redis://127.0.0.1:6379": ($password0' in unit["preStart"]
    (job,) = [one for one in host["services"]["prometheus"]["scrapeConfigs"] if one["job_name"] == "redis"]
    assert job["metrics_path"] == "/scrape"
    assert [target["labels"]["__param_target"] for target in job["static_configs"]] == [
        "redis://127.0.0.1:6379",
        "redis://127.0.0.1:6400",
    ]


@pytest.mark.parametrize(("port", "url"), [(None, "http://127.0.0.1:8222"), (9222, "http://127.0.0.1:9222")])
def test_a_bus_tells_its_exporter_and_nobody_else(port: int | None, url: str) -> None:
    bus = {"kind": "message_bus", "id": "bus", "jetstream": True} | ({"monitor_port": port} if port else {})
    host = options(bus, WATCH, watches("watch", "bus"))
    exporter = host["services"]["prometheus"]["exporters"]["nats"]
    assert exporter["url"] == url
    assert "-jsz=all" in exporter["extraFlags"]
    assert host["services"]["nats"]["settings"].get("http") == (None if port else "127.0.0.1:8222")
    assert host["services"]["nats"]["settings"].get("http_port") == port


def test_nginx_shows_its_status_on_a_port_of_its_own_where_it_does_not_serve_80() -> None:
    web = {"kind": "service", "id": "web", "command": ["/x"], "ports": [{"port": 8000}]}
    gate = {"kind": "load_balancer", "id": "gate"}
    edges = [{"kind": "load_balances", "source": "gate", "target": "web"}, watches("watch", "gate")]
    assert options(web, gate, WATCH, *edges)["services"]["nginx"]["statusPage"] is True
    host = options(web, {**gate, "listen": [8080]}, WATCH, *edges)
    assert "statusPage" not in host["services"]["nginx"]
    status = host["services"]["nginx"]["virtualHosts"]["nginx-status"]
    assert status["listen"] == [{"addr": "127.0.0.1", "port": 8090}]
    scraped = host["services"]["prometheus"]["exporters"]["nginx"]["scrapeUri"]
    assert scraped == "http://127.0.0.1:8090/nginx_status"


@pytest.mark.parametrize(
    "gate",
    [
        {"mode": "tcp"},
        {"virtual_hosts": [{"name": "x.example.org", "listen": [8080]}]},
    ],
)
def test_the_status_page_stands_elsewhere_where_port_80_is_not_served_in_http(gate: dict[str, Any]) -> None:
    web = {"kind": "service", "id": "web", "command": ["/x"], "ports": [{"port": 8000}]}
    balancer = {"kind": "load_balancer", "id": "gate", **gate}
    edges = [{"kind": "load_balances", "source": "gate", "target": "web"}, watches("watch", "gate")]
    nginx = options(web, balancer, WATCH, *edges)["services"]["nginx"]
    assert "statusPage" not in nginx
    assert nginx["virtualHosts"]["nginx-status"]["listen"] == [{"addr": "127.0.0.1", "port": 8090}]


def test_the_status_page_stands_beside_what_answers_an_acme_authority() -> None:
    web = {"kind": "service", "id": "web", "command": ["/x"], "ports": [{"port": 8000}]}
    tls = {"acme": True, "email": "ops@example.org"}
    gate = {"listen": [443], "virtual_hosts": [{"name": "x.example.org", "tls": tls}]}
    balancer = {"kind": "load_balancer", "id": "gate", **gate}
    edges = [{"kind": "load_balances", "source": "gate", "target": "web"}, watches("watch", "gate")]
    assert options(web, balancer, WATCH, *edges)["services"]["nginx"]["statusPage"] is True


def test_path_interval_and_port_of_an_edge_reach_its_target_alone() -> None:
    web = {"kind": "service", "id": "web", "command": ["/x"], "ports": [{"port": 8000}]}
    api = {**web, "id": "api", "ports": [{"port": 8001}]}
    edge = watches("watch", "api", path="/m?kind=all", interval_ms=90_000, port=8002)
    jobs = _jobs(options(web, api, WATCH, watches("watch", "web"), edge))
    (first, labels), (second, plain) = jobs["service"]
    assert (first, second) == ("127.0.0.1:8002", "127.0.0.1:8000")
    assert plain == {"host": "shop", "node": "web", "kind": "service"}
    assert {name: text for name, text in labels.items() if name.startswith("__")} == {
        "__metrics_path__": "/m",
        "__param_kind": "all",
        "__scrape_interval__": "90s",
        "__scrape_timeout__": "10s",
    }


def test_every_replica_beside_prometheus_is_asked_and_those_elsewhere_answer_in_turn() -> None:
    api = {"kind": "service", "id": "api", "image": "api", "replicas": 3, "ports": [{"port": 8000}]}
    assert len(_jobs(options(api, WATCH, watches("watch", "api")))["service"]) == 3
    parts = [*HOSTS, {**api, "host": "alpha"}, {**WATCH, "host": "beta"}, watches("watch", "api")]
    assert [target for target, _ in _jobs(options(*parts, host="beta"))["service"]] == ["10.0.0.1:8000"]
    assert (
        "warning replicas-in-turn: watch -monitors-> api: the 3 replicas of api answer in turn, under one name; "
        "place watch on alpha, or make the replicas nodes of their own"
    ) in _findings(*parts)


def test_what_tells_no_metrics_is_not_asked_and_that_is_said() -> None:
    parts = [{"kind": "service", "id": "job", "command": ["/x"]}, WATCH, watches("watch", "job")]
    assert _findings(*parts) == [
        (
            "warning no-metrics: watch -monitors-> job: job tells no metrics that nix_gen knows of, so watch does "
            "not ask it; set port on the edge, and path if it is not /metrics"
        )
    ]
    assert list(_jobs(options(*parts))) == ["prometheus"]


def test_a_prometheus_in_a_container_is_told_by_hand_where_to_ask() -> None:
    mounts = [{"kind": "bind", "source": "/srv/p.yml", "target": "/etc/prometheus/prometheus.yml"}]
    parts = [DB, {**WATCH, "image": "prom/prometheus", "mounts": mounts}, watches("watch", "db")]
    (said,) = [text for text in _findings(*parts) if "by-hand" in text]
    assert said == (
        "warning scrape-by-hand: watch -monitors-> db: watch runs as a container with a configuration of its "
        "own; name shop port 9187 path /metrics there, or run it natively: without mounts, alone of its engine"
    )
    assert options(*parts)["services"]["prometheus"]["exporters"]["postgres"]["listenAddress"] == "0.0.0.0"


def test_a_loki_that_watches_what_writes_no_log_says_so() -> None:
    parts = [
        {"kind": "database", "id": "file", "engine": "sqlite"},
        monitor("loki", "logs"),
        watches("logs", "file"),
    ]
    assert _findings(*parts) == [
        "warning no-logs: logs -monitors-> file: file has no unit that could write a log; remove the edge"
    ]


def test_alert_rules_stand_only_for_what_is_asked() -> None:
    host = options(DB, WATCH, watches("watch", "db"))
    assert "pg_up" in _rules(host)
    for prefix in ("redis_", "node_", "gnatsd_", "pg_replication"):
        assert prefix not in _rules(host)
    assert _rules(options(DB, {**WATCH, "default_alerts": False}, watches("watch", "db"))) == ""


def test_alerts_have_names_of_their_own_and_say_host_and_severity() -> None:
    rules = [rule for group in RULES.values() for rule in group]
    assert len({rule.name for rule in rules}) == len(rules)
    for rule in rules:
        assert "$labels.host" in rule.summary or "$labels.instance" in rule.summary


def test_prometheus_tells_the_alertmanagers_it_connects_to() -> None:
    alerts = monitor("alertmanager", "alerts", host="beta", port=9999)
    edge = {"kind": "connects_to", "source": "watch", "target": "alerts"}
    parts = [*HOSTS, {**WATCH, "host": "alpha"}, alerts, edge]
    alpha, beta = options(*parts, host="alpha"), options(*parts, host="beta")
    assert alpha["services"]["prometheus"]["alertmanagers"] == [
        {"static_configs": [{"targets": ["10.0.0.2:9999"]}]}
    ]
    assert beta["services"]["prometheus"]["alertmanager"]["listenAddress"] == "0.0.0.0"
    assert "tcp dport { 9999 }" in beta["networking"]["firewall"]["extraInputRules"]


def test_secrets_of_receivers_are_credentials_of_the_unit() -> None:
    receivers = [{"name": "chat", "webhook": "chat-url"}]
    host = options(monitor("alertmanager", "alerts", receivers=receivers))
    configuration = host["services"]["prometheus"]["alertmanager"]["configuration"]
    (hook,) = configuration["receivers"][1]["webhook_configs"]
    assert hook["url_file"] == "/run/credentials/alertmanager.service/chat-url"
    unit = host["systemd"]["services"]["alertmanager"]
    assert unit["serviceConfig"]["LoadCredential"] == ["chat-url:/run/secrets/chat-url"]


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"receivers": [{"name": "x"}]}, "give webhook, email or both"),
        ({"receivers": [{"name": "x", "webhook": "a"}, {"name": "x", "webhook": "b"}]}, "two receivers have the name 'x'"),
        ({"engine": "loki", "receivers": [{"name": "x", "webhook": "a"}]}, "receivers is for alertmanager, not for loki"),
        ({"engine": "loki", "scrape_interval_ms": 5000}, "scrape_interval_ms is for prometheus, not for loki"),
    ],
)  # fmt: skip
def test_fields_that_mean_nothing_to_an_engine_are_refused(fields: Node, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Monitoring.model_validate({"id": "m", "engine": "alertmanager", **fields})


def test_grafana_reads_its_secrets_from_credentials_and_shows_what_its_edges_say() -> None:
    board = monitor("grafana", "board", secret_key="key", settings={"auth.anonymous.enabled": True})
    host = options(DB, WATCH, board, watches("watch", "db"), watches("board", "watch"))
    grafana = host["services"]["grafana"]
    assert grafana["settings"]["security"] == {
        "admin_password": "$__file{/run/credentials/grafana.service/board-password}",
        "secret_key": "$__file{/run/credentials/grafana.service/key}",
    }
    assert grafana["settings"]["auth.anonymous"] == {"enabled": True}
    (source,) = grafana["provision"]["datasources"]["settings"]["datasources"]
    assert source["url"] == "http://127.0.0.1:9090"
    assert source["access"] == "proxy"
    (provider,) = grafana["provision"]["dashboards"]["settings"]["providers"]
    assert provider["options"]["path"] == "./dashboards"


def test_settings_that_have_no_place_are_refused() -> None:
    assert _findings(monitor("grafana", "g", settings={"theme": "dark"})) == [
        (
            "error bad-setting: g: the setting 'theme' is no `section.key` of Grafana that is free to choose; "
            "write it as `users.default_theme`; `port` says where it listens"
        )
    ]
    assert _findings(monitor("loki", "l", settings={"server": 1})) == [
        (
            "error bad-setting: l: the setting 'server' is no path in loki's configuration that holds one value; "
            "write it as `limits_config.ingestion_rate_mb`"
        )
    ]


def test_dashboards_are_there_for_what_is_asked_and_panels_do_not_overlap() -> None:
    (module,) = [module for module in lowered(*everything()).modules if module.host.id == "back"]
    names = {path.removeprefix("dashboards/").removesuffix(".json") for path in module.files}
    kinds = {"postgres", "mysql", "redis", "mongodb", "nats", "nginx", "haproxy", "rabbitmq", "probe"}
    assert names == {"overview", "logs", *kinds}
    uids = set()
    for text in module.files.values():
        board = json.loads(text)
        uids.add(board["uid"])
        places = [panel["gridPos"] for panel in board["panels"]]
        cells = [
            (x, y)
            for p in places
            for x in range(p["x"], p["x"] + p["w"])
            for y in range(p["y"], p["y"] + p["h"])
        ]
        assert len(cells) == len(set(cells))
        assert len({panel["id"] for panel in board["panels"]}) == len(places)
    assert len(uids) == len(module.files)


def test_a_graph_that_no_node_exporter_watches_has_no_panels_of_hosts() -> None:
    board = monitor("grafana", "board")
    module = lowered(DB, WATCH, board, watches("watch", "db"), watches("board", "watch")).modules[0]
    assert set(module.files) == {"dashboards/overview.json", "dashboards/postgres.json"}
    assert "node_cpu" not in module.files["dashboards/overview.json"]


def test_a_setting_of_loki_never_reaches_the_shell_that_its_module_writes_configurations_with() -> None:
    loki = options(monitor("loki", "logs", settings={"limits_config.x": "it's '$(id)'"}))["services"]["loki"]
    assert "configuration" not in loki
    assert loki["configFile"].startswith('pkgs.writeText "loki.json" (builtins.toJSON {')


@pytest.mark.parametrize(
    "path", ["/a'b", '/a"b', "/a`b", "/$(id)", "/a;b", "/a\\b", "/<a>", "/a|b", "/a{b}", "/ä"]
)
def test_a_path_of_metrics_is_the_path_of_a_url(path: str) -> None:
    with pytest.raises(ValidationError, match="string_pattern_mismatch"):
        graph_of(WATCH, DB, watches("watch", "db", path=path))


def test_logs_of_watched_nodes_alone_are_shipped_and_loki_opens_to_their_host() -> None:
    web = {"kind": "service", "id": "web", "image": "web", "host": "alpha"}
    parts = [
        *HOSTS,
        web,
        {**DB, "host": "alpha"},
        monitor("loki", "logs", host="beta"),
        watches("logs", "web"),
    ]
    alpha, beta = options(*parts, host="alpha"), options(*parts, host="beta")
    text = alpha["environment"]["etc"]["alloy/config.alloy"]["text"]
    assert 'url = "http://10.0.0.2:3100/loki/api/v1/push"' in text
    assert 'regex         = "podman-shop-web\\\\.service;.*|.*;shop-web"' in text
    assert "postgresql" not in text
    assert 'action        = "keep"' in text
    assert beta["networking"]["firewall"]["extraInputRules"] == (
        'ip saddr { 10.0.0.1 } tcp dport { 3100 } accept comment "alpha -> logs (monitors)"\n'
    )
    assert 'http_listen_address = "0.0.0.0"' in beta["services"]["loki"]["configFile"]
    assert "alloy" not in beta["services"]


def test_a_watched_host_ships_its_whole_journal_to_each_loki_in_one_file() -> None:
    lokis = [monitor("loki", "a-b", host="alpha"), monitor("loki", "a_b", host="beta", port=3200)]
    parts = [*HOSTS, {**DB, "host": "alpha"}, *lokis, watches("a-b", "alpha"), watches("a_b", "alpha")]
    text = options(*parts, host="alpha")["environment"]["etc"]["alloy/config.alloy"]["text"]
    assert "keep" not in text
    assert text.count('loki.source.journal "') == 2
    assert 'loki.write "a_b" {' in text
    assert 'loki.write "a_b_2" {' in text
    assert 'replacement   = "db"' in text


def test_a_prober_tries_pages_ports_and_hosts() -> None:
    web = {"kind": "service", "id": "web", "command": ["/x"], "ports": [{"port": 8000}]}
    names = [{"name": "shop.example", "listen": [443]}]
    gate = {"kind": "load_balancer", "id": "gate", "virtual_hosts": names, "host": "alpha"}
    parts = [
        *HOSTS,
        {**web, "host": "alpha"},
        {**DB, "host": "alpha"},
        gate,
        {"kind": "load_balances", "source": "gate", "target": "web"},
        monitor("blackbox_exporter", "prober", host="beta"),
        watches("prober", "web", path="/health"),
        watches("prober", "db"),
        watches("prober", "alpha"),
        watches("prober", "gate", port=443),
        {**WATCH, "host": "beta"},
        watches("watch", "prober"),
    ]
    beta = options(*parts, host="beta")
    found = {labels["node"]: labels for _, labels in _jobs(beta)["probe"]}
    assert found["web"]["__param_target"] == "http://10.0.0.1:8000/health"
    assert (found["db"]["__param_module"], found["db"]["__param_target"]) == ("tcp_connect", "10.0.0.1:5432")
    assert (found["alpha"]["__param_module"], found["alpha"]["__param_target"]) == ("icmp", "10.0.0.1")
    assert found["gate"]["__param_target"] == "https://10.0.0.1:443/"
    assert found["gate"]["__param_hostname"] == "shop.example"
    assert "CertificateExpiresSoon" in _rules(beta)
    assert (
        "prober -> web (monitors)"
        in options(*parts, host="alpha")["networking"]["firewall"]["extraInputRules"]
    )


def test_everything_at_once_has_no_finding_but_what_a_reader_must_know() -> None:
    assert {finding.code for finding in lowered(*everything()).findings} <= {"unguarded-bus", "not-used"}


def test_the_exporter_of_a_mongodb_with_users_has_one_of_its_own() -> None:
    users = [{"name": "root", "password": "root-password", "superuser": True}]
    store = {"kind": "database", "id": "store", "engine": "mongodb", "users": users}
    host = options(store, WATCH, watches("watch", "store"))
    unit = host["systemd"]["services"]["shop-monitoring-store"]
    assert unit["requires"] == ["shop-users-store.service"]
    assert '"role": "clusterMonitor"' in unit["serviceConfig"]["ExecStart"]
    exporter = host["systemd"]["services"]["prometheus-mongodb-exporter"]
    assert exporter["environment"] == {"MONGODB_USER": "exporter"}
    assert exporter["serviceConfig"]["EnvironmentFile"] == "/run/shop-env-mongodb-exporter/env"
    bare = options({**store, "users": []}, WATCH, watches("watch", "store"))
    assert "systemd" not in bare


def test_rabbitmq_and_haproxy_tell_their_metrics_themselves() -> None:
    web = {"kind": "service", "id": "web", "command": ["/x"], "ports": [{"port": 8000}]}
    edge = {"kind": "load_balancer", "id": "edge", "engine": "haproxy"}
    queue = {"kind": "message_bus", "id": "queue", "engine": "rabbitmq"}
    to = {"kind": "load_balances", "source": "edge", "target": "web"}
    parts: list[Node] = [web, edge, queue, to, WATCH, watches("watch", "edge"), watches("watch", "queue")]
    host = options(*parts)
    assert host["services"]["rabbitmq"]["plugins"] == ["rabbitmq_prometheus"]
    assert host["services"]["haproxy"]["config"].count("prometheus-exporter") == 1
    jobs = _jobs(host)
    assert (jobs["haproxy"][0][0], jobs["rabbitmq"][0][0]) == ("127.0.0.1:8405", "127.0.0.1:15692")
    named = options({**queue, "monitor_port": 15999}, WATCH, watches("watch", "queue"))
    assert _jobs(named)["rabbitmq"][0][0] == "127.0.0.1:15999"
    assert named["services"]["rabbitmq"]["plugins"] == ["rabbitmq_prometheus"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "is not the first prometheus of its host"),
        ({"mounts": [{"kind": "tmpfs", "target": "/x"}]}, "has mounts of its own"),
    ],
)
def test_a_monitoring_node_that_must_be_a_container_needs_an_image(fields: Node, why: str) -> None:
    assert _findings({**WATCH, "id": "a"}, monitor("prometheus", "b", **fields)) == [
        (
            f"error no-form: b: {why}, so it would be a container, and it has no image; "
            "place it on another host, or give it an image"
        )
    ]


def test_a_bus_in_a_container_needs_a_monitor_port_to_be_asked() -> None:
    bus = {"kind": "message_bus", "id": "bus", "mounts": [{"kind": "tmpfs", "target": "/x"}]}
    (said,) = [text for text in _findings(bus, WATCH, watches("watch", "bus")) if "no-metrics" in text]
    assert said.endswith("; set monitor_port on bus")
    host = options({**bus, "monitor_port": 8222}, WATCH, watches("watch", "bus"))
    assert host["services"]["prometheus"]["exporters"]["nats"]["url"].endswith(":8222")


def test_a_prober_reaches_the_port_of_a_database_and_may_not_log_in() -> None:
    prober = monitor("blackbox_exporter", "prober", host="beta")
    host = options(*HOSTS, {**DB, "host": "alpha"}, prober, watches("prober", "db"), host="alpha")
    assert "tcp dport { 5432 }" in host["networking"]["firewall"]["extraInputRules"]
    assert host["services"]["postgresql"]["enableTCPIP"] is True
    assert "authentication" not in host["services"]["postgresql"]
