"""Storages, hosts, backups and watched services in real Nix: options that exist, scripts that parse."""

import subprocess
from pathlib import Path

import pytest

from nix_gen import translate
from tests.support.machine_cases import machine_graphs
from tests.support.nix_tools import gather, parse
from tests.support.nixos_rendering.configs import Config, host_configs, option

pytestmark = [pytest.mark.nix, pytest.mark.shared]


@pytest.fixture(scope="module")
def configs(nix: str, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Config]:
    """Options of every host of every shape, which nixcheck has accepted, by `<graph>-<host>`."""
    folder = tmp_path_factory.mktemp("machines")
    parse(nix, gather({name: translate(graph) for name, graph in machine_graphs().items()}, folder))
    return host_configs(shared, folder)


def test_every_shape_of_a_machine_passes_nixcheck(configs: dict[str, Config]) -> None:
    assert {name.partition("-")[0] for name in configs} == {"machine"}
    assert len(configs) == len([host for graph in machine_graphs().values() for host in graph.hosts])


def test_every_script_of_a_unit_is_one_the_shell_can_read(configs: dict[str, Config], tmp_path: Path) -> None:
    files = []
    for host, config in configs.items():
        for name, unit in option(config, "systemd", "services", default={}).items():
            for kind in ("script", "postStart"):
                if unit.get(kind):
                    files.append(tmp_path / f"{host}-{name}-{kind}")
                    files[-1].write_text(unit[kind], encoding="utf-8")
    assert len(files) > 10
    for file in files:
        done = subprocess.run(["bash", "-n", file], capture_output=True, text=True, check=False, timeout=20)
        assert (done.returncode, done.stderr) == (0, ""), f"{file.name}: {done.stderr}"


def test_every_service_of_ours_has_the_sandbox_or_says_why_not(configs: dict[str, Config]) -> None:
    bare = {
        name
        for config in configs.values()
        for name, unit in option(config, "systemd", "services", default={}).items()
        if "ExecStart" in unit.get("serviceConfig", {}) or "script" in unit
        if unit.get("serviceConfig", {}).get("ProtectSystem") != "strict"
    }
    assert bare <= {
        "shop-network",  # podman makes an interface
        "shop-bucket-blobs",  # mounts a file system
        "shop-backup-old",  # podman enters a container
        "shop-restart-web", "shop-restart-api.1", "shop-restart-api.2",  # speak to systemd as root
    }  # fmt: skip
