"""What is said of an audit: chain, keys, receipts, attestation, limits, and what was not checked."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from consensus.audit import UnreadableError, check, checking, reading
from consensus.audit.form import result_of
from consensus.canonical import canonical
from tests.support.audits import KEYS, attestation, checked, executed, exported, forged, rechain, written
from tests.support.proposals import key_of, vote, voting

HOUSE = executed()
TRUE = exported(HOUSE.record())
LINES = TRUE.splitlines(keepends=True)
OBJECTS: list[dict[str, Any]] = [json.loads(line) for line in LINES]
SERVICE_KEY = key_of("consensus").public_key


def codes(audit: bytes, **given: Any) -> list[tuple[int, str]]:
    """(line, code) of all that is found."""
    return [(each.line, each.finding.code) for each in checked(audit, **given).problems]


def changed(place: int, **values: Any) -> bytes:
    """The true audit with other fields in the object of one line."""
    objects = [dict(each) for each in OBJECTS]
    objects[place].update(values)
    return written(objects)


def test_a_true_audit_has_no_problem_and_says_all_that_it_comes_to() -> None:
    heads = [HOUSE.record().trail[3].hash]
    report = checked(TRUE, keys=KEYS, service_key=SERVICE_KEY, heads=heads)
    assert report.is_verified
    assert report.unchecked == []
    assert report.as_json() == {
        "verified": True,
        "proposal_id": "p",
        "title": "Move to three hosts",
        "head": HOUSE.record().head,
        "entries": 9,
        "votes": 3,
        "signed_votes": 3,
        "result": result_of(HOUSE.record()),
        "problems": [],
        "not_checked": [],
    }


def test_an_export_is_canonical_lines_from_header_to_trailer() -> None:
    assert LINES[0] == b'{"format":"conclave-audit-1","proposal_id":"p"}\n'
    assert [each["sequence"] for each in OBJECTS[1:-1]] == list(range(1, 10))
    assert set(OBJECTS[-1]) == {"head", "entries", "result", "attestation"}
    assert all(canonical(each) + b"\n" == line for each, line in zip(OBJECTS, LINES, strict=True))


def test_what_was_not_checked_is_said() -> None:
    house = voting(agents=("bob",))
    house.accept(vote("bob"))
    report = checked(exported(house.record(), is_attested=False))
    assert report.is_verified
    assert report.unchecked == [
        "whether this is the trail that voters saw: give a receipt with --head",
        "who cast 1 of the votes: they are not signed",
        "the service's own word: there is no attestation",
    ]
    assert checked(TRUE).unchecked == [
        "whether this is the trail that voters saw: give a receipt with --head",
        "whose keys have signed the votes: give --keys",
        "whether the attestation is the service's: give --service-key",
    ]


@pytest.mark.parametrize("place", range(1, 10))
def test_a_broken_chain_is_named_once_where_it_breaks(place: int) -> None:
    recorded = OBJECTS[place]["hash"]
    other = changed(place, hash=recorded[:-1] + ("0" if recorded[-1] != "0" else "1"))
    found = [line for line, code in codes(other) if code == "chain"]
    assert found == [place + 1]


def test_a_missing_entry_is_named_by_its_successor() -> None:
    lines = b"".join([*LINES[:4], *LINES[5:]])
    assert (5, "sequence") in codes(lines)
    assert (5, "chain") in codes(lines)
    assert (10, "wrong_value") in codes(lines), "the last line has counted more"


def test_a_chain_of_another_proposal_is_no_chain_of_this_one() -> None:
    def rename(objects: list[dict[str, Any]]) -> None:
        objects[0]["proposal_id"] = "q"

    assert (2, "wrong_value") in codes(forged(TRUE, rename, by="consensus"))
    assert codes(changed(0, proposal_id="q")) == [(1, "wrong_value")]


def test_a_key_that_is_not_the_voters_is_named() -> None:
    keys = {**KEYS, "cy": {key_of("eve").public_key}}
    (problem,) = checked(TRUE, keys=keys).problems
    assert (problem.line, problem.sequence, problem.finding.code) == (5, 4, "foreign_key")
    assert problem.finding.expected == key_of("eve").public_key
    assert codes(TRUE, keys={**KEYS, "cy": set()}) == [(5, "foreign_key")]
    assert codes(TRUE, keys={**KEYS, "cy": {key_of("eve").public_key, key_of("cy").public_key}}) == []


def test_a_receipt_that_is_not_in_the_trail_is_named() -> None:
    receipts = [link.hash for link in HOUSE.record().trail]
    assert codes(TRUE, heads=receipts) == []
    assert codes(TRUE, heads=[*receipts, "0" * 64]) == [(11, "unknown_head")]


@pytest.mark.parametrize(
    ("attested", "given", "code"),
    [
        (attestation("p", 9, HOUSE.record().head, by="eve"), {"service_key": SERVICE_KEY}, "foreign_key"),
        (attestation("p", 8, HOUSE.record().head), {}, "wrong_value"),
        (attestation("p", 9, "0" * 64), {}, "wrong_value"),
        (attestation("q", 9, HOUSE.record().head), {}, "bad_signature"),
        ({**attestation("p", 9, HOUSE.record().head), "more": 1}, {}, "wrong_fields"),
        ({}, {}, "wrong_fields"),
        (None, {"service_key": SERVICE_KEY}, "no_attestation"),
    ],
)
def test_an_attestation_is_of_this_head_by_this_service(
    attested: Any, given: dict[str, Any], code: str
) -> None:
    assert codes(changed(-1, attestation=attested), **given) == [(11, code)]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b'{"a":1.5}', "not_canonical"),
        (b'{"a":NaN}', "not_canonical"),
        (b'{"a":1e400}', "not_canonical"),
        (b'{"a":"\\ud800"}', "not_canonical"),
        (b'{"a": 1}', "not_canonical"),
        (b'{"b":1,"a":1}', "not_canonical"),
        (b'{"a":1,"a":1}', "not_canonical"),
        (b'{"a":"\\u0041"}', "not_canonical"),
        (b'{"a":01}', "not_json"),
        (b"", "not_json"),
        (b"[]", "not_json"),
        (b"null", "not_json"),
        (b'"text"', "not_json"),
        (b"\xff", "not_json"),
        (b"\xef\xbb\xbf{}", "not_json"),
        (b'{"a":' + b"9" * 5_000 + b"}", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a":' * 20_000 + b"1" + b"}" * 20_000, "not_json"),
        (b"{}", "wrong_fields"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else value,
)
def test_a_line_that_is_no_canonical_object_says_so(line: bytes, code: str) -> None:
    audit = b"".join([*LINES[:3], line + b"\n", *LINES[4:]])
    assert (4, code) in codes(audit)
    assert any("rules and signatures from line 4 on" in each for each in checked(audit).unchecked)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"sequence": True}, "wrong_fields"),
        ({"sequence": "3"}, "wrong_fields"),
        ({"event": "VoteCounted"}, "unknown_event"),
        ({"event": "TrailEntry"}, "unknown_event"),
        ({"body": {}}, "not_an_event"),
        ({"body": []}, "wrong_fields"),
        ({"hash": "zz"}, "chain"),
        ({"hash": None}, "wrong_fields"),
        ({"more": 1}, "wrong_fields"),
    ],
)
def test_an_entry_that_is_none_says_so(values: dict[str, Any], code: str) -> None:
    assert (4, code) in codes(changed(3, **values))


@pytest.mark.parametrize(
    "values",
    [
        {"weight": "1"},
        {"weight": True},
        {"weight": None},
        {"more": 1},
        {"conditions": "x"},
        {"scope": "some"},
    ],
)
def test_a_body_is_read_strictly(values: dict[str, Any]) -> None:
    objects = [dict(each) for each in OBJECTS]
    objects[3]["body"] = {**objects[3]["body"], **values}
    rechain(objects)
    assert (4, "not_an_event") in codes(written(objects))


def test_a_field_that_is_left_out_is_missed_even_if_it_has_a_default() -> None:
    objects = [json.loads(line) for line in LINES]
    del objects[1]["body"]["rules"]["credits"]
    rechain(objects)
    assert (2, "not_an_event") in codes(written(objects))


@pytest.mark.parametrize("values", [{"format": "conclave-audit-2"}, {"format": 1}, {"more": 1}])
def test_a_first_line_that_is_none_says_so(values: dict[str, Any]) -> None:
    assert codes(changed(0, **values))[0][0] == 1


@pytest.mark.parametrize("audit", [b"", b"x", LINES[0], b"\n"])
def test_what_is_no_audit_at_all_is_not_read(audit: bytes) -> None:
    with pytest.raises(UnreadableError):
        checked(audit)


@pytest.mark.parametrize(
    ("module", "name", "limit", "message"),
    [
        (reading, "MAX_LINE_BYTES", 100, "line 2 is longer than 100 bytes"),
        (reading, "MAX_FILE_BYTES", 1_000, "it is larger than 1000 bytes"),
        (checking, "MAX_ENTRIES", 3, "it has more than 3 entries"),
    ],
)
def test_what_is_larger_than_any_audit_is_not_read(
    module: Any, name: str, limit: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, name, limit)
    with pytest.raises(UnreadableError) as raised:
        check(io.BytesIO(TRUE))
    assert str(raised.value) == message


def test_endless_problems_are_not_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "MAX_PROBLEMS", 5)
    assert len(checked(LINES[0] + b"{}\n" * 50).problems) == 5


@pytest.mark.parametrize(
    ("given", "put", "code", "said"),
    [
        (b',"event"', b', "event"', "not_canonical",
         'the line is not canonical JSON from its byte {} on; expected: "\\"event\\":\\"VoteCast\\",\\""'),
        (b"}\n", b"} \n", "not_canonical",
         "the line is not canonical JSON from its byte {} on; expected: the end of the line"),
        (b',"event"', b',xevent"', "not_json",
         "the line is no JSON from its byte {} on: Expecting property name enclosed in double quotes"),
        (b',"event"', b',\xffevent"', "not_json", "byte {} of the line is no UTF-8"),
    ],
)  # fmt: skip
def test_a_byte_that_is_wrong_is_named_by_its_place_in_the_file(
    given: bytes, put: bytes, code: str, said: str
) -> None:
    line = LINES[3].replace(given, put)
    altered = LINES[3].index(given) + 1  # the first byte stays
    audit = b"".join([*LINES[:3], line, *LINES[4:]])
    problem = next(each for each in checked(audit).problems if each.finding.code == code)
    offset = len(b"".join(LINES[:3])) + altered
    assert audit[offset] != TRUE[offset]
    assert (problem.line, problem.offset, problem.as_json()["offset"]) == (4, offset, offset)
    assert str(problem) == f"line 4 (byte {offset}): {said.format(altered + 1)}"


def test_foreign_line_ends_are_told_once_and_nothing_else_of_them() -> None:
    (problem,) = checked(TRUE.replace(b"\n", b"\r\n")).problems
    assert str(problem) == (
        f"line 1 (byte {len(LINES[0]) - 1}): the line ends in CR LF, not in LF: the file was changed in "
        "transfer; take it as binary"
    )


def test_what_else_is_wrong_in_a_file_with_foreign_line_ends_is_told_as_well() -> None:
    audit = b"".join([*LINES[:3], LINES[3].replace(b",", b", ", 1), *LINES[4:]])
    assert codes(audit.replace(b"\n", b"\r\n")) == [(1, "foreign_ending"), (4, "not_canonical")]


def test_a_problem_says_where_and_what_was_expected() -> None:
    objects = [json.loads(line) for line in LINES]
    objects[3]["body"]["weight"] = 9
    rechain(objects)
    problem = next(each for each in checked(written(objects)).problems if each.line == 4)
    assert problem.offset == len(b"".join(LINES[:3]))
    assert str(problem) == (f"line 4 (byte {problem.offset}, entry 3 VoteCast): weight is 9; expected: 1")
    assert problem.as_json() == {
        "line": 4,
        "offset": problem.offset,
        "sequence": 3,
        "event": "VoteCast",
        "code": "wrong_value",
        "message": "weight is 9",
        "expected": "1",
    }
