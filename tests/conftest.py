"""What every tier shares: golden rewriting, and tests that need Nix or the shared folder."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.fixtures import connect, nats_server, own_server, subjects
from tests.support.native_checks import (
    NAMESPACES_ABSENT,
    PROGRAM_ABSENT,
    ground,
    in_namespace,
    native_program,
)
from tests.support.nats_cli import find_nats_cli

__all__ = ["connect", "ground", "in_namespace", "native_program", "nats_server", "own_server", "subjects"]

ROOT = Path(__file__).resolve().parent.parent
NEEDS = {
    "nix": ("CONCLAVE_REQUIRE_NIX", "no nix on PATH"),
    "shared": ("CONCLAVE_REQUIRE_SHARED", "no ../shared beside the project"),
    "native": ("CONCLAVE_REQUIRE_NATIVE", PROGRAM_ABSENT),
    "namespaces": ("CONCLAVE_REQUIRE_NAMESPACES", NAMESPACES_ABSENT),
    "nats_cli": ("CONCLAVE_REQUIRE_NATS_CLI", "no nats CLI (tools/install-nats-cli.sh installs it)"),
}
"""Marker -> (variable that forbids skipping, why the tests were skipped)."""


# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile(
    "conclave", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("conclave")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write golden files instead of comparing with them"
    )


def _absent(marker: str) -> None:
    variable, reason = NEEDS[marker]
    if os.environ.get(variable) == "1":
        pytest.fail(f"{reason}, and {variable}=1 forbids skipping", pytrace=False)
    pytest.skip(reason)


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite"))


@pytest.fixture(scope="session")
def nix() -> str:
    """Path of the nix command."""
    found = shutil.which("nix")
    if found is None:
        _absent("nix")
    assert found is not None
    return found


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared folder beside the project."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        _absent("shared")
    return folder


@pytest.fixture(scope="session")
def nats_cli() -> Path:
    """The command line client of NATS."""
    found = find_nats_cli()
    if found is None:
        _absent("nats_cli")
    assert found is not None
    return found


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    for variable, reason in NEEDS.values():
        count = sum(reason in str(report.longrepr) for report in skipped)
        if count:
            terminalreporter.write_line(f"{count} tests skipped: {reason} (set {variable}=1 to forbid this)")
