"""The sandbox that every service of ours begins with, and the watch over its health."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nix_gen.lower import lower
from nix_gen.lower.hardening import HARDENED
from nix_gen.render import render
from tests.support.lowering import Node, graph_of, options

APP: Node = {"kind": "service", "id": "app", "package": "hello"}
CHECK: Node = {"shell": "test -e there", "interval_ms": 100, "timeout_ms": 5000, "retries": 3}


def _services(*parts: Node) -> Any:
    return options(*parts)["systemd"]["services"]


def test_the_sandbox_is_said_once_however_many_services_begin_with_it() -> None:
    (module,) = lower(graph_of(APP, {**APP, "id": "b"}, {**APP, "id": "c"})).modules
    text = render(module.body)
    assert text.count("ProtectKernelTunables") == 1
    assert text.count("serviceConfig = hardened // {") == 3


def test_a_host_without_services_of_ours_says_nothing_of_a_sandbox() -> None:
    (module,) = lower(graph_of({"kind": "service", "id": "box", "image": "nginx:1"})).modules
    assert "hardened" not in render(module.body)


def test_a_service_has_every_entry_of_the_sandbox_but_what_it_says_itself() -> None:
    found = _services(APP)["shop-app-app"]["serviceConfig"]
    assert {name: found[name] for name in HARDENED} == HARDENED
    assert "MemoryDenyWriteExecute" not in found, "a just-in-time compiler writes code and runs it"
    limited = _services({**APP, "resources": {"pids_limit_count": 9}, "ports": [{"port": 80}]})
    own = limited["shop-app-app"]["serviceConfig"]
    assert own["TasksMax"] == 9
    assert own["CapabilityBoundingSet"] == ["CAP_NET_BIND_SERVICE"]
    assert own["PrivateUsers"] is False, "in a user namespace a low port stays out of reach"


def test_services_that_share_files_may_read_each_others() -> None:
    storage: Node = {"kind": "storage", "id": "s", "path": "/srv/s"}
    edge: Node = {"kind": "mounts_volume", "source": "app", "target": "s", "path": "/s"}
    found = options(APP, storage, edge)
    service = found["systemd"]["services"]["shop-app-app"]["serviceConfig"]
    assert service["UMask"] == "0007"
    assert service["SupplementaryGroups"] == ["conclave-data"]
    assert found["users"]["groups"]["conclave-data"]["gid"] == 2049


@pytest.mark.parametrize(
    ("user", "group", "groups"),
    [
        ("web", None, {"web": {}}),
        ("web", "crew", {"crew": {}, "web": {}}),
        ("root", "crew", {"crew": {}}),
        ("web", "conclave-data", {"conclave-data": {"gid": 2049}, "web": {}}),
    ],
)
def test_the_user_and_the_group_of_a_service_exist(user: str, group: str | None, groups: Any) -> None:
    storage: Node = {"kind": "storage", "id": "s", "path": "/srv/s"}
    found = options({**APP, "user": user, "group": group})["users"]
    assert found["groups"] == groups
    assert found.get("users", {}) == ({} if user == "root" else {user: {"isSystemUser": True, "group": user}})
    edge: Node = {"kind": "mounts_volume", "source": "app", "target": "s", "path": "/s"}
    shared = options({**APP, "user": user, "group": group}, storage, edge)["users"]["groups"]
    assert shared == {**groups, "conclave-data": {"gid": 2049}}


def test_a_checked_service_is_probed_by_a_timer_as_long_as_it_runs() -> None:
    systemd = options({**APP, "health_check": {**CHECK, "start_period_ms": 9000}})["systemd"]
    timer = systemd["timers"]["shop-health-app"]
    assert timer["bindsTo"] == timer["wantedBy"] == ["shop-app-app.service"]
    assert timer["timerConfig"] == {
        "AccuracySec": "1s",
        "OnActiveSec": "9s",
        "OnUnitInactiveSec": "100ms",
    }
    probe = systemd["services"]["shop-health-app"]
    assert probe["onFailure"] == ["shop-restart-app.service"]
    assert probe["serviceConfig"]["DynamicUser"] is True
    assert systemd["services"]["shop-restart-app"]["script"] == (
        "systemctl try-restart --no-block shop-app-app.service\n"
    )


def test_a_probe_finds_the_programs_it_calls() -> None:
    check = {"shell": "curl -f http://localhost/health | jq .ok", "retries": 2}
    assert _services({**APP, "health_check": check})["shop-health-app"]["path"] == [
        "pkgs.hello",
        "pkgs.curl",
        "pkgs.jq",
    ]


def test_each_copy_of_a_service_is_watched_by_itself() -> None:
    services = _services({**APP, "replicas": 2, "health_check": CHECK})
    assert "shop-app-app.2.service" in services["shop-restart-app.2"]["script"]
    assert {"shop-health-app.1", "shop-health-app.2"} <= set(services)


@pytest.mark.parametrize("check", [None, {**CHECK, "interval_ms": 0}])
def test_without_a_check_or_an_interval_nothing_is_watched(check: Node | None) -> None:
    assert "timers" not in options({**APP, "health_check": check})["systemd"]


@pytest.mark.parametrize(
    ("answers", "status", "asked"), [("0", 0, 1), ("1 0", 0, 2), ("1 1 0", 0, 3), ("1 1 1 0", 1, 3)]
)
def test_a_probe_fails_only_when_every_attempt_of_a_round_fails(
    answers: str, status: int, asked: int, tmp_path: Path
) -> None:
    program = tmp_path / "probe"
    program.write_text(
        '#!/bin/sh\nread -r first rest < "$0.answers"\necho "$rest" > "$0.answers"\necho >> "$0.asked"\n'
        'exit "$first"\n'
    )
    program.chmod(0o755)
    (tmp_path / "probe.answers").write_text(f"{answers}\n")
    check = {"command": [str(program)], "interval_ms": 1, "retries": 3}
    script = _services({**APP, "health_check": check})["shop-health-app"]["script"]
    done = subprocess.run(["bash", "-e", "-c", script], check=False, timeout=60)
    assert done.returncode == status
    assert len((tmp_path / "probe.asked").read_text()) == asked


def test_a_probe_that_hangs_counts_as_failed() -> None:
    check = {"shell": "sleep 60", "interval_ms": 1, "timeout_ms": 100, "retries": 1}
    script = _services({**APP, "health_check": check})["shop-health-app"]["script"]
    assert subprocess.run(["bash", "-e", "-c", script], check=False, timeout=30).returncode != 0


@pytest.mark.parametrize("secret", ["plain", 'a"b\\c', "$HOME `id` $(id)", "'", "%d ü"])
def test_the_keys_of_an_object_server_reach_its_client_as_they_are(secret: str, tmp_path: Path) -> None:
    storage: Node = {"kind": "storage", "id": "s3s", "storage": "s3", "host": "h", "credentials": "keys"}
    found = options({"kind": "host", "id": "h"}, storage, host="h")
    client = tmp_path / "mc"
    client.write_text('#!/bin/sh\necho "$@" >> "$MC_CONFIG_DIR/calls"\n')
    client.chmod(0o755)
    given = {"MINIO_ROOT_USER": "root", "MINIO_ROOT_PASSWORD": secret, "RUNTIME_DIRECTORY": str(tmp_path)}
    path = f"{tmp_path}:{os.environ['PATH']}"
    script = found["systemd"]["services"]["shop-buckets"]["script"]
    subprocess.run(["bash", "-e", "-c", script], env={**given, "PATH": path}, check=True, timeout=30)
    store = json.loads((tmp_path / "config.json").read_text())["aliases"]["store"]
    assert (store["accessKey"], store["secretKey"]) == ("root", secret)
    assert (tmp_path / "calls").read_text().splitlines() == ["ready store", "mb --ignore-existing store/s3s"]
