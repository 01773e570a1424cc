"""Tells a running handler, in whatever thread it is, that its work is not wanted any more."""

from __future__ import annotations

import threading

from conclave.agent.errors import WorkCancelledError


class Cancellation:
    """Set once, for one task; may be looked at from any thread.

    An async handler is cancelled besides, so it needs this only to learn why.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._reason = ""

    @property
    def reason(self) -> str:
        """Why: ``canceled``, ``expired``, ``lease lost``, ``the agent stops``; empty while it is not set."""
        return self._reason

    def is_set(self) -> bool:
        """Whether the work is not wanted any more."""
        return self._event.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it is set (True) or `timeout_s` has passed (False). Blocks: for sync handlers only."""
        return self._event.wait(timeout_s)

    def raise_if_set(self) -> None:
        """End the handler if its work is not wanted any more.

        Raises:
            WorkCancelledError: It is set. Let it pass: what the handler returns would be refused anyway.
        """
        if self._event.is_set():
            raise WorkCancelledError(f"the work is not wanted any more: {self._reason}")

    def set(self, reason: str) -> None:
        """Say that the work is not wanted any more; the first reason stays."""
        if not self._event.is_set():
            self._reason = reason
            self._event.set()
