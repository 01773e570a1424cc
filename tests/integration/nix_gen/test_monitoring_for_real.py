"""Generated monitoring, judged by the programs themselves, and a prometheus that scrapes with it."""

import contextlib
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nix_gen.lower.monitoring.dashboards import PANELS
from nix_gen.lower.monitoring.exporters import MYSQL_CLIENT
from nix_gen.lower.monitoring.probes import MODULES
from nix_gen.lower.monitoring.rules import RULES
from tests.support.lowering import Node
from tests.support.monitored import everything, metrics_server, query, running, up, wait_for_page
from tests.support.monitoring_cases import monitor, watches
from tests.support.native_checks import NativeProgram, run_native
from tests.support.nix_tools import nixcheck
from tests.support.nixos_rendering import Config
from tests.support.nixos_rendering.prometheus import RULES as RULES_FILE
from tests.support.nixos_rendering.prometheus import (
    alertmanager_yaml,
    exporter,
    loki_json,
    write_prometheus,
)
from tests.support.processes import free_port
from tests.support.real_flakes import configs_of, hosts
from tests.support.real_mariadb import RealMariadb
from tests.support.real_postgres import RealPostgres
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.nix, pytest.mark.shared]
NOBODY = "nobody"
PASSWORD = 'it\'s "$(quoted)" \\ %'
EXPRESSION = re.compile(r'"expr": "((?:[^"\\]|\\.)*)"')
METRIC = re.compile(r"\b(?:node|redis)_[a-z][A-Za-z0-9_]+")


@pytest.fixture(scope="module")
def flake(nix: str, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Config]]:
    """The flake with everything in it, and what its hosts set."""
    folder = tmp_path_factory.mktemp("monitoring")
    return folder, configs_of(shared, folder, *everything())


def test_every_option_of_every_monitoring_program_is_one_of_nixos(
    flake: tuple[Path, dict[str, Config]], shared: Path
) -> None:
    nixcheck(shared, flake[0])


def test_promtool_accepts_configuration_rules_and_the_queries_of_every_dashboard(
    flake: tuple[Path, dict[str, Config]], native_program: NativeProgram, tmp_path: Path
) -> None:
    folder, configs = flake
    promtool = native_program("promtool")
    file = write_prometheus(configs["back"], tmp_path)
    said = run_native([promtool, "check", "config", file])
    assert "SUCCESS" in said
    assert re.search(r"\d\d rules found", said)
    dashboards = sorted((folder / "f/hosts/back/dashboards").glob("*.json"))
    assert len(dashboards) > 8
    expressions = [
        target["expr"]
        for path in dashboards
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
        if target["datasource"]["type"] == "prometheus"
    ]
    rules = [{"record": f"panel:{index}", "expr": text} for index, text in enumerate(expressions)]
    (tmp_path / "panels.json").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(expressions)} rules found" in run_native(
        [promtool, "check", "rules", tmp_path / "panels.json"]
    )


def test_alerts_fire_with_the_words_that_say_where(
    flake: tuple[Path, dict[str, Config]], native_program: NativeProgram, tmp_path: Path
) -> None:
    write_prometheus(flake[1]["back"], tmp_path)
    disk = '{host="front",node="front",mountpoint="/",fstype="ext4"}'
    tests = [
        _alert("TargetDown", {'up{job="nats",host="front",node="bus"}': "0"}, "bus on front does not answer"),
        _alert(
            "DiskAlmostFull",
            {
                f"node_filesystem_avail_bytes{disk}": "9",
                f"node_filesystem_size_bytes{disk}": "100",
                f"node_filesystem_readonly{disk}": "0",
            },
            "/ of front has less than 10 % left",
        ),
        _alert(
            "PostgresqlReplicaBehind",
            {
                'pg_replication_lag_seconds{host="back",node="standby"}': "61",
                'pg_replication_is_replica{host="back",node="standby"}': "1",
            },
            "standby on back is 61 s behind its primary",
        ),
        _alert(
            "PostgresqlConnectionsAlmostUsedUp",
            {
                'pg_stat_database_numbackends{host="front",node="db",datname="a"}': "50",
                'pg_stat_database_numbackends{host="front",node="db",datname="b"}': "45",
                'pg_settings_max_connections{host="front",node="db"}': "100",
            },
            "db on front has hardly a connection left",
        ),
        _alert(
            "RedisMemoryAlmostFull",
            {
                'redis_memory_used_bytes{host="front",node="cache"}': "95",
                'redis_memory_max_bytes{host="front",node="cache"}': "100",
                'redis_memory_used_bytes{host="front",node="cart"}': "95",
                'redis_memory_max_bytes{host="front",node="cart"}': "0",
            },
            "cache on front is near its `maxmemory`",
        ),
    ]
    document = {"rule_files": [RULES_FILE], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "tests.json").write_text(json.dumps(document))
    assert "SUCCESS" in run_native([native_program("promtool"), "test", "rules", tmp_path / "tests.json"])


def _alert(name: str, series: dict[str, str], words: str) -> dict[str, Any]:
    """A case of `promtool test rules`: after an hour of these values, the alert fires once with its words."""
    (rule,) = (rule for group in RULES.values() for rule in group if rule.name == name)
    kept = ("host", "node", "job", "mountpoint", "fstype")
    labels = dict(re.findall(r'(\w+)="([^"]*)"', next(iter(series))))
    shown = {label: labels[label] for label in kept if label in labels}
    summary = f"{words} to the job {shown['job']}" if "job" in shown else words
    severity = "critical" if rule.critical else "warning"
    wanted = {"exp_labels": {**shown, "severity": severity}, "exp_annotations": {"summary": summary}}
    return {
        "interval": "1m",
        "input_series": [{"series": one, "values": f"{given}x60"} for one, given in series.items()],
        "alert_rule_test": [{"eval_time": "60m", "alertname": name, "exp_alerts": [wanted]}],
    }


def test_amtool_accepts_the_configuration_of_alertmanager(
    flake: tuple[Path, dict[str, Config]], native_program: NativeProgram, tmp_path: Path
) -> None:
    text = alertmanager_yaml(flake[1]["back"])
    assert text is not None
    # Debian's is older than `url_file`; what it stands for is a URL.
    file = tmp_path / "alertmanager.yml"
    secret = "/run/credentials/alertmanager.service/chat-url"
    assert f'"url_file": "{secret}"' in text
    file.write_text(text.replace(f'"url_file": "{secret}"', '"url": "http://127.0.0.1/hook"'))
    amtool = native_program("amtool")
    assert "3 receivers" in run_native([amtool, "check-config", file])
    tree = run_native([amtool, "config", "routes", "show", f"--config.file={file}"])
    assert "chat" in tree
    told = [amtool, "config", "routes", "test", f"--config.file={file}"]
    assert run_native([*told, "severity=critical"]).splitlines()[-1] == "chat,mail"
    assert run_native([*told, "severity=warning"]).splitlines()[-1] == "chat"


def test_the_blackbox_exporter_accepts_its_modules(
    flake: tuple[Path, dict[str, Config]], native_program: NativeProgram, tmp_path: Path
) -> None:
    module = (flake[0] / "f/hosts/back/default.nix").read_text()
    assert 'configFile = pkgs.writeText "blackbox.yml"' in module
    file = tmp_path / "blackbox.yml"

    file.write_text(json.dumps({"modules": MODULES}))
    run_native([native_program("prometheus-blackbox-exporter"), "--config.check", f"--config.file={file}"])


def test_loki_keeps_everything_below_its_directory_and_deletes_after_the_retention(
    flake: tuple[Path, dict[str, Config]], nix: str
) -> None:
    document = json.loads(loki_json(nix, (flake[0] / "f/hosts/back/default.nix").read_text()))
    (schema,) = document["schema_config"]["configs"]
    assert (schema["store"], schema["schema"], schema["object_store"]) == ("tsdb", "v13", "filesystem")
    assert document["compactor"]["retention_enabled"] is True
    assert document["compactor"]["delete_request_store"] == schema["object_store"]
    assert document["limits_config"] == {"ingestion_rate_mb": 8, "retention_period": "744h"}
    paths = re.findall(r'"(/[^"]*)"', json.dumps(document))
    assert paths
    assert all(path.startswith("/var/lib/loki") for path in paths)


def _small(ports: dict[str, int]) -> list[Node]:
    return [
        *hosts("one", "two"),
        {"kind": "service", "id": "web", "host": "one", "command": ["/x"], "ports": [{"port": ports["web"]}]},
        {"kind": "database", "id": "cache", "engine": "redis", "host": "one", "port": ports["cache"]},
        {
            "kind": "database",
            "id": "vault",
            "engine": "redis",
            "host": "one",
            "port": ports["vault"],
            "password": "p",
        },
        monitor("node_exporter", "machine", host="one", port=ports["node"]),
        monitor("redis_exporter", "caches", host="one", port=ports["redis"]),
        monitor("prometheus", "watch", host="two", port=ports["watch"], scrape_interval_ms=1000),
        watches("watch", "web", path="/deep/metrics?kind=all"),
        *(watches("watch", target) for target in ("cache", "vault", "one", "alerts")),
        monitor("alertmanager", "alerts", host="two", port=ports["alerts"]),
        {"kind": "connects_to", "source": "watch", "target": "alerts"},
    ]


@contextlib.contextmanager
def _redis(config: Config, node: str, program: str, folder: Path) -> Iterator[None]:
    server = config["services"]["redis"]["servers"][node]
    words = [program, "--port", str(server["port"]), "--save", "", "--bind", "127.0.0.1"]
    if "requirePassFile" in server:
        words += ["--requirepass", PASSWORD]
    with running(words, folder / f"{node}.log"):
        yield


def _exporters(config: Config, native_program: NativeProgram, folder: Path) -> dict[str, list[str]]:
    """The commands of a host's exporters; what prepares redis's has run."""
    unit = config["systemd"]["services"]["prometheus-redis-exporter"]
    (folder / "p").write_text(PASSWORD + "\n")
    environment = {"CREDENTIALS_DIRECTORY": str(folder), "RUNTIME_DIRECTORY": str(folder)}
    exports = "".join(f"export {name}={value}\n" for name, value in environment.items())
    run_native(["bash", "-e", "-c", exports + unit["preStart"]])
    flags = [
        flag.replace("/run/prometheus-redis-exporter", str(folder))
        for flag in exporter(config, "redis")["extraFlags"]
    ]
    return {
        "redis": [
            native_program("prometheus-redis-exporter"),
            *flags,
            f"-web.listen-address=127.0.0.1:{exporter(config, 'redis')['port']}",
        ],
        "node": [
            native_program("prometheus-node-exporter"),
            f"--web.listen-address=127.0.0.1:{exporter(config, 'node')['port']}",
        ],
    }


def _watchers(config: Config, native_program: NativeProgram, folder: Path) -> dict[str, list[str]]:
    """The commands of a host's prometheus and alertmanager."""
    service = config["services"]["prometheus"]
    alerts = service["alertmanager"]
    (folder / "alertmanager.yml").write_text(alertmanager_yaml(config) or "")
    return {
        "prometheus": [
            native_program("prometheus"),
            f"--config.file={write_prometheus(config, folder / 'prometheus')}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address={service['listenAddress']}:{service['port']}",
        ],
        "alertmanager": [
            native_program("prometheus-alertmanager"),
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alerts'}",
            f"--web.listen-address={alerts['listenAddress']}:{alerts['port']}",
            *alerts["extraFlags"],
        ],
    }


async def test_a_real_prometheus_scrapes_what_the_edges_say_through_real_exporters(
    nix: str,
    shared: Path,
    native_program: NativeProgram,
    tmp_path: Path,
) -> None:
    ports = {name: free_port() for name in ("web", "cache", "vault", "node", "redis", "watch", "alerts")}
    configs = configs_of(shared, tmp_path / "flake", *_small(ports))
    one, two = configs["one"], configs["two"]
    commands = _exporters(one, native_program, tmp_path) | _watchers(two, native_program, tmp_path)
    with contextlib.ExitStack() as stack:
        asked = stack.enter_context(metrics_server(ports["web"]))
        for node in ("cache", "vault"):
            stack.enter_context(_redis(one, node, native_program("redis-server"), tmp_path))
        for name, command in commands.items():
            stack.enter_context(running(command, tmp_path / f"{name}.log"))
        wanted = {
            ("prometheus", "watch"): "1",
            ("service", "web"): "1",
            ("redis", "cache"): "1",
            ("redis", "vault"): "1",
            ("node", "one"): "1",
            ("alertmanager", "alerts"): "1",
        }
        await wait_until(lambda: up(ports["watch"]) == wanted, timeout_s=60)
        await wait_until(lambda: len(query(ports["watch"], "redis_up == 1")) == 2, timeout_s=60)
        assert set(asked) == {"/deep/metrics?kind=all"}
        (sold,) = query(ports["watch"], "orders_total")
        assert sold["metric"]["host"] == "one"
        assert sold["value"][1] == "7"
        _every_metric_is_there(tmp_path / "flake" / "f/hosts/two/default.nix", ports["watch"])
        rules = query(ports["watch"], 'prometheus_rule_group_rules{rule_group=~".*;targets"}')
        assert [rule["value"][1] for rule in rules] == ["1"]
        (known,) = query(ports["watch"], "prometheus_notifications_alertmanagers_discovered")
        assert known["value"][1] == "1"


UNSEEN = {
    "mysql_slave_status_seconds_behind_master",  # of a replica
    "pg_replication_is_replica",  # of newer exporters than Debian's
    "pg_replication_lag_seconds",
    "node_systemd_unit_state",  # no systemd here
    "redis_master_link_up",  # of a replica
}


def _every_metric_is_there(module: Path, port: int) -> None:
    """The names in rules and dashboards are those that real exporters give."""

    panels = [panel.expression for name in ("overview", "redis") for panel in PANELS[name]]
    names = set(METRIC.findall("\n".join([module.read_text(), *panels]))) - UNSEEN
    names = {name for name in names if not name.endswith(("_exporter", "_uri"))}
    assert len(names) > 10
    assert [name for name in sorted(names) if not query(port, f"count({name})")] == []


def _queries(job: str) -> list[str]:
    return [panel.expression for panel in PANELS[job]] + [rule.expression for rule in RULES[job]]


def _names(prefix: str, *texts: str) -> set[str]:
    return set(re.findall(rf"\b{prefix}[a-z][A-Za-z0-9_]+", "\n".join(texts)))


def _as_nobody(config: Config, user: str) -> Config:
    """The same host, with a system user that this machine has in place of the exporter's."""
    found: Config = json.loads(json.dumps(config).replace(user, NOBODY))
    return found


def _metrics(prefix: str, command: list[str], port: int, log: Path) -> set[str]:
    """What an exporter tells that runs as a user without any rights."""
    words = ["setpriv", f"--reuid={NOBODY}", "--clear-groups", "--no-new-privs", *command]
    with running(words, log):
        page = wait_for_page(f"http://127.0.0.1:{port}/metrics", f"{prefix}up 1")
    return set(re.findall(rf"(?m)^({prefix}\w+)", page))


async def test_the_exporter_of_postgresql_logs_in_as_its_system_user_and_reads_no_data(
    nix: str,
    shared: Path,
    native_program: NativeProgram,
    ground: Path,
    tmp_path: Path,
) -> None:
    parts: list[Any] = [
        *hosts("one"),
        {"kind": "database", "id": "db", "engine": "postgresql", "host": "one", "port": free_port()},
        monitor("prometheus", "watch", host="one"),
        watches("watch", "db"),
    ]
    (given,) = configs_of(shared, tmp_path, *parts).values()
    config = _as_nobody(given, "postgres-exporter")
    server = RealPostgres(config, ground / "one", native_program)
    try:
        await server.start()
        for _ in range(2):  # the unit runs at every start
            assert server.unit("shop-monitoring-db", {}).returncode == 0
        server.sql("CREATE TABLE orders (name text)")
        become = f"SET ROLE {NOBODY};"
        assert "permission denied" in server.refused(f"{become} SELECT * FROM orders")
        assert "permission denied" in server.refused(f"{become} CREATE SCHEMA mine")
        source = exporter(config, "postgres")["dataSourceName"].replace("/run/postgresql", str(server.run))
        port = free_port()
        program = [native_program("prometheus-postgres-exporter"), f"--web.listen-address=127.0.0.1:{port}"]
        command = ["env", f"DATA_SOURCE_NAME={source}", *program]
        names = _metrics("pg_", command, port, tmp_path / "exporter.log")
        wanted = _names("pg_", *_queries("postgres"))
        assert len(wanted) > 6
        assert wanted - names <= UNSEEN
    finally:
        server.stop(signal.SIGQUIT)


async def test_the_exporter_of_mariadb_logs_in_as_its_system_user_and_reads_no_data(
    nix: str,
    shared: Path,
    native_program: NativeProgram,
    ground: Path,
    tmp_path: Path,
) -> None:
    parts: list[Any] = [
        *hosts("one"),
        {"kind": "database", "id": "db", "engine": "mariadb", "host": "one", "port": free_port()},
        monitor("prometheus", "watch", host="one"),
        watches("watch", "db"),
    ]
    (given,) = configs_of(shared, tmp_path, *parts).values()
    server = RealMariadb(_as_nobody(given, "mysqld-exporter"), ground / "one", native_program, {})
    server.folder.chmod(0o755)
    try:
        await server.start()
        for _ in range(2):
            server.unit("shop-monitoring-db")
        assert "ALL PRIVILEGES" not in server.sql(f"SHOW GRANTS FOR '{NOBODY}'@'localhost'")
        file = ground / "client.cnf"
        text = MYSQL_CLIENT.replace("mysqld-exporter", NOBODY)
        file.write_text(text.replace("/run/mysqld/mysqld.sock", str(server.socket)))
        port = free_port()
        program = native_program("prometheus-mysqld-exporter")
        command = [program, f"--config.my-cnf={file}", f"--web.listen-address=127.0.0.1:{port}"]
        names = _metrics("mysql_", command, port, tmp_path / "exporter.log")
        wanted = _names("mysql_", *_queries("mysql"))
        assert len(wanted) > 4
        assert wanted - names <= UNSEEN
    finally:
        server.stop()
