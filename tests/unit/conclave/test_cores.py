"""How many cores there are to use, and how many of them the embedded server gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conclave.cores import usable_cores
from conclave.embedded import server_environment


@pytest.fixture
def _sixteen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


def in_group(place: Path, limits: dict[str, str], *, group: str = "/machine/pod/box") -> int:
    """The usable cores of a process in `group`, where `limits` are the contents of ``cpu.max``."""
    own = place / "cgroup"
    own.write_text(f"1:name=systemd:/elsewhere\n0::{group}\n", encoding="utf-8")
    for name, limit in limits.items():
        (place / "groups" / name).mkdir(parents=True, exist_ok=True)
        (place / "groups" / name / "cpu.max").write_text(limit, encoding="utf-8")
    return usable_cores(own, place / "groups")


@pytest.mark.usefixtures("_sixteen")
@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, 16),
        ({"machine/pod/box": "max 100000\n"}, 16),
        ({"machine/pod/box": "200000 100000\n"}, 2),
        ({"machine/pod/box": "150000 100000\n"}, 2),
        ({"machine/pod/box": "5000 100000\n"}, 1),
        ({"machine/pod/box": "6400000 100000\n"}, 16),
        ({"machine/pod/box": "max 100000\n", "machine": "400000 100000\n"}, 4),
        ({"machine/pod/box": "nonsense"}, 16),
        ({"machine/pod/box": "100000 0\n"}, 16),
    ],
)
def test_the_smallest_limit_counts(tmp_path: Path, limits: dict[str, str], cores: int) -> None:
    assert in_group(tmp_path, limits) == cores


@pytest.mark.usefixtures("_sixteen")
def test_where_the_kernel_names_no_group_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path / "missing", tmp_path) == 16
    assert in_group(tmp_path, {"": "300000 100000\n"}, group="/") == 3


@pytest.mark.parametrize(("cores", "threads"), [(1, "1"), (2, "1"), (3, "1"), (4, "2"), (16, "8")])
def test_the_server_gets_half_the_cores(cores: int, threads: str) -> None:
    assert server_environment({"HOME": "/"}, cores=cores) == {"HOME": "/", "GOMAXPROCS": threads}


def test_what_the_user_has_chosen_stands() -> None:
    assert server_environment({"GOMAXPROCS": "7"}, cores=2) == {"GOMAXPROCS": "7"}
