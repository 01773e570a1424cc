"""Compose files in the style of well-known projects: each becomes a flake that Nix and nixcheck accept."""

import json
from pathlib import Path

import pytest

from nix_gen import load, loads, translate
from nix_gen.codes import IMPORT
from nix_gen.flake import Flake
from tests.support.compose_documents import MEANINGFUL, document
from tests.support.nix_tools import build_plan, gather, nixcheck, parse

FILES = sorted((Path(__file__).resolve().parents[2] / "data" / "compose").glob("*.yaml"))


@pytest.fixture(scope="module")
def flakes() -> dict[str, Flake]:
    return {file.stem: translate(load(file).graph) for file in FILES}


def test_there_are_many_and_each_gives_the_same_bytes_twice(flakes: dict[str, Flake]) -> None:
    assert len(flakes) >= 60
    for file in FILES:
        assert translate(load(file).graph).files == flakes[file.stem].files


def test_every_note_has_a_known_code_and_a_line() -> None:
    for file in FILES:
        for note in load(file).notes:
            assert note.code in IMPORT, note
            assert note.line is not None, note


@pytest.mark.nix
def test_every_file_becomes_a_flake_that_parses_and_whose_plan_builds(
    nix: str, flakes: dict[str, Flake], tmp_path: Path
) -> None:
    parse(nix, gather(flakes, tmp_path))
    assert len(build_plan(nix, f"path:{tmp_path}", *flakes)) == len(flakes)


@pytest.mark.nix
@pytest.mark.shared
def test_every_host_of_every_file_passes_nixcheck(
    shared: Path, flakes: dict[str, Flake], tmp_path: Path
) -> None:
    gather(flakes, tmp_path)
    nixcheck(shared, tmp_path)


@pytest.mark.nix
@pytest.mark.shared
def test_every_key_of_a_service_becomes_options_that_exist(nix: str, shared: Path, tmp_path: Path) -> None:
    made = {}
    for key, values in MEANINGFUL.items():
        if key in {"profiles", "provider"}:
            continue
        for index, value in enumerate(values):
            text = json.dumps(document({"web": {"image": "app:1", key: value}}))
            made[f"{key}-{index}"] = translate(loads(text, file="shop.yaml").graph)
    parse(nix, gather(made, tmp_path))
    nixcheck(shared, tmp_path)
