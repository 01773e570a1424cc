"""The search for one order of all operations: known histories, and every small one against brute force."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.simulation.checks import linearizability
from coordination.simulation.checks.linearizability import (
    RegisterOperation,
    UndecidedError,
    is_linearizable,
)


def write(value: str, invoked_s: float, returned_s: float = math.inf) -> RegisterOperation:
    return RegisterOperation(kind="write", value=value, invoked_s=invoked_s, returned_s=returned_s)


def read(value: str | None, invoked_s: float, returned_s: float = math.inf) -> RegisterOperation:
    return RegisterOperation(kind="read", value=value, invoked_s=invoked_s, returned_s=returned_s)


def swap(
    expected: str | None,
    value: str,
    invoked_s: float,
    returned_s: float = math.inf,
    *,
    swapped: bool = False,
) -> RegisterOperation:
    return RegisterOperation(
        kind="swap",
        expected=expected,
        value=value,
        invoked_s=invoked_s,
        returned_s=returned_s,
        swapped=swapped,
    )


@pytest.mark.parametrize(
    "history",
    [
        [],
        [read(None, 0, 1)],
        [write("a", 0, 1), read("a", 2, 3)],
        [write("a", 0, 5), read(None, 1, 2), read("a", 3, 4)],
        [write("a", 0, 9), write("b", 0, 9), read("b", 1, 2), read("a", 3, 4)],
        [write("a", 0), read(None, 1, 2), read("a", 90, 91)],
        [write("a", 0), read(None, 1, 2)],
        [write("a", 0, 1), swap("a", "b", 2, 3, swapped=True), read("b", 4, 5)],
        [write("a", 0, 1), swap("z", "b", 2, 3), read("a", 4, 5)],
        [swap(None, "a", 0), swap("a", "b", 1, 2, swapped=True)],
        [read("never answered", 0)],
    ],
)
def test_a_history_with_an_order_is_linearizable(history: list[RegisterOperation]) -> None:
    assert is_linearizable(history)


@pytest.mark.parametrize(
    "history",
    [
        [read("a", 0, 1)],
        [write("a", 0, 1), read(None, 2, 3)],
        [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],
        [write("a", 0, 9), read("a", 1, 2), read(None, 3, 4)],
        [write("a", 0, 9), write("b", 0, 9), read("a", 10, 11), read("b", 12, 13)],
        [write("a", 5), read("a", 0, 1)],
        [write("a", 0), read("a", 1, 2), read(None, 3, 4)],
        [write("a", 0, 1), swap("a", "b", 2, 3), read("a", 4, 5)],
        [write("a", 0, 1), swap("a", "b", 2, 9, swapped=True), swap("a", "c", 2, 9, swapped=True)],
        [write("a", 0, 1), swap("z", "b", 2, 3, swapped=True)],
    ],
)
def test_a_history_without_an_order_is_not_linearizable(history: list[RegisterOperation]) -> None:
    assert not is_linearizable(history)


def test_what_is_too_large_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linearizability, "MAX_STATES", 1000)
    with pytest.raises(UndecidedError, match="1000"):
        is_linearizable([write(str(number), 0) for number in range(20)] + [read("x", 1, 2)])


def test_a_long_history_of_few_clients_is_decided_quickly() -> None:
    history = [write(str(number), number, number + 1.5) for number in range(400)]
    assert is_linearizable([*history, read("399", 500, 501)])
    assert not is_linearizable([*history, read("397", 500, 501)])


def explains(order: Sequence[RegisterOperation]) -> bool:
    value: str | None = None
    for each in order:
        if each.kind == "read":
            if each.value != value:
                return False
            continue
        if each.kind == "swap":
            if each.is_known and each.swapped != (each.expected == value):
                return False
            if each.expected != value:
                continue
        value = each.value
    return True


def keeps_real_time(order: Sequence[RegisterOperation]) -> bool:
    return all(later.returned_s >= earlier.invoked_s for earlier, later in itertools.combinations(order, 2))


def brute_force(history: Sequence[RegisterOperation]) -> bool:
    known = [each for each in history if each.is_known]
    unknown = [each for each in history if not each.is_known]
    for count in range(len(unknown) + 1):
        for some in itertools.combinations(unknown, count):
            for order in itertools.permutations([*known, *some]):
                if keeps_real_time(order) and explains(order):
                    return True
    return False


Kind = Literal["read", "write", "swap"]
KINDS: tuple[Kind, ...] = ("read", "write", "swap")
VALUES = st.sampled_from([None, "a", "b"])


@st.composite
def operations(draw: st.DrawFn) -> RegisterOperation:
    kind: Kind = draw(st.sampled_from(KINDS))
    invoked_s = draw(st.integers(0, 8))
    lasts_s = draw(st.integers(1, 4))
    is_known = kind == "read" or draw(st.integers(0, 3)) > 0
    return RegisterOperation(
        kind=kind,
        invoked_s=invoked_s,
        returned_s=invoked_s + lasts_s if is_known else math.inf,
        value=draw(VALUES),
        expected=draw(VALUES),
        swapped=draw(st.booleans()) and is_known,
    )


@given(st.lists(operations(), max_size=5))
def test_it_decides_as_trying_every_order_does(history: list[RegisterOperation]) -> None:
    assert is_linearizable(history) == brute_force(history)
