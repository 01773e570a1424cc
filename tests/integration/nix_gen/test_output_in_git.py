"""A written flake builds where people put it: outside git, ignored inside a repository, and tracked."""

from pathlib import Path

import pytest

from nix_gen import Tracking, load, translate, write
from tests.support.nix_tools import build_plan, run

GRAPH = Path(__file__).resolve().parents[2] / "golden/nix_gen/graphs/least.yaml"
COMPOSE = GRAPH.with_name("compose.yaml")


@pytest.mark.nix
def test_a_flake_outside_git_builds_its_plan(nix: str, tmp_path: Path) -> None:
    written = write(translate(load(GRAPH).graph), tmp_path / "out")
    assert written.tracking is Tracking.PLAIN
    (text,) = build_plan(nix, "./out", "plan", folder=tmp_path)
    assert "# Deployment of least" in text


@pytest.mark.nix
def test_an_ignored_directory_inside_a_work_tree_becomes_a_repository_that_nix_reads(
    nix: str, tmp_path: Path
) -> None:
    run(["git", "init", "--quiet", tmp_path])
    (tmp_path / ".gitignore").write_text("/out/\n")
    written = write(translate(load(GRAPH).graph), tmp_path / "out")
    assert written.tracking is Tracking.OWN_REPOSITORY
    assert "least" in build_plan(nix, "./out", "plan", folder=tmp_path)[0]
    again = write(translate(load(COMPOSE).graph), tmp_path / "out")
    assert "hosts/least/default.nix" in again.removed
    assert "hosts/graphs/default.nix" in again.changed
    assert "Deployment of graphs" in build_plan(nix, "./out", "plan", folder=tmp_path)[0]


@pytest.mark.nix
def test_a_tracked_directory_is_left_to_its_repository(nix: str, tmp_path: Path) -> None:
    run(["git", "init", "--quiet", tmp_path])
    write(translate(load(GRAPH).graph), tmp_path / "out", run=lambda _: 0)
    run(["git", "-C", tmp_path, "add", "--all"])
    written = write(translate(load(GRAPH).graph), tmp_path / "out")
    assert written.tracking is Tracking.TRACKED
    assert not (tmp_path / "out" / ".git").exists()
    assert "least" in build_plan(nix, "./out", "plan", folder=tmp_path)[0]
