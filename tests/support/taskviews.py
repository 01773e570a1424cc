"""Tasks as the service shows them, for tests of what people see."""

from __future__ import annotations

from typing import Any

from coordination.tasks.wire import TaskRecord

NOW_MS = 1_795_000_000_000
"""2026-11-18 11:06:40 UTC."""


def shown(task_id: str, state: str = "queued", *, agent: str = "", **fields: Any) -> TaskRecord:
    """A task; what is not given is as of a plain one that was submitted twelve seconds ago."""
    capability = fields.pop("capability", "ocr")
    given: dict[str, Any] = {
        "task_id": task_id,
        "sequence": fields.pop("sequence", 1),
        "submitter": "operator",
        "capability": capability,
        "requirement": capability,
        "priority": 0,
        "deadline_ms": None,
        "max_attempts": 3,
        "submitted_at_ms": NOW_MS - 12_000,
        "state": state,
        "fencing_token": 7 if agent else 0,
        "holder": {"agent": agent, "incarnation": 1, "expires_ms": NOW_MS + 30_000} if agent else None,
        "retry_at_ms": None,
        "share": None,
        "note": "",
        "reason": "",
        "finished_at_ms": None,
        "payload": {},
        "result": None,
        "attempts": (),
        "refusals": (),
    }
    return TaskRecord.model_validate(given | fields)
