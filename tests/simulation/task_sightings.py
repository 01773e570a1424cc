"""What agents of a run asked of the task service, and what they were told: what the journal must bear out."""

from __future__ import annotations

from collections import Counter
from typing import Final

CAPABILITY: Final = "work"
SLOTS: Final = {"c1": 1, "c2": 2, "c3": 1, "c4": 3, "c5": 2}
"""How many tasks each agent takes at a time."""


class Sightings:
    """Filled by all agents of one run."""

    def __init__(self) -> None:
        self.submitted: set[str] = set()
        """Tasks whose submission was acknowledged."""
        self.replaced: set[str] = set()
        """Tasks whose id was acknowledged a second time, for another task."""
        self.dags: set[str] = set()
        """DAGs whose submission was acknowledged."""
        self.completed: set[tuple[str, str, int]] = set()
        """Agent, task and token of completions that were acknowledged."""
        self.refused: set[tuple[str, str, int]] = set()
        """The same of completions that were refused for good."""
        self.cancels: set[str] = set()
        """Tasks for which somebody's wish to cancel them was acknowledged."""
        self.asked_to_cancel: set[str] = set()
        """Tasks that somebody wished to cancel, answered or not."""
        self.asked_to_cancel_dags: set[str] = set()
        self.confirmed: set[tuple[str, int]] = set()
        """Task and token of stops that were acknowledged."""
        self.offers: list[tuple[str, int, str]] = []
        """Task, token and agent of every offer that was heard."""
        self.now_ms = 0
        """The latest that anybody heard of the time of the service."""
        self.is_over = False
        """Whether at last nothing was open any more."""
        self.met: Counter[str] = Counter()
        """What happened, for the test that this is no empty run."""
