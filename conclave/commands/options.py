"""What the commands share: options, and how an error becomes one line and an exit status.

Exit status: 0 done; 1 it ran and the answer is no (a rejected vote, a failed check, nobody found, a lost
server); 2 it was asked for something impossible (bad arguments, bad input, nobody there to ask); 130 Ctrl-C.

Errors are plain text on standard error, with ``--json`` too: then standard output holds JSON or nothing.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from conclave.commands.refusalwords import error_text
from coordination.runtime.errors import ConclaveError, UsageError
from coordination.runtime.names import Subjects

T = TypeVar("T")
INTERRUPTED: Final = 130
"""Exit status after Ctrl-C: 128 and the number of SIGINT, as shells have it."""
DEFAULT_STORE: Final = Path(".conclave/local")


def _read_prefix(_: click.Context, __: click.Parameter, prefix: str) -> Subjects:
    try:
        return Subjects(prefix)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


nats_option: Final = click.option("--nats", "url", metavar="URL", help="Use the nats-server at URL.")
server_option: Final = click.option(
    "--nats",
    "url",
    metavar="URL",
    help="The nats-server.  [default: $CONCLAVE_URL, then a local `conclave up`, then 127.0.0.1:4222]",
)
json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON and nothing else.")
store_option: Final = click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="Directory of the embedded server, running or not.",
)
credentials_option: Final = click.option(
    "--credentials",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Directory with NAME.nk for each user.  [default: $CONCLAVE_CREDENTIALS, then the local store's]",
)
insecure_option: Final = click.option(
    "--insecure",
    is_flag=True,
    help="Switch authentication off: every program on this machine may do everything.",
)
prefix_option: Final = click.option(
    "--prefix",
    "subjects",
    default="conclave",
    show_default=True,
    metavar="TOKEN",
    callback=_read_prefix,
    help="First token of every subject.",
)


def refuse_together(one: str, other: str, *, both: bool) -> None:
    """Refuse two options that contradict each other."""
    if both:
        raise click.UsageError(f"{one} and {other} cannot be given together")


def run(
    work: Coroutine[Any, Any, T],
    *,
    input_errors: tuple[type[Exception], ...] = (),
    quiet: bool = False,
    serves: bool = False,
) -> T:
    """Run `work` to its end; expected errors become one line and an exit status.

    Args:
        work: What the command does.
        input_errors: Further errors that mean bad input.
        quiet: Leave warnings out of the log, unless ``--verbose`` was given.
        serves: It lasts, and what it does must be fast: on the event loop of `conclave.loops`.
    """
    from conclave import log, loops  # noqa: PLC0415 - not for --help

    log.configure(verbose=bool(click.get_current_context().find_object(bool)), quiet=quiet)
    expected: tuple[type[Exception], ...] = (ConclaveError, *input_errors)
    caught: tuple[type[BaseException], ...] = (*expected, BaseExceptionGroup)
    try:
        return loops.run(work) if serves else asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except caught as raised:
        error = raised
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, expected):
            raise
        click.echo(f"conclave: {error_text(error, now_ms=time.time_ns() // 1_000_000)}", err=True)
        sys.exit(2 if isinstance(error, (UsageError, *input_errors)) else 1)
