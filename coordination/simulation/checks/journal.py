"""Has a journal one writer at a time, and nothing missing? Read from its bytes alone. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any


def stored_events(payload: bytes, kind: str) -> list[dict[str, Any]]:
    """The data of the events called `kind` in one record."""
    return [event["data"] for event in json.loads(payload)["events"] if event["type"] == kind]


def gaps(sequences: Sequence[int], *, first: int = 1) -> Iterator[str]:
    """What is wrong with the positions of records that should follow one another from `first`."""
    for place, sequence in enumerate(sequences, start=first):
        if sequence != place:
            yield f"record {place} is missing, in its place is {sequence}"
            return


def broken_leadership(payloads: Iterable[bytes]) -> Iterator[str]:
    """What contradicts one leader per epoch, in the records from the first on.

    Each epoch must begin with the record that announces it, under the next number, by one leader, and no
    record of an earlier epoch may follow. Time must not run backwards, either.
    """
    epoch, at_ms = 0, 0
    for sequence, payload in enumerate(payloads, start=1):
        record = json.loads(payload)
        begun = [event["data"]["leader"] for event in record["events"] if event["type"] == "EpochBegan"]
        if len(begun) > 1:
            yield f"record {sequence} begins its epoch {len(begun)} times"
        expected = epoch + 1 if begun else epoch
        if record["epoch"] != expected:
            yield f"record {sequence} is of epoch {record['epoch']}, after epoch {epoch}"
        if record["at_ms"] < at_ms:
            yield f"record {sequence} is of {record['at_ms']} ms, before the record in front of it"
        epoch, at_ms = record["epoch"], max(at_ms, record["at_ms"])


def uncovered(stored: Sequence[int], snapshots: Iterable[int]) -> Iterator[str]:
    """What of the journal is neither stored nor in each snapshot that counts.

    Args:
        stored: Positions of the records that are stored now, in order.
        snapshots: The last record of each snapshot that counts.
    """
    yield from gaps(stored, first=stored[0] if stored else 1)
    first = stored[0] if stored else 1
    counting = list(snapshots)
    if first > 1 and not counting:
        yield f"records 1 to {first - 1} are gone, and no snapshot counts"
    for covered in counting:
        if covered < first - 1:
            yield f"record {covered + 1} is gone, and the snapshot of record {covered} lacks it"
        if stored and covered > stored[-1]:
            yield f"the snapshot of record {covered} is ahead of the journal, which ends with {stored[-1]}"
