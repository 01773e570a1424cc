"""Deadlines agree with a plain dict that is searched every time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coordination.runtime.deadlines import Deadlines

KEYS = st.sampled_from([f"k{index}" for index in range(6)])
TIMES = st.integers(0, 30)


class DeadlinesMachine(RuleBasedStateMachine):
    """Sets, moves and clears deadlines in both."""

    def __init__(self) -> None:
        super().__init__()
        self.deadlines = Deadlines()
        self.twin: dict[str, int] = {}

    @rule(key=KEYS, due_ms=TIMES)
    def set(self, key: str, due_ms: int) -> None:
        self.deadlines.set(key, due_ms)
        self.twin[key] = due_ms

    @rule(key=KEYS)
    def clear(self, key: str) -> None:
        self.deadlines.clear(key)
        self.twin.pop(key, None)

    @rule(now_ms=TIMES)
    def due_keys_come_earliest_first(self, now_ms: int) -> None:
        expected = sorted((due_ms, key) for key, due_ms in self.twin.items() if due_ms <= now_ms)
        assert self.deadlines.due(now_ms) == [key for _, key in expected]

    @precondition(lambda self: self.twin)
    @rule(times=st.lists(TIMES, min_size=70, max_size=80), key=KEYS)
    def moving_one_key_often_does_not_grow_the_heap(self, times: list[int], key: str) -> None:
        for due_ms in times:
            self.set(key, due_ms)
        assert len(self.deadlines._agenda._heap) <= 65

    @invariant()
    def the_next_deadline_is_the_smallest(self) -> None:
        assert self.deadlines.next_ms() == min(self.twin.values(), default=None)
        assert len(self.deadlines) == len(self.twin)


TestDeadlines = DeadlinesMachine.TestCase
TestDeadlines.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
