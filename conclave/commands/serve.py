"""``conclave serve``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from conclave.commands.options import DEFAULT_STORE, credentials_option, prefix_option, run, server_option
from conclave.commands.output import print_json_line
from conclave.identity.permissions import SERVICE_NAMES
from coordination.runtime.names import Subjects

if TYPE_CHECKING:
    from conclave.deployment import Deployment


def _complete_services(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    given = ctx.params.get("names") or ()
    return [name for name in SERVICE_NAMES if name.startswith(incomplete) and name not in given]


@click.command(
    "serve", short_help="Run chosen services alone.", epilog=f"Services: {', '.join(SERVICE_NAMES)}."
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=_complete_services)
@server_option
@click.option(
    "--replicas",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="JetStream replicas of a journal that is made now; 3 on a cluster.",
)
@credentials_option
@prefix_option
@click.option("--json", "as_json", is_flag=True, help="When all is ready, print one JSON object in one line.")
def serve_command(
    *,
    names: Sequence[str],
    url: str | None,
    replicas: int,
    credentials: Path | None,
    subjects: Subjects,
    as_json: bool,
) -> None:
    """Run only the services NAME... in this process, on an existing nats-server.

    Each service can so be a process of its own, on a host of its own; there it needs the credential of
    its own service only. A service that another process leads is followed, and taken over within 3 seconds
    when that process dies.
    """
    from conclave.address import find_url  # noqa: PLC0415 - not for --help
    from conclave.up import up  # noqa: PLC0415

    def announce(found: str, deployment: Deployment) -> None:
        waiting = deployment.standing_by
        if as_json:
            serving = [name for name in deployment.names if name not in waiting]
            print_json_line({"url": found, "serving": serving, "standing_by": list(waiting)})
            return
        doing = [f"serving {name}" for name in deployment.names if name not in waiting]
        doing += [f"standing by for {name}" for name in waiting]
        click.echo(f"{', '.join(doing)} on {found}; stop with Ctrl-C")

    async def work() -> None:
        await up(
            store=DEFAULT_STORE,
            port=None,
            url=find_url(url),
            names=names,
            subjects=subjects,
            announce=announce,
            credentials=credentials,
            replicas=replicas,
        )

    run(work(), serves=True)
