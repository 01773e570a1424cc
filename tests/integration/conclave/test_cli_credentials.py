"""`conclave agent add|list|remove --json`, and what `up` and `serve` tell programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from conclave.cli import cli
from conclave.deployment import SERVICES
from coordination.runtime.credentials import Credentials
from tests.support.cli import server_here, started


def agent(tmp_path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["agent", *arguments, "--store", str(tmp_path / "store")])


def json_of(result: Result) -> Any:
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def test_credentials_are_added_listed_and_removed_as_json(tmp_path: Path) -> None:
    added = json_of(agent(tmp_path, "add", "bob", "ada", "--json"))
    assert [each["name"] for each in added] == ["bob", "ada"]
    for each in added:
        assert set(each) == {"name", "public_key", "path"}
        assert Credentials.read(Path(each["path"])).public_key == each["public_key"]
    listed = json_of(agent(tmp_path, "list", "--json"))
    assert listed == [
        {"name": each["name"], "role": "agent", "public_key": each["public_key"]} for each in reversed(added)
    ]
    assert json_of(agent(tmp_path, "remove", "bob", "--json")) == {"name": "bob", "removed": True}
    assert [each["name"] for each in json_of(agent(tmp_path, "list", "--json"))] == ["ada"]


def test_the_same_for_people_is_plain_text(tmp_path: Path) -> None:
    agent(tmp_path, "add", "ada")
    agent(tmp_path, "remove", "ada")
    empty = agent(tmp_path, "list")
    assert (empty.stdout, empty.stderr) == ("", "no agents yet; add one with: conclave agent add NAME\n")
    added = agent(tmp_path, "add", "bob", "margaret")
    assert [Path(line).name for line in added.stdout.splitlines()] == ["bob.nk", "margaret.nk"]
    listed = agent(tmp_path, "list").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["bob", "margaret"]
    assert len({line.index("U") for line in listed}) == 1, "the keys stand below each other"
    assert agent(tmp_path, "remove", "bob").stdout == "removed bob\n"


def test_a_list_of_no_store_says_so_and_makes_none(tmp_path: Path) -> None:
    for more in ([], ["--json"]):
        missing = agent(tmp_path, "list", *more)
        assert (missing.exit_code, missing.stdout) == (2, "")
        assert f"there is no store at {tmp_path / 'store'}" in missing.stderr
    assert not (tmp_path / "store").exists()


def test_a_name_that_is_given_twice_is_named_once(tmp_path: Path) -> None:
    refused = agent(tmp_path, "add", "bob", "ada", "ada", "ada")
    assert refused.exit_code == 2
    assert refused.stderr == "conclave: agent id 'ada' is given twice; give it once\n"


def test_an_error_with_json_is_plain_text_on_standard_error(tmp_path: Path) -> None:
    unknown = agent(tmp_path, "remove", "nobody", "--json")
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("conclave: store ")
    assert unknown.stderr.count("\n") == 1


async def test_up_and_serve_say_in_one_line_of_json_when_they_are_ready(tmp_path: Path) -> None:
    process = await started("up", "--json", "--insecure", "--store", "mine", "--port", "0", cwd=tmp_path)
    assert process.stdout is not None
    try:
        ready = json.loads(await process.stdout.readline())
        assert ready.pop("url").startswith("nats://127.0.0.1:")
        assert ready == {"store": "mine", "secured": False, "services": list(SERVICES)}
    finally:
        process.terminate()
        rest, _ = await process.communicate()
    assert rest == b""
    async with server_here(tmp_path) as here:
        process = await started("serve", "registry", "--json", cwd=tmp_path)
        assert process.stdout is not None
        try:
            ready = json.loads(await process.stdout.readline())
            assert ready == {"url": here.server.url, "serving": ["registry"], "standing_by": []}
        finally:
            process.terminate()
            await process.communicate()
