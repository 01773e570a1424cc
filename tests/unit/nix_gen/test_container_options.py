"""Container options in the generated machine: podman's arguments, networks, files, what systemd is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from nix_gen.nodes import ContainerOptions
from tests.support.lowering import Node, options


def service(node_id: str = "web", **fields: object) -> Node:
    return {"id": node_id, "kind": "service", "image": "app:1", **fields}


def container(*parts: Node, node_id: str = "web") -> Any:
    return options(*parts)["virtualisation"]["oci-containers"]["containers"][f"shop-{node_id}"]


def flags(**given: object) -> set[str]:
    bare = set(container(service())["extraOptions"])
    return set(container(service(container=given))["extraOptions"]) - bare


@pytest.mark.parametrize(
    ("given", "flag"),
    [
        ({"cap_add": ["NET_ADMIN"]}, "--cap-add=NET_ADMIN"),
        ({"cap_drop": ["ALL"]}, "--cap-drop=ALL"),
        ({"read_only": True}, "--read-only"),
        ({"init": True}, "--init"),
        ({"tty": True}, "--tty"),
        ({"stdin_open": True}, "--interactive"),
        ({"oom_kill_disable": True}, "--oom-kill-disable"),
        ({"oom_score_adj": -500}, "--oom-score-adj=-500"),
        ({"shm_size_bytes": 2**27}, "--shm-size=134217728b"),
        ({"memory_swap_bytes": -1}, "--memory-swap=-1"),
        ({"memory_swap_bytes": 1024}, "--memory-swap=1024b"),
        ({"memory_swappiness": 10}, "--memory-swappiness=10"),
        ({"cpu_shares": 512}, "--cpu-shares=512"),
        ({"cpu_period_us": 100_000}, "--cpu-period=100000"),
        ({"cpu_quota_us": 50_000}, "--cpu-quota=50000"),
        ({"cpu_rt_period_us": 10}, "--cpu-rt-period=10"),
        ({"cpu_rt_runtime_us": 5}, "--cpu-rt-runtime=5"),
        ({"cpuset": "0-3,6"}, "--cpuset-cpus=0-3,6"),
        ({"blkio_weight": 300}, "--blkio-weight=300"),
        (
            {"device_rates": [{"kind": "read-bps", "path": "/dev/sda", "rate": 1024}]},
            "--device-read-bps=/dev/sda:1024",
        ),
        ({"sysctls": {"net.core.somaxconn": "1024"}}, "--sysctl=net.core.somaxconn=1024"),
        ({"ulimits": [{"name": "nofile", "soft": 1024, "hard": -1}]}, "--ulimit=nofile=1024:-1"),
        ({"dns": ["1.1.1.1"]}, "--dns=1.1.1.1"),
        ({"dns_search": ["example.org"]}, "--dns-search=example.org"),
        ({"dns_options": ["ndots:2"]}, "--dns-option=ndots:2"),
        ({"extra_hosts": [{"name": "up", "address": "10.9.9.9"}]}, "--add-host=up:10.9.9.9"),
        ({"extra_hosts": [{"name": "host.docker.internal"}]}, "--add-host=host.docker.internal:10.213.0.1"),
        ({"mac_address": "02:42:ac:11:65:43"}, "--mac-address=02:42:ac:11:65:43"),
        ({"pid": "host"}, "--pid=host"),
        ({"ipc": "shareable"}, "--ipc=shareable"),
        ({"uts": "host"}, "--uts=host"),
        ({"userns": "keep-id"}, "--userns=keep-id"),
        ({"cgroup": "host"}, "--cgroupns=host"),
        ({"cgroup_parent": "m-executor"}, "--cgroup-parent=m-executor"),
        ({"group_add": ["video"]}, "--group-add=video"),
        ({"security_opt": ["no-new-privileges:true"]}, "--security-opt=no-new-privileges:true"),
        ({"device_cgroup_rules": ["c 189:* rwm"]}, "--device-cgroup-rule=c 189:* rwm"),
        ({"platform": "linux/amd64"}, "--platform=linux/amd64"),
        ({"storage_opt": {"size": "10G"}}, "--storage-opt=size=10G"),
        ({"annotations": {"a.b": "c d"}}, "--annotation=a.b=c d"),
        ({"logging": {"driver": "k8s-file", "options": {"max-size": "10m"}}}, "--log-opt=max-size=10m"),
        ({"stop_grace_ms": 90_500}, "--stop-timeout=91"),
    ],
)
def test_each_option_is_one_argument_of_podman(given: dict[str, object], flag: str) -> None:
    assert flags(**given) == {flag}


@pytest.mark.parametrize(
    ("given", "option", "value"),
    [
        ({"privileged": True}, "privileged", True),
        ({"devices": [{"source": "/dev/dri"}]}, "devices", ["/dev/dri"]),
        (
            {"devices": [{"source": "/dev/a", "target": "/dev/b", "permissions": "rw"}]},
            "devices",
            ["/dev/a:/dev/b:rw"],
        ),
        ({"cdi_devices": ["nvidia.com/gpu=all"]}, "devices", ["nvidia.com/gpu=all"]),
        ({"logging": {"driver": "json-file"}}, "log-driver", "json-file"),
        ({"pull": "always"}, "pull", "always"),
        ({"runtime": "runsc"}, "preRunExtraOptions", ["--runtime=runsc"]),
        ({"domain_name": "example.org"}, "hostname", "web.example.org"),
        ({"network": "host"}, "networks", ["host"]),
        ({"network": "none"}, "networks", ["none"]),
    ],
)
def test_what_the_module_has_an_option_for_is_said_there(
    given: dict[str, object], option: str, value: object
) -> None:
    assert container(service(container=given))[option] == value


@pytest.mark.parametrize(
    "given",
    [
        {"cap_add": ["net_admin"]},
        {"network": "web"},
        {"network": "node:Bad Id"},
        {"network": "host", "networks": [{"name": "front"}]},
        {"networks": [{"name": "front"}, {"name": "front", "internal": True}]},
        {"devices": [{"source": "dev/dri"}]},
        {"devices": [{"source": "/dev/a", "permissions": "x"}]},
        {"sysctls": {"net": "1"}},
        {"sysctls": {"net.core.somaxconn": "1;reboot"}},
        {"security_opt": ["anything"]},
        {"device_cgroup_rules": ["c 1:1 rwm\nx"]},
        {"dns": ["example.org"]},
        {"extra_hosts": [{"name": "a:b", "address": "10.0.0.1"}]},
        {"mac_address": "02:42"},
        {"cpuset": "0;1"},
        {"platform": "linux"},
        {"logging": {"driver": "syslog"}},
        {"storage_opt": {"size": "a b"}},
        {"pid": "container:x"},
        {"network": "host", "sysctls": {"net.core.somaxconn": "1"}},
        {"network": "host", "mac_address": "02:42:ac:11:65:43"},
        {"network": "node:vpn", "dns": ["1.1.1.1"]},
    ],
)
def test_a_value_that_says_more_than_its_name_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ContainerOptions.model_validate(given)


def test_a_container_in_the_host_s_network_is_reached_and_opened_like_a_native_service() -> None:
    ports = [{"port": 8123, "published": 8123}]
    machine = options(
        service("home", container={"network": "host"}, ports=ports),
        service("web"),
        {"kind": "database", "id": "db", "engine": "postgresql"},
        {"kind": "connects_to", "source": "web", "target": "home", "port": 8123},
        {"kind": "connects_to", "source": "home", "target": "db"},
    )
    containers = machine["virtualisation"]["oci-containers"]["containers"]
    assert "ports" not in containers["shop-home"]
    assert containers["shop-home"]["extraOptions"] == ["--add-host=db:127.0.0.1"]
    assert "--add-host=home:10.213.0.1" in containers["shop-web"]["extraOptions"]
    firewall = machine["networking"]["firewall"]
    assert firewall["allowedTCPPorts"] == [8123]
    assert 'tcp dport { 8123 } accept comment "web -> home (connects_to)"' in firewall["extraInputRules"]


def test_a_container_may_live_in_the_network_of_another() -> None:
    machine = options(
        service("vpn", ports=[{"port": 8000, "published": 8000}]),
        service("torrent", container={"network": "node:vpn"}, ports=[{"port": 8080, "published": 80}]),
        service("web"),
        {"kind": "connects_to", "source": "web", "target": "torrent", "port": 8080},
        {"kind": "database", "id": "db", "engine": "postgresql"},
        {"kind": "connects_to", "source": "torrent", "target": "db"},
    )
    containers = machine["virtualisation"]["oci-containers"]["containers"]
    vpn, torrent = containers["shop-vpn"], containers["shop-torrent"]
    assert torrent["networks"] == ["container:shop-vpn"]
    assert torrent["dependsOn"] == ["shop-vpn"]
    assert "extraOptions" not in torrent
    assert "ports" not in torrent
    assert vpn["ports"] == ["8000:8000", "80:8080"]
    assert {"--network-alias=torrent", "--network-alias=vpn", "--add-host=db:10.213.0.1"} <= set(
        vpn["extraOptions"]
    )
    address = next(one for one in vpn["extraOptions"] if one.startswith("--ip=")).removeprefix("--ip=")
    assert (
        f"ip saddr {{ {address} }} tcp dport {{ 5432 }} accept"
        in (machine["networking"]["firewall"]["extraInputRules"])
    )


def test_networks_that_are_named_are_apart_and_a_container_of_two_is_in_both() -> None:
    machine = options(
        service("front", container={"networks": [{"name": "edge", "aliases": ["www"]}]}),
        service("app", container={"networks": [{"name": "edge"}, {"name": "inner", "internal": True}]}),
        service("store", container={"networks": [{"name": "inner", "internal": True}]}),
    )
    containers = machine["virtualisation"]["oci-containers"]["containers"]
    assert containers["shop-front"]["networks"] == ["shop-net-edge"]
    assert "--network-alias=www" in containers["shop-front"]["extraOptions"]
    edge, inner = containers["shop-app"]["networks"]
    assert edge.startswith("shop-net-edge:ip=10.")
    assert edge.endswith(",alias=app")
    assert inner.startswith("shop-net-inner:ip=10.")
    assert "extraOptions" not in containers["shop-app"]
    script = machine["systemd"]["services"]["shop-network"]["script"]
    assert script.count("--opt=isolate=true") == 2
    assert script.count("--internal") == 1
    assert "shop-net " not in script
    assert set(machine["networking"]["firewall"]["interfaces"]) == {"cb-edge", "cb-inner"}


def test_a_small_file_lies_below_etc_and_a_change_of_it_restarts_the_container() -> None:
    file = {"path": "/etc/app/app.conf", "text": "a = ${b}\n''c''\n"}
    machine = options(service(files=[file]))
    etc = machine["environment"]["etc"]["shop/web/etc/app/app.conf"]
    assert etc == {"text": file["text"], "mode": "0444"}
    volumes = machine["virtualisation"]["oci-containers"]["containers"]["shop-web"]["volumes"]
    assert volumes == ["/etc/shop/web/etc/app/app.conf:/etc/app/app.conf:ro"]
    triggers = machine["systemd"]["services"]["podman-shop-web"]["restartTriggers"]
    changed = options(service(files=[{**file, "text": "other\n"}]))
    assert changed["systemd"]["services"]["podman-shop-web"]["restartTriggers"] != triggers


def test_a_long_farewell_and_a_limit_of_restarts_are_told_to_systemd() -> None:
    unit = options(
        service(container={"stop_grace_ms": 300_000, "restart_max_count": 3}, restart="on-failure")
    )["systemd"]["services"]["podman-shop-web"]
    assert unit["serviceConfig"]["TimeoutStopSec"] == 320
    assert unit["unitConfig"] == {"StartLimitBurst": 4, "StartLimitIntervalSec": "infinity"}


def test_a_systemd_service_sees_its_files_too() -> None:
    file = {"path": "/etc/app.conf", "text": "a"}
    machine = options({"id": "job", "kind": "service", "package": "hello", "files": [file]})
    assert machine["environment"]["etc"]["shop/job/etc/app.conf"]["text"] == "a"
    unit = machine["systemd"]["services"]["shop-app-job"]
    assert "/etc/shop/job/etc/app.conf:/etc/app.conf" in str(unit["serviceConfig"])
    assert unit["restartTriggers"][0].startswith("files ")
