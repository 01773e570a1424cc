"""Real inputs: our examples, and every compose file of the shared folder."""

from pathlib import Path

import pytest

from nix_gen import Graph, Severity, load, validate
from nix_gen.codes import IMPORT

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ["shop/compose.yaml", "cluster/graph.yaml"]
SHARED = sorted((ROOT.parent / "shared" / "data" / "compose").glob("*.y*ml"))
KINDS = {
    "gitea-postgres": {"db": "database", "gitea": "service", "db_data": "storage", "git_data": "storage"},
    "nginx-golang-postgres": {
        "backend": "service",
        "db": "database",
        "db-data": "storage",
        "proxy": "service",
    },
    "flask-redis": {"redis": "service", "web": "service"},
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_validates_without_a_finding(name: str) -> None:
    assert validate(load(ROOT / "examples" / name).graph) == ()


def test_the_shop_carries_no_password() -> None:
    loaded = load(ROOT / "examples" / "shop" / "compose.yaml")
    kinds = {node.id: node.kind for node in loaded.graph.nodes}
    assert (kinds["proxy"], kinds["db"], kinds["cache"], kinds["api"]) == (
        "load_balancer",
        "database",
        "database",
        "service",
    )
    assert {note.code for note in loaded.notes} == {"secret-reference", "version-differs"}


@pytest.mark.shared
def test_the_shared_folder_has_compose_files(shared: Path) -> None:
    assert sorted((shared / "data" / "compose").glob("*.y*ml")) == SHARED != []


@pytest.mark.shared
@pytest.mark.parametrize("path", SHARED, ids=lambda path: path.stem)
def test_a_shared_compose_file_is_imported_without_errors(path: Path) -> None:
    loaded = load(path)
    assert loaded.origin == "compose"
    assert loaded.graph.name == path.stem
    assert [str(one) for one in validate(loaded.graph) if one.severity is Severity.ERROR] == []
    assert all(note.code in IMPORT and note.line is not None for note in loaded.notes)
    assert Graph.model_validate_json(loaded.graph.canonical_json()).digest() == loaded.graph.digest()
    kinds = {node.id: node.kind for node in loaded.graph.nodes}
    assert KINDS.get(path.stem, kinds) == kinds
