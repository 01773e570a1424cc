"""Laws of the failure detector, against a model that keeps a list of everything that happened."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from coordination.registry.presence import FailureDetector, Verdict
from coordination.registry.record import STATUSES, Status

INTERVAL_MS = 1_000
SUSPECT_MS, OFFLINE_MS, MAX_GAP_MS = 1_500, 2_900, 500
TICK_MS = 50
AGENTS = st.sampled_from(["ada", "bob", "eve"])
INTERVALS = st.integers(0, 4_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """As much of a record as presence reads."""

    agent: str
    incarnation: int
    status: Status = "online"


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """One echo, as the naive model remembers it."""

    heard_ms: int
    sent_ms: int
    is_after_interruption: bool


class NaiveDetector:
    """Everything that happened, and the rules applied to all of it at each question.

    Its time is as much of the true one as can be known from what it was told: how far the clock has moved
    forward, whenever it was shown. A clock that shows less than before was set back.
    """

    def __init__(self) -> None:
        self.now_ms = 0
        self.shown_ms: int | None = None
        self.echoes: list[Echo] = []
        self.beats: list[tuple[str, int, int]] = []
        self.judged: list[tuple[str, int, int]] = []
        self.is_interrupted = False

    def look_at_the_clock(self, shown_ms: int) -> None:
        moved_ms = 0 if self.shown_ms is None else shown_ms - self.shown_ms
        self.is_interrupted |= moved_ms < 0
        self.now_ms += max(moved_ms, 0)
        self.shown_ms = shown_ms

    def hear(self, agent: str, incarnation: int, shown_ms: int) -> None:
        self.look_at_the_clock(shown_ms)
        self.beats.append((agent, incarnation, self.now_ms))

    def judge(self, known: Known) -> None:
        self.judged.append((known.agent, known.incarnation, self.now_ms))

    def echo(self, shown_ms: int, *, travels_ms: int) -> None:
        self.look_at_the_clock(shown_ms)
        is_after = self.is_interrupted
        self.echoes.append(
            Echo(heard_ms=self.now_ms, sent_ms=self.now_ms - travels_ms, is_after_interruption=is_after)
        )
        self.is_interrupted = False

    def listening_since_ms(self) -> int:
        """When the present stretch of listening began."""
        began_ms, before_ms = 0, None
        for each in self.echoes:
            is_gap = before_ms is None or each.heard_ms - before_ms > MAX_GAP_MS
            if is_gap or each.is_after_interruption:
                began_ms = each.heard_ms
            before_ms = each.heard_ms
        return began_ms

    def status(self, known: Known) -> Status:
        """What `known` ought to be."""
        key = (known.agent, known.incarnation)
        beats = [at_ms for *of, at_ms in self.beats if tuple(of) == key]
        if any(self.now_ms - at_ms < SUSPECT_MS for at_ms in beats):
            return "online"
        if not self.echoes:
            return known.status
        judged = [at_ms for *of, at_ms in self.judged if tuple(of) == key]
        since_ms = beats or [min(judged, default=self.now_ms)]
        vouched_ms = max(each.sent_ms for each in self.echoes)
        silent_ms = vouched_ms - max(*since_ms, self.listening_since_ms())
        worst: Status = (
            "offline" if silent_ms >= OFFLINE_MS else "suspect" if silent_ms >= SUSPECT_MS else "online"
        )
        return max(known.status, worst, key=STATUSES.index)


class DetectorMachine(RuleBasedStateMachine):
    """Heartbeats, echoes, stalls, interruptions, registrations and clocks set back, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = FailureDetector(INTERVAL_MS)
        self.naive = NaiveDetector()
        self.now_ms = 0
        self.shown_ms = 50_000
        """What the clock shows: runs with true time, but may be set back."""
        self.last_incarnation = 0
        self.known: dict[str, Known] = {}
        self.signs_ms: dict[str, int] = {}
        """When each agent last registered or was heard, in true time."""
        self.quiet_until_ms = -math.inf
        self.looked_at: dict[str, Known] = {}
        """The records that `quiet_until_ms` is about."""
        self.listening_ms = 0
        """When the registry began to listen, or found that its clock had been set back; in true time."""

    def pass_time(self, by_ms: int) -> None:
        self.now_ms += by_ms
        self.shown_ms += by_ms

    @rule(by_ms=st.integers(1, MAX_GAP_MS) | INTERVALS, travels_ms=st.integers(0, 600))
    def time_passes_and_an_echo_comes(self, by_ms: int, travels_ms: int) -> None:
        self.pass_time(by_ms)
        travels_ms = min(travels_ms, self.now_ms)
        self.detector.echo(self.shown_ms, sent_ms=self.shown_ms - travels_ms, wall_ms=self.shown_ms)
        self.naive.echo(self.shown_ms, travels_ms=travels_ms)

    @rule(ticks=st.integers(1, 70), travels_ms=st.sampled_from([0, 0, 150, 450]))
    def the_registry_listens_and_judges(self, ticks: int, travels_ms: int) -> None:
        for _ in range(ticks):
            self.time_passes_and_an_echo_comes(TICK_MS, travels_ms)
        self.everybody_is_judged()

    @rule(by_ms=INTERVALS)
    def time_passes(self, by_ms: int) -> None:
        self.pass_time(by_ms)

    @rule()
    def the_connection_is_lost(self) -> None:
        self.detector.interrupt()
        self.naive.is_interrupted = True

    @rule()
    def the_registry_starts_again(self) -> None:
        self.detector, self.naive = FailureDetector(INTERVAL_MS), NaiveDetector()
        self.listening_ms = self.now_ms
        self.looked_at = {}
        self.everybody_is_judged()

    @rule(by_ms=st.integers(1, 10_000), after_ms=st.just(0) | INTERVALS)
    def the_clock_is_set_back(self, by_ms: int, after_ms: int) -> None:
        """Which can be seen, unless more time has passed since it was last looked at."""
        self.time_passes_and_an_echo_comes(0, 0)
        self.pass_time(after_ms)
        self.shown_ms -= by_ms
        self.time_passes_and_an_echo_comes(0, 0)
        if by_ms > after_ms:
            self.listening_ms = self.now_ms

    @rule(agent=AGENTS)
    def an_agent_registers(self, agent: str) -> None:
        self.last_incarnation += 1
        self.known[agent] = Known(agent=agent, incarnation=self.last_incarnation)
        self.signs_ms[agent] = self.now_ms

    @rule(agent=AGENTS)
    def an_agent_leaves(self, agent: str) -> None:
        self.known.pop(agent, None)

    @precondition(lambda self: self.known)
    @rule(agent=AGENTS, times=st.integers(1, 3), age=st.sampled_from([0, 0, 0, 1, 2]))
    def heartbeats_come(self, agent: str, times: int, age: int) -> None:
        """Repeated, or of an older incarnation."""
        known = self.known.get(agent)
        if known is None or known.incarnation <= age:
            return
        for _ in range(times):
            self.detector.hear(agent, known.incarnation - age, 0.5, self.shown_ms)
        self.naive.hear(agent, known.incarnation - age, self.shown_ms)
        if age == 0:
            self.signs_ms[agent] = self.now_ms

    @rule()
    def everybody_is_judged(self) -> None:
        expected = {
            agent: status
            for agent, known in self.known.items()
            if (status := self.naive.status(known)) != known.status
        }
        is_quiet = self.detector.is_quiet(self.quiet_until_ms)
        verdicts = self.detector.verdicts(list(self.known.values()))
        for each in self.known.values():
            self.naive.judge(each)
        assert {each.agent: each.status for each in verdicts} == expected
        for verdict in verdicts:
            known = self.known[verdict.agent]
            assert verdict.incarnation == known.incarnation
            self.is_deserved(verdict)
            is_new = self.looked_at.get(verdict.agent) != known
            assert not is_quiet or is_new or verdict.status == "online", "nobody would have looked"
            self.known[verdict.agent] = replace(known, status=verdict.status)
        self.looked_at = dict(self.known)
        self.quiet_until_ms = self.detector.quiet_until_ms(self.known.values())
        assert self.detector.tracked <= len(self.known)

    def is_deserved(self, verdict: Verdict) -> None:
        """In true time, and silence before a clock was set back does not count."""
        silent_ms = self.now_ms - max(self.signs_ms[verdict.agent], self.listening_ms)
        least_ms: dict[Status, int] = {"online": 0, "suspect": SUSPECT_MS, "offline": OFFLINE_MS}
        assert silent_ms >= least_ms[verdict.status]

    @invariant()
    def memory_is_bounded_by_who_was_heard(self) -> None:
        assert self.detector.tracked <= 3


TestDetector = DetectorMachine.TestCase
TestDetector.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


# --- a registry with a queue, and agents that keep their promise


WEATHER = st.lists(
    st.tuples(st.sampled_from(["listens", "stalls", "is away"]), st.integers(1, 90)), min_size=1, max_size=12
)


def judged(
    weather: list[tuple[str, int]], gaps_ms: list[int], *, dies_after: int | None = None
) -> Iterator[tuple[str, int, Status]]:
    """(weather, ticks it has lasted, status) at each tick; an agent beats with `gaps_ms`, again and again.

    What is said while the registry stalls waits in its queue, its own words too. What is said while it is
    away is lost.
    """
    detector, queue, known = (
        FailureDetector(INTERVAL_MS),
        deque[tuple[str, int]](),
        Known(agent="a", incarnation=1),
    )
    now_ms, beats, next_beat_ms = 0, 0, 0
    for state, ticks in weather:
        for tick in range(ticks):
            now_ms += TICK_MS
            while next_beat_ms <= now_ms and (dies_after is None or beats < dies_after):
                queue.append(("beat", next_beat_ms))
                next_beat_ms += gaps_ms[beats % len(gaps_ms)]
                beats += 1
            if state == "is away":
                queue.clear()
                detector.interrupt()
            elif state == "listens":
                queue.append(("echo", now_ms))
                while queue:
                    what, sent_ms = queue.popleft()
                    if what == "beat":
                        detector.hear("a", 1, 0.0, now_ms)
                    else:
                        detector.echo(now_ms, sent_ms=sent_ms, wall_ms=now_ms)
                for verdict in detector.verdicts([known]):
                    known = replace(known, status=verdict.status)
            elif tick == 0:
                queue.append(("echo", now_ms))  # said, and then it stalls
            yield state, tick, known.status


@given(WEATHER, st.lists(st.integers(1, 2_500), min_size=1, max_size=6))
def test_an_agent_that_is_heard_within_two_and_a_half_intervals_is_never_offline(
    weather: list[tuple[str, int]], gaps_ms: list[int]
) -> None:
    assert "offline" not in {status for *_, status in judged(weather, gaps_ms)}


@given(WEATHER, st.lists(st.integers(1, 1_400), min_size=1, max_size=6))
def test_an_agent_that_is_heard_in_time_is_doubted_only_after_bad_weather(
    weather: list[tuple[str, int]], gaps_ms: list[int]
) -> None:
    calm = [("listens", ticks) for _, ticks in weather]
    assert {status for *_, status in judged(calm, gaps_ms)} == {"online"}


@given(WEATHER, st.integers(0, 5))
def test_a_dead_agent_is_offline_after_three_intervals_of_listening_whatever_was_before(
    weather: list[tuple[str, int]], beats: int
) -> None:
    lives_ticks, three_intervals = beats * INTERVAL_MS // TICK_MS, 3 * INTERVAL_MS // TICK_MS
    then_calm = [*weather, ("listens", lives_ticks + three_intervals)]
    *_, (_, _, status) = judged(then_calm, [INTERVAL_MS], dies_after=beats)
    assert status == "offline"


@given(st.lists(st.integers(1, 2_500), min_size=1, max_size=8))
def test_a_dead_agent_is_offline_no_earlier_than_after_nearly_three_intervals(gaps_ms: list[int]) -> None:
    listens = [("listens", 600)]
    course = list(judged(listens, gaps_ms, dies_after=len(gaps_ms)))
    died_ms = math.ceil(sum(gaps_ms[:-1]) / TICK_MS) * TICK_MS
    lost_ms = next((tick + 1) * TICK_MS for _, tick, status in course if status == "offline")
    assert OFFLINE_MS <= lost_ms - max(died_ms, TICK_MS) <= 3 * INTERVAL_MS
