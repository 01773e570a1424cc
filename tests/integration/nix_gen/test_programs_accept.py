"""nginx, haproxy, nft and systemd accept what is generated: for examples, compose files, any graph."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from nix_gen import Severity, check, load, translate
from nix_gen.flake import Flake
from nix_gen.graph import Graph, SecretProvider
from tests.support.balancer_graphs import balancer_graphs
from tests.support.drawn_graphs import drawn_graphs
from tests.support.graphs import graphs as any_graph
from tests.support.machine_cases import machine_graphs
from tests.support.native_checks import NativeProgram, run_native
from tests.support.networked_graphs import networked_graphs
from tests.support.nix_tools import gather
from tests.support.nixos_rendering import (
    Config,
    haproxy_cfg,
    host_configs,
    keepalived_conf,
    nftables_ruleset,
    nginx_conf,
    systemd_units,
)

pytestmark = [pytest.mark.nix, pytest.mark.shared]
ROOT = Path(__file__).resolve().parents[3]
GRAPHS_COUNT = 40


def _graphs(shared: Path) -> dict[str, Graph]:
    files = [
        *(ROOT / "tests/golden/nix_gen/graphs").glob("*.yaml"),
        *(path for path in (ROOT / "examples").rglob("*.yaml") if path.parent.name != "compose"),
        *(shared / "data" / "compose").glob("*.yaml"),
    ]
    graphs = {f"{file.parent.name}-{file.stem}": load(file).graph for file in sorted(files)}
    drawn = drawn_graphs(GRAPHS_COUNT, any_graph()) + drawn_graphs(GRAPHS_COUNT // 2, networked_graphs())
    return {
        **graphs,
        **balancer_graphs(),
        **machine_graphs(),
        **{f"drawn-{i}": _sane(graph) for i, graph in enumerate(drawn)},
    }


def _sane(graph: Graph) -> Graph:
    """Without the hostile values of settings: what nginx takes there is its author's business."""
    nodes = [
        node.model_copy(update={"settings": {}}) if node.kind == "load_balancer" else node
        for node in graph.nodes
    ]
    return graph.model_copy(update={"nodes": tuple(nodes)})


def _plain_secrets(graph: Graph) -> Graph:
    """With secrets as files: modules of other flakes are not here."""
    return graph.model_copy(
        update={"graph": graph.graph.model_copy(update={"secrets": SecretProvider.FILES})}
    )


@pytest.fixture(scope="module")
def configs(nix: str, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Config]:
    """Options of every host of every graph, by `<graph>-<host>`: one evaluation for all."""
    flakes: dict[str, Flake] = {}
    for name, graph in _graphs(shared).items():
        if all(finding.severity is not Severity.ERROR for finding in check(graph)):
            flakes[name] = translate(_plain_secrets(graph))
    assert len(flakes) > GRAPHS_COUNT
    folder = tmp_path_factory.mktemp("flakes")
    gather(flakes, folder)
    return host_configs(shared, folder)


@pytest.fixture(scope="module")
def certificate(native_program: NativeProgram, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate and its key, in the place of every one that the graphs name."""
    folder = tmp_path_factory.mktemp("certificates")
    certificate, key = folder / "site", folder / "site.key"
    run_native(
        [native_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-subj", "/CN=shop.example", "-keyout", key, "-out", certificate]
    )  # fmt: skip
    return str(certificate), str(key)


def test_nginx_accepts_every_configuration(
    configs: Mapping[str, Config], native_program: NativeProgram, certificate: tuple[str, str], tmp_path: Path
) -> None:
    nginx, texts = native_program("nginx"), set()
    for config in configs.values():
        text = nginx_conf(config, run_dir=str(tmp_path), certificate=certificate)
        texts |= {text} if text is not None else set()
    assert len(texts) >= 10
    for index, text in enumerate(sorted(texts)):
        file = tmp_path / f"{index}.conf"
        file.write_text(text)
        said = run_native([nginx, "-t", "-q", "-e", "stderr", "-c", file])
        assert "[warn]" not in said, f"{said}\n{text}"


def test_haproxy_accepts_every_configuration(
    configs: Mapping[str, Config], native_program: NativeProgram, certificate: tuple[str, str], tmp_path: Path
) -> None:
    haproxy, texts = native_program("haproxy"), set()
    for config in configs.values():
        text = haproxy_cfg(config, run_dir=str(tmp_path))
        texts |= {text} if text is not None else set()
    assert len(texts) >= 6
    environment = {**os.environ, "CREDENTIALS_DIRECTORY": str(Path(certificate[0]).parent)}
    for index, text in enumerate(sorted(texts)):
        file = tmp_path / f"{index}.cfg"
        file.write_text(text)
        said = run_native([haproxy, "-c", "-f", file], environment=environment)
        assert "[WARNING]" not in said, f"{said}\n{text}"


def test_keepalived_accepts_every_shared_address(
    configs: Mapping[str, Config],
    native_program: NativeProgram,
    in_namespace: tuple[str, ...],
    tmp_path: Path,
) -> None:
    texts = [text for text in map(keepalived_conf, configs.values()) if text is not None]
    assert len(texts) >= 2
    # It looks whether the interface is there, and ends itself with a signal whatever it finds.
    script = '"$1" link add eth0 type veth && { "$2" --config-test="$3" --use-file "$4" || :; }'
    programs = (native_program("ip"), native_program("keepalived"))
    report, file = tmp_path / "report", tmp_path / "keepalived.conf"

    def complaints(text: str) -> str:
        file.write_text(text)
        run_native([*in_namespace, "/bin/sh", "-c", script, "sh", *programs, report, file])
        return report.read_text()

    assert [complaints(text) for text in texts] == [""] * len(texts)
    assert "outside range" in complaints(texts[0].replace("priority 100", "priority 400"))


def test_the_kernel_accepts_every_ruleset(
    configs: Mapping[str, Config],
    native_program: NativeProgram,
    in_namespace: tuple[str, ...],
    tmp_path: Path,
) -> None:
    nft = native_program("nft")
    rulesets = sorted({text for text in map(nftables_ruleset, configs.values()) if text is not None})
    assert len(rulesets) > GRAPHS_COUNT // 2
    files = []
    for index, text in enumerate(rulesets):
        files.append(tmp_path / f"{index}.nft")
        files[-1].write_text(text)
    script = (
        'nft=$1; shift; for file in "$@"; do "$nft" --check --file "$file" || { echo "$file"; exit 1; }; done'
    )
    run_native([*in_namespace, "/bin/sh", "-c", script, "sh", nft, *files])


_NEWER = re.compile(r"Unknown key '(RestartMode)' in section \[Service\]")
"""Keys that NixOS's systemd knows and Debian's (252) does not."""


def test_systemd_accepts_every_unit_and_finds_no_circle(
    configs: Mapping[str, Config], native_program: NativeProgram, tmp_path: Path
) -> None:
    analyze = native_program("systemd-analyze")
    wrong: list[str] = []
    for name, config in configs.items():
        folder = tmp_path / name
        units = systemd_units(config, folder)
        if units:
            # What it does not know, or breaks a circle with, it only warns of: it has to say nothing at all.
            said = run_native(
                [analyze, "verify", "--man=no", *units],
                environment={**os.environ, "SYSTEMD_UNIT_PATH": str(folder)},
            )
            wrong += [f"{name}: {line}" for line in said.splitlines() if not _NEWER.search(line)]
    assert not wrong, "\n".join(wrong)
