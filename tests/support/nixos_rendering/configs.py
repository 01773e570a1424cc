"""The options that the hosts of a flake set, evaluated by Nix."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.support.nix_tools import TIMEOUT_S

Config = dict[str, Any]
"""The options of one host that were set, by name, nested: `config["services"]["nginx"]["enable"]`."""


def host_configs(shared: Path, flake_dir: Path, *hosts: str) -> dict[str, Config]:
    """The options of each host of a flake (of the named hosts only, if any are named).

    Args:
        shared: the shared folder, which has nixcheck.
        flake_dir: a generated flake, or several that `nix_tools.gather` has put side by side.
        hosts: names of `nixosConfigurations`.
    """
    done = subprocess.run(
        [shared / "nixcheck" / "nixcheck", "--config", flake_dir, *hosts],
        capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    # With `--config` the report is on standard error, and standard output can be megabytes.
    assert done.returncode == 0, "\n".join(
        line for line in done.stderr.splitlines() if not line.startswith(("OK", "  warning"))
    )
    configs: dict[str, Config] = json.loads(done.stdout)
    return configs


def option(config: Config, *path: str, default: Any = None) -> Any:
    """The value of an option, or what NixOS takes where nobody set it."""
    found: Any = config
    for name in path:
        if not isinstance(found, dict) or name not in found:
            return default
        found = found[name]
    return default if found is None else found
