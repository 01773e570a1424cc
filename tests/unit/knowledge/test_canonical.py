"""Canonical JSON (RFC 8785): one value, one text."""

from __future__ import annotations

import math
import struct

import pytest

from knowledge.canonical import Json, NotCanonicalError, canonical_json, parse_canonical

# RFC 8785, appendix B: IEEE 754 bits and the text they must become.
RFC_NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


@pytest.mark.parametrize(("bits", "text"), RFC_NUMBERS.items())
def test_numbers_are_written_as_the_rfc_lists_them(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical_json(number) == text
    assert canonical_json(parse_canonical(text)) == text


def test_keys_are_sorted_by_utf16_code_units_and_text_is_escaped_as_the_rfc_shows() -> None:
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    expected = ['"\\r"', '"1"', '"\u0080"', '"\u00f6"', '"\u20ac"', '"\U0001f600"', '"\ufb33"']
    assert canonical_json(dict.fromkeys(keys, 0)) == "{" + ",".join(f"{key}:0" for key in expected) + "}"
    assert canonical_json('\u20ac$\x0f\nA\'B"\\\\"/') == '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        ([1, "a", []], '[1,"a",[]]'),
        ({"b": {}, "a": (None,)}, '{"a":[null],"b":{}}'),
    ],
)
def test_a_value_has_one_text(value: Json, text: str) -> None:
    assert canonical_json(value) == text


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        "\ud800",
        {"\udfff": 1},
        {1: "a key that is a number"},
        [object()],
        {"set": {1, 2}},
        [[[[[[[[["nine deep"]]]]]]]]],
    ],
)
def test_what_is_no_exact_json_is_refused(value: Json) -> None:
    with pytest.raises(NotCanonicalError):
        canonical_json(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "-Infinity",
        "1.0",
        "1e2",
        "-0",
        "9007199254740993",
        "9" * 5000,
        " 1",
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        '"\\u0041"',
        '"\\ud800"',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
)
def test_a_text_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(NotCanonicalError):
        parse_canonical(text)
