"""Alarms that nearly nobody lets ring: one timer for all that were set for the same length of time.

What was set later rings later within one length, so the first of each is all that must be looked at; setting
and taking back cost one step of a dict each. An event loop's own timer costs several times as much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Ring = Callable[[], None]


class Alarms:
    """Alarms of one agent."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lanes: dict[float, dict[Ring, float]] = {}
        """By length: what rings, and when, in that order."""

    def set(self, ring: Ring, since_s: float, length_s: float) -> None:
        """Call `ring` when `length_s` have passed since `since_s`, by the event loop's clock.

        Those of one length are set with ever later `since_s`, or ring a little late.
        """
        lane = self._lanes.get(length_s)
        if lane is None:
            lane = self._lanes[length_s] = {}
            self._loop.call_at(since_s + length_s, self._look, length_s)
        lane[ring] = since_s + length_s

    def take_back(self, ring: Ring, length_s: float) -> None:
        """Let it not ring; idempotent."""
        lane = self._lanes.get(length_s)
        if lane is not None:
            lane.pop(ring, None)

    def _look(self, length_s: float) -> None:
        lane, now_s = self._lanes[length_s], self._loop.time()
        due = []
        for ring, at_s in lane.items():
            if at_s > now_s:
                self._loop.call_at(at_s, self._look, length_s)
                break
            due.append(ring)
        else:
            del self._lanes[length_s]
        for ring in due:
            lane.pop(ring, None)
            ring()
