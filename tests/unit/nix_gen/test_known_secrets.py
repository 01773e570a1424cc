"""A value known as a secret anywhere in a compose file is hidden everywhere, and its users keep working."""

import json
import subprocess
from typing import Any

import pytest

from nix_gen import GraphFileError, Loaded, loads
from nix_gen.compose.concealed import Concealed, spelled_passwords
from nix_gen.compose.shell_lines import looking_up, script_index

DB = {"image": "mariadb:11", "environment": {"MARIADB_ROOT_PASSWORD": "R00tPw77"}}


def imported(**services: dict[str, Any]) -> Loaded:
    loaded = loads(json.dumps({"services": {"db": DB, **services}}), file="shop.yaml")
    assert b"R00tPw77" not in loaded.graph.canonical_json()
    assert "R00tPw77" not in str(loaded.notes)
    return loaded


def node(loaded: Loaded, name: str) -> dict[str, Any]:
    nodes: list[dict[str, Any]] = loaded.graph.to_node_link()["nodes"]
    return next(one for one in nodes if one["id"] == name)


def test_a_shell_reads_the_secret_from_the_variable_that_has_it() -> None:
    cron = {
        "image": "alpine",
        "command": ["sh", "-c", "mysqldump -pR00tPw77 all > /b"],
        "healthcheck": {"test": "mysqladmin ping -pR00tPw77"},
        "environment": {"FOO": "R00tPw77"},
    }
    made = node(imported(cron=cron), "cron")
    assert made["command"] == ["sh", "-c", 'mysqldump -p"${FOO}" all > /b']
    assert made["health_check"] == {"shell": 'mysqladmin ping -p"${FOO}"'}
    assert made["secrets"] == [{"name": "db.mariadb_root_password", "env": "FOO"}]


def test_a_shell_without_such_a_variable_gets_one() -> None:
    loaded = imported(cron={"image": "alpine", "entrypoint": ["bash", "-ec"], "command": ["run R00tPw77"]})
    made = node(loaded, "cron")
    assert made["command"] == ['run "${SECRET_DB_MARIADB_ROOT_PASSWORD}"']
    assert made["secrets"] == [
        {"name": "db.mariadb_root_password", "env": "SECRET_DB_MARIADB_ROOT_PASSWORD"},
    ]


def test_a_program_without_a_shell_gets_a_stand_in_and_its_operator_a_warning() -> None:
    loaded = imported(cron={"image": "tool", "command": "run -xR00tPw77 now"})
    assert node(loaded, "cron")["command"] == ["run", "-x<secret db.mariadb_root_password>", "now"]
    said = [note.message for note in loaded.notes if note.place == "cron" and note.severity == "warning"]
    assert said == [
        "argument 2 of command of service 'cron' held a secret; a placeholder stands for it",
    ]


def test_a_password_that_only_a_command_spells_is_a_secret_too() -> None:
    other = {"image": "tool", "command": ["sh", "-c", "redis-cli -a OwnPw7788 ping"]}
    made = node(imported(other=other), "other")
    assert made["command"][2] == 'redis-cli -a "${SECRET_OTHER_ARGUMENT_1}" ping'


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"note": "uses R00tPw77"}},
        {"annotations": {"note": "uses R00tPw77"}},
        {"hostname": "R00tPw77"},
        {"build": {"context": ".", "args": {"A": "R00tPw77"}}},
        {"build": {"context": "./R00tPw77", "target": "R00tPw77"}},
        {"logging": {"driver": "json-file", "options": {"tag": "R00tPw77"}}},
        {"sysctls": {"kernel.x": "R00tPw77"}},
        {"volumes": ["/srv/R00tPw77:/data"]},
        {"x-note": "R00tPw77", "extra_hosts": ["R00tPw77:10.0.0.1"]},
        {"stop_signal": "R00tPw77", "pull_policy": "R00tPw77", "runtime": "R00tPw77"},
    ],
)
def test_it_is_hidden_in_every_other_key(fields: dict[str, Any]) -> None:
    try:
        assert node(imported(web={"image": "app", **fields}), "web")["image"] == "app"
    except GraphFileError as error:
        assert "R00tPw77" not in str(error)  # noqa: PT017 - either way it does not show


def test_a_fault_beside_it_does_not_show_it() -> None:
    with pytest.raises(GraphFileError) as caught:
        imported(web={"image": "app", "restart": "R00tPw77"})
    assert "'<secret>' is no restart policy" in str(caught.value)


def test_a_file_with_it_and_the_file_of_a_secret_stay_out() -> None:
    document = {
        "services": {
            "web": {
                "image": "app",
                "volumes": ["./app.conf:/etc/app.conf:ro"],
                "secrets": ["pw"],
                "command": ["sh", "-c", "login FileSecret99"],
            }
        },
        "secrets": {"pw": {"file": "./pw.txt"}},
    }
    files = {"./app.conf": "key FileSecret99\n", "./pw.txt": "FileSecret99\n"}
    loaded = loads(json.dumps(document), file="shop.yaml", reader=files.get)
    assert b"FileSecret99" not in loaded.graph.canonical_json()
    assert "file-kept-out" in {note.code for note in loaded.notes}


def test_names_and_common_words_are_not_hidden_though_they_are_passwords() -> None:
    text = json.dumps(
        {
            "services": {
                "paperless": {
                    "image": "ghcr.io/x/paperless:2",
                    "environment": {"DB_USER": "paperuser", "DB_PASS": "paperuser", "PASSWORD": "postgres"},
                    "command": ["run", "paperuser", "postgres", "paperless"],
                }
            }
        }
    )
    loaded = loads(text, file="shop.yaml")
    assert node(loaded, "paperless")["command"] == ["run", "paperuser", "postgres", "paperless"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("mysqldump -h db -uroot -pabcdef all", ["abcdef"]),
        ("mariadb-admin ping -p'a b c'", ["a b c"]),
        ("mysql -p$PW; echo -pother", []),
        ("redis-cli -a secret1 ping", ["secret1"]),
        ("mongosh -u root -p secret2 --eval 1", ["secret2"]),
        ("PGPASSWORD=secret3 psql", ["secret3"]),
        ("app --password=secret4 --password secret5", ["secret4", "secret5"]),
        ("curl http://u:secret6@web/", ["secret6"]),
        ("docker run -p8080:80", []),
    ],
)
def test_commands_spell_passwords_in_many_ways(line: str, found: list[str]) -> None:
    assert [*spelled_passwords(line)] == found


@pytest.mark.parametrize(
    "line",
    [
        "printf %s R00tPw77",
        "printf %s xR00tPw77y",
        'printf %s "x R00tPw77"',
        "printf %s 'x R00tPw77'",
        'printf %s "it\'s R00tPw77"',
        "printf %s it\\'sR00tPw77",
    ],
)
def test_a_line_that_looks_the_secret_up_says_the_same_to_a_shell(line: str) -> None:
    known = Concealed()
    known.add("R00tPw77")
    looked_up = looking_up(line, known.pattern(), lambda _: "PW")
    assert "R00tPw77" not in looked_up
    said = [
        subprocess.run(["/bin/sh", "-c", one], env={"PW": "R00tPw77"}, capture_output=True, check=True).stdout
        for one in (line, looked_up)
    ]
    assert said[0] == said[1]


def test_the_script_of_a_shell_is_found_over_entrypoint_and_command() -> None:
    assert script_index(None, ("sh", "-c", "x")) == 2
    assert script_index(("/bin/bash", "-ec"), ("x",)) == 2
    assert script_index(None, ("sh", "x.sh")) is None
    assert script_index(None, ("run", "-c", "x")) is None
    assert script_index(("sh", "-c"), None) is None
