"""What the shell offers when TAB is pressed. Whatever goes wrong, it offers nothing and says nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
import structlog
from click.shell_completion import CompletionItem

from conclave.address import LOCAL_STORE
from conclave.commands.access import OPERATOR, Access
from conclave.commands.tables import printable
from conclave.identity import Identities
from conclave.identity.identities import CREDENTIALS_DIRECTORY
from coordination.runtime.errors import ConclaveError
from coordination.runtime.names import Subjects

PATIENCE_S: Final = 1.5
"""How long somebody who has pressed TAB waits, at most, for names from the registry."""
MAX_CANDIDATES: Final = 200


def registered(ctx: click.Context, incomplete: str) -> list[str]:
    """Names of agents that the registry knows, asked as the options on the line say."""
    from conclave.commands.reach import registry  # noqa: PLC0415 - static words need no network

    be_silent()
    access = access_of(ctx, ctx.params.get("agent") or OPERATOR)

    async def names() -> list[str]:
        found: list[str] = []
        async with asyncio.timeout(PATIENCE_S), registry(access) as client:
            async for agent in client.iterate():
                found += _beginning([agent.agent], incomplete)
                if len(found) == MAX_CANDIDATES:
                    break
        return found

    try:
        return asyncio.run(names())
    except (ConclaveError, TimeoutError, OSError):
        return []


def proposals(ctx: click.Context, incomplete: str, *, to_vote: bool = False) -> list[CompletionItem]:
    """Numbers of proposals, the newest first, asked as the options on the line say.

    Args:
        ctx: The command line.
        incomplete: What stands there already.
        to_vote: Only those that wait for the vote of the agent.
    """
    from conclave.commands.booth import consensus  # noqa: PLC0415

    be_silent()
    access = access_of(ctx, ctx.params.get("agent") or OPERATOR)

    async def numbers() -> list[CompletionItem]:
        async with asyncio.timeout(PATIENCE_S), consensus(access) as (client, _):
            page = await client.page(newest_first=True, limit=MAX_CANDIDATES, to_vote=to_vote)
        return [
            CompletionItem(str(each.number), help=f"{each.status}  {printable(each.title)}")
            for each in page.proposals
            if str(each.number).startswith(incomplete)
        ]

    try:
        return asyncio.run(numbers())
    except (ConclaveError, TimeoutError, OSError):
        return []


def access_of(ctx: click.Context, agent: str) -> Access:
    """Whom to ask, and as whom, as far as the line says; nobody waits long for a word."""
    subjects = ctx.params.get("subjects")
    return Access(
        url=ctx.params.get("url"),
        credentials=ctx.params.get("credentials"),
        subjects=subjects if isinstance(subjects, Subjects) else Subjects(),
        agent=agent,
        timeout_s=PATIENCE_S,
    )


def credentialed(store: Path | None, incomplete: str) -> list[str]:
    """Names of the agents that have a credential in `store`."""
    be_silent()
    try:
        return _beginning([agent.name for agent in Identities(store or LOCAL_STORE).agents()], incomplete)
    except ConclaveError:
        return []


def identities(directory: Path | None, incomplete: str) -> list[str]:
    """Whose seeds lie in `directory`, by default the local store's."""
    place = directory or LOCAL_STORE / CREDENTIALS_DIRECTORY
    return _beginning(sorted(path.stem for path in place.glob("*.nk")), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)][:MAX_CANDIDATES]


def be_silent() -> None:
    """What is logged would stand among the words that are offered."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
