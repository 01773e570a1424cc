"""Exports of driven proposals, as the command line writes them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from consensus.audit import Report, check, export
from consensus.canonical import canonical, plain
from consensus.commands import ExecuteProposal, ReportExecution
from consensus.events import TrailEntry
from consensus.record import Proposal
from consensus.signing import attested_bytes
from consensus.trail import chained, first_hash
from tests.support.proposals import ARTIFACT, House, key_of, proposed, signed, vote

SERVICE = "consensus"
KEYS = {agent: {key_of(agent).public_key} for agent in ("ada", "bob", "cy", "dan")}


def attestation(proposal_id: str, sequence: int, head: str, *, by: str = SERVICE) -> dict[str, Any]:
    """The word of the service, or of `by`."""
    data = attested_bytes(proposal_id=proposal_id, sequence=sequence, head=head)
    signature = base64.urlsafe_b64encode(key_of(by).sign(data)).rstrip(b"=").decode()
    public_key = key_of(by).public_key
    return {"sequence": sequence, "hash": head, "public_key": public_key, "signature": signature}


def exported(record: Proposal, *, is_attested: bool = True) -> bytes:
    """The audit of a record."""
    entries = [
        TrailEntry(
            sequence=link.sequence, event=type(link.event).__name__, body=plain(link.event), hash=link.hash
        )
        for link in record.trail
    ]
    word = attestation(record.proposal_id, len(entries), record.head) if is_attested else None
    return b"".join(export(record.proposal_id, entries, [link.event for link in record.trail], word))


def checked(audit: bytes, **given: Any) -> Report:
    """What is found in an audit."""
    return check(io.BytesIO(audit), **given)


def executed() -> House:
    """A proposal of three voters that was discussed, voted on, executed and reported on."""
    house = proposed(are_signatures_required=True, timelock_ms=5, quorum_counts="all")
    house.advance(1_020)
    house.accept(signed(vote("bob", conditions=("backup first",)), house.record()))
    house.advance(1_030)
    house.accept(signed(vote("cy", "against", rationale="too early"), house.record()))
    house.accept(signed(vote("dan"), house.record()))
    house.advance(1_040)
    house.accept(
        ExecuteProposal(
            proposal_id="p",
            executor="ada",
            execution_id="x",
            artifact_sha256=ARTIFACT,
            conditions_met=("backup first",),
        )
    )
    house.accept(ReportExecution(proposal_id="p", executor="ada", is_success=True, note="done"))
    return house


def forged(audit: bytes, change: Callable[[list[dict[str, Any]]], None], *, by: str = "") -> bytes:
    """An audit in which somebody changed the lines and computed all hashes anew.

    Args:
        audit: The true one.
        change: Changes the lines, as objects, in place.
        by: Who signs the attestation; by default it stays what it was.
    """
    lines: list[dict[str, Any]] = [json.loads(line) for line in audit.splitlines()]
    change(lines)
    rechain(lines)
    if by:
        proposal_id, head = lines[0]["proposal_id"], lines[-1]["head"]
        lines[-1]["attestation"] = attestation(proposal_id, len(lines) - 2, head, by=by)
    return written(lines)


def rechain(lines: list[dict[str, Any]]) -> None:
    """Sequences, hashes and counts, so that all of them fit."""
    head = first_hash(lines[0]["proposal_id"])
    for sequence, line in enumerate(lines[1:-1], start=1):
        head = chained(head, sequence, line["event"], line["body"])
        line.update(sequence=sequence, hash=head)
    lines[-1].update(head=head, entries=len(lines) - 2)


def written(lines: Sequence[dict[str, Any]]) -> bytes:
    """Objects as the lines of an audit."""
    return b"".join(canonical(line) + b"\n" for line in lines)
