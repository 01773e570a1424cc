"""``conclave audit``: take the audit of a proposal, and check one without any server."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.electing import complete_proposal
from conclave.commands.options import json_option

_HASH = re.compile(r"[0-9a-f]{64}")
_FILE = click.Path(path_type=Path, dir_okay=False)


def _read_key(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    from consensus.signing import is_public_key  # noqa: PLC0415 - not for --help

    if given is not None and not is_public_key(given):
        raise click.BadParameter(f"{given[:80]!r} is no public key of an nkey user (56 characters, U...)")
    return given


def _read_heads(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[str, ...]:
    for each in given:
        if not _HASH.fullmatch(each):
            raise click.BadParameter(f"{each[:80]!r} is no hash (64 digits of lower-case hex)")
    return given


@click.group("audit", short_help="Export what a proposal leaves behind, and check it anywhere.")
def audit_command() -> None:
    """Export all that happened to a proposal, and check such a file without any server.

    docs/audit.md says what the checks prove, and what they do not.
    """


@audit_command.command("export")
@click.argument("proposal", shell_complete=complete_proposal)
@click.option("--out", type=_FILE, help="Write to a new file instead of standard output.")
@asks
def export_command(*, proposal: str, out: Path | None, access: Access) -> None:
    """Write the audit of PROPOSAL (its number, its id, or a beginning of its id), and check it.

    The exit status is 1 if it does not verify; the file is written all the same: it is the evidence.
    """
    from conclave.commands.auditing import export_audit  # noqa: PLC0415 - not for --help

    if not ask(export_audit(access, proposal, out=out)):
        sys.exit(1)


@audit_command.command("verify")
@click.argument("file", type=_FILE)
@click.option(
    "--keys",
    type=_FILE,
    help='Compare the voters\' keys: users.json of a store, or {"AGENT": "KEY"} as JSON.',
)
@click.option(
    "--service-key",
    metavar="KEY",
    callback=_read_key,
    help="Public key of the service that vouches for it.  [default: the one of users.json]",
)
@click.option(
    "--head",
    "heads",
    metavar="HASH",
    multiple=True,
    callback=_read_heads,
    help="A hash that must be in the trail: the receipt of a vote; may be repeated.",
)
@json_option
def verify_command(
    *, file: Path, keys: Path | None, service_key: str | None, heads: tuple[str, ...], as_json: bool
) -> None:
    """Check the audit in FILE: every byte, the chain, the signatures, the rules, the count.

    It asks no server and trusts nothing that the file says of itself. The exit status is 0 if all of it
    holds, 1 if something does not, and 2 if FILE is no audit.
    """
    from conclave.commands.auditing import verify_audit  # noqa: PLC0415 - not for --help

    sys.exit(verify_audit(file, keys=keys, service_key=service_key, heads=heads, as_json=as_json))
