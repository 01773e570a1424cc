"""The audit trail of a proposal: each event is chained to all before it by SHA-256. Pure.

``head_0 = SHA-256("conclave-trail-1" + proposal_id)`` and
``head_n = SHA-256(head_n-1 + canonical({"sequence": n, "event": name, "body": body}))``, where a head
enters as its 32 bytes. Whoever knows one head can tell whether anything before it was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from consensus.canonical import canonical, plain
from consensus.events import ProposalEvent, TrailEntry

_ROOT: Final = b"conclave-trail-1"


def first_hash(proposal_id: str) -> str:
    """What the first entry of a trail follows: 64 lower-case hex digits."""
    return sha256(_ROOT + proposal_id.encode()).hexdigest()


def next_hash(previous: str, sequence: int, event: ProposalEvent) -> str:
    """The head of a trail after `event`.

    Args:
        previous: The head before.
        sequence: Position of `event` in the trail, from 1.
        event: What happened.
    """
    return chained(previous, sequence, type(event).__name__, plain(event))


def entry(previous: str, sequence: int, event: ProposalEvent) -> TrailEntry:
    """`event` as the link that follows the head `previous`; arguments as of `next_hash`."""
    name, body = type(event).__name__, plain(event)
    return TrailEntry(sequence=sequence, event=name, body=body, hash=chained(previous, sequence, name, body))


def chained(previous: str, sequence: int, name: str, body: Mapping[str, Any]) -> str:
    """The head after an event that is JSON already: its class is `name`, it reads `body`.

    Raises:
        ValueError: `previous` is not hex.
        TypeError: `body` holds what JSON or its canonical form does not.
    """
    link = canonical({"sequence": sequence, "event": name, "body": body})
    return sha256(bytes.fromhex(previous) + link).hexdigest()
