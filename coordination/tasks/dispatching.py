"""Who is offered what. Pure and deterministic."""

from __future__ import annotations

from coordination.tasks.draft import Draft
from coordination.tasks.view import View


def dispatch(view: View, draft: Draft) -> None:
    """Make as many offers and calls for proposals as possible now, within the bounds."""


def next_ms(view: View) -> int | None:
    """When `dispatch` could do something at the earliest; None for never, as long as nothing changes."""
    return None
