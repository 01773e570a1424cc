"""A task of which nothing is said but what it needs is written as every other, in fewer steps."""

from __future__ import annotations

import json
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from conclave.work.jsonvalues import is_plain
from coordination.runtime.asking import payload_of
from coordination.runtime.errors import UsageError
from coordination.tasks.asking import plain_submission, submission
from coordination.tasks.wire import SubmitRequest

REQUIREMENTS = ("noop", "python >= 3.11 , region in [eu,us]", "prefer region=eu weight 3, code.review")
TASK_ID = "0f" * 16
values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
payloads = st.none() | st.dictionaries(st.text(max_size=20), values, max_size=16)


@hypothesis.given(requirement=st.sampled_from(REQUIREMENTS), payload=payloads)
def test_a_plain_submission_is_written_as_every_other(
    requirement: str, payload: dict[str, Any] | None
) -> None:
    hypothesis.assume(is_plain(payload))
    written = plain_submission(requirement, payload, TASK_ID)
    assert written == payload_of(submission(requirement, payload, task_id=TASK_ID))
    assert SubmitRequest.model_validate_json(written).task_id == TASK_ID
    assert json.loads(written).get("payload", {}) == (payload or {})


@pytest.mark.parametrize("requirement", ["", "python >=", "x" * 3000])
def test_what_is_no_requirement_is_refused_with_the_same_words(requirement: str) -> None:
    with pytest.raises(UsageError) as usual:
        submission(requirement, None, task_id=TASK_ID)
    with pytest.raises(UsageError) as plain:
        plain_submission(requirement, None, TASK_ID)
    assert str(plain.value) == str(usual.value)


def test_half_a_surrogate_pair_in_a_plain_payload_is_refused_with_the_same_words() -> None:
    half = {"said": "\ud800"}
    with pytest.raises(UsageError) as usual:
        payload_of(submission("noop", half, task_id=TASK_ID))
    with pytest.raises(UsageError) as plain:
        plain_submission("noop", half, TASK_ID)
    assert str(plain.value) == str(usual.value)
