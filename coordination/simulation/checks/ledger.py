"""Is every acknowledged entry in the ledger, none of them twice, and every answer what it says? Pure.

Each entry carries a label that is used for one command only, so the bytes of the journal tell what took
effect, how often, and in which order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from coordination.simulation.checks.journal import stored_events


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerOperation:
    """One entry as its client saw it."""

    label: str
    amount: int
    total: int | None = None
    """The answer: the sum with this entry; None if the outcome is unknown, or it was refused."""
    is_refused: bool = False
    """Refused for good: it must not have taken effect."""


def broken_promises(operations: Iterable[LedgerOperation], payloads: Iterable[bytes]) -> Iterator[str]:
    """What was promised to clients and is not so in the journal.

    Args:
        operations: What the clients saw.
        payloads: Every record that was ever stored, in order.
    """
    added = [event for payload in payloads for event in stored_events(payload, "Added")]
    totals: dict[str, int] = {}
    total = 0
    for event in added:
        total += event["amount"]
        if event["label"] in totals:
            yield f"{event['label']} took effect twice"
        totals.setdefault(event["label"], total)
    for operation in operations:
        yield from _broken(operation, totals)


def _broken(operation: LedgerOperation, totals: Mapping[str, int]) -> Iterator[str]:
    found = totals.get(operation.label)
    if operation.is_refused and found is not None:
        yield f"{operation.label} was refused, and took effect"
    if operation.total is None:
        return
    if found is None:
        yield f"{operation.label} was acknowledged, and is not in the journal"
    elif found != operation.total:
        yield f"{operation.label} was answered with total {operation.total}, the journal says {found}"


def broken_alarms(payloads: Iterable[bytes], *, until_ms: int) -> Iterator[str]:
    """Which alarms rang without being set, too early, twice, or not at all up to `until_ms`."""
    pending: dict[str, int] = {}
    for sequence, payload in enumerate(payloads, start=1):
        for event in stored_events(payload, "AlarmSet"):
            pending[event["label"]] = event["at_ms"]
        for event in stored_events(payload, "AlarmRang"):
            if event["label"] not in pending:
                yield f"alarm {event['label']} rang in record {sequence}, and was not set"
            pending.pop(event["label"], None)
    for label, at_ms in pending.items():
        if at_ms <= until_ms:
            yield f"alarm {label} was due at {at_ms} ms and has not rung at {until_ms} ms"
