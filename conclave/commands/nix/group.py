"""``conclave nix``: its commands and their options. What they do is imported when it is done."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from conclave.commands.access import Access, asks
from conclave.commands.confirming import all_met_option, met_option
from conclave.commands.nix.reading import told
from conclave.commands.options import json_option, refuse_together

_FILE: Final = click.Path(path_type=Path)
_ENDINGS: Final = {
    "": "mermaid",
    ".dot": "dot",
    ".gv": "dot",
    ".mermaid": "mermaid",
    ".mmd": "mermaid",
    ".svg": "svg",
}
"""Format of a picture by the ending of its file."""
_file: Final = click.argument("file", type=_FILE)


@click.group("nix", short_help="From a deployment graph to a NixOS flake.")
def nix_command() -> None:
    """Check, translate, compare, explain and draw deployment graphs.

    FILE is a graph in YAML or JSON, a compose file, or a directory that `conclave nix generate` has written.
    No server is needed.
    """


@nix_command.command("validate")
@_file
@click.option("--strict", is_flag=True, help="Let warnings fail, too.")
@json_option
def validate_command(*, file: Path, strict: bool, as_json: bool) -> None:
    """Print everything that is wrong with FILE, or might be, and how to mend it.

    The exit status is 1 if there are errors, 2 if FILE cannot be read.
    """
    with told():
        from conclave.commands.nix.validating import validate  # noqa: PLC0415 - not for --help

        if not validate(file, strict=strict, as_json=as_json):
            sys.exit(1)


@nix_command.command("generate")
@_file
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Directory for the flake: new, empty, or written by this command.",
)
@click.option("--check", "is_check", is_flag=True, help="Write nothing; show what is not up to date.")
@click.option(
    "--proposal",
    metavar="ID",
    help="Write only what this proposal has approved: redeem its approval, give the receipt.",
)
@met_option
@all_met_option
@json_option
@asks
def generate_command(
    *,
    file: Path,
    out: Path,
    is_check: bool,
    proposal: str | None,
    conditions_met: tuple[str, ...],
    are_all_met: bool,
    as_json: bool,
    access: Access,
) -> None:
    """Translate FILE into a NixOS flake.

    With --check the exit status is 1 if the directory is not up to date. It is 1, too, if the graph has
    errors, or if the approval of --proposal is not good for it, and 2 if FILE cannot be read, the directory
    cannot be written or, with --proposal, consensus cannot be asked. The options about conditions and about a
    server are for --proposal.
    """
    refuse_together("--check", "--proposal", both=is_check and proposal is not None)
    refuse_together("--met", "--all-met", both=bool(conditions_met) and are_all_met)
    if (conditions_met or are_all_met) and proposal is None:
        raise click.UsageError("conditions are met of which proposal? say so with --proposal ID")
    with told():
        from conclave.commands.nix.generating import (  # noqa: PLC0415 - not for --help
            ApprovedBy,
            generate,
            is_up_to_date,
        )

        if not is_check:
            approval = None
            if proposal is not None:
                approval = ApprovedBy(
                    access=access,
                    reference=proposal,
                    conditions_met=conditions_met,
                    are_all_met=are_all_met,
                )
            generate(file, out, approval=approval, as_json=as_json)
        elif not is_up_to_date(file, out, as_json=as_json):
            sys.exit(1)


@nix_command.command("import")
@click.argument("compose", type=_FILE)
@click.option(
    "-f",
    "--file",
    "overrides",
    multiple=True,
    type=_FILE,
    help="A further compose file that overrides COMPOSE; may be repeated.  [default: compose.override.yaml]",
)
@click.option("--profile", "profiles", multiple=True, help="Enable a compose profile; may be repeated.")
@click.option("-o", "--out", type=_FILE, help="Write the graph there; as JSON if the name ends in .json.")
@json_option
def import_command(
    *, compose: Path, overrides: tuple[Path, ...], profiles: tuple[str, ...], out: Path | None, as_json: bool
) -> None:
    """Turn the compose file COMPOSE into a graph file that is yours to change.

    What could not be carried over, or was decided for you, is said on standard error. The exit status is 2
    if COMPOSE cannot be read.
    """
    with told():
        from conclave.commands.nix.importing import import_file  # noqa: PLC0415 - not for --help

        import_file(compose, out, overrides=overrides, profiles=profiles, as_json=as_json)


@nix_command.command("plan")
@click.argument("old")
@click.argument("new")
@click.option(
    "--detailed-exitcode", is_flag=True, help="Exit with 2 if something changes, with 0 if nothing does."
)
@json_option
def plan_command(*, old: str, new: str, detailed_exitcode: bool, as_json: bool) -> None:
    """Say what changes, host by host, when the deployment OLD becomes NEW.

    Each is a FILE as above, or `-` for nothing. Nothing is touched. The exit status is 1 if one of the
    graphs has errors, 2 if one cannot be read.
    """
    with told():
        from conclave.commands.nix.planning import plan  # noqa: PLC0415 - not for --help

        if plan(old, new, as_json=as_json) and detailed_exitcode:
            sys.exit(2)


def _complete_subject(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from conclave.commands.nix.subjects import subjects  # noqa: PLC0415 - not for --help

    return subjects(ctx.params.get("file"), incomplete)


@nix_command.command("explain")
@_file
@click.argument("subject", required=False, shell_complete=_complete_subject)
@json_option
def explain_command(*, file: Path, subject: str | None, as_json: bool) -> None:
    """Say what FILE, or one SUBJECT in it, becomes, and why.

    SUBJECT is the id of a node or a host, an edge ('web -connects_to-> db', or 'web db' for all edges
    from web to db), or the code of a finding. The exit status is 2 if there is no such thing.
    """
    with told():
        from conclave.commands.nix.portraying import portray  # noqa: PLC0415 - not for --help

        portray(file, subject, as_json=as_json)


@nix_command.command("draw")
@_file
@click.option(
    "--format",
    "picture_format",
    type=click.Choice(("mermaid", "dot", "svg")),
    help="What to draw with.  [default: by the ending of --out, else mermaid]",
)
@click.option("-o", "--out", type=_FILE, help="Write the picture there.")
def draw_command(*, file: Path, picture_format: str | None, out: Path | None) -> None:
    """Draw FILE: hosts as frames, nodes in a shape and edges in a line for each kind.

    SVG and Mermaid need no other program. The exit status is 2 if FILE cannot be read.
    """
    ending = "" if out is None else out.suffix.lower()
    if picture_format is None and ending not in _ENDINGS:
        listed = ", ".join(sorted(name for name in _ENDINGS if name))
        message = f"nothing is drawn as {ending}; end the name in one of {listed}, or say --format"
        raise click.BadParameter(message, param_hint="'-o' / '--out'")
    chosen = picture_format or _ENDINGS[ending]
    with told():
        from conclave.commands.nix.drawing import draw  # noqa: PLC0415 - not for --help

        draw(file, chosen, out)


@nix_command.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of graph files, for editors and other programs."""
    from nix_gen import graph_schema_text  # noqa: PLC0415 - not for --help

    click.echo(graph_schema_text(), nl=False)
