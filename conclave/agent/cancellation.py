"""Tells a running handler, in whatever thread it is, that its work is not wanted any more."""

from __future__ import annotations

import threading
from typing import Final

from conclave.agent.errors import WorkCancelledError

_MAKING: Final = threading.Lock()
"""Held for a moment, and never across a wait."""


class Cancellation:
    """Set once, for one task; may be looked at from any thread.

    An async handler is cancelled besides, so it needs this only to learn why.
    """

    __slots__ = ("_event", "_is_set", "_reason")

    def __init__(self) -> None:
        self._is_set = False
        self._event: threading.Event | None = None
        """Made for whoever waits: nearly nobody does, and it costs more than all the rest of a task."""
        self._reason = ""

    @property
    def reason(self) -> str:
        """Why: ``canceled``, ``expired``, ``lease lost``, ``the agent stops``; empty while it is not set."""
        return self._reason

    def is_set(self) -> bool:
        """Whether the work is not wanted any more."""
        return self._is_set

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is set (True) or `timeout_s` has passed (False). Blocks: for sync handlers only."""
        with _MAKING:
            if self._is_set:
                return True
            if self._event is None:
                self._event = threading.Event()
            event = self._event
        return event.wait(timeout_s)

    def raise_if_set(self) -> None:
        """End the handler if its work is not wanted any more.

        Raises:
            WorkCancelledError: It is set. Let it pass: what the handler returns would be refused anyway.
        """
        if self._is_set:
            raise WorkCancelledError(f"the work is not wanted any more: {self._reason}")

    def set(self, reason: str) -> None:
        """Say that the work is not wanted any more; the first reason stays."""
        with _MAKING:
            if self._is_set:
                return
            self._reason = reason
            self._is_set = True
            event = self._event
        if event is not None:
            event.set()
