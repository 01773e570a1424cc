"""Words of a graph that another language would read as its own: refused, or kept as words."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nix_gen import Graph, loads, validate
from tests.support.balancer_graphs import HAPROXY_RULES
from tests.support.lowering import lowered, options
from tests.support.native_checks import NativeProgram, run_native
from tests.support.nats_server import nats_server_path

SERVICE = {"kind": "service", "id": "web", "command": ["/bin/web"]}


def _graph(**fields: Any) -> Graph:
    return Graph.model_validate({"nodes": [{"kind": "service", "id": "web", **fields}]})


@pytest.mark.parametrize("word", ["if", "with", "rec", "inherit", "or"])
def test_a_package_is_no_keyword_of_nix(word: str) -> None:
    for package in (word, f"python3Packages.{word}"):
        with pytest.raises(ValidationError, match=f"'{word}' is a keyword of Nix and names no package"):
            _graph(package=package)
    database = {"kind": "database", "id": "db", "engine": "postgresql", "extensions": [word]}
    with pytest.raises(ValidationError, match=f"'{word}' is a keyword of Nix and names no package"):
        Graph.model_validate({"nodes": [database]})
    assert _graph(package=f"{word}-tools").nodes


@pytest.mark.parametrize("signal", ["SIGTERM\\", "TERM", "SIGTERM SIGINT", "0", "100", "sigint", "SIG", "%n"])
def test_a_stop_signal_is_one_signal(signal: str) -> None:
    with pytest.raises(ValidationError, match="string_pattern_mismatch"):
        _graph(command=["/bin/web"], stop_signal=signal)


@pytest.mark.parametrize("signal", ["SIGINT", "SIGUSR1", "SIGRTMIN+3", "9", "64"])
def test_every_signal_has_a_spelling(signal: str) -> None:
    service = options({**SERVICE, "stop_signal": signal})["systemd"]["services"]["shop-app-web"]
    assert service["serviceConfig"]["KillSignal"] == signal


@pytest.mark.parametrize(
    ("written", "signal"), [("INT", "SIGINT"), ("sigquit", "SIGQUIT"), ("9", "9"), ("RTMIN+3", "SIGRTMIN+3")]
)
def test_a_stop_signal_of_compose_may_have_any_spelling_of_dockers(written: str, signal: str) -> None:
    loaded = loads(f"services: {{web: {{image: web, stop_signal: {written}}}}}")
    assert loaded.graph.to_node_link()["nodes"][0]["stop_signal"] == signal


def test_a_stop_signal_of_compose_that_is_none_is_left_out_with_a_warning() -> None:
    loaded = loads("services: {web: {image: web, stop_signal: 'soft stop'}}")
    assert "stop_signal" not in loaded.graph.to_node_link()["nodes"][0]
    assert any("the stop_signal 'SIGSOFT STOP', which is none" in str(one) for one in loaded.notes)


@pytest.mark.parametrize(
    ("path", "written"),
    [("/srv/a", "/srv/a"), ("/srv/a\\", "/srv/a\\/"), ("/srv/a ", "/srv/a /"), ("/50%", "/50%%")],
)
def test_a_working_directory_is_the_whole_value_of_its_line(path: str, written: str) -> None:
    service = options({**SERVICE, "working_dir": path})["systemd"]["services"]["shop-app-web"]
    assert service["serviceConfig"]["WorkingDirectory"] == written


def test_a_secret_in_a_variable_that_systemd_passes_over_is_left_out_with_a_warning() -> None:
    secrets = [{"name": "odd", "env": "A.B-C"}, {"name": "plain", "env": "PLAIN"}]
    lowering = lowered({**SERVICE, "secrets": secrets})
    assert [str(one) for one in lowering.findings if one.code == "not-used"] == [
        "warning not-used: web: systemd sets no variable of the name 'A.B-C'; use letters, digits and _"
    ]
    script = options({**SERVICE, "secrets": secrets})["systemd"]["services"]["shop-env-web"]["script"]
    assert "put PLAIN plain\n" in script
    assert "A.B-C" not in script
    alone = options({**SERVICE, "secrets": secrets[:1]})["systemd"]["services"]
    assert "EnvironmentFile" not in alone["shop-app-web"]["serviceConfig"]
    container = options({"kind": "service", "id": "web", "image": "web", "secrets": secrets})
    assert "put A.B-C odd\n" in container["systemd"]["services"]["shop-env-web"]["script"]


@pytest.mark.parametrize("username", ["$HOME", "a\\b", "a'b", 'a"b', "a`b"])
def test_a_mail_login_holds_nothing_that_alertmanagers_module_expands(username: str) -> None:
    email = {
        "to": "a@b.c",
        "sender": "a@b.c",
        "smarthost": "m.b.c:25",
        "password": "mail",
        "username": username,
    }
    node = {
        "kind": "monitoring",
        "id": "alerts",
        "engine": "alertmanager",
        "receivers": [{"name": "ops", "email": email}],
    }
    with pytest.raises(ValidationError, match="string_pattern_mismatch"):
        Graph.model_validate({"nodes": [node]})


ENGINES = [
    ("database", "postgresql"), ("database", "mysql"), ("database", "redis"), ("database", "mongodb"),
    ("message_bus", "nats"), ("message_bus", "kafka"), ("message_bus", "rabbitmq"),
    ("load_balancer", "nginx"), ("load_balancer", "haproxy"),
    ("monitoring", "prometheus"), ("monitoring", "grafana"), ("monitoring", "loki"),
]  # fmt: skip


def _refused(kind: str, engine: str, given: str) -> list[str]:
    node = {"kind": kind, "id": "n", "engine": engine, "settings": {"users.a": given}}
    found = validate(Graph.model_validate({"nodes": [node]}))
    return [str(one) for one in found if one.code == "setting-refused"]


@pytest.mark.parametrize(("kind", "engine"), ENGINES)
@pytest.mark.parametrize("char", ["\n", "\r", "\t", "\x1b", "\x7f", "\x85"])
def test_a_setting_of_no_engine_holds_a_control_character(kind: str, engine: str, char: str) -> None:
    assert _refused(kind, engine, f"a{char}b") == [
        (
            "error setting-refused: n: the setting users.a is not taken: "
            "it holds a control character, and a setting is one line; leave it out"
        )
    ]
    assert _refused(kind, engine, "a 'b' é") == []


@pytest.mark.parametrize(
    "given", ["$__file{/etc/shadow}", "a $__env{HOME}", "$__vault{x}", "a\\", "a\\ ", "`a", '"""a']
)
def test_a_setting_of_grafana_is_read_from_the_graph_alone_and_ends_where_it_ends(given: str) -> None:
    assert len(_refused("monitoring", "grafana", given)) == 1
    assert _refused("database", "postgresql", given) == []


def test_a_setting_of_kafka_keeps_its_backslashes() -> None:
    node = {"kind": "message_bus", "id": "log", "engine": "kafka", "settings": {"a.b": "x\\y\\"}}
    assert options(node)["services"]["apache-kafka"]["settings"]["a.b"] == "x\\\\y\\\\"


def test_a_nats_container_reads_every_letter_of_its_settings(tmp_path: Path) -> None:
    settings = {"server_tags": 'größe \N{SNOWMAN} "q" back\\slash'}
    mount = {"kind": "bind", "source": "/srv/x", "target": "/x"}
    node = {"kind": "message_bus", "id": "bus", "engine": "nats", "settings": settings, "mounts": [mount]}
    files = options(node)["environment"]["etc"]
    text = files["shop/bus/etc/nats/nats-server.conf"]["text"]
    assert "größe \N{SNOWMAN}" in text
    file = tmp_path / "nats.conf"
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [nats_server_path(), "-t", "-c", file], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_rules_of_haproxy_stand_where_they_are_evaluated_and_not_in_shared_defaults(
    mode: str, tmp_path: Path, native_program: NativeProgram
) -> None:
    names = HAPROXY_RULES if mode == "http" else ("acl", "tcp-request", "stick-table")
    rules = {name: HAPROXY_RULES[name] for name in names}
    parts: list[dict[str, Any]] = [
        {"kind": "load_balancer", "id": "lb", "engine": "haproxy", "mode": mode, "settings": rules},
        {**SERVICE, "ports": [{"port": 8000}]},
        {"kind": "monitoring", "id": "watch", "engine": "prometheus"},
        {"kind": "load_balances", "source": "lb", "target": "web"},
        {"kind": "monitors", "source": "watch", "target": "lb"},
    ]
    text = options(*parts)["services"]["haproxy"]["config"]
    shared, _, _ = text.partition("frontend lb from lb")
    assert "tcp-request" not in shared
    assert "stick-table" not in shared
    assert "frontend metrics.prometheus from metrics.prometheus\n" in text
    file = tmp_path / "haproxy.cfg"
    file.write_text(text)
    said = run_native([native_program("haproxy"), "-c", "-f", file])
    assert "ALERT" not in said
