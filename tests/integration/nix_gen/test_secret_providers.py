"""Flakes with sops-nix, agenix and systemd credentials: locked, offline, and accepted by NixOS options."""

import os
import shutil
from pathlib import Path

import pytest

from nix_gen import translate
from nix_gen.graph import Graph, SecretProvider
from tests.support.native_checks import NativeProgram, run_native
from tests.support.nix_tools import FEATURES, build_plan, gather, run
from tests.support.nixos_rendering.configs import host_configs
from tests.support.nixos_rendering.systemd import systemd_units

STUBS = Path(__file__).resolve().parents[2] / "support" / "flake_stubs"
GRAPH = {
    "nodes": [
        {
            "kind": "service",
            "id": "web",
            "package": "hello",
            "secrets": [{"name": "tls-key", "path": "/etc/key.pem"}, {"name": "api", "env": "API"}],
        },
        {"kind": "service", "id": "box", "image": "nginx:1", "secrets": [{"name": "box-key"}]},
        {"kind": "database", "id": "cache", "engine": "redis", "password": "cache-password"},
    ]
}
OVERRIDES: dict[SecretProvider, list[str | Path]] = {
    SecretProvider.SOPS: ["--override-input", "sops-nix", STUBS / "sops-nix"],
    SecretProvider.AGENIX: ["--override-input", "agenix", STUBS / "agenix"],
}


@pytest.mark.nix
@pytest.mark.shared
@pytest.mark.parametrize("provider", SecretProvider)
def test_a_flake_with_its_provider_of_secrets_is_locked_and_accepted(
    provider: SecretProvider, nix: str, shared: Path, tmp_path: Path
) -> None:
    flake = translate(Graph.model_validate({**GRAPH, "graph": {"name": "shop", "secrets": provider.value}}))
    for path, text in flake.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    assert build_plan(nix, f"path:{tmp_path}")
    for verb in ("show", "metadata"):
        run([nix, "flake", verb, *FEATURES, "--json", f"path:{tmp_path}"])
    assert (tmp_path / "flake.lock").read_text() == flake.files["flake.lock"], "Nix agrees with the lock"
    check: list[str | Path] = [
        shared / "nixcheck" / "nixcheck",
        "--config",
        *OVERRIDES.get(provider, []),
        tmp_path,
    ]
    assert "defaultSopsFile" not in run(check), "without the operator's file nothing asks for it"
    (tmp_path / "hosts/shop/secrets.yaml").write_text("api: ENC[...]\n")
    (tmp_path / "hosts/shop/secrets").mkdir()
    found = run(check)
    assert ("defaultSopsFile" in found) == (provider is SecretProvider.SOPS)
    assert ("box-key.age" in found) == (provider is SecretProvider.AGENIX)
    shutil.rmtree(tmp_path / "hosts/shop/secrets")


@pytest.mark.nix
@pytest.mark.shared
def test_systemd_accepts_units_with_encrypted_credentials(
    nix: str, shared: Path, native_program: NativeProgram, tmp_path: Path
) -> None:
    graph = Graph.model_validate({**GRAPH, "graph": {"name": "shop", "secrets": "credentials"}})
    gather({"f": translate(graph)}, tmp_path)
    (config,) = host_configs(shared, tmp_path).values()
    units = systemd_units(config, tmp_path / "units")
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": str(tmp_path / "units")}
    said = run_native(
        [native_program("systemd-analyze"), "verify", "--man=no", *units], environment=environment
    )
    assert said == ""
    assert {unit.name for unit in units} >= {"shop-secrets.service", "shop-app-web.service"}
