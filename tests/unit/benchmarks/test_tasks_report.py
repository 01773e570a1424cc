"""What a benchmark run comes to: medians, the table, the verdict and the file."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.peers import report

OURS = "Ours"


def setup(key: str, system: str) -> report.Setup:
    return report.Setup(key=key, system=system, worker=("-m", "w"), copies=1, settings={}, variables={})


def measurement(variant: str, *, rate: float, done_ms: float = 2.0, **changes: Any) -> report.Measurement:
    values: dict[str, Any] = {
        "variant": variant,
        "tasks": 1000,
        "submit_s": 500 / rate,
        "complete_s": 1000 / rate,
        "workers": 2,
        "cpu_s": {"servers": 0.5, "workers": 1.0, "submitter": 0.25},
        "turn_sizes": (3,),
        "done_ms": (done_ms, done_ms, done_ms * 10),
        "began_ms": (done_ms / 2,) * 3,
        "spin_ms": 10.0,
    }
    return report.Measurement(**{**values, **changes})


def run(*rounds: tuple[report.Measurement, ...]) -> report.Run:
    return report.Run(
        made_at="2026-11-21T12:00:00+00:00",
        machine={"processor": "P", "cores": 2},
        versions={"celery (main)": "5.7.0"},
        options=report.Options(tasks=1000, latency_tasks=3, rounds=len(rounds), workers=2),
        setups=(setup("A, slow", "A"), setup("A, fast", "A"), setup("B, only", "B"), setup("Ours, x", OURS)),
        rounds=tuple(
            report.Round(references=dict.fromkeys(report.REFERENCES, 1.0), measurements=each)
            for each in rounds
        ),
    )


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1))
def test_a_percentile_is_a_value_that_its_share_does_not_exceed(values: list[float], share: float) -> None:
    found = report.percentile(values, share)
    assert found in values
    assert sum(each <= found for each in values) >= share * len(values) - 1e-6
    assert sum(each < found for each in values) < share * len(values)


def test_the_last_percentile_is_the_largest_value() -> None:
    assert report.percentile([3.0, 1.0, 2.0], 1) == 3.0


def test_a_variant_counts_with_the_median_of_its_rounds() -> None:
    seen = run(*(((measurement("B, only", rate=rate)),) for rate in (100, 900, 300)))
    (line,) = report.summarize(seen)
    assert math.isclose(line.rate, 300)
    assert [round(each) for each in line.rates] == [100, 900, 300]
    assert math.isclose(line.submit_rate, 600)
    assert math.isclose(line.cpu_s_per_1000, 1.75)
    assert (line.done_p50_ms, line.done_p99_ms, line.began_p50_ms) == (2.0, 20.0, 1.0)


def test_ours_is_held_against_the_best_variant_of_the_best_peer() -> None:
    seen = run(
        (
            measurement("A, slow", rate=100, done_ms=1.5),
            measurement("A, fast", rate=1000, done_ms=3.0),
            measurement("B, only", rate=900, done_ms=2.5),
            measurement("Ours, x", rate=3100, done_ms=1.4),
        )
    )
    verdict = report.judge(seen, ours=OURS)
    assert verdict is not None
    assert (verdict.best_rate_peer, verdict.best_latency_peer) == ("A, fast", "A, slow")
    assert math.isclose(verdict.rate_factor, 3.1)
    assert verdict.is_rate_met
    assert verdict.is_latency_met


def test_a_lead_of_less_than_three_times_is_called_missed() -> None:
    seen = run((measurement("B, only", rate=1000), measurement("Ours, x", rate=2999)))
    verdict = report.judge(seen, ours=OURS)
    assert verdict is not None
    assert not verdict.is_rate_met
    assert not verdict.is_latency_met, "the same latency is not the lowest"
    assert all(each.endswith("MISSED") for each in report.sentences(verdict))


def test_the_worst_round_is_told_beside_the_medians() -> None:
    seen = run(
        (measurement("B, only", rate=1000), measurement("Ours, x", rate=4000)),
        (measurement("B, only", rate=2000), measurement("Ours, x", rate=4000)),
        (measurement("B, only", rate=1000), measurement("Ours, x", rate=4000)),
    )
    verdict = report.judge(seen, ours=OURS)
    assert verdict is not None
    assert math.isclose(verdict.rate_factor, 4)
    assert math.isclose(verdict.worst_round_factor, 2)


def test_nothing_is_judged_unless_ours_and_a_peer_were_measured() -> None:
    assert report.judge(run((measurement("Ours, x", rate=1),)), ours=OURS) is None
    assert report.judge(run((measurement("A, fast", rate=1),)), ours=OURS) is None


def in_turns(variant: str, *turns: tuple[float, ...]) -> report.Measurement:
    done_ms = tuple(each for turn in turns for each in turn)
    changes = {"turn_sizes": tuple(map(len, turns)), "done_ms": done_ms, "began_ms": done_ms}
    return report.Measurement(**{**measurement(variant, rate=1000).model_dump(), **changes})


@given(st.integers(1, 1000))
def test_tasks_are_split_over_turns_that_differ_by_one_at_most(tasks: int) -> None:
    sizes = report.turn_sizes(tasks)
    assert sum(sizes) == tasks
    assert len(sizes) == min(tasks, 24)
    assert max(sizes) - min(sizes) <= 1


def test_each_turn_begins_with_another_one_and_keeps_the_order() -> None:
    assert [report.rotated("abc", by) for by in range(4)] == [[*"abc"], [*"bca"], [*"cab"], [*"abc"]]
    assert report.rotated("", 5) == []


def test_a_turn_is_told_by_the_p50_of_its_own_tasks() -> None:
    seen = in_turns("B, only", (1.0, 2.0, 9.0), (5.0,), (4.0, 3.0))
    assert seen.turns_done_p50_ms == (2.0, 5.0, 3.0)


def test_latency_is_held_against_the_best_peer_turn_by_turn() -> None:
    """A slow phase of the machine hits one turn of all alike, and counts no more than any other."""
    seen = run(
        (
            in_turns("A, fast", (9.0,), (9.0,)),
            in_turns("B, only", (2.0,), (80.0,)),
            in_turns("Ours, x", (1.0,), (60.0,)),
        ),
        (in_turns("B, only", (3.0,), (2.0,)), in_turns("Ours, x", (3.0,), (1.2,))),
        (in_turns("Ours, x", (7.0,), (7.0,)),),
    )
    verdict = report.judge(seen, ours=OURS)
    assert verdict is not None
    assert verdict.best_latency_peer == "B, only"
    assert verdict.turn_ratio is not None
    assert math.isclose(verdict.turn_ratio, (0.6 + 0.75) / 2)
    assert "; 0.68 of it in the median turn; lower than all: " in report.sentences(verdict)[1]


def test_without_a_turn_of_both_there_is_no_ratio() -> None:
    seen = run((measurement("B, only", rate=1000),), (measurement("Ours, x", rate=4000),))
    verdict = report.judge(seen, ours=OURS)
    assert verdict is not None
    assert verdict.turn_ratio is None
    assert "turn" not in report.sentences(verdict)[1]


def test_a_variant_has_a_line_when_its_throughput_is_known_and_one_after_the_turns() -> None:
    seen = in_turns("B, only", (1.0, 2.0, 9.0), (5.0,))
    assert "1,000/s" in report.throughput_line(seen)
    assert report.latency_line(seen).split()[2:8] == ["p50", "2.00", "ms", "p95", "9.00", "ms"]
    assert report.latency_line(seen).endswith("p50 of its turns 2.00 to 5.00 ms")


def test_the_table_has_a_line_for_each_measured_variant_and_columns_that_stand_under_each_other() -> None:
    seen = run((measurement("A, slow", rate=12345), measurement("Ours, x", rate=1)))
    lines = report.table(seen)
    assert [line.split("  ")[0] for line in lines] == ["system", "A, slow", "Ours, x"]
    assert "12,345" in lines[1]
    assert len({len(line) for line in lines}) == 1


def test_every_reference_is_told_for_every_round() -> None:
    lines = report.references(run((), ()))
    assert len(lines) == len(report.REFERENCES)
    assert all(line.endswith("1.00 1.00") for line in lines)


def test_a_run_comes_back_from_its_file() -> None:
    seen = run((measurement("B, only", rate=1000), measurement("Ours, x", rate=3000)))
    assert report.Run.model_validate_json(seen.model_dump_json()) == seen


@pytest.mark.parametrize(
    "wrong",
    [
        {"complete_s": 0},
        {"submit_s": math.inf},
        {"workers": 0},
        {"began_ms": (math.nan,) * 3},
        {"began_ms": (1.0,)},
        {"turn_sizes": (2, 2)},
        {"turn_sizes": (3, 0)},
        {"more": 1},
    ],
)
def test_what_cannot_have_been_measured_is_not_saved(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        measurement("B, only", rate=1, **wrong)
