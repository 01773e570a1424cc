"""``conclave serve``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from conclave.commands.options import DEFAULT_STORE, credentials_option, prefix_option, run
from conclave.deployment import SERVICES, Deployment
from conclave.up import up
from coordination.runtime.names import Subjects


@click.command("serve", short_help="Run chosen services alone.", epilog=f"Services: {', '.join(SERVICES)}.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--nats",
    "url",
    metavar="URL",
    default="nats://127.0.0.1:4222",
    show_default=True,
    help="The nats-server to serve on.",
)
@click.option(
    "--replicas",
    type=click.IntRange(1, 5),
    default=1,
    show_default=True,
    help="JetStream replicas of a journal that is made now; 3 on a cluster.",
)
@credentials_option
@prefix_option
def serve_command(
    *, names: Sequence[str], url: str, replicas: int, credentials: Path | None, subjects: Subjects
) -> None:
    """Run only the services NAME... in this process, on an existing nats-server.

    Each service can so be a process of its own, on a host of its own; there it needs the credential of
    its own service only. A service that another process leads is followed, and taken over within 3 seconds
    when that process dies.
    """

    def announce(found: str, deployment: Deployment) -> None:
        waiting = deployment.standing_by
        doing = [f"serving {name}" for name in deployment.names if name not in waiting]
        doing += [f"standing by for {name}" for name in waiting]
        click.echo(f"{', '.join(doing)} on {found}; stop with Ctrl-C")

    work = up(
        store=DEFAULT_STORE,
        port=0,
        url=url,
        names=names,
        subjects=subjects,
        announce=announce,
        credentials=credentials,
        replicas=replicas,
    )
    run(work)
