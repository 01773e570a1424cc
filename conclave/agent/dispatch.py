"""Which handler an offered task is for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

H = TypeVar("H")


def choose(
    capability: str, named: Callable[[], Iterable[str]], handlers: Mapping[str, H], default: H | None
) -> H | None:
    """The handler for a task; None if the agent has none.

    The one for exactly the capability that the task asks for; else the first, in the order in which they
    were added, whose capability the task's requirement names; else the one for everything.

    Args:
        capability: The capability that was asked for; empty if it was a requirement on several things.
        named: Gives what the requirement names; asked only if the capability does not decide.
        handlers: By capability.
        default: The handler for whatever is offered.
    """
    exact = handlers.get(capability)
    if exact is not None:
        return exact
    if not handlers:
        return default
    names = frozenset(named())
    return next((handler for name, handler in handlers.items() if name in names), default)
