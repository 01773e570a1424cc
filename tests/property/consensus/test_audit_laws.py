"""Audits of whatever the real model does are verified, and whatever is done to them afterwards is found."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from consensus.audit import UnreadableError
from consensus.audit.form import result_of
from tests.support.audits import checked, executed, exported, forged
from tests.support.drawn_histories import histories
from tests.support.proposals import House, key_of


@settings(max_examples=100)
@given(histories())
def test_what_the_model_does_is_verified(house: House) -> None:
    record = house.record()
    report = checked(exported(record), heads=[link.hash for link in record.trail])
    assert not report.problems, [str(each) for each in report.problems]
    assert report.result == result_of(record)
    assert report.result is not None
    assert (report.result["status"], report.head) == (record.status, record.head)
    assert (report.entry_count, report.vote_count) == (len(record.trail), len(record.votes))


SAMPLE = executed()
AUDIT = exported(SAMPLE.record())
LINES = AUDIT.splitlines(keepends=True)


def found(audit: bytes) -> bool:
    """Whether checking says that something is wrong."""
    try:
        return not checked(audit).is_verified
    except UnreadableError:
        return True


@settings(max_examples=200)
@given(st.integers(0, len(AUDIT) - 1), st.integers(0, 255))
def test_any_byte_that_is_changed_to_any_other_is_found_in_its_line(position: int, value: int) -> None:
    assume(AUDIT[position] != value)
    changed = AUDIT[:position] + bytes([value]) + AUDIT[position + 1 :]
    lines = {problem.line for problem in checked(changed).problems}
    assert AUDIT.count(b"\n", 0, position) + 1 in lines


@settings(max_examples=40)
@given(histories(), st.data())
def test_any_changed_byte_of_any_audit_is_found(house: House, data: st.DataObject) -> None:
    audit = exported(house.record(), is_attested=data.draw(st.booleans()))
    position = data.draw(st.integers(0, len(audit) - 1))
    mask = data.draw(st.integers(1, 255))
    assert found(audit[:position] + bytes([audit[position] ^ mask]) + audit[position + 1 :])


@given(st.permutations(range(len(LINES))))
def test_lines_in_any_other_order_are_found(order: list[int]) -> None:
    assume(order != sorted(order))
    assert found(b"".join(LINES[each] for each in order))


@given(st.lists(st.integers(0, len(LINES) - 1), max_size=2 * len(LINES)))
def test_lines_left_out_or_there_twice_are_found(kept: list[int]) -> None:
    assume(kept != list(range(len(LINES))))
    assert found(b"".join(LINES[each] for each in sorted(kept)))


@given(st.integers(0, len(LINES)), st.sampled_from([b"\n", b"{}\n", b"null\n", *LINES]))
def test_a_line_that_is_put_in_is_found(place: int, line: bytes) -> None:
    assert found(b"".join([*LINES[:place], line, *LINES[place:]]))


def fields_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all numbers, texts and flags within a value."""
    if isinstance(value, dict):
        return [each for key in sorted(value) for each in fields_of(value[key], (*path, key))]
    if isinstance(value, list):
        return [each for place, item in enumerate(value) for each in fields_of(item, (*path, place))]
    return [path] if isinstance(value, bool | int | str) else []


VOTES = [place for place, line in enumerate(LINES) if b'"event":"VoteCast"' in line]
VOTE_FIELDS = fields_of(json.loads(LINES[VOTES[0]])["body"])
UNSIGNED = {"cast_at_ms"}
"""When it was cast is the service's word alone; the trail's order and its receipts bind it."""


def altered(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int) else f"{value}x"


@given(st.sampled_from(VOTES), st.sampled_from([each for each in VOTE_FIELDS if each[0] not in UNSIGNED]))
@example(VOTES[0], ("choice",))
def test_a_vote_changed_by_whoever_makes_all_hashes_anew_is_found(place: int, path: tuple[Any, ...]) -> None:
    def change(lines: list[dict[str, Any]]) -> None:
        body = lines[place]["body"]
        if path[0] == "conditions" and not body["conditions"]:
            body["conditions"].append("x")
            return
        target = body
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = altered(target[path[-1]])

    # Even the service itself, which can sign an attestation of what it made up, cannot do this.
    assert found(forged(AUDIT, change, by="consensus"))


@given(st.integers(1, len(LINES) - 2), st.data())
def test_anything_made_up_without_the_service_is_found_by_its_attestation(
    place: int, data: st.DataObject
) -> None:
    paths = fields_of(json.loads(LINES[place])["body"])
    path = data.draw(st.sampled_from(paths))

    def change(lines: list[dict[str, Any]]) -> None:
        target = lines[place]["body"]
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = altered(target[path[-1]])

    assert found(forged(AUDIT, change))
    service_key = key_of("consensus").public_key
    assert not checked(forged(AUDIT, change, by="eve"), service_key=service_key).is_verified


@given(st.sampled_from(VOTES), st.data())
def test_a_history_made_up_by_the_service_is_found_by_the_receipt_of_a_voter(
    place: int, data: st.DataObject
) -> None:
    receipt = SAMPLE.record().trail[place - 1].hash
    earlier = data.draw(st.integers(1, place))

    def change(lines: list[dict[str, Any]]) -> None:
        body = lines[earlier]["body"]
        name = next(each for each in body if each.endswith("_at_ms"))
        body[name] += 1

    audit = forged(AUDIT, change, by="consensus")
    assert any(each.finding.code == "unknown_head" for each in checked(audit, heads=[receipt]).problems)


ODD = st.sampled_from([0, -1, 1, 2**53, 10**30, "", "x", "for", "eve", None, True, [], {}, ["x"], {"x": 1}])


@settings(max_examples=150)
@given(histories(), st.data())
def test_no_forgery_whatever_breaks_the_check_itself(house: House, data: st.DataObject) -> None:
    audit = exported(house.record())

    def change(lines: list[dict[str, Any]]) -> None:
        for _ in range(data.draw(st.integers(1, 3))):
            place = data.draw(st.integers(1, len(lines) - 2))
            match data.draw(st.sampled_from(["value", "value", "value", "again", "without", "swap"])):
                case "again":
                    lines.insert(place, json.loads(json.dumps(lines[place])))
                case "without" if len(lines) > 3:
                    del lines[place]
                case "swap":
                    lines[place], lines[1] = lines[1], lines[place]
                case _:
                    path = data.draw(st.sampled_from(fields_of(lines[place]["body"])))
                    target = lines[place]["body"]
                    for key in path[:-1]:
                        target = target[key]
                    # A copy: the next change may be within it, and hypothesis draws the same objects again.
                    target[path[-1]] = copy.deepcopy(data.draw(ODD))

    report = checked(forged(audit, change, by="consensus"))
    assert all(str(problem) and json.dumps(problem.as_json()) for problem in report.problems)
