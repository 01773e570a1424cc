"""The event loop of processes that serve: the faster one where it is installed and not forbidden."""

from __future__ import annotations

import asyncio
import importlib.util

import pytest

from conclave import loops
from coordination.runtime.errors import UsageError

IS_INSTALLED = importlib.util.find_spec("uvloop") is not None


async def module_of_the_loop() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_the_faster_loop_is_taken_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(loops.VARIABLE, raising=False)
    assert loops.run(module_of_the_loop()) == ("uvloop" if IS_INSTALLED else "asyncio")


def test_the_environment_can_do_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(loops.VARIABLE, "asyncio")
    assert loops.run(module_of_the_loop()) == "asyncio"


def test_without_it_asyncio_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(loops.VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert loops.run(module_of_the_loop()) == "asyncio"


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("trio", "CONCLAVE_LOOP=trio: there are: asyncio, uvloop"),
        ("uvloop", r"not installed; pip install 'conclave\[uvloop\]'"),
    ],
)
def test_a_loop_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, wanted: str, problem: str
) -> None:
    monkeypatch.setenv(loops.VARIABLE, wanted)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=problem):
        loops.run(module_of_the_loop())
