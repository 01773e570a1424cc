"""``conclave nix``: what is printed where, and with which exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from conclave.cli import cli
from nix_gen import graph_schema_text, load

ROOT = Path(__file__).resolve().parents[3]
CLUSTER = ROOT / "examples" / "cluster" / "graph.yaml"
SHOP = ROOT / "examples" / "shop" / "compose.yaml"
SMALL = """\
nodes:
  - {id: web, kind: service, image: a/web, ports: [{port: 1, published: 80}], health_check: {shell: "true"}}
"""


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["nix", *map(str, arguments)])


def written(folder: Path, text: str = SMALL, name: str = "graph.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


CLASH = SMALL + "  - {id: api, kind: service, image: b, ports: [{port: 1, published: 80}]}\n"


def test_a_graph_without_findings_is_said_to_have_none(tmp_path: Path) -> None:
    done = run("validate", path := written(tmp_path))
    assert (done.exit_code, done.output) == (0, f"{path}: 1 node and 0 edges on 1 host: no findings\n")


def test_errors_come_first_with_their_line_and_fail(tmp_path: Path) -> None:
    done = run("validate", path := written(tmp_path, CLASH))
    lines = done.stdout.splitlines()
    assert done.exit_code == 1
    assert lines[0] == "1 error"
    assert lines[1].startswith("  port-clash  ")
    assert f"  {path}:" in lines[1]
    assert lines[3].startswith("    mend: ")
    assert lines[-1].startswith(f"{path}: 2 nodes and 0 edges on 1 host: 1 error")


def test_warnings_fail_with_strict_only(tmp_path: Path) -> None:
    exposed = "nodes:\n  - {id: db, kind: database, engine: redis, ports: [{port: 6379, published: 6379}]}\n"
    path = written(tmp_path, exposed)
    assert run("validate", path).exit_code == 0
    assert run("validate", path, "--strict").exit_code == 1


def test_validate_prints_json_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path, CLASH)
    done = run("validate", path, "--json")
    plain = json.loads(done.stdout)
    assert done.exit_code == 1
    assert plain["file"] == str(path)
    assert plain["graph"]["digest"] == load(path).graph.digest()
    (error,) = (one for one in plain["findings"] if one["severity"] == "error")
    assert sorted(error) == ["code", "line", "mend", "message", "place", "severity"]
    assert (error["code"], error["line"]) == ("port-clash", {"web": 2, "api": 3}[error["place"]])


@pytest.mark.parametrize("command", ["validate", "generate", "explain", "draw", "import"])
def test_a_file_that_is_not_there_is_one_line_and_status_2(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where we are there may be an `out`
    done = run(command, tmp_path / "none.yaml")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"conclave: {tmp_path / 'none.yaml'}: does not exist; check the path\n"


def test_every_fault_of_a_file_is_a_line(tmp_path: Path) -> None:
    path = written(
        tmp_path, "nodes:\n  - {id: A, kind: service, image: a}\n  - {id: b, kind: service, imag: a}\n"
    )
    done = run("validate", path, "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert [line.split(": ")[1] for line in done.stderr.splitlines()][:1] == [f"{path}:2"]
    assert len(done.stderr.splitlines()) > 1


def test_generate_writes_checks_and_says_what_is_stale(tmp_path: Path) -> None:
    path, out = written(tmp_path), tmp_path / "flake"
    assert run("generate", path, "-o", out, "--check").exit_code == 1
    assert not out.exists()
    done = run("generate", path, "-o", out)
    assert done.exit_code == 0
    assert "  written  hosts/deployment/default.nix\n" in done.stdout
    assert done.stdout.endswith(f"{out}: {len(list(out.rglob('*.*')))} files for 1 host\n")
    again = run("generate", path, "-o", out, "--check")
    assert (again.exit_code, again.stdout) == (0, f"{out}: up to date\n")
    (out / "plan.txt").write_text("mine\n", encoding="utf-8")
    stale = run("generate", path, "-o", out, "--check")
    assert stale.exit_code == 1
    assert "--- a/plan.txt\n+++ b/plan.txt\n" in stale.stdout
    assert "\n-mine\n" in stale.stdout
    assert stale.stderr == (
        f"conclave: {out} is not up to date; run: conclave nix generate {path} -o {out}\n"
    )
    assert json.loads(run("generate", path, "-o", out, "--json").stdout)["changed"] == ["plan.txt"]


def test_check_names_files_that_would_be_removed(tmp_path: Path) -> None:
    out = tmp_path / "flake"
    run("generate", CLUSTER, "-o", out)
    done = run("generate", written(tmp_path), "-o", out, "--check", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["removed"] == [
        "hosts/back/default.nix",
        "hosts/edge/default.nix",
        "hosts/middle/default.nix",
    ]


def test_generate_refuses_a_graph_with_errors_and_a_foreign_directory(tmp_path: Path) -> None:
    path, foreign = written(tmp_path, CLASH), tmp_path / "mine"
    done = run("generate", path, "-o", tmp_path / "flake")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("conclave: error port-clash: ")
    assert not (tmp_path / "flake").exists()
    foreign.mkdir()
    (foreign / "precious").touch()
    refused = run("generate", written(tmp_path), "-o", foreign)
    assert refused.exit_code == 2
    why = "is not empty and was not generated by conclave; choose an empty or new directory"
    assert refused.stderr == f"conclave: {foreign}: {why}\n"


def test_an_imported_compose_file_is_read_back_as_the_same_graph(tmp_path: Path) -> None:
    for name, arguments in (("graph.yaml", []), ("graph.json", []), ("other.yaml", ["--json"])):
        done = run("import", SHOP, "-o", tmp_path / name, *arguments)
        assert (done.exit_code, done.stdout) == (0, "")
        assert f"conclave: {SHOP}:" in done.stderr
        again = load(tmp_path / name)
        assert (again.origin, again.graph.digest()) == ("graph", load(SHOP).graph.digest())
    json.loads((tmp_path / "graph.json").read_text(encoding="utf-8"))


def test_import_merges_files_and_enables_profiles(tmp_path: Path) -> None:
    base = written(
        tmp_path, "services:\n  a: {image: a}\n  b: {image: b, profiles: [extra]}\n", "compose.yaml"
    )
    over = written(tmp_path, "services:\n  a: {image: c}\n", "more.yaml")
    plain = json.loads(run("import", base, "--json").stdout)
    assert [(node["id"], node["image"]) for node in plain["nodes"]] == [("a", "a")]
    merged = json.loads(run("import", base, "-f", over, "--profile", "extra", "--json").stdout)
    assert [(node["id"], node["image"]) for node in merged["nodes"]] == [("a", "c"), ("b", "b")]


def test_plan_tells_change_by_its_exit_status_only_when_asked(tmp_path: Path) -> None:
    path = written(tmp_path)
    changed = written(tmp_path, SMALL.replace("a/web", "a/web:2"), "new.yaml")
    assert run("plan", path, path).stdout == "No changes: both graphs say the same.\n"
    assert run("plan", path, path, "--detailed-exitcode").exit_code == 0
    assert run("plan", path, changed).exit_code == 0
    done = run("plan", path, changed, "--detailed-exitcode")
    assert done.exit_code == 2
    assert '      ~ image: "a/web" -> "a/web:2"\n' in done.stdout
    assert "\x1b" not in done.stdout


def test_plan_takes_generated_directories_and_nothing(tmp_path: Path) -> None:
    path, out = written(tmp_path), tmp_path / "flake"
    run("generate", path, "-o", out)
    assert run("plan", out, path, "--detailed-exitcode").exit_code == 0
    made = json.loads(run("plan", "-", out, "--json").stdout)
    assert made["old_name"] is None
    assert made["summary"] == {"create": 2, "update": 0, "replace": 0, "destroy": 0}
    assert json.loads(run("plan", out, "-", "--json").stdout)["summary"]["destroy"] == 2


def test_plan_refuses_a_directory_that_was_changed_by_hand(tmp_path: Path) -> None:
    out = tmp_path / "flake"
    run("generate", written(tmp_path), "-o", out)
    (out / "graph.json").write_text(
        (out / "graph.json").read_text().replace("a/web", "b/web"), encoding="utf-8"
    )
    done = run("plan", out, "-")
    assert done.exit_code == 2
    assert done.stderr == (
        f"conclave: {out}: holds another graph.json than it was generated from; generate it again\n"
    )
    (out / "graph.json").unlink()
    assert run("plan", out, "-").stderr == (
        f"conclave: {out}: has no graph.json: an older version generated it; name the graph file instead\n"
    )
    other = run("plan", tmp_path, "-")
    assert other.stderr == (
        f"conclave: {tmp_path}: is a directory without a readable deployment.json; "
        "name a file, or a directory that conclave generated\n"
    )


def test_plan_says_which_graph_has_errors(tmp_path: Path) -> None:
    bad = written(tmp_path, CLASH, "bad.yaml")
    done = run("plan", written(tmp_path), bad)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith(f"conclave: {bad}: ")
    assert done.stderr.endswith(f"; see: conclave nix validate {bad}\n")


def test_colours_are_shown_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[32m" in run("plan", "-", path).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("plan", "-", path).stdout


def test_explain_tells_of_nodes_edges_hosts_and_codes() -> None:
    assert run("explain", CLUSTER).stdout.startswith("cluster  (graph, ")
    assert run("explain", CLUSTER, "db").stdout.startswith(
        "db  (database, postgresql 16)\nbecomes     services.post"
    )
    assert run("explain", CLUSTER, "middle").stdout.startswith("middle  (host)\n")
    assert run("explain", CLUSTER, "api -connects_to-> db").stdout.startswith(
        "api -connects_to-> db  (edge)\n"
    )
    assert run("explain", CLUSTER, "api db").stdout.startswith("api db  (2 edges)\n")
    assert "severity    error\n" in run("explain", CLUSTER, "port-clash").stdout
    plain = json.loads(run("explain", CLUSTER, "db", "--json").stdout)
    assert plain["sections"]["secrets"] == ["db-orders, at /run/secrets/db-orders"]


def test_explain_knows_what_was_meant() -> None:
    done = run("explain", CLUSTER, "midle")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "conclave: there is no 'midle' to explain; did you mean 'middle'?\n"


def test_explain_goes_as_far_as_it_can_with_a_graph_that_has_errors(tmp_path: Path) -> None:
    done = run("explain", written(tmp_path, CLASH), "web")
    assert done.exit_code == 0
    assert "error port-clash" in run("explain", written(tmp_path, CLASH)).stdout


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ([], "flowchart TB\n"),
        (["--format", "dot"], 'digraph "cluster" {\n'),
        (["--format", "svg"], "<svg xmlns="),
    ],
)
def test_draw_prints_the_format_that_is_asked_for(arguments: list[str], start: str) -> None:
    assert run("draw", CLUSTER, *arguments).stdout.startswith(start)


def test_draw_takes_the_format_from_the_name_of_the_file(tmp_path: Path) -> None:
    for name, start in (("a.svg", "<svg"), ("a.dot", "digraph"), ("a.mmd", "flowchart")):
        assert run("draw", CLUSTER, "-o", tmp_path / name).output == ""
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    done = run("draw", CLUSTER, "-o", tmp_path / "none" / "a.svg")
    assert done.exit_code == 2
    assert "cannot be written: No such file or directory; choose another name" in done.stderr


def test_draw_refuses_a_name_whose_ending_it_cannot_draw(tmp_path: Path) -> None:
    done = run("draw", CLUSTER, "-o", tmp_path / "a.pdf")
    assert done.exit_code == 2
    assert "nothing is drawn as .pdf" in done.stderr
    assert not (tmp_path / "a.pdf").exists()
    assert run("draw", CLUSTER, "--format", "dot", "-o", tmp_path / "a.txt").exit_code == 0


def test_schema_prints_the_published_schema() -> None:
    assert run("schema").stdout == graph_schema_text()


def test_completion_offers_what_there_is_to_explain(tmp_path: Path) -> None:
    from conclave.commands.nix.subjects import subjects

    assert subjects(CLUSTER, "db") == ["db", "db -mounts_volume-> db-data", "db-data"]
    assert "port-clash" in subjects(CLUSTER, "port")
    assert subjects(tmp_path / "none", "d") == []
    assert subjects(None, "") == []
