"""Which handler a task is for, and which acts ask for an answer."""

from __future__ import annotations

from typing import get_args

import pytest

from conclave.agent.dispatch import choose
from conclave.agent.performatives import ASKS_FOR_ANSWER
from dialog.wire import Performative

HANDLERS = {"python": "p", "gpu": "g"}


@pytest.mark.parametrize(
    ("capability", "named", "default", "chosen"),
    [
        ("python", (), None, "p"),
        ("python", ("gpu",), "d", "p"),
        ("", ("gpu", "python"), "d", "p"),
        ("", ("gpu", "region"), "d", "g"),
        ("rust", (), "d", "d"),
        ("", ("region",), None, None),
        ("rust", (), None, None),
    ],
)
def test_the_exact_handler_comes_first_then_one_that_is_named_then_the_default(
    capability: str, named: tuple[str, ...], default: str | None, chosen: str | None
) -> None:
    assert choose(capability, lambda: named, HANDLERS, default) == chosen


def test_every_performative_is_in_the_table() -> None:
    assert set(ASKS_FOR_ANSWER) == set(get_args(Performative))


def test_what_is_said_by_itself_asks_for_nothing() -> None:
    assert not any(ASKS_FOR_ANSWER[said] for said in ("inform", "failure", "not-understood"))
