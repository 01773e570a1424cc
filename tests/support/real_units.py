"""Scripts of generated units, run without systemd: credentials and directories as it would give them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.nixos_rendering.configs import Config

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"


def begin_unit(
    config: Config,
    name: str,
    folder: Path,
    secrets: Mapping[str, str],
    *,
    words: Sequence[str] = (),
    owner: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[str]:
    """Start the script of a unit as NixOS does (`bash -e`), in a process group of its own.

    Args:
        config: options of the host.
        name: of the unit, without suffix.
        folder: holds the directories that systemd keeps below /run.
        secrets: value of every secret by name.
        words: before the command, to run it as another user.
        owner: that user.
        environment: more variables; they win over the unit's own.
    """
    unit: dict[str, Any] = config["systemd"]["services"][name]
    runtime, credentials = folder / name, folder / "credentials" / name
    credentials.mkdir(parents=True, exist_ok=True)
    runtime.mkdir(mode=0o700, exist_ok=True)
    for spec in unit["serviceConfig"].get("LoadCredential", []):
        file = credentials / spec.partition(":")[0]
        file.unlink(missing_ok=True)
        file.write_text(secrets[file.name] + "\n")
        file.chmod(0o400)
    if owner is not None:
        for place in (runtime, credentials.parent, credentials, *credentials.iterdir()):
            shutil.chown(place, owner, owner)
    given = {"PATH": PATH, "LC_ALL": "C", **unit.get("environment", {}), **(environment or {})}
    directories = {"CREDENTIALS_DIRECTORY": str(credentials), "RUNTIME_DIRECTORY": str(runtime)}
    script = f"umask {unit['serviceConfig'].get('UMask', '0022')}\n{unit['script']}"
    return subprocess.Popen(
        [*words, "bash", "-e", "-c", script],
        env=given | directories,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
