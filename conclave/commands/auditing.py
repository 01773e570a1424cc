"""What ``conclave audit`` does."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click

from conclave.commands.access import Access
from conclave.commands.booth import consensus, find
from conclave.commands.output import print_json
from conclave.commands.tables import printable
from conclave.identity.users import UsersFileError, parse
from consensus.audit import Report, UnreadableError, check, collect
from consensus.signing import is_public_key
from coordination.runtime.errors import ConclaveError, UsageError

VERIFIED: Final = 0
NOT_VERIFIED: Final = 1
UNREADABLE: Final = 2
MAX_SHOWN: Final = 100
"""Problems named one by one for people; ``--json`` has them all."""
_SERVICE: Final = "consensus"
_MAX_KEYS_BYTES: Final = 16 * 1024 * 1024


# --- export


async def export_audit(access: Access, reference: str, *, out: Path | None) -> bool:
    """Write the audit of a proposal.

    Returns:
        Whether it verifies.

    Raises:
        RejectedError: There is no such proposal.
        UsageError: `out` exists or cannot be written.
        ConclaveError: The service's trail is not one that this version can read.
    """
    async with consensus(access) as (client, _):
        proposal = await find(client, reference)
        try:
            content = await collect(client, proposal.proposal_id)
        except UnreadableError as error:
            raise ConclaveError(str(error)) from None
    if out is None:
        click.echo(content, nl=False)
    else:
        _write(out, content)
    report = check(io.BytesIO(content))
    for line in _problem_lines(report):
        click.echo(line, err=True)
    return report.is_verified


def _write(path: Path, content: bytes) -> None:
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise UsageError(f"{path} exists already; an audit is never overwritten: name another file") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


# --- verify


def verify_audit(
    path: Path, *, keys: Path | None, service_key: str | None, heads: tuple[str, ...], as_json: bool
) -> int:
    """Check the audit at `path` and say what was found.

    Returns:
        The exit status.
    """
    try:
        known, service = _read_keys(keys) if keys is not None else (None, None)
        with path.open("rb") as file:
            report = check(file, keys=known, service_key=service_key or service, heads=heads)
    except OSError as error:
        return _unreadable(f"cannot read {error.filename or path}: {error.strerror}")
    except UnreadableError as error:
        return _unreadable(f"{path} is no audit: {error}")
    except (UsageError, UsersFileError) as error:
        return _unreadable(str(error))
    if as_json:
        print_json(report.as_json())
    else:
        for line in (*_summary_lines(report), *_problem_lines(report)):
            click.echo(line)
    return VERIFIED if report.is_verified else NOT_VERIFIED


def _unreadable(message: str) -> int:
    click.echo(f"conclave: {message}", err=True)
    return UNREADABLE


def _read_keys(path: Path) -> tuple[dict[str, frozenset[str]], str | None]:
    """Agent -> its keys, and the key of consensus where the file is that of a store.

    Raises:
        UsageError: It holds something else.
        UsersFileError: It is a damaged users file.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_MAX_KEYS_BYTES + 1)
    try:
        text = content.decode("utf-8")
        value = json.loads(text) if len(content) <= _MAX_KEYS_BYTES else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UsageError(f'{path} is neither a users.json nor {{"AGENT": "KEY"}} as JSON')
    if isinstance(value.get("users"), list) and "prefix" in value:
        users = parse(text, path=str(path)).users
        service = next(
            (each.public_key for each in users if (each.name, each.role) == (_SERVICE, "service")), None
        )
        return {each.name: frozenset([each.public_key]) for each in users}, service
    return {agent: _keys_of(path, agent, given) for agent, given in value.items()}, None


def _keys_of(path: Path, agent: str, given: Any) -> frozenset[str]:
    """One key, or several of an agent whose credential was rotated."""
    listed = given if isinstance(given, list) else [given]
    for each in listed:
        if not is_public_key(each):
            raise UsageError(f"{path}: {agent[:80]}: {str(each)[:80]!r} is no public key of an nkey user")
    return frozenset(listed)


def _summary_lines(report: Report) -> Iterator[str]:
    yield f"proposal     {printable(report.proposal_id)[:80]}  {printable(report.title)}".rstrip()
    if report.result is not None:
        yield f"result       {_result_text(report.result)}"
        yield f"artifact     {report.result['artifact_sha256']}"
        for each in report.result["conditions"]:
            yield f"condition    {printable(each)}"
    yield f"votes        {report.vote_count}, {report.signed_vote_count} of them signed"
    yield f"entries      {report.entry_count}"
    yield f"head         {printable(report.head)[:64]}"
    for each in report.unchecked:
        yield f"not checked  {each}"
    if report.is_verified:
        yield "VERIFIED"


def _result_text(result: Mapping[str, Any]) -> str:
    text = str(result["status"])
    if result["reason"] is not None:
        text += f" ({result['reason']})"
    if result["winner"] is not None:
        text += f", winner {printable(result['winner'])}"
    tally = result["tally"]
    if tally is not None:
        text += (
            f": for {tally['for_votes']}, against {tally['against_votes']}, abstain {tally['abstain_votes']} "
            f"of {tally['eligible_votes']}"
        )
    return text


def _problem_lines(report: Report) -> Iterator[str]:
    count = len(report.problems)
    if count:
        yield f"NOT VERIFIED: {count} {'problem' if count == 1 else 'problems'}"
    for problem in report.problems[:MAX_SHOWN]:
        yield f"  {printable(str(problem))}"
    if count > MAX_SHOWN:
        yield f"  and {count - MAX_SHOWN} more; --json has them all"
