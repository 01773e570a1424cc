"""What ``conclave agent show`` prints: all that is known of one agent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conclave.commands import tables
from conclave.commands.access import Access
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.reach import registry
from conclave.identity import Identities
from coordination.registry.wire import AgentCapability, AgentRecord
from coordination.runtime.errors import RejectedError
from coordination.runtime.names import require_id


async def show_agent(access: Access, name: str, *, store: Path, as_json: bool) -> bool:
    """Print what the registry and the store know of agent `name`; False if it is not registered.

    Raises:
        UsageError: `name` is no agent id.
        UsersFileError: The store's users file is damaged.

    Further errors as `conclave.commands.reach.registry`.
    """
    record = await _record(access, require_id(name))
    public_key = next((user.public_key for user in Identities(store).agents() if user.name == name), None)
    if as_json:
        credential = None if public_key is None else {"store": str(store), "public_key": public_key}
        shown = None if record is None else record.model_dump(mode="json")
        print_json({"name": name, "record": shown, "credential": credential})
        return record is not None
    credential_text = f"in {store}: {public_key}" if public_key is not None else f"none in {store}"
    if record is not None:
        _print(record, credential_text, Console(highlight=False))
        return True
    mend = "it has a credential and has not registered" if public_key else "see: conclave agents --all"
    click.echo(f"conclave: agent {name!r} is not registered; {mend}", err=True)
    return False


async def _record(access: Access, name: str) -> AgentRecord | None:
    async with registry(access) as client:
        try:
            return await client.get(name)
        except RejectedError as error:
            if error.code != "unknown_agent":
                raise
            return None


def _print(record: AgentRecord, credential: str, console: Console) -> None:
    """A list of names and values; on a terminal in colour, elsewhere each value in one line."""
    rows = [*_rows(record), ("credential", Text(credential))]
    if not console.is_terminal:
        click.echo("\n".join(tables.columns([(f"{name}:", value.plain) for name, value in rows])))
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    last = ""
    for name, value in rows:
        grid.add_row("" if name == last else name, value)
        last = name
    console.print(grid)


def _rows(record: AgentRecord) -> Iterator[tuple[str, Text]]:
    yield "name", Text(record.agent)
    status = Text(record.status, style=tables.STYLES[record.status])
    yield "status", _since(status, record.status_since_ms)
    yield "load", tables.load_text(record.load)
    yield "slots", Text(str(record.max_tasks))
    yield "incarnation", Text(str(record.incarnation))
    registered_age = tables.age(record.registered_at_ms, now_ms())
    yield (
        "registered",
        Text(f"{_moment(record.registered_at_ms)}  ").append(f"{registered_age} ago", style="dim"),
    )
    yield "heard", Text(f"{tables.age(record.last_heard_ms, now_ms())} ago" if record.last_heard_ms else "-")
    yield "description", Text(tables.printable(record.description) or "-")
    yield "protocols", Text(", ".join(record.protocols) or "-")
    for capability in record.capabilities:
        yield "capability", _capability(capability)
    for name, value in sorted(record.labels.items()):
        yield "label", Text(f"{name}={tables.printable(value)}")
    for name, metadata in sorted(record.metadata.items()):
        text = json.dumps(metadata, ensure_ascii=False)
        yield "metadata", Text(tables.printable(f"{name}={text}"))


def _capability(capability: AgentCapability) -> Text:
    line = Text(capability.name, style="").append(f" {capability.version}", style="cyan")
    for name, value in sorted(capability.attributes.items()):
        line.append(f"  {name}=", style="dim").append(tables.printable(json.dumps(value, ensure_ascii=False)))
    if capability.description:
        line.append(f"  {tables.printable(capability.description)}", style="dim italic")
    return line


def _since(line: Text, since_ms: int) -> Text:
    return line.append(f"  for {tables.age(since_ms, now_ms())}", style="dim") if since_ms else line


def _moment(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
