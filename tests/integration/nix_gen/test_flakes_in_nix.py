"""Generated flakes in real Nix: they parse, their plans build offline, and every option is a NixOS option."""

import json
from pathlib import Path

import pytest

from nix_gen import load, translate
from nix_gen.flake import Flake
from tests.support.nix_tools import build_plan, gather, nixcheck, parse

ROOT = Path(__file__).resolve().parents[3]
GRAPHS = sorted(
    [
        *(ROOT / "tests/golden/nix_gen/graphs").glob("*.yaml"),
        *(path for path in (ROOT / "examples").rglob("*.yaml")),
    ]
)

_HARDWARE = """\
{
  boot.isContainer = false;
  boot.loader.grub.device = "/dev/vda";
  fileSystems."/" = {
    device = "/dev/vda1";
    fsType = "ext4";
  };
}
"""


def _flakes(files: list[Path]) -> dict[str, Flake]:
    return {f"{file.parent.name}-{file.stem}": translate(load(file).graph) for file in files}


@pytest.mark.nix
def test_every_example_parses_and_its_plan_builds_offline(nix: str, tmp_path: Path) -> None:
    flakes = _flakes(GRAPHS)
    assert len(flakes) >= 3
    parse(nix, gather(flakes, tmp_path))
    for flake, text in zip(flakes.values(), build_plan(nix, f"path:{tmp_path}", *flakes), strict=True):
        human = [line for line in text.splitlines() if line.startswith("#")]
        record = json.loads("\n".join(line for line in text.splitlines() if not line.startswith("#")))
        assert record == json.loads(flake.files["deployment.json"])
        assert record["graph"]["digest"] == flake.graph_digest
        assert "\n".join(line.removeprefix("# ").removeprefix("#") for line in human) + "\n" == "".join(
            f"{line.rstrip()}\n" for line in flake.files["plan.txt"].splitlines()
        )


@pytest.mark.nix
@pytest.mark.shared
def test_every_host_of_every_example_passes_nixcheck(nix: str, shared: Path, tmp_path: Path) -> None:
    gather(_flakes(GRAPHS), tmp_path)
    nixcheck(shared, tmp_path)


@pytest.mark.nix
@pytest.mark.shared
def test_a_hardware_module_of_the_operator_s_is_taken_in_and_wins(
    nix: str, shared: Path, tmp_path: Path
) -> None:
    gather(_flakes([ROOT / "tests/golden/nix_gen/graphs/least.yaml"]), tmp_path)
    (default,) = tmp_path.rglob("hosts/*/default.nix")
    hardware = default.with_name("hardware.nix")
    hardware.write_text(_HARDWARE)
    nixcheck(shared, tmp_path)
    hardware.write_text("{ services.no-such-service.enable = true; }")
    with pytest.raises(AssertionError, match="no-such-service"):
        nixcheck(shared, tmp_path)


@pytest.mark.nix
@pytest.mark.shared
def test_every_real_compose_file_becomes_a_flake_that_nix_accepts(
    nix: str, shared: Path, tmp_path: Path
) -> None:
    files = sorted((shared / "data" / "compose").glob("*.yaml"))
    assert files
    flakes = _flakes(files)
    parse(nix, gather(flakes, tmp_path))
    assert len(build_plan(nix, f"path:{tmp_path}", *flakes)) == len(flakes)
    nixcheck(shared, tmp_path)
