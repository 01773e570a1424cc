"""What agents hold: tasks that they were offered or work on, by agent, queue and mark. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from coordination.tasks.spec import TaskSpec
from coordination.tasks.touched import Touched

_K = TypeVar("_K")
_NOBODY: Final[Mapping[str, int]] = MappingProxyType({})


class Holdings:
    """Counts of what agents hold. Numbers that fall to nothing are left out."""

    __slots__ = (
        "_by_agent",
        "_by_mark",
        "_by_queue",
        "_by_queue_and_agent",
        "_calls_by_agent",
        "_calls_by_queue",
        "touched",
    )

    def __init__(self) -> None:
        self.touched = Touched()
        """Agents in the order in which what they hold changed."""
        self._by_agent: dict[str, int] = {}
        self._by_queue: dict[str, int] = {}
        self._by_queue_and_agent: dict[tuple[str, str], int] = {}
        self._by_mark: dict[str, dict[str, int]] = {}
        self._calls_by_agent: dict[str, int] = {}
        self._calls_by_queue: dict[str, int] = {}

    def of_agent(self, agent: str) -> int:
        """Tasks that `agent` holds."""
        return self._by_agent.get(agent, 0)

    def of_queue(self, queue: str) -> int:
        """Tasks of `queue` that are held."""
        return self._by_queue.get(queue, 0)

    def of_queue_by(self, queue: str, agent: str) -> int:
        """Tasks of `queue` that `agent` holds."""
        return self._by_queue_and_agent.get((queue, agent), 0)

    def with_mark(self, mark: str) -> Mapping[str, int]:
        """Tasks with `mark` that are held, by agent."""
        return self._by_mark.get(mark, _NOBODY)

    def take(self, spec: TaskSpec, agent: str) -> None:
        """`agent` holds one task more."""
        # Written out, as most is that happens for every offer: calls would cost more than what they do.
        queue, marks = spec.queue, spec.placement.marks
        pair = queue, agent
        self._by_agent[agent] = self._by_agent.get(agent, 0) + 1
        self._by_queue[queue] = self._by_queue.get(queue, 0) + 1
        self._by_queue_and_agent[pair] = self._by_queue_and_agent.get(pair, 0) + 1
        if marks:
            self._mark(marks, agent, 1)
        self.touched.add(agent)

    def give_back(self, spec: TaskSpec, agent: str) -> None:
        """`agent` holds one task less."""
        queue, marks = spec.queue, spec.placement.marks
        _subtract(self._by_agent, agent)
        _subtract(self._by_queue, queue)
        _subtract(self._by_queue_and_agent, (queue, agent))
        if marks:
            self._mark(marks, agent, -1)
        self.touched.add(agent)

    def give_back_all(self, held: Iterable[tuple[TaskSpec, str]]) -> None:
        """As `give_back` of each, but what is counted alike is counted at once."""
        pairs: dict[tuple[str, str], int] = {}
        for spec, agent in held:
            pair = spec.queue, agent
            pairs[pair] = pairs.get(pair, 0) + 1
            if spec.placement.marks:
                self._mark(spec.placement.marks, agent, -1)
        for (queue, agent), count in pairs.items():
            _add(self._by_agent, agent, -count)
            _add(self._by_queue, queue, -count)
            _add(self._by_queue_and_agent, (queue, agent), -count)
            self.touched.add(agent)

    def calls_to(self, agent: str) -> int:
        """Calls for proposals that `agent` was sent and that are not decided."""
        return self._calls_by_agent.get(agent, 0)

    def calls_in(self, queue: str) -> int:
        """Tasks of `queue` for which bids are gathered."""
        return self._calls_by_queue.get(queue, 0)

    def call(self, spec: TaskSpec, agents: Iterable[str]) -> None:
        """`agents` were called for proposals."""
        self._count_calls(spec, agents, 1)

    def call_off(self, spec: TaskSpec, agents: Iterable[str]) -> None:
        """Their call is decided, or off."""
        self._count_calls(spec, agents, -1)

    def _count_calls(self, spec: TaskSpec, agents: Iterable[str], change: int) -> None:
        _add(self._calls_by_queue, spec.queue, change)
        for agent in agents:
            _add(self._calls_by_agent, agent, change)
            self.touched.add(agent)

    def _mark(self, marks: Iterable[str], agent: str, change: int) -> None:
        for mark in marks:
            agents = self._by_mark.setdefault(mark, {})
            _add(agents, agent, change)
            if not agents:
                del self._by_mark[mark]


def _subtract(counts: dict[_K, int], key: _K) -> None:
    count = counts.get(key, 0) - 1
    assert count >= 0, "nobody gives back what nobody took"
    if count:
        counts[key] = count
    else:
        del counts[key]


def _add(counts: dict[_K, int], key: _K, change: int) -> None:
    count = counts.get(key, 0) + change
    assert count >= 0, "nobody gives back what nobody took"
    if count:
        counts[key] = count
    else:
        del counts[key]
