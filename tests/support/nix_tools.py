"""Runs Nix and nixcheck on generated flakes, many at a time: one evaluation costs as much as one flake's."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nix_gen.flake import Flake

TIMEOUT_S = 110
FEATURES = ("--extra-experimental-features", "nix-command flakes")


def run(command: Sequence[str | Path], folder: Path | None = None) -> str:
    """Output of a command that must succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert done.returncode == 0, f"{' '.join(words)[:300]}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def gather(flakes: Mapping[str, Flake], folder: Path) -> list[Path]:
    """Write flakes side by side as one: hosts `<name>-<host>`, plans `<name>`. Returns every Nix file."""
    hosts, plans, files = [], [], []
    for name, flake in flakes.items():
        for path, text in flake.files.items():
            file = folder / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8", newline="")
            if path.endswith(".nix"):
                files.append(file)
        hosts += [
            f'"{name}-{host}" = nixpkgs.lib.nixosSystem {{ modules = [ ./{name}/hosts/{host} ]; '
            f'system = "x86_64-linux"; }};'
            for host in flake.hosts
        ]
        plans.append(f'"{name}" = import ./{name}/plan.nix {{ system = "x86_64-linux"; }};')
    (folder / "flake.nix").write_text(
        '{\n  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.11";\n  outputs = { nixpkgs, ... }: {\n'
        f"    nixosConfigurations = {{ {' '.join(hosts)} }};\n"
        f"    packages.x86_64-linux = {{ {' '.join(plans)} }};\n  }};\n}}\n",
        encoding="utf-8",
    )
    lock = next(iter(flakes.values())).files["flake.lock"]
    (folder / "flake.lock").write_text(lock, encoding="utf-8")
    return files


def parse(nix: str, files: Sequence[Path]) -> None:
    """Every file parses, by the reference parser."""
    run([Path(nix).with_name("nix-instantiate"), "--parse", *files])


def build_plan(nix: str, flake: str, *attributes: str, folder: Path | None = None) -> list[str]:
    """Build plans, offline, and give their texts."""
    wanted = [f"{flake}#{attribute}" for attribute in attributes or ("plan",)]
    command = [nix, "build", *FEATURES, "--no-link", "--print-out-paths", "--option", "substituters", ""]
    paths = run([*command, *wanted], folder).split()
    return [Path(path).read_text(encoding="utf-8") for path in paths]


def nixcheck(shared: Path, folder: Path, *hosts: str) -> None:
    """Every host passes against the real NixOS option table."""
    run([shared / "nixcheck" / "nixcheck", folder, *hosts])
