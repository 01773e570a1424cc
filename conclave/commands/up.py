"""``conclave up``."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from conclave.commands.options import (
    DEFAULT_STORE,
    credentials_option,
    insecure_option,
    nats_option,
    prefix_option,
    refuse_together,
    run,
)
from conclave.commands.output import print_json_line
from conclave.deployment import Deployment
from conclave.identity import OPERATOR
from conclave.identity.identities import CREDENTIALS_DIRECTORY
from conclave.up import INSECURE_TEXT, INSECURE_TITLE, up
from coordination.runtime.names import Subjects


@click.command("up", short_help="Start nats-server and all services.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Port of the embedded server on loopback.  "
    "[default: the one it had last; at first, and with 0, 4222 if free, else any]",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="Directory of the embedded server.",
)
@nats_option
@credentials_option
@insecure_option
@prefix_option
@click.option("--json", "as_json", is_flag=True, help="When all is ready, print one JSON object in one line.")
def up_command(
    *,
    port: int | None,
    store: Path,
    url: str | None,
    credentials: Path | None,
    insecure: bool,
    subjects: Subjects,
    as_json: bool,
) -> None:
    """Start nats-server and all services in this process; stop with Ctrl-C.

    Every agent needs a credential: see `conclave agent add`.
    """
    refuse_together("--insecure", "--nats", both=insecure and url is not None)
    if credentials is not None and url is None:
        raise click.UsageError("--credentials is for --nats; the embedded server's services have their own")
    started_s = time.monotonic()

    def announce(found: str, deployment: Deployment) -> None:
        own_store = None if url else store
        if as_json:
            print_json_line(_ready(found, deployment, store=own_store, insecure=insecure))
            return
        greeting = Greeting(url=found, store=own_store, prefix=subjects.prefix)
        greeting.show(deployment.names, elapsed_s=time.monotonic() - started_s, is_secured=not insecure)

    work = up(
        store=store,
        port=port,
        url=url,
        names=(),
        subjects=subjects,
        announce=announce,
        credentials=credentials,
        insecure=insecure,
    )
    run(work, serves=True)


def _ready(url: str, deployment: Deployment, *, store: Path | None, insecure: bool) -> dict[str, object]:
    """What ``--json`` tells whoever has started us; of a server that is not ours, null."""
    return {
        "url": url,
        "store": None if store is None else str(store),
        "secured": None if store is None else not insecure,
        "services": list(deployment.names),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Greeting:
    """Says where Conclave is and what to try next."""

    url: str
    store: Path | None
    """Of the embedded server; None on somebody else's."""
    prefix: str

    def show(self, services: Sequence[str], *, elapsed_s: float, is_secured: bool) -> None:
        """Print it.

        Args:
            services: Those that run.
            elapsed_s: How long the start took.
            is_secured: Whether the embedded server asks for credentials.
        """
        console = Console(highlight=False, soft_wrap=True)
        where = f" (store {escape(str(self.store))})" if self.store is not None else ""
        console.print(f"[bold]Conclave is up[/] at [cyan]{self.url}[/]{where}, ready in {elapsed_s:.1f} s")
        console.print(f"services: {' '.join(services)}")
        if not is_secured:
            console.print(f"[bold yellow]{INSECURE_TITLE}:[/] [yellow]{INSECURE_TEXT}[/]")
        console.print("\nTry, in another terminal:")
        own = self._own_server(is_secured=is_secured) if self.store is not None else self._any_server()
        for command, why in own:
            console.print(f"  [green]{escape(command)}[/]\n      {why}")
        console.print("\nStop with Ctrl-C.")

    def _own_server(self, *, is_secured: bool) -> Iterator[tuple[str, str]]:
        assert self.store is not None
        if not is_secured:
            yield from self._any_server()
            return
        store = "" if self.store == DEFAULT_STORE else f" --store {shlex.quote(str(self.store))}"
        keys = self.store / CREDENTIALS_DIRECTORY
        yield f"conclave agent add ops{store}", "mint a credential for an agent called ops"
        yield from self._any_server(keys=keys)

    def _any_server(self, *, keys: Path | None = None) -> Iterator[tuple[str, str]]:
        def nats(user: str, command: str) -> str:
            key = f" --nkey {shlex.quote(str(keys / f'{user}.nk'))}" if keys is not None else ""
            return f"nats --server {self.url}{key} --inbox-prefix _INBOX_{user} {command}"

        address = "" if self.store == DEFAULT_STORE else f" --nats {self.url}"
        if address and keys is not None:
            address += f" --credentials {shlex.quote(str(keys))}"
        yield f"conclave agents --watch{address}", "see who is here, as they come and go"
        ask = f"req {self.prefix}.call.registry.list.ops '{{}}'"
        yield nats("ops", ask), "as ops, ask the registry, with the plain nats CLI"
        yield nats(OPERATOR, "micro ls"), "the services, as NATS sees them"
