"""Gets the commands of votes to consensus, and finds the proposal that somebody means."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from conclave.commands.access import Access
from conclave.commands.reach import calling
from conclave.identity.lookup import find_credentials
from consensus.client import ConsensusClient
from consensus.limits import MAX_PAGE
from consensus.replies import Proposal, ProposalSummary
from consensus.signing import CredentialsSigner
from coordination.runtime.client import Caller
from coordination.runtime.credentials import SEED_BYTES, Credentials
from coordination.runtime.errors import RejectedError, UsageError
from coordination.runtime.names import is_id

MIN_PREFIX_CHARS: Final = 4
"""Of an id; a shorter one would soon be that of several proposals."""
MAX_NUMBER_DIGITS: Final = 9
"""What is longer is the beginning of an id."""
_MAX_NAMED: Final = 3


@contextlib.asynccontextmanager
async def consensus(access: Access) -> AsyncIterator[tuple[ConsensusClient, Caller]]:
    """A client that signs as the agent of `access`, for the length of the block.

    Errors as `conclave.commands.reach.calling`.
    """
    async with calling(access, "consensus") as caller:
        credentials = find_credentials(access.agent, access.credentials)
        if credentials is None:  # a server that asks for no proof of who we are
            credentials = Credentials.generate(secrets.token_bytes(SEED_BYTES))
        yield ConsensusClient(caller, CredentialsSigner(credentials)), caller


async def find(client: ConsensusClient, reference: str) -> Proposal:
    """The proposal that `reference` means: its number, ``12`` or ``#12``, its id, or a beginning of its id.

    Raises:
        RejectedError: ``unknown_proposal``.
        UsageError: There are several, or nothing can be called so.
    """
    digits = reference.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= MAX_NUMBER_DIGITS:
        numbered = await _numbered(client, int(digits))
        if numbered is not None:
            return await client.get(numbered.proposal_id)
        if reference != digits or len(digits) < MIN_PREFIX_CHARS:
            raise _unknown(f"#{digits}")
        # The beginning of an id may happen to be all digits.
    if not is_id(reference):
        raise UsageError(f"{reference[:80]!r} is neither the number of a proposal nor its id")
    try:
        return await client.get(reference)
    except RejectedError as error:
        if error.code != "unknown_proposal":
            raise
    return await client.get((await _beginning(client, reference)).proposal_id)


async def _numbered(client: ConsensusClient, number: int) -> ProposalSummary | None:
    if not number:
        return None
    page = await client.page(after_number=number - 1, limit=1)
    return next((each for each in page.proposals if each.number == number), None)


async def _beginning(client: ConsensusClient, prefix: str) -> ProposalSummary:
    if len(prefix) < MIN_PREFIX_CHARS:
        mend = f"give its number, its id, or {MIN_PREFIX_CHARS} or more characters of its id"
        raise _unknown(repr(prefix), mend)
    found = [each async for each in all_proposals(client) if each.proposal_id.startswith(prefix)]
    if not found:
        raise _unknown(repr(prefix))
    if len(found) > 1:
        named = ", ".join(f"#{each.number} {each.proposal_id}" for each in found[:_MAX_NAMED])
        more = ", ..." if len(found) > _MAX_NAMED else ""
        raise UsageError(f"{prefix!r} begins the ids of {len(found)} proposals: {named}{more}")
    return found[0]


def _unknown(name: str, mend: str = "see: conclave proposals") -> RejectedError:
    return RejectedError("unknown_proposal", f"there is no proposal {name}; {mend}")


async def all_proposals(client: ConsensusClient) -> AsyncIterator[ProposalSummary]:
    """Every proposal, by number."""
    after = 0
    while True:
        page = await client.page(after_number=after, limit=MAX_PAGE)
        for each in page.proposals:
            yield each
        if not page.next:
            return
        after = page.next


def read_artifact(path: Path) -> tuple[str, bytes]:
    """SHA-256 of a file, and what is in it.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return hashlib.sha256(content).hexdigest(), content
