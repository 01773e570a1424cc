"""The users file is read with suspicion, and rendered so that the server lets in exactly its users."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from conclave.identity.users import User, Users, UsersFileError, parse, render
from coordination.runtime.credentials import Credentials


def key() -> str:
    return Credentials.generate(os.urandom(32)).public_key


def text(**changes: Any) -> str:
    content = {"version": 1, "prefix": "conclave", "users": [], **changes}
    return json.dumps(content)


def test_what_is_written_is_read_again() -> None:
    users = Users(
        prefix="lab",
        users=(
            User(name="operator", role="operator", public_key=key()),
            User(name="tasks", role="service", public_key=key()),
            User(name="ada", role="agent", public_key=key()),
        ),
    )
    assert parse(users.model_dump_json(), path="users.json") == users
    assert [agent.name for agent in users.agents] == ["ada"]


@pytest.mark.parametrize(
    ("damaged", "place"),
    [
        ("", "users.json: the file"),
        ('{"version": 1, "prefix": "conclave", "us', "users.json: the file"),
        (text(version=2), "users.json: version"),
        (text(prefix="a.b"), "users.json: prefix"),
        (text(extra=1), "users.json: extra"),
        (text(users=[{"name": "x.>", "role": "agent", "public_key": key()}]), "users.0.name"),
        (text(users=[{"name": "ada", "role": "agent", "public_key": "U" * 55}]), "users.0.public_key"),
        (text(users=[{"name": "ada", "role": "agent", "public_key": 'U"}]'}]), "users.0.public_key"),
        (text(users=[{"name": "tasks", "role": "agent", "public_key": key()}]), "no name for the role agent"),
        (
            text(users=[{"name": "ada", "role": "operator", "public_key": key()}]),
            "no name for the role operator",
        ),
        (
            text(users=[{"name": "ada", "role": "service", "public_key": key()}]),
            "no name for the role service",
        ),
        (text(users=[{"name": "ada", "role": "agent", "public_key": key()}] * 2), "name ada is there twice"),
    ],
)
def test_damage_is_named_with_its_place(damaged: str, place: str) -> None:
    with pytest.raises(UsersFileError) as caught:
        parse(damaged, path="users.json")
    assert place in str(caught.value)
    assert "restore it from a backup" in str(caught.value)


def test_one_key_belongs_to_one_user() -> None:
    same = key()
    rows = [{"name": name, "role": "agent", "public_key": same} for name in ("ada", "bob")]
    with pytest.raises(UsersFileError, match="is there twice"):
        parse(text(users=rows), path="users.json")


def test_the_newer_user_of_a_name_takes_the_place_of_the_older() -> None:
    first, second = (User(name="ada", role="agent", public_key=key()) for _ in range(2))
    users = Users(prefix="conclave").having(first).having(second)
    assert users.users == (second,)
    assert users.find("ada") == second
    assert users.without("ada").users == ()
    assert users.without("bob").users == (second,)


def test_only_services_may_answer_and_only_the_operator_is_without_limits() -> None:
    keys = {name: key() for name in ("operator", "tasks", "ada")}
    users = Users(
        prefix="conclave",
        users=(
            User(name="operator", role="operator", public_key=keys["operator"]),
            User(name="tasks", role="service", public_key=keys["tasks"]),
            User(name="ada", role="agent", public_key=keys["ada"]),
        ),
    )
    witness = key()
    lines = {
        line.split()[2].strip(","): line
        for line in render(users, witness=witness).splitlines()
        if "nkey:" in line
    }
    assert set(lines) == {*keys.values(), witness}
    assert "permissions" not in lines[keys["operator"]]
    assert 'allow_responses: { max: 1, expires: "10s" }' in lines[keys["tasks"]]
    assert "allow_responses" not in lines[keys["ada"]]
    assert '"conclave.call.*.*.ada"' in lines[keys["ada"]]
    assert (
        'publish: { allow: ["_INBOX_witness.>"] }, subscribe: { allow: ["_INBOX_witness.>"] }'
        in lines[witness]
    )
