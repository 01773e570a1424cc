"""Which pushes go in one message, and who gets such messages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from coordination.runtime.bundles import Bundle, bodies_of, bundled
from coordination.runtime.limits import MAX_BUNDLE_BYTES, MAX_BUNDLE_PUSHES
from coordination.runtime.model import Notice, Push
from coordination.runtime.takers import Takers

_KINDS = frozenset({"task", "result"})


def push(agent: str, kind: str, n: Any) -> Push:
    return Push(agent=agent, kind=kind, body={"n": n})


def shown(messages: Sequence[Push | Notice], takers: tuple[str, ...] = ("bob", "eve")) -> list[Any]:
    """What is sent: of bundles the numbers in them, else the message."""
    return [
        (each.agent, each.kind, json.loads(each.payload)) if isinstance(each, Bundle) else each
        for each in bundled(messages, kinds=_KINDS, takers=takers)
    ]


def test_pushes_of_one_kind_to_one_agent_go_together_in_the_place_of_the_first() -> None:
    notice = Notice(event="running", aggregate="t", body={})
    ada = push("ada", "task", 9)
    messages: Sequence[Push | Notice] = [
        push("bob", "task", 1),
        notice,
        push("eve", "task", 2),
        ada,
        push("bob", "task", 3),
    ]
    assert shown(messages) == [
        ("bob", "task", [{"n": 1}, {"n": 3}]),
        notice,
        ("eve", "task", {"n": 2}),
        ada,
    ], "ada does not take bundles, and one alone is an object"


def test_a_task_taken_back_and_offered_again_is_heard_of_in_that_order() -> None:
    cancel = push("bob", "cancel", 1)
    messages = [push("bob", "task", 1), push("bob", "task", 2), cancel, push("bob", "task", 3)]
    assert shown(messages) == [
        ("bob", "task", [{"n": 1}, {"n": 2}]),
        cancel,
        ("bob", "task", {"n": 3}),
    ]


def test_what_one_agent_is_told_otherwise_holds_up_no_other() -> None:
    messages = [push("bob", "task", 1), push("eve", "cancel", 1), push("bob", "task", 2)]
    assert shown(messages)[0] == ("bob", "task", [{"n": 1}, {"n": 2}])


def test_kinds_that_are_bundled_do_not_divide_one_another() -> None:
    messages = [push("bob", kind, n) for n in range(2) for kind in ("task", "result")]
    assert shown(messages) == [("bob", kind, [{"n": 0}, {"n": 1}]) for kind in ("task", "result")]


def test_a_bundle_has_so_many_pushes_at_most() -> None:
    sent = shown([push("bob", "task", n) for n in range(MAX_BUNDLE_PUSHES + 2)])
    assert [len(bodies) for _, _, bodies in sent] == [MAX_BUNDLE_PUSHES, 2]


def test_a_bundle_has_so_many_bytes_at_most_and_what_is_larger_goes_alone() -> None:
    half, whole = "x" * (MAX_BUNDLE_BYTES // 2 - 100), "x" * MAX_BUNDLE_BYTES
    messages: list[Push | Notice] = [push("bob", "result", text) for text in (half, half, "", whole, "", "")]
    payloads = [
        each.payload for each in bundled(messages, kinds=_KINDS, takers={"bob"}) if isinstance(each, Bundle)
    ]
    bodies = [json.loads(payload) for payload in payloads]
    assert bodies == [
        [{"n": half}, {"n": half}, {"n": ""}],
        {"n": whole},
        [{"n": ""}, {"n": ""}],
    ]
    assert len(payloads[0]) <= MAX_BUNDLE_BYTES


def test_a_body_that_cannot_be_written_is_left_to_whoever_sends_it() -> None:
    broken = push("bob", "task", object())
    assert shown([push("bob", "task", 1), broken, push("bob", "task", 2)]) == [
        ("bob", "task", {"n": 1}),
        broken,
        ("bob", "task", {"n": 2}),
    ]


def test_what_the_last_request_of_an_agent_says_counts() -> None:
    takers = Takers()
    takers.note("ada", takes=True)
    takers.note("bob", takes=False)
    assert ("ada" in takers, "bob" in takers, len(takers)) == (True, False, 1)
    takers.note("ada", takes=False)
    assert "ada" not in takers
    takers.note("bob", takes=True)
    takers.note("eve", takes=True, now_s=10.0)
    takers.forget(10.0)
    assert "eve" in takers, "at that very moment it said so"
    takers.forget(10.1)
    assert ("bob" in takers, "eve" in takers) == (True, True), "only the first ones are looked at"
    takers.note("bob", takes=True, now_s=11.0)
    takers.forget(10.1)
    assert ("bob" in takers, "eve" in takers) == (True, False)
    takers.clear()
    assert len(takers) == 0


def test_whoever_said_so_longest_ago_is_forgotten_first() -> None:
    takers = Takers(most=2)
    for agent in ("ada", "bob", "ada", "eve"):
        takers.note(agent, takes=True)
    assert [agent in takers for agent in ("ada", "bob", "eve")] == [True, False, True]


@pytest.mark.parametrize(
    ("payload", "bodies"),
    [
        (b'{"n": 1}', [b'{"n": 1}']),
        (b'[{"n": 1}, {"n": [2]}]', [b'{"n":1}', b'{"n":[2]}']),
        (b"[]", []),
        (b"[{", [b"[{"]),
        (b"no JSON", [b"no JSON"]),
        (b"", [b""]),
    ],
)
def test_a_listener_finds_the_bodies_of_a_push(payload: bytes, bodies: list[bytes]) -> None:
    assert bodies_of(payload) == bodies
