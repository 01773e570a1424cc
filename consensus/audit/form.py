"""The form of an exported audit: JSON Lines, of which each is the canonical JSON of one object. Pure.

The first line names format and proposal, then comes a line for each entry of the trail, and the last line
says what they come to. Every byte is checked by `consensus.audit.checking`: there is one export of a trail.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from consensus.audit.verification import Verification
from consensus.canonical import canonical, plain
from consensus.events import ProposalEvent, TrailEntry
from consensus.record import Proposal
from consensus.trail import first_hash

FORMAT: Final = "conclave-audit-1"

MAX_ENTRIES: Final = 250_000
"""As many as a service holds in all its trails together."""
MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""The snapshot of the largest electorate, with the longest ids, is a line below 1 MiB."""
MAX_FILE_BYTES: Final = 1024 * 1024 * 1024


def header(proposal_id: str) -> bytes:
    """The first line."""
    return _line({"format": FORMAT, "proposal_id": proposal_id})


def entry_line(entry: TrailEntry) -> bytes:
    """The line of one entry."""
    return _line(plain(entry))


def trailer(
    *, head: str, entries: int, result: Mapping[str, Any] | None, attestation: Mapping[str, Any] | None
) -> bytes:
    """The last line.

    Args:
        head: Hash of the last entry.
        entries: How many there are.
        result: What they come to (`result_of`).
        attestation: The service's signature of the head: sequence, hash, public_key, signature.
    """
    return _line({"head": head, "entries": entries, "result": result, "attestation": attestation})


def result_of(record: Proposal | None) -> dict[str, Any] | None:
    """What became of a proposal, as the trailer says it; None for one of which nothing is known."""
    if record is None:
        return None
    decision = record.decision
    return {
        "status": record.status,
        "artifact_sha256": decision.artifact_sha256 if decision else record.artifact_sha256,
        "reason": decision.reason if decision else None,
        "winner": decision.winner if decision else None,
        "tally": plain(record.tally) if record.tally is not None else None,
        "votes": len(record.votes),
        "conditions": list(record.conditions),
    }


def export(
    proposal_id: str,
    entries: Iterable[TrailEntry],
    events: Iterable[ProposalEvent],
    attestation: Mapping[str, Any] | None = None,
) -> Iterator[bytes]:
    """The lines of an audit, each with its newline.

    Args:
        proposal_id: Whose it is.
        entries: The trail, in order.
        events: The events of these entries.
        attestation: The service's word for its head, if it gave one.
    """
    yield header(proposal_id)
    replay, head, count = Verification(proposal_id), first_hash(proposal_id), 0
    for entry, event in zip(entries, events, strict=True):
        yield entry_line(entry)
        replay.take(entry.sequence, event)
        head, count = entry.hash, count + 1
    yield trailer(head=head, entries=count, result=result_of(replay.record), attestation=attestation)


def _line(value: Mapping[str, Any]) -> bytes:
    return canonical(value) + b"\n"
