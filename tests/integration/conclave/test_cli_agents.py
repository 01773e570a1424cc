"""`conclave agents`, `find` and `agent show` beside a secured server, as they are in a pipe."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coordination.registry.wire import Agent, AgentRecord, Change, FindReply
from coordination.requirements import parse
from tests.support.cli import Here, registry_here

REQUIREMENT = "python>=3.11, prefer region=eu weight 3, prefer gpu"


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    """Three agents: ada and bob know Python, carol knows something else."""
    async with registry_here(tmp_path) as made:
        await made.join(
            "ada",
            "python@3.12.1",
            "gpu@1.0.0",
            load=0.25,
            max_tasks=4,
            labels={"region": "eu", "team": "infra"},
        )
        await made.join("bob", "python@3.11.4", load=0.5, labels={"region": "us"})
        await made.join(
            "carol", "translate@2.0.0", description="translates", metadata={"pid": 7, "tags": ["a"]}
        )
        yield made


def timeless(text: str) -> str:
    """`text` with all ages alike, and columns as wide as they are."""
    columns = re.sub(r"\b\d+s  +", lambda found: "0s".ljust(len(found[0])), text)
    return re.sub(r"\b\d+s\b", "0s", columns)


async def test_the_plain_table_is_for_pipes(here: Here) -> None:
    shown = await here.run("agents")
    assert (shown.status, shown.err) == (0, "")
    assert timeless(shown.out).splitlines() == [
        "NAME   STATUS  LOAD  SLOTS  INCARNATION  HEARD  CAPABILITIES             LABELS",
        "ada    online  25%   4      1            0s     python@3.12.1,gpu@1.0.0  region=eu,team=infra",
        "bob    online  50%   1      2            0s     python@3.11.4            region=us",
        "carol  online  0%    1      3            0s     translate@2.0.0          -",
    ]


async def test_json_is_what_the_wire_contract_says(here: Here) -> None:
    shown = await here.run("agents", "--json")
    assert (shown.status, shown.err) == (0, "")
    agents = [Agent.model_validate(each) for each in json.loads(shown.out)]
    assert [(each.agent, each.status, each.load) for each in agents] == [
        ("ada", "online", 0.25),
        ("bob", "online", 0.5),
        ("carol", "online", 0.0),
    ]


async def test_labels_requirements_and_statuses_choose(here: Here) -> None:
    choices = (["-l", "region=eu"], ["python>=3.11, <3.12"], ["--all"], ["--offline"], ["cobol"])
    by_label, by_ability, everybody, offline, nobody = await asyncio.gather(
        *(here.run("agents", *choice) for choice in choices)
    )
    assert [line.split()[0] for line in by_label.out.splitlines()] == ["NAME", "ada"]
    assert [line.split()[0] for line in by_ability.out.splitlines()] == ["NAME", "bob"]
    assert [line.split()[0] for line in everybody.out.splitlines()] == ["NAME", "ada", "bob", "carol"]
    assert (offline.status, offline.out, offline.err) == (0, "", "no agents are offline\n")
    assert (nobody.status, nobody.out, nobody.err) == (1, "", "none of 3 agents fits\n")
    silent = await here.run("agents", "cobol", "--json")
    assert (silent.status, silent.out.strip(), silent.err) == (1, "[]", "")


async def test_find_shows_the_best_first_with_its_score(here: Here) -> None:
    found, best = await asyncio.gather(
        here.run("find", REQUIREMENT), here.run("find", REQUIREMENT, "--limit", "1", "--json")
    )
    assert (found.status, found.err) == (0, "")
    assert timeless(found.out).splitlines() == [
        "NAME  SCORE  STATUS  LOAD  SLOTS  INCARNATION  HEARD  CAPABILITIES             LABELS",
        "ada   1.00   online  25%   4      1            0s     python@3.12.1,gpu@1.0.0  region=eu,team=infra",
        "bob   0.00   online  50%   1      2            0s     python@3.11.4            region=us",
    ]
    given = json.loads(best.out)
    assert parse(given.pop("requirement")) == parse(REQUIREMENT)
    reply = FindReply.model_validate(given)
    assert [(each.agent, each.score) for each in reply.agents] == [("ada", 1.0)]
    assert reply.matched == 2


async def test_find_says_how_many_more_match_than_it_shows(here: Here) -> None:
    for more in ([], ["--explain"]):
        cut, whole = await asyncio.gather(
            here.run("find", "python", "--limit", "1", *more),
            here.run("find", "python", "--limit", "2", *more),
        )
        assert cut.status == 0
        assert cut.err.splitlines()[-1].startswith("the best 1 of 2 that match; --limit shows up to 1000")
        assert "that match" not in whole.err
    as_json = await here.run("find", "python", "--limit", "1", "--json")
    assert (json.loads(as_json.out)["matched"], as_json.err) == (2, "")


async def test_find_explains_every_term_of_every_agent(here: Here) -> None:
    explained = await here.run("find", REQUIREMENT, "--explain")
    assert (explained.status, explained.err) == (0, "")
    lines = [re.split(" {2,}", line) for line in explained.out.splitlines()]
    assert lines[0] == ["NAME", "VERDICT", "MET", "WEIGHT", "TERM", "REASON"]
    assert lines[1] == ["ada", "1.00", "yes", "-", "python>=3.11", "python is 3.12.1"]
    assert {tuple(line[:4]) for line in lines[1:] if line[0] == "bob"} == {
        ("bob", "0.00", "yes", "-"),
        ("bob", "0.00", "no", "3"),
        ("bob", "0.00", "no", "1"),
    }
    assert ["carol", "no", "no", "-", "python>=3.11"] in [line[:5] for line in lines]
    assert len(lines) == 1 + 3 * 3


async def test_who_is_offline_is_explained_by_the_option_that_the_command_has(tmp_path: Path) -> None:
    async with registry_here(tmp_path, heartbeat_interval_ms=100) as made:
        await made.join("ada", "python@3.12.1")
        changes = made.clients["ada"].watch()
        async with asyncio.timeout(20), contextlib.aclosing(changes):
            async for event in changes:
                if isinstance(event, Change) and event.kind == "offline":
                    break
        explained = await made.run("find", "python", "--explain")
        everybody = await made.run("find", "python", "--explain", "--all")
    assert explained.status == 1
    *_, term, reason = re.split(" {2,}", explained.out.splitlines()[-1])
    assert (term, reason) == ("status!=offline", "is offline; --all lets such agents match, too")
    assert (everybody.status, "status!=offline" in everybody.out) == (0, False)


async def test_nobody_found_is_exit_1_and_a_malformed_requirement_exit_2_with_a_caret(here: Here) -> None:
    nobody, silent = await asyncio.gather(here.run("find", "cobol"), here.run("find", "cobol", "--json"))
    assert (nobody.status, nobody.out, nobody.err) == (1, "", "nobody meets cobol; --explain says why\n")
    assert (silent.status, json.loads(silent.out)["agents"], silent.err) == (1, [], "")
    runs = (here.run(command, "python>=3.11, region in eu") for command in ("find", "agents"))
    for malformed in await asyncio.gather(*runs):
        assert (malformed.status, malformed.out) == (2, "")
        first, text, caret, *_ = malformed.err.splitlines()
        assert first.startswith("conclave: ")
        assert text[caret.index("^")] == "e", "the caret stands below eu"


async def test_show_tells_all_that_is_known_of_one_agent(here: Here) -> None:
    shown = await here.run("agent", "show", "carol")
    assert (shown.status, shown.err) == (0, "")
    values = dict(
        re.split(": +", line, maxsplit=1) for line in shown.out.splitlines() if "metadata" not in line
    )
    assert values["name"] == "carol"
    assert values["capability"] == "translate 2.0.0"
    assert values["description"] == "translates"
    assert re.fullmatch(r"online  for \d+s", values["status"])
    assert re.fullmatch(r"in \.conclave/local: U[A-Z2-7]{55}", values["credential"])
    assert [line.split(maxsplit=1)[1] for line in shown.out.splitlines() if "metadata" in line] == [
        "pid=7",
        'tags=["a"]',
    ]
    portrait = json.loads((await here.run("agent", "show", "carol", "--json")).out)
    assert set(portrait) == {"name", "record", "credential"}
    assert AgentRecord.model_validate(portrait["record"]).metadata == {"pid": 7, "tags": ["a"]}
    assert portrait["credential"]["public_key"] == values["credential"].rpartition(" ")[2]


async def test_who_is_not_registered_is_exit_1_with_or_without_a_credential(here: Here) -> None:
    unknown = await here.run("agent", "show", "dora")
    assert (unknown.status, unknown.out) == (1, "")
    assert unknown.err == "conclave: agent 'dora' is not registered; see: conclave agents --all\n"
    await here.server.identities.add("dora")
    waiting = await here.run("agent", "show", "dora", "--json")
    assert waiting.status == 1
    portrait = json.loads(waiting.out)
    assert portrait["record"] is None
    assert portrait["credential"]["public_key"].startswith("U")
