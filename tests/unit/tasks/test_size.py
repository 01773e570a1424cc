"""What strangers hand in is weighed before it is kept: size, depth, and whether it is JSON at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.errors import RejectedError
from coordination.tasks.size import MAX_DEPTH, require_json_bytes

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("aé{[", max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


def nested(depth: int) -> Any:
    """Lists within each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(JSON)
def test_the_size_is_that_of_compact_json(value: Any) -> None:
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert require_json_bytes(value, what="payload", max_bytes=1_000_000) == len(compact)


def test_a_byte_too_many_is_refused_and_the_message_says_where_to_put_it() -> None:
    fits = {"x": "é" * 46}
    assert require_json_bytes(fits, what="payload", max_bytes=100) == 100
    with pytest.raises(RejectedError, match=r"the payload has 101 bytes.*payload_reference") as caught:
        require_json_bytes({"x": "é" * 46 + "y"}, what="payload", max_bytes=100)
    assert caught.value.code == "too_large"


def test_what_is_nested_too_deep_is_refused_but_brackets_in_texts_are_not_nesting() -> None:
    assert require_json_bytes(nested(MAX_DEPTH), what="result", max_bytes=10_000)
    assert require_json_bytes(["[" * 1000], what="result", max_bytes=10_000)
    assert require_json_bytes([[1]] * 100, what="result", max_bytes=10_000)
    with pytest.raises(RejectedError, match="the result is nested deeper than 64 levels") as caught:
        require_json_bytes(nested(MAX_DEPTH + 1), what="result", max_bytes=10_000)
    assert caught.value.code == "too_deep"


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        {"x": [float("inf")]},
        [1, -float("inf")],
        {"x": ({"y": float("nan")},)},
        {"x": object()},
        "\ud800",
        nested(5000),
    ],
)
def test_what_json_does_not_have_is_refused(value: Any) -> None:
    with pytest.raises(RejectedError, match="a value that JSON does not have") as caught:
        require_json_bytes(value, what="payload", max_bytes=100_000)
    assert caught.value.code == "invalid_request"


@pytest.mark.parametrize("value", ["NaN", {"Infinity": "-Infinity"}, [1.5, "NaN", True, None]])
def test_words_that_only_look_like_no_numbers_are_texts(value: Any) -> None:
    assert require_json_bytes(value, what="payload", max_bytes=100) > 0
