"""docs/cli.md names every command and option, no others, and shows what is really printed."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from rich.console import Console

from conclave.cli import cli
from conclave.commands import tables
from conclave.commands.finding import explained
from conclave.commands.listing import facts_of
from coordination.registry.wire import Agent, Explanation, FoundAgent
from coordination.requirements import RequirementSyntaxError, parse
from tests.support.agents import NOW_MS, able, record

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
REQUIREMENT = "python>=3.11, prefer region=eu weight 2, prefer gpu.memory_gb>=48"
EVERYBODY: tuple[Agent, ...] = (
    record(
        "ada",
        capabilities=[
            *able("python@3.12.1"),
            {"name": "gpu", "version": "1.0.0", "attributes": {"memory_gb": 24}},
        ],
        labels={"region": "eu", "team": "infra"},
        max_tasks=4,
        load=0.25,
    ),
    record(
        "bob",
        capabilities=able("python@3.11.4", "nix-review@2.1.0"),
        labels={"region": "us"},
        max_tasks=2,
        load=0.5,
        incarnation=2,
    ),
    record("carol", capabilities=able("translate@2.0.0"), labels={"region": "eu"}, incarnation=3),
    record(
        "dave",
        status="offline",
        capabilities=able("python@3.9.2"),
        load=0.9,
        incarnation=4,
        last_heard_ms=NOW_MS - 28_000,
    ),
)


def commands(group: click.Group, path: str = "conclave") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands(cli))


def section(name: str) -> str:
    """What the document says about a command, with what holds for all of them."""
    synopsis = TEXT.index(f"\n{name} ")
    begin = TEXT.rindex("\n## ", 0, synopsis)
    end = TEXT.find("\n## ", synopsis)
    general = TEXT[: TEXT.index("\n## conclave agents")]
    return general + TEXT[begin : end if end >= 0 else len(TEXT)]


def options(command: click.Command) -> set[str]:
    """Every spelling of every option, short ones included."""
    listed = [each for each in command.params if isinstance(each, click.Option)]
    return {name for each in listed for name in (*each.opts, *each.secondary_opts)}


def shown(*lines: str) -> bool:
    """Whether these lines stand in the document as they are, below each other."""
    return "\n".join(line.rstrip() for line in lines) in TEXT


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_in_its_section(name: str) -> None:
    missing = {each for each in options(COMMANDS[name]) if f"`{each}" not in section(name)}
    assert not missing
    for each in COMMANDS[name].params:
        if isinstance(each, click.Argument):
            assert re.sub(r"[\[\]{}.]", "", each.make_metavar(click.Context(cli))) in section(name)


def test_every_option_that_is_mentioned_exists() -> None:
    known = {"--help", "--unbuffered", *options(cli)}.union(*map(options, COMMANDS.values()))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", TEXT)) <= known


def test_every_command_is_in_the_list_at_the_top() -> None:
    listed = " ".join(line for line in TEXT.splitlines() if line.startswith("| [`conclave"))
    assert [name for name in cli.list_commands(click.Context(cli)) if f"`conclave {name}" not in listed] == []


def test_the_tables_are_what_is_printed() -> None:
    file = io.StringIO()
    Console(file=file, width=88, color_system=None).print(
        tables.table(EVERYBODY[:3], now_ms=NOW_MS, width=88)
    )
    assert shown(*file.getvalue().splitlines())
    assert shown(*tables.plain(EVERYBODY, now_ms=NOW_MS))
    scores = {"ada": 0.667, "bob": 0.0}
    found = [
        FoundAgent.model_validate({**agent.model_dump(), "score": scores[agent.agent]})
        for agent in EVERYBODY
        if agent.agent in scores
    ]
    assert shown(*tables.plain_found(found, now_ms=NOW_MS))


def explanation(agent: Agent) -> Explanation:
    """As the registry explains it."""
    requirement = parse(REQUIREMENT)
    verdict = requirement.evaluate(facts_of(agent))
    terms = [
        {
            "term": each.term,
            "met": each.met,
            "preferred": each.preferred,
            "weight": each.weight,
            "reason": each.reason,
        }
        for each in requirement.explain(facts_of(agent))
    ]
    return Explanation.model_validate(
        {
            "agent": agent.agent,
            "status": agent.status,
            "matches": verdict.matches,
            "score": verdict.score,
            "terms": terms,
        }
    )


def test_the_explanation_is_what_is_printed() -> None:
    file = io.StringIO()
    console = Console(file=file, width=88, color_system=None, highlight=False)
    console.print(explained(explanation(agent) for agent in EVERYBODY[:3]))
    assert shown(f"$ conclave find '{REQUIREMENT}' --explain", *file.getvalue().splitlines())


def test_the_malformed_requirement_gets_the_message_that_is_shown() -> None:
    malformed = re.search(r"conclave find '(python>=3\.11, region in eu)'", TEXT)
    assert malformed is not None
    with pytest.raises(RequirementSyntaxError) as raised:
        parse(malformed[1])
    assert shown(*f"conclave: {raised.value}".splitlines())
