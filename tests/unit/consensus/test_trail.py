"""The audit trail: a chain of hashes that others can compute from what is documented."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from consensus.events import CommentAdded, ProposalExpired, VotingOpened
from consensus.trail import chained, entry, first_hash, next_hash

COMMENT = CommentAdded(proposal_id="p", agent="ada", text="f\u00fcr \u201cdas\u201d", commented_at_ms=5)


def test_the_chain_is_what_the_document_says() -> None:
    first = hashlib.sha256(b"conclave-trail-1" + b"p").hexdigest()
    assert first_hash("p") == first
    body = {"agent": "ada", "commented_at_ms": 5, "proposal_id": "p", "text": COMMENT.text}
    link = json.dumps(
        {"body": body, "event": "CommentAdded", "sequence": 1}, ensure_ascii=False, separators=(",", ":")
    )
    assert next_hash(first, 1, COMMENT) == hashlib.sha256(bytes.fromhex(first) + link.encode()).hexdigest()


def test_an_entry_is_its_event_and_the_head_after_it() -> None:
    made = entry(first_hash("p"), 1, COMMENT)
    assert (made.sequence, made.event) == (1, "CommentAdded")
    assert made.body == {"proposal_id": "p", "agent": "ada", "text": COMMENT.text, "commented_at_ms": 5}
    assert made.hash == next_hash(first_hash("p"), 1, COMMENT)
    assert made.hash == chained(first_hash("p"), made.sequence, made.event, made.body)


def test_whatever_differs_gives_another_head() -> None:
    head = first_hash("p")
    expired = ProposalExpired(proposal_id="p", expired_at_ms=5)
    heads = [
        next_hash(head, 1, COMMENT),
        next_hash(head, 2, COMMENT),
        next_hash(first_hash("q"), 1, COMMENT),
        next_hash(head, 1, replace(COMMENT, text="")),
        next_hash(head, 1, replace(COMMENT, commented_at_ms=6)),
        next_hash(head, 1, expired),
    ]
    assert len(set(heads)) == len(heads)


def test_the_order_in_which_weights_were_collected_is_not_seen() -> None:
    def opened(weights: dict[str, int]) -> VotingOpened:
        return VotingOpened(
            proposal_id="p",
            weights=weights,
            delegations={},
            offline=(),
            source_revision=None,
            opened_at_ms=1,
            deadline_ms=2,
        )

    head = first_hash("p")
    assert next_hash(head, 1, opened({"a": 1, "b": 2})) == next_hash(head, 1, opened({"b": 2, "a": 1}))


def test_a_previous_head_that_is_not_hex_is_refused() -> None:
    with pytest.raises(ValueError, match="hex"):
        chained("no", 1, "CommentAdded", {})
