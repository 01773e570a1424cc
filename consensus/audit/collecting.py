"""Takes the audit of a proposal from the service that holds its trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consensus.audit.form import export
from consensus.audit.reading import LineError, UnreadableError, event_of
from consensus.events import TrailEntry
from consensus.limits import MAX_PAGE

if TYPE_CHECKING:
    from consensus.client import ConsensusClient


async def collect(client: ConsensusClient, proposal_id: str, *, page_size: int = MAX_PAGE) -> bytes:
    """The audit of a proposal, as `consensus.audit.check` reads it; whether it is true is for that to say.

    Args:
        client: Of anybody; trails are public.
        proposal_id: The proposal.
        page_size: Entries asked for at a time.

    Raises:
        UnreadableError: The service holds something that is no trail.
        RejectedError: There is no such proposal.
        UnavailableError: The service does not answer.
    """
    entries: list[TrailEntry] = []
    while True:
        page = await client.trail(proposal_id, after_sequence=len(entries), limit=page_size)
        entries += [
            TrailEntry(sequence=each.sequence, event=each.event, body=each.body, hash=each.hash)
            for each in page.entries
        ]
        if page.is_complete or not page.entries:
            break
    try:
        events = [event_of(entry.event, dict(entry.body)) for entry in entries]
    except LineError as error:
        raise UnreadableError(f"the trail that the service holds cannot be read: {error}") from None
    # The attestation came with the last page, and is of the head at that moment.
    attestation = None if page.attestation is None else page.attestation.model_dump(mode="json")
    return b"".join(export(proposal_id, entries, events, attestation))
