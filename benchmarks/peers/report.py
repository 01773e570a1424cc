"""What a run comes to: medians, the table, and whether the claim holds.

Pure. `Run` is what is saved as JSON.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

_PERCENTILES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
_MOST_TURNS: Final = 24
"""Into how many turns the latency of a round is split, if there are as many tasks."""
RATE_FACTOR: Final = 3.0
"""How many times the best peer's tasks per second ours must complete."""
_COLUMNS: Final = (
    *("system", "tasks/s", "rounds", "submit/s", "CPU s/1,000"),
    *("done p50", "p95", "p99", "began p50", "p99"),
)
REFERENCES: Final = {
    "nats_request_ms": "raw NATS request/reply",
    "jetstream_append_ms": "raw JetStream append (fsync)",
    "redis_set_ms": "raw Redis SET (fsync)",
    "fdatasync_ms": "write and fdatasync of 400 bytes",
    "spin_ms": "a fixed loop of Python",
}
"""What is measured beside every round (`benchmarks.peers.references`), and what it is called in tables."""
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Item = TypeVar("Item")


class _Saved(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Setup(_Saved):
    """How one variant was run."""

    key: str
    system: str
    worker: tuple[str, ...]
    copies: int
    """How often the worker's command line was started."""
    settings: dict[str, Any]
    variables: dict[str, str]


class Throughput(_Saved):
    """One variant in one round: many tasks at once."""

    variant: str
    tasks: Count
    submit_s: Positive
    """Until the last task was acknowledged as durable."""
    complete_s: Positive
    """From the first submission until the last result was durable."""
    workers: Annotated[int, Field(ge=1)]
    """Worker processes that took part, as far as the results that were read say."""
    cpu_s: dict[str, float]
    """Used while the tasks ran, by role: servers, workers, submitter."""
    spin_ms: Positive
    """How long the fixed loop took just before, see `references.spin_ms`."""

    @property
    def rate(self) -> float:
        """Tasks completed per second."""
        return self.tasks / self.complete_s

    @property
    def cpu_s_per_1000(self) -> float:
        """CPU seconds of all processes for a thousand tasks."""
        return sum(self.cpu_s.values()) * 1000 / self.tasks


class Measurement(Throughput):
    """One variant in one round: many tasks at once, and one at a time."""

    turn_sizes: tuple[Count, ...]
    """How many of the tasks one at a time each turn had; turns of one number follow each other closely."""
    done_ms: tuple[float, ...]
    """One task at a time: from before it was submitted until its result was in the submitter's hand."""
    began_ms: tuple[float, ...]
    """Of the same tasks: from before it was submitted until its handler ran."""

    @model_validator(mode="after")
    def _has_every_task_of_its_turns(self) -> Measurement:
        if not sum(self.turn_sizes) == len(self.done_ms) == len(self.began_ms):
            raise ValueError("turn_sizes, done_ms and began_ms differ in how many tasks there were")
        return self

    @property
    def turns_done_p50_ms(self) -> tuple[float, ...]:
        """The p50 of `done_ms` in each turn."""
        left = iter(self.done_ms)
        return tuple(percentile([*itertools.islice(left, size)], 0.5) for size in self.turn_sizes)


class Failure(_Saved):
    """A variant that gave up."""

    variant: str
    reason: str


class Round(_Saved):
    """All variants: many tasks one variant after the other, then one task at a time in turns."""

    references: dict[str, float]
    measurements: tuple[Measurement, ...]
    failures: tuple[Failure, ...] = ()


class Options(_Saved):
    """What was asked for."""

    tasks: int
    latency_tasks: int
    rounds: int
    workers: int


class Run(_Saved):
    """Everything of one run; the file is this."""

    format: Literal[2] = 2
    made_at: str
    """When it ended, ISO 8601 in UTC."""
    machine: dict[str, Any]
    versions: dict[str, str]
    """Of the peers and of redis-server."""
    options: Options
    setups: tuple[Setup, ...]
    rounds: tuple[Round, ...]


class Summary(_Saved):
    """One variant over all rounds: the median of what each round says."""

    variant: str
    system: str
    rate: float
    rates: tuple[float, ...]
    submit_rate: float
    cpu_s_per_1000: float
    done_p50_ms: float
    done_p95_ms: float
    done_p99_ms: float
    began_p50_ms: float
    began_p99_ms: float


class Verdict(_Saved):
    """Whether ours holds what is claimed."""

    rate_factor: float
    """Our tasks per second, by those of the best peer."""
    worst_round_factor: float
    """The same in the round that was worst for us."""
    best_rate_peer: str
    done_p50_ms: float
    best_done_p50_ms: float
    """The lowest of any peer."""
    best_latency_peer: str
    turn_ratio: float | None
    """Our p50 by that of this peer in the same turn, each by its best variant: the median of all turns. None
    if they were never in one round."""

    @property
    def is_rate_met(self) -> bool:
        """At least `RATE_FACTOR` times the best peer."""
        return self.rate_factor >= RATE_FACTOR

    @property
    def is_latency_met(self) -> bool:
        """Lower than every peer."""
        return self.done_p50_ms < self.best_done_p50_ms


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (above 0, at most 1) of all values do not exceed."""
    assert 0 < share <= 1
    return sorted(values)[math.ceil(share * len(values)) - 1]


def turn_sizes(tasks: int) -> tuple[int, ...]:
    """How many of so many tasks each turn gets: about the same, and at least one."""
    turns = min(tasks, _MOST_TURNS)
    return tuple((tasks + number) // turns for number in range(turns))


def rotated(items: Sequence[Item], by: int) -> list[Item]:
    """The same items in the same order, beginning with another one."""
    first = by % max(1, len(items))
    return [*items[first:], *items[:first]]


def summarize(run: Run) -> tuple[Summary, ...]:
    """One line per variant that was measured, in the order of the setups."""
    found = []
    for setup in run.setups:
        seen = [each for round_ in run.rounds for each in round_.measurements if each.variant == setup.key]
        if seen:
            found.append(_summary(setup, seen))
    return tuple(found)


def _summary(setup: Setup, seen: Sequence[Measurement]) -> Summary:
    def median(values: Iterable[float]) -> float:
        return statistics.median(values)

    return Summary(
        variant=setup.key,
        system=setup.system,
        rate=median(each.rate for each in seen),
        rates=tuple(each.rate for each in seen),
        submit_rate=median(each.tasks / each.submit_s for each in seen),
        cpu_s_per_1000=median(each.cpu_s_per_1000 for each in seen),
        done_p50_ms=median(percentile(each.done_ms, 0.5) for each in seen),
        done_p95_ms=median(percentile(each.done_ms, 0.95) for each in seen),
        done_p99_ms=median(percentile(each.done_ms, 0.99) for each in seen),
        began_p50_ms=median(percentile(each.began_ms, 0.5) for each in seen),
        began_p99_ms=median(percentile(each.began_ms, 0.99) for each in seen),
    )


def judge(run: Run, *, ours: str) -> Verdict | None:
    """Ours beside the best peer, each by its best variant; None unless both were measured."""
    lines = summarize(run)
    own = [each for each in lines if each.system == ours]
    peers = [each for each in lines if each.system != ours]
    if not own or not peers:
        return None
    fastest = max(peers, key=lambda each: each.rate)
    quickest = min(peers, key=lambda each: each.done_p50_ms)
    our_quickest = min(own, key=lambda each: each.done_p50_ms)
    ratios = _turn_ratios(run, our_quickest.variant, quickest.variant)
    systems = {each.key: each.system for each in run.setups}
    factors = []
    for round_ in run.rounds:
        rates: dict[bool, float] = {}
        for each in round_.measurements:
            is_own = systems[each.variant] == ours
            rates[is_own] = max(rates.get(is_own, 0.0), each.rate)
        if len(rates) == 2:
            factors.append(rates[True] / rates[False])
    return Verdict(
        rate_factor=max(each.rate for each in own) / fastest.rate,
        worst_round_factor=min(factors, default=0.0),
        best_rate_peer=fastest.variant,
        done_p50_ms=our_quickest.done_p50_ms,
        best_done_p50_ms=quickest.done_p50_ms,
        best_latency_peer=quickest.variant,
        turn_ratio=statistics.median(ratios) if ratios else None,
    )


def _turn_ratios(run: Run, variant: str, other: str) -> list[float]:
    """The p50 of one variant by that of another, for every turn that both had."""
    found = []
    for round_ in run.rounds:
        turns = {each.variant: each.turns_done_p50_ms for each in round_.measurements}
        found += [one / two for one, two in zip(turns.get(variant, ()), turns.get(other, ()), strict=False)]
    return found


def throughput_line(seen: Throughput) -> str:
    """One variant in one round, as soon as this much is known."""
    return (
        f"{seen.variant:<34} {seen.rate:8,.0f}/s   {seen.cpu_s_per_1000:5.2f} CPU s/1,000   "
        f"loop {seen.spin_ms:5.1f} ms"
    )


def latency_line(seen: Measurement) -> str:
    """The same variant later."""
    done = "   ".join(f"{name} {percentile(seen.done_ms, share):7.2f} ms" for name, share in _PERCENTILES)
    turns = seen.turns_done_p50_ms
    return f"{seen.variant:<34} {done}   p50 of its turns {min(turns):.2f} to {max(turns):.2f} ms"


def table(run: Run) -> list[str]:
    """The figures as lines of text: medians over the rounds, times in milliseconds."""
    rows = [_COLUMNS]
    for each in summarize(run):
        rates = " ".join(f"{rate:,.0f}" for rate in each.rates)
        counts = (f"{each.rate:,.0f}", rates, f"{each.submit_rate:,.0f}", f"{each.cpu_s_per_1000:.2f}")
        done = (f"{each.done_p50_ms:.2f}", f"{each.done_p95_ms:.2f}", f"{each.done_p99_ms:.2f}")
        began = (f"{each.began_p50_ms:.2f}", f"{each.began_p99_ms:.2f}")
        rows.append((each.variant, *counts, *done, *began))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = []
    for row in rows:
        cells = [
            row[0].ljust(widths[0]),
            *(each.rjust(width) for each, width in zip(row[1:], widths[1:], strict=True)),
        ]
        lines.append("  ".join(cells))
    return lines


def references(run: Run) -> list[str]:
    """What the machine did beside each round, as lines of text."""
    lines = []
    for name, words in REFERENCES.items():
        values = " ".join(f"{round_.references[name]:.2f}" for round_ in run.rounds)
        lines.append(f"{words}, p50 ms by round: {values}")
    return lines


def sentences(verdict: Verdict) -> list[str]:
    """The verdict in words."""
    rate = (
        f"{verdict.rate_factor:.2f}x the tasks per second of the best peer ({verdict.best_rate_peer}), "
        f"{verdict.worst_round_factor:.2f}x in the worst round; at least {RATE_FACTOR:g}x"
    )
    ratio = verdict.turn_ratio
    latency = (
        f"p50 {verdict.done_p50_ms:.2f} ms, that of the best peer ({verdict.best_latency_peer}) "
        f"{verdict.best_done_p50_ms:.2f} ms; "
        + (f"{ratio:.2f} of it in the median turn; " if ratio is not None else "")
        + "lower than all"
    )
    held = ((rate, verdict.is_rate_met), (latency, verdict.is_latency_met))
    return [f"{words}: {'met' if is_met else 'MISSED'}" for words, is_met in held]
