"""What waits, in the order in which it is served."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.tasks import lanes as module
from coordination.tasks.holdings import Holdings
from coordination.tasks.lanes import Lanes, line_key
from coordination.tasks.limits import MAX_AGED_PRIORITY
from coordination.tasks.lines import Level, Line, Manner, Waiting
from coordination.tasks.queues import QueueSettings
from coordination.tasks.spec import Nearness, Placement, Strategy, TaskSpec
from tests.support.tasking import Tasking

KEY = ("q", "ocr", "ocr", False, Manner.PLAIN)


def waiting(number: int, key: str = "", level: int = 0) -> Waiting:
    return Waiting(f"t{number}", number, key, level, 0)


def test_tasks_that_are_particular_or_say_a_strategy_have_lines_of_their_own() -> None:
    tasking = Tasking()
    tasking.submit("plain")
    tasking.submit("asked", strategy=Strategy.ROUND_ROBIN)
    tasking.submit("called", strategy=Strategy.CONTRACT_NET)
    tasking.submit("sticky", placement=Placement(sticky_key="k"))
    tasking.submit("near", placement=Placement(near=(Nearness(mark="m"),)))
    manners = {each.task_id: line_key(each)[4] for each in tasking.model.state.open.values()}
    assert manners == {
        "plain": Manner.PLAIN,
        "asked": Manner.ASKED,
        "called": Manner.CALLED,
        "sticky": Manner.PARTICULAR,
        "near": Manner.PARTICULAR,
    }


class Sorted:
    """A line, and what waits in it as one would sort it anew."""

    def __init__(self) -> None:
        self.line = Line(KEY)
        self.there: dict[int, Waiting] = {}
        self.tags = dict.fromkeys("xyz", 0)
        self.levels: dict[str, set[Level]] = {key: set() for key in self.tags}

    def order(self, each: Waiting) -> tuple[int, int, int]:
        return -each.level, self.tags[each.key], each.sequence

    def standing(self) -> list[Waiting]:
        """What waits and is not parked, in order."""
        standing = [each for each in self.there.values() if each.task_id not in self.line.parked]
        return sorted(standing, key=self.order)

    def let_stand(self, each: Waiting) -> None:
        entered = self.line.add(each, self.tags[each.key])
        if entered is not None:
            self.levels[each.key].add(entered)

    def add(self, number: int, key: str, level: int) -> None:
        if number not in self.there:
            self.there[number] = waiting(number, key, level)
            self.let_stand(self.there[number])

    def drop(self, number: int, _: str, __: int) -> None:
        each = self.there.pop(number, None)
        if each is not None:
            at, each.level = each.level, -1
            self.line.drop(each, number=at)

    def serve(self, number: int, _: str, level: int) -> None:
        """Take out some, as a pass does, and park one of them."""
        taken = []
        for index, expected in enumerate(self.standing()[: number % 8]):
            first = self.line.first(self.tags)
            assert first is not None
            assert first[3] is expected
            if index == level:
                self.line.park(expected)
            else:
                self.line.take(expected)
                taken.append(expected)
        for each in reversed(taken):
            self.line.put_back(each, self.tags[each.key])

    def unpark(self, _: int, __: str, ___: int) -> None:
        for each in self.line.unpark_all():
            self.let_stand(each)

    def charge(self, _: int, key: str, level: int) -> None:
        self.tags[key] += level + 1

    def refund(self, _: int, key: str, level: int) -> None:
        self.tags[key] -= level
        for each in self.levels[key]:
            each.retag(key, self.tags[key])

    def check(self) -> None:
        line, standing = self.line, self.standing()
        first = line.first(self.tags)
        assert (first[:3] if first is not None else None) == next(map(self.order, standing), None)
        assert line.floor(self.tags) == min(
            (self.tags[each.key] for each in self.there.values()), default=None
        )
        assert bool(line) is bool(self.there)
        assert line.is_standing is bool(standing)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "add", "drop", "serve", "unpark", "charge", "refund"]),
            st.integers(0, 30),
            st.sampled_from("xyz"),
            st.integers(0, 2),
        ),
        max_size=120,
    )
)
def test_a_line_serves_as_if_everything_were_sorted_anew(steps: list[tuple[str, int, str, int]]) -> None:
    twin = Sorted()
    for step, number, key, level in steps:
        getattr(twin, step)(number, key, level)
        twin.check()


def test_heaps_do_not_grow_with_tasks_that_come_and_go_behind_the_first() -> None:
    line = Line(KEY)
    line.add(waiting(0), 0)
    for number in range(1, 5_000):
        each = waiting(number)
        line.add(each, 0)
        each.level = -1
        line.drop(each, number=0)
    level = line._by_number[0]
    assert len(level._fifos[""]._row) < 200
    assert len(level._order) < 200


def test_parked_tasks_still_wait() -> None:
    line = Line(KEY)
    line.add(waiting(1, "x"), 7)
    first = line.first({"x": 7})
    assert first is not None
    line.park(first[3])
    assert bool(line)
    assert not line.is_standing
    assert line.first({"x": 7}) is None
    assert line.floor({"x": 7}) == 7
    line.drop(first[3], number=0)
    assert not line
    assert line.unpark_all() == []


def test_more_tasks_than_the_bound_are_lifted_in_several_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LIFTED_TASKS", 3)
    tasking = Tasking()
    tasking.model.state.allocation.settings = {"default": QueueSettings(aging_ms=10)}
    for number in range(5):
        tasking.submit(f"t{number}")
    lanes = Lanes(tasking.model.state)
    assert not lanes.age(1_010)
    assert lanes.age(1_010)
    place = lanes.place("t4")
    assert place is not None
    assert place.level == 1
    while not lanes.age(10_000):
        pass
    assert place.level == MAX_AGED_PRIORITY
    assert lanes.place("nobody") is None


def test_lifts_of_tasks_that_have_gone_are_not_kept() -> None:
    tasking = Tasking()
    for number in range(300):
        tasking.submit(f"t{number}")
        tasking.offer(task_id=f"t{number}")
    assert tasking.model.view.lanes.waiting_count == 0
    assert len(tasking.model.view.lanes._lifts) <= 65


def test_holdings_count_by_agent_queue_and_mark() -> None:
    holdings = Holdings()
    spec = TaskSpec(requirement="ocr", queue="q", placement=Placement(marks=("db", "eu")))
    holdings.take(spec, "a")
    holdings.take(spec, "a")
    holdings.take(TaskSpec(requirement="ocr"), "b")
    holdings.call(spec, ("a", "b"))
    assert (holdings.of_agent("a"), holdings.of_queue("q"), holdings.of_queue_by("q", "a")) == (2, 2, 2)
    assert dict(holdings.with_mark("db")) == {"a": 2}
    assert (holdings.calls_to("b"), holdings.calls_in("q")) == (1, 1)
    holdings.give_back(spec, "a")
    holdings.give_back(spec, "a")
    holdings.call_off(spec, ("a", "b"))
    assert (holdings.of_agent("a"), holdings.of_queue("q"), holdings.of_queue_by("q", "a")) == (0, 0, 0)
    assert dict(holdings.with_mark("db")) == {}
    assert (holdings.calls_to("b"), holdings.calls_in("q")) == (0, 0)
    with pytest.raises(AssertionError, match="nobody took"):
        holdings.give_back(spec, "a")
