"""``conclave propose``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.electing import (
    read_duration,
    read_electors,
    read_level,
    read_names,
    read_options,
    read_threshold,
    read_weights,
)
from conclave.commands.options import json_option, refuse_together

PROTOCOLS: Final = (
    "simple_majority",
    "qualified_majority",
    "unanimous",
    "weighted",
    "approval",
    "ranked_choice",
    "borda",
    "copeland",
    "quadratic",
    "weighted_split",
)
KINDS: Final = (
    "infrastructure_change",
    "task_assignment",
    "knowledge_validation",
    "conflict_resolution",
    "custom",
)
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_OPTIONS: Final = (
    click.argument("title"),
    # --- what
    click.option("--artifact", metavar="FILE", type=_FILE, help="What is voted on: exactly these bytes."),
    click.option("--graph", metavar="FILE", type=_FILE, help="... or a graph, by its canonical digest."),
    click.option("--sha256", metavar="HASH", help="... or anything, by its SHA-256."),
    click.option("--upload", is_flag=True, help="Store the artifact, so that voters can fetch it."),
    click.option(
        "-F", "--description-file", type=click.File(encoding="utf-8"), help="Description; - is stdin."
    ),
    click.option("--description", default="", metavar="TEXT", help="What a voter should know."),
    click.option(
        "--kind",
        type=click.Choice(KINDS),
        metavar="KIND",
        default="custom",
        show_default=True,
        help=f"What it is about: {', '.join(KINDS)}.",
    ),
    click.option("--conversation", metavar="ID", help="The dialog in which it is discussed."),
    # --- who
    click.option(
        "-e",
        "--electorate",
        "agents",
        multiple=True,
        metavar="A,B,C",
        callback=read_electors,
        help="Who may vote, by name; may be repeated.",
    ),
    click.option("--requirement", metavar="TEXT", help="... or who meets it when voting opens."),
    click.option("--role", metavar="NAME", help="... or whose label role is NAME then."),
    click.option(
        "--weight",
        "given",
        multiple=True,
        metavar="AGENT=N",
        callback=read_weights,
        help="Weight of an elector; 1 for the others. May be repeated.",
    ),
    click.option(
        "--trust", "trust_topic", metavar="TOPIC", help="Weigh electors by what others say of them there."
    ),
    click.option(
        "--minimum", "minimum_electorate", type=click.IntRange(1), help="Defeated with fewer electors."
    ),
    click.option(
        "--offline",
        "offline_voters",
        type=click.Choice(("remain", "release")),
        default="remain",
        show_default=True,
        help="Whether electors that are offline count.",
    ),
    # --- how
    click.option(
        "--protocol",
        type=click.Choice(PROTOCOLS),
        metavar="NAME",
        default="simple_majority",
        show_default=True,
        help=f"What it takes to win: {', '.join(PROTOCOLS)}.",
    ),
    click.option(
        "--option",
        "options",
        multiple=True,
        metavar="ID[=FILE]",
        callback=read_options,
        help="Something to choose, with an artifact of its own if FILE is given. Two or more.",
    ),
    click.option(
        "--threshold",
        metavar="SHARE",
        callback=read_threshold,
        help="Of qualified_majority: '>2/3', '>=60%', '>1/2 of eligible'.",
    ),
    click.option(
        "--quorum",
        metavar="SHARE",
        callback=read_level,
        default="1/2",
        show_default=True,
        help="How much must take part: 1/2 or 5.",
    ),
    click.option(
        "--quorum-counts",
        type=click.Choice(("for", "for_and_abstain", "all")),
        default="for_and_abstain",
        show_default=True,
        help="What counts toward the quorum.",
    ),
    click.option(
        "--super-quorum",
        metavar="SHARE",
        callback=read_level,
        help="In favour at least this: succeeds at once.",
    ),
    click.option("--tie", "tie_rule", type=click.Choice(("fails", "first_listed", "lot")), default="fails"),
    click.option("--credits", "credits_", type=click.IntRange(1), help="Of quadratic.  [default: 100]"),
    click.option("--fractional", is_flag=True, help="Let voters split their weight."),
    click.option("--vote-changes", is_flag=True, help="Let voters vote again; the last vote counts."),
    # --- when
    click.option(
        "--delay",
        metavar="TIME",
        callback=read_duration,
        default="0",
        show_default=True,
        help="Discuss so long, then vote.",
    ),
    click.option(
        "--period",
        metavar="TIME",
        callback=read_duration,
        default="1h",
        show_default=True,
        help="Take votes so long.",
    ),
    click.option("--no-early", is_flag=True, help="Wait for the deadline although the result is certain."),
    click.option(
        "--late-quorum",
        metavar="TIME",
        callback=read_duration,
        default="0",
        help="Time left, at least, when the quorum is reached.",
    ),
    # --- what then
    click.option(
        "--veto", multiple=True, metavar="AGENT", callback=read_names, help="May stop it, saying why."
    ),
    click.option("--guardian", metavar="AGENT", help="May cancel it until it is executed."),
    click.option(
        "--executor",
        "executors",
        multiple=True,
        metavar="NAME",
        callback=read_names,
        help="May execute it, and nobody else; may be repeated.",
    ),
    click.option(
        "--timelock", metavar="TIME", callback=read_duration, help="Time between success and execution."
    ),
    click.option(
        "--window",
        metavar="TIME",
        callback=read_duration,
        default="14d",
        show_default=True,
        help="Execute it within.",
    ),
    click.option(
        "--signatures",
        type=click.Choice(("required", "optional")),
        default="required",
        show_default=True,
        help="Whether votes must be signed.",
    ),
    click.option(
        "--wait", is_flag=True, help="Show the vote until it is decided; exit 1 unless it succeeds."
    ),
    json_option,
)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command("propose", short_help="Put something to the vote.")
@_with_options
@asks
def propose_command(
    *,
    title: str,
    artifact: Path | None,
    graph: Path | None,
    sha256: str | None,
    wait: bool,
    as_json: bool,
    access: Access,
    **rules: Any,
) -> None:
    """Put an artifact to the vote under TITLE.

    \b
    conclave propose 'Deploy shop' --graph shop.yaml -e ada,bob,carol --protocol unanimous --wait
    conclave propose 'Which image?' --protocol ranked_choice --option small=a.img --option large=b.img
             --artifact question.txt --requirement 'review>=2' --period 1d

    What is voted on is a SHA-256 and nothing else; whoever executes the decision must name it. The rules are
    fixed from here on; docs/consensus.md explains each.
    """  # noqa: D301 - \b is click's: do not wrap
    refuse_together("--artifact", "--sha256", both=artifact is not None and sha256 is not None)
    refuse_together("--graph", "--artifact or --sha256", both=graph is not None and bool(artifact or sha256))
    if not (artifact or graph or sha256):
        raise click.UsageError("say what is voted on: --artifact FILE, --graph FILE or --sha256 HASH")
    if sum(bool(rules[each]) for each in ("agents", "requirement", "role")) != 1:
        raise click.UsageError(
            "say who votes, in one way: --electorate a,b,c or --requirement TEXT or --role NAME"
        )
    refuse_together("--weight", "--trust", both=bool(rules["given"] and rules["trust_topic"]))
    refuse_together("--upload", "--sha256", both=bool(rules["upload"] and sha256))
    from conclave.commands.proposing import Subject, propose  # noqa: PLC0415 - not for --help

    subject = Subject(artifact=artifact, graph=graph, sha256=sha256, is_stored=rules.pop("upload"))
    if not ask(propose(access, title, subject, rules, wait=wait, as_json=as_json)):
        sys.exit(1)
