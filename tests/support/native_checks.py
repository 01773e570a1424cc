"""The real programs that judge generated configurations: nginx, haproxy, nft, systemd-analyze and others.

``tools/install-native-checks.sh`` installs them. Without a program a test is skipped, visibly, unless
``CONCLAVE_REQUIRE_NATIVE=1``; without network namespaces, unless ``CONCLAVE_REQUIRE_NAMESPACES=1``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import pytest

TIMEOUT_S = 110
PROGRAM_ABSENT = "a program of tools/install-native-checks.sh is absent"
NAMESPACES_ABSENT = "this machine gives us no network namespaces"
_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_POSTGRESQL = Path("/usr/lib/postgresql")
"""Where Debian keeps the programs of each PostgreSQL version; the newest counts."""

NativeProgram = Callable[[str], str]
"""(name) -> path of the program."""


def find_program(name: str) -> str | None:
    """Path of a program, also where Debian keeps it off an ordinary user's PATH."""
    versions = sorted(_POSTGRESQL.glob("*/bin"), key=lambda folder: folder.parent.name.zfill(4), reverse=True)
    places = [os.environ.get("PATH", os.defpath), *_PLACES, *map(str, versions)]
    return shutil.which(name, path=os.pathsep.join(places))


@pytest.fixture(scope="session")
def native_program() -> NativeProgram:
    """Finds a real program: ``native_program("nginx")``."""

    def find(name: str) -> str:
        found = find_program(name)
        if found is None:
            _absent("CONCLAVE_REQUIRE_NATIVE", f"{PROGRAM_ABSENT}: {name}")
        return found

    return find


@pytest.fixture
def ground() -> Iterator[Path]:
    """A short path that other users than root may walk through."""
    with tempfile.TemporaryDirectory(prefix="cn-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session")
def in_namespace(native_program: NativeProgram) -> tuple[str, ...]:
    """Words before a command that run it in a network namespace of its own, as root of that namespace."""
    words = [native_program("unshare"), "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    tried = subprocess.run(
        [*words, native_program("nft"), "list", "ruleset"], capture_output=True, check=False, timeout=30
    )
    if tried.returncode != 0:
        _absent("CONCLAVE_REQUIRE_NAMESPACES", NAMESPACES_ABSENT)
    return tuple(words)


def run_native(
    command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None, given: str | None = None
) -> str:
    """What a program that must succeed prints, standard error included."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        env=environment,
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, f"{' '.join(words)[:300]}\n{done.stdout[-6000:]}"
    return done.stdout


def _absent(variable: str, reason: str) -> NoReturn:
    if os.environ.get(variable) == "1":
        pytest.fail(f"{reason}, and {variable}=1 forbids skipping", pytrace=False)
    pytest.skip(reason)
