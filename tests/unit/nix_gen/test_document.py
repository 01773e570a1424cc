"""Bad files: each gives one line with file, place, fault and mend."""

import os
from pathlib import Path

import pytest

from nix_gen import GraphFileError, load, loads

NODE_KINDS = "agent, database, host, load_balancer, message_bus, monitoring, service, storage"
ID_RULE = "use 1 to 63 characters of a-z, 0-9, '_' and '-', starting with a letter or digit"
# ruff: noqa: E501, ISC004 - each line is the exact message, kept in one piece
BAD = [
    ("", "f.yaml: is empty; write a graph (nodes:) or a compose file (services:)"),
    ("# only a comment\n", "f.yaml: is empty; write a graph (nodes:) or a compose file (services:)"),
    (
        "hello",
        "f.yaml:1: is YAML but no graph: not a mapping; write a graph with 'nodes:' or a compose file with 'services:'",
    ),
    (
        "a: 1\nnode: []\n",
        "f.yaml:1: is YAML but no graph: it has neither 'nodes' nor 'services'; did you mean 'nodes'? write a graph with "
        "'nodes:' or a compose file with 'services:'",
    ),
    (
        "web:\n  image: x\n",
        "f.yaml:1: is a compose file of the first version: 'web' stands at the top; put the services under 'services:'",
    ),
    (
        "nodes: [1",
        "f.yaml:2: is not YAML or JSON: while parsing a flow sequence did not find expected ',' or ']'; "
        "mend the syntax (indentation, quotes, colons)",
    ),
    ("a: 1\nb: 2\na: 3\n", "f.yaml:3: has the key 'a' twice (first at line 1); keep one of them"),
    (
        "nodes: []\n---\nnodes: []\n",
        "f.yaml:2: holds more than one document; split it at '---', one graph a file",
    ),
    ("[" * 200, "f.yaml:1: is nested deeper than 64 levels; make it flatter"),
    ("nodes: &a [*a]", "f.yaml:1: has the anchor &a inside itself; remove the alias"),
    (
        "nodes: *a",
        "f.yaml:1: has the alias *a before any anchor of that name; put &a on the value it stands for",
    ),
    (
        "nodes: !!set {a}",
        "f.yaml:1: has the tag 'tag:yaml.org,2002:set', which means nothing here; remove the tag",
    ),
    (
        "nodes: !override []",
        "f.yaml:1: has the tag '!override', which only compose files have; remove the tag",
    ),
    (b"\x00\x01", "f.yaml:1: has the control character U+0000; write a text file in UTF-8"),
    (b"nodes:\n\xff", "f.yaml:2: is not text in UTF-8 (byte 7); save it as UTF-8 text"),
    ("nodes: 3", "f.yaml:1: nodes: is '3', where a list is needed; write a list"),
    ("nodes: [3]", "f.yaml:1: nodes[0]: is '3', where a mapping is needed; write a mapping"),
    (
        "nodes:\n  - id: a\n    kind: servce\n",
        f"f.yaml:3: node 'a', kind: has the unknown kind 'servce'; did you mean 'service'? known kinds: {NODE_KINDS}",
    ),
    ("nodes:\n  - id: a\n", f"f.yaml:2: node 'a': has no kind; known kinds: {NODE_KINDS}"),
    (
        "nodes:\n- {id: a, kind: service, image: x}\n- {id: a, kind: storage}\n",
        "f.yaml:3: node 'a', id: has an id that is already used (line 2); give each node its own id",
    ),
    (
        "nodes:\n- {id: api, kind: service, image: x}\nedges:\n- {source: api, target: bd, kind: depends_on}\n",
        "f.yaml:4: edge 'api -depends_on-> bd', target: names the node 'bd', which does not exist; "
        "add the node or remove the edge",
    ),
    (
        "nodes:\n- {id: api, kind: service, image: x, host: h}\n",
        "f.yaml:2: node 'api', host: names the host 'h', which does not exist; add a node of kind host with this id",
    ),
    (
        "nodes:\n- id: db\n  kind: database\n  engine: redis\n  port: 70000\n",
        "f.yaml:5: node 'db', port: port 70000 is out of range; write a port from 1 to 65535",
    ),
    (
        "nodes:\n- id: a\n  kind: service\n  image: x\n  ports:\n  - port: eighty\n",
        "f.yaml:6: node 'a', ports[0].port: is 'eighty', where a whole number is needed; write a whole number",
    ),
    ("nodes:\n- {id: A, kind: storage}\n", f"f.yaml:2: node 'A', id: 'A' is not an id; {ID_RULE}"),
    (
        "nodes:\n- {id: a, kind: database, engine: oracle}\n",
        "f.yaml:2: node 'a', engine: 'oracle' is not a known value; write one of 'postgresql', 'mysql', 'mariadb', 'redis', "
        "'mongodb' or 'sqlite'",
    ),
    ("nodes:\n- {id: a, kind: database}\n", "f.yaml:2: node 'a': has no 'engine'; add it"),
    (
        "nodes:\n- {id: a, kind: storage, colour: red}\n",
        "f.yaml:2: node 'a', colour: has the field 'colour', which does not exist here; remove it or mend its name",
    ),
    (
        "nodes:\n- {id: a, kind: service}\n",
        "f.yaml:2: node 'a': needs an image, a build, a package or a command; mend the value",
    ),
    (
        '{"nodes": [\n\t{"id": "a", "kind": "database", "engine": "redis", "port": 0}]}',
        "f.yaml:2: node 'a', port: port 0 is out of range; write a port from 1 to 65535",
    ),
    ("services: {}", "f.yaml:1: services: is empty; write at least one service"),
    (
        "services:\n  a:\n    image: x\n    depends_on: [b]\n",
        "f.yaml:4: service 'a', depends_on: names the service 'b', which does not exist; "
        "add the service or remove the dependency",
    ),
    (
        "services:\n  a:\n    image: x\n    ports:\n      - 99999:80\n",
        "f.yaml:5: service 'a', ports: port 99999 is out of range; write [[IP:]HOST:]CONTAINER[/PROTOCOL]",
    ),
    (
        "services:\n  a:\n    command: x\n",
        "f.yaml:3: service 'a': has neither an image nor a build; add 'image:' or 'build:'",
    ),
    (
        "services:\n  a:\n    image: x\n    volumes: ['v:/v']\n",
        "f.yaml:4: service 'a', volumes: names the volume 'v', which does not exist; add it to the top-level 'volumes:'",
    ),
    (
        "services:\n  a:\n    image: x:${TAG:?which one}\n",
        "f.yaml:3: services.a.image: needs the variable TAG (which one); write TAG=... into .env beside the file",
    ),
    (
        "services:\n  a:\n    image: ${X\n",
        "f.yaml:3: services.a.image: '${' is not closed; mend it, or write '$$' for a '$'",
    ),
    (
        "services:\n  a:\n    image: ${NONE}\n",
        "f.yaml:3: service 'a', image: '' is no image reference because NONE has no value; "
        "write a reference such as registry/name:tag, and its variables into .env",
    ),
]


@pytest.mark.parametrize(("content", "line"), BAD)
def test_a_bad_file_gives_one_line_that_names_place_and_mend(content: str | bytes, line: str) -> None:
    with pytest.raises(GraphFileError) as caught:
        loads(content, file="f.yaml")
    assert str(caught.value) == line


def test_all_problems_are_kept_and_counted() -> None:
    content = "nodes:\n- {id: A, kind: storage}\n- {id: b, kind: database, engine: redis, port: 70000}\n"
    with pytest.raises(GraphFileError, match=r"f:2: .* \(and 1 more\)$") as caught:
        loads(content, file="f")
    assert [problem.line for problem in caught.value.problems] == [2, 3]
    assert (caught.value.file, caught.value.line) == ("f", 2)


def test_aliases_that_expand_without_end_are_refused() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    with pytest.raises(
        GraphFileError, match="holds more than 1,000,000 values once its aliases are expanded"
    ):
        loads("\n".join(rows))


def test_aliases_do_not_hide_depth() -> None:
    rows = [f"a0: &a0 {'[' * 40}{']' * 40}", f"a1: &a1 {'[' * 40}*a0{']' * 40}"]
    with pytest.raises(GraphFileError, match="nested deeper than 64 levels"):
        loads("\n".join(rows))


def test_a_file_of_50_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    with path.open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)
    with pytest.raises(GraphFileError) as caught:
        load(path)
    assert str(caught.value) == f"{path}: is too large: 50.0 MiB, the limit is 4 MiB; split the graph"


def test_what_is_no_readable_file_is_named(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, line in (
        (tmp_path, "is a directory; name a graph or compose file"),
        (tmp_path / "none.yaml", "does not exist; check the path"),
        (pipe, "is not a regular file; name a graph or compose file"),
        (tmp_path / ("x" * 300), "cannot be read: File name too long; check the path"),
    ):
        with pytest.raises(GraphFileError) as caught:
            load(path)
        assert str(caught.value) == f"{path}: {line}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("nodes: []")
    path.chmod(0)
    with pytest.raises(GraphFileError, match="may not be read; give this user permission to read it"):
        load(path)


def test_a_file_name_cannot_break_the_line() -> None:
    with pytest.raises(GraphFileError) as caught:
        loads("", file="a\nb\x1b[0m.yaml")
    assert str(caught.value).startswith("a b [0m.yaml: is empty")


def test_scalars_follow_the_core_schema() -> None:
    env = "A: no\n        B: 22:22\n        C: 0o17\n        D: 1.10\n        E: 010"
    text = f"services:\n  a:\n    image: x\n    environment:\n        {env}\n"
    node = loads(text).graph.to_node_link()["nodes"][0]
    assert node["environment"] == {"A": "no", "B": "22:22", "C": "0o17", "D": "1.10", "E": "010"}


def test_the_env_file_beside_a_compose_file_gives_its_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAG", "process")
    (tmp_path / ".env").write_text("TAG=file\n")
    path = tmp_path / "compose.yaml"
    path.write_text("services:\n  a:\n    image: app:${TAG}\n")
    assert load(path).graph.to_node_link()["nodes"][0]["image"] == "app:file"


def test_files_outside_the_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside.env").write_text("A=1\n")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "in.env").write_text("B=2\n")
    text = "services:\n  a:\n    image: app\n    env_file: [../outside.env, in.env]\n"
    (folder / "compose.yaml").write_text(text)
    loaded = load(folder / "compose.yaml")
    assert loaded.graph.to_node_link()["nodes"][0]["environment"] == {"B": "2"}
    assert [note.code for note in loaded.notes] == ["file-not-read"]
    assert (loaded.origin, loaded.graph.name) == ("compose", "project")
