"""What a request leaves unsaid is in the spec as if it had been said."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.adapters import adapter_of
from coordination.runtime.service import Call
from coordination.tasks import forms, wire

CALL = Call(caller="ada", draw_id=lambda: "0123456789abcdef")
REQUEST = adapter_of(wire.SubmitRequest)


@pytest.mark.parametrize("said", [{"capability": "ocr"}, {"requirement": "ocr>=1, prefer gpu"}])
def test_defaults_mean_the_same_whether_they_are_said_or_not(said: dict[str, Any]) -> None:
    brief = REQUEST.validate_python(said)
    unsaid = wire.SubmitRequest.model_fields.keys() - {"requirement", "capability"}
    full = brief.model_copy(update={name: getattr(brief, name) for name in unsaid})
    assert full.model_fields_set >= unsaid
    assert forms.submission(CALL, full) == forms.submission(CALL, brief)


def test_everything_that_is_said_gets_into_the_spec() -> None:
    said = {
        "capability": "ocr",
        "payload": {"page": 3},
        "queue": "scans",
        "strategy": "round_robin",
        "priority": 4,
        "fairness_key": "team",
        "fairness_weight": 3,
        "cost": 5,
        "timeout_ms": 6000,
        "lease_ms": 7000,
        "max_attempts": 2,
        "max_rounds": 9,
        "max_depth": 1,
        "may_return": True,
        "idempotency_key": "k",
        "run_at_ms": 10,
        "start_by_ms": 11,
        "deadline_ms": 12,
    }
    spec = forms.submission(CALL, REQUEST.validate_python(said)).spec
    assert {name: getattr(spec, name) for name in said} == said
    assert spec.requirement == "ocr"
