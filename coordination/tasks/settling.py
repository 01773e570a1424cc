"""What follows from the end of a task, or of an attempt, for others. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coordination.tasks.draft import Draft
    from coordination.tasks.view import View


def settle(view: View, draft: Draft) -> None:
    """Do what follows from ``state.unsettled``, as far as one tick may; the rest stays there."""
    raise NotImplementedError
