"""From the options of a command to the fields of a task as the task service takes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_AS_THEY_ARE: Final = (
    "queue",
    "strategy",
    "priority",
    "fairness_key",
    "fairness_weight",
    "cost",
    "max_depth",
    "run_at_ms",
    "start_by_ms",
    "deadline_ms",
    "task_id",
    "idempotency_key",
)
_RENAMED: Final = {
    "attempt_timeout": "timeout_ms",
    "lease": "lease_ms",
    "attempts": "max_attempts",
    "rounds": "max_rounds",
}


def fields_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a task; what was not given is not there, so that the service's default counts.

    Args:
        given: Values of the options, by the names that `conclave.commands.taskoptions` gives them, and those
            that only ``conclave task submit`` has.
    """
    fields = {name: given.get(name) for name in _AS_THEY_ARE}
    fields |= {field: given.get(name) for name, field in _RENAMED.items()}
    fields["backoff"] = _backoff(given)
    fields["placement"] = _placement(given)
    fields["bidding"] = _some(
        bid_ms=given.get("bid_time"), criterion=given.get("bid_by"), max_bidders=given.get("bidders")
    )
    fields["budget"] = _some(tasks=given.get("budget_tasks"), cost=given.get("budget_cost"))
    fields["after"] = [
        {"task_id": task, "on_failure": policy} for task, policy in given.get("after") or ()
    ] or None
    if given.get("parent") is not None:
        task, token = given["parent"]
        fields["parent"] = {"task_id": task, "fencing_token": token}
    if given.get("keep"):
        fields["on_parent_end"] = "keep"
    fields["may_return"] = given.get("may_return") or None
    return {name: value for name, value in fields.items() if value is not None}


def _some(**values: Any) -> dict[str, Any] | None:
    """What was given of `values`; None if nothing was."""
    return {name: value for name, value in values.items() if value is not None} or None


def _backoff(given: Mapping[str, Any]) -> dict[str, Any] | None:
    first_ms, last_ms = given.get("backoff") or (None, None)
    if first_ms is not None and last_ms is None:
        # A first pause beyond the usual longest one is the longest one.
        last_ms = max(first_ms, 60_000)
    return _some(
        first_ms=first_ms,
        last_ms=last_ms,
        factor=given.get("backoff_factor"),
        jitter=given.get("jitter"),
    )


def _placement(given: Mapping[str, Any]) -> dict[str, Any] | None:
    wishes = (
        ("near", False, True),
        ("apart", True, True),
        ("prefer_near", False, False),
        ("prefer_apart", True, False),
    )
    near = [
        {"mark": mark, "is_apart": is_apart, "is_required": is_required}
        for name, is_apart, is_required in wishes
        for mark in given.get(name) or ()
    ]
    return _some(
        marks=list(given.get("marks") or ()) or None,
        near=near or None,
        sticky_key=given.get("sticky_key"),
        waits_for_sticky=given.get("sticky_wait") or None,
    )
