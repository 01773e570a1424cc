"""What people write on the command line becomes the fields that the task service takes, or is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from conclave.commands import deadletters, queues, schedules, taskoptions, tasksubmit
from conclave.commands.queues import rate_of, rate_text
from conclave.commands.queueview import changed
from conclave.commands.scheduleview import When
from conclave.commands.task import task_command
from conclave.commands.taskdag import read_dag
from conclave.commands.taskfields import fields_of
from conclave.commands.taskmoments import MomentError, both, iso, read_moment_ms
from conclave.commands.taskpayloads import json_object, read_bytes, read_payload
from coordination.runtime.errors import UsageError
from coordination.tasks import wire
from coordination.tasks.lifecycle import State
from coordination.tasks.schedules import CatchUp, Overlap
from coordination.tasks.spec import Criterion, OnFailure, Strategy
from tests.support.taskviews import NOW_MS


def test_the_words_of_the_options_are_those_of_the_service() -> None:
    assert tuple(Strategy) == taskoptions.STRATEGIES
    assert tuple(Criterion) == taskoptions.CRITERIA
    assert tuple(OnFailure) == taskoptions.ON_FAILURE
    assert tuple(State) == taskoptions.STATES
    assert tuple(Overlap) == schedules.OVERLAPS
    assert tuple(CatchUp) == schedules.CATCH_UPS


@pytest.mark.parametrize(
    ("text", "at_ms"),
    [
        ("5m", NOW_MS + 300_000),
        ("+1h30m", NOW_MS + 5_400_000),
        ("0", NOW_MS),
        ("2026-11-22T06:00Z", int(datetime(2026, 11, 22, 6, tzinfo=UTC).timestamp()) * 1000),
        (
            "2026-11-22T06:00:00.250+01:00",
            int(datetime(2026, 11, 22, 5, tzinfo=UTC).timestamp()) * 1000 + 250,
        ),
        (" 2026-11-22 ", int(datetime(2026, 11, 22).astimezone().timestamp()) * 1000),
    ],
)
def test_a_moment_is_a_length_of_time_from_now_or_a_date(text: str, at_ms: int) -> None:
    assert read_moment_ms(text, now_ms=NOW_MS) == at_ms


@pytest.mark.parametrize(
    "text", ["", "soon", "5", "-5m", "2026-13-01", "2026-11-22T25:00", "99999999999w", "++5m"]
)
def test_what_is_no_moment_is_refused_with_what_was_written(text: str) -> None:
    with pytest.raises(MomentError, match=r"is no moment|is too far away"):
        read_moment_ms(text, now_ms=NOW_MS)


@given(st.integers(0, 2**41))
def test_moments_that_are_printed_are_read_back(at_ms: int) -> None:
    assert read_moment_ms(iso(at_ms), now_ms=0) == at_ms


def test_a_moment_is_shown_as_a_date_and_a_distance() -> None:
    assert both(NOW_MS + 90_000, NOW_MS).endswith("Z, in 1m30s")
    assert iso(None) == "-"
    assert iso(2**60) == str(2**60)


def given_to(command: click.Command, *arguments: str) -> dict[str, Any]:
    """What a command would be called with."""
    return dict(command.make_context("submit", list(arguments)).params)


def taken(*options: str) -> dict[str, Any]:
    """The fields that options of a task become, which the contract takes."""
    fields = fields_of(given_to(tasksubmit.submit_command, "ocr", "{}", *options))
    wire.SubmitRequest.model_validate({"requirement": "ocr", **fields})
    return fields


def test_the_options_of_how_a_task_is_served_become_fields_that_the_contract_takes() -> None:
    assert taken(
        *("--queue", "q", "--strategy", "contract_net", "--priority", "9", "--fairness-key", "k"),
        *("--weight", "3", "--attempt-timeout", "10m", "--lease", "5s", "--attempts", "4", "--rounds", "2"),
        *("--backoff", "2s..5m", "--backoff-factor", "3", "--jitter", "0"),
        *("--bid-time", "3s", "--bid-by", "eta", "--bidders", "5"),
    ) == {
        "queue": "q",
        "strategy": "contract_net",
        "priority": 9,
        "fairness_key": "k",
        "fairness_weight": 3,
        "timeout_ms": 600_000,
        "lease_ms": 5_000,
        "max_attempts": 4,
        "max_rounds": 2,
        "backoff": {"first_ms": 2_000, "last_ms": 300_000, "factor": 3.0, "jitter": 0.0},
        "bidding": {"bid_ms": 3_000, "criterion": "eta", "max_bidders": 5},
    }


def test_the_options_of_where_a_task_is_done_become_fields_that_the_contract_takes() -> None:
    assert taken(
        *("--mark", "m", "--near", "n", "--apart", "a", "--prefer-near", "pn", "--prefer-apart", "pa"),
        *("--sticky", "s", "--sticky-wait"),
    ) == {
        "placement": {
            "marks": ["m"],
            "near": [
                {"mark": "n", "is_apart": False, "is_required": True},
                {"mark": "a", "is_apart": True, "is_required": True},
                {"mark": "pn", "is_apart": False, "is_required": False},
                {"mark": "pa", "is_apart": True, "is_required": False},
            ],
            "sticky_key": "s",
            "waits_for_sticky": True,
        },
    }


def test_the_options_of_what_a_task_belongs_to_become_fields_that_the_contract_takes() -> None:
    assert taken(
        *("--cost", "7", "--budget-tasks", "8", "--budget-cost", "9", "--max-depth", "2"),
        *("--after", "t1", "--after", "t2:skip", "--parent", "t3:12", "--keep", "--may-return"),
        *("--key", "order-7", "--id", "mine"),
    ) == {
        "cost": 7,
        "budget": {"tasks": 8, "cost": 9},
        "max_depth": 2,
        "after": [{"task_id": "t1", "on_failure": "fail"}, {"task_id": "t2", "on_failure": "skip"}],
        "parent": {"task_id": "t3", "fencing_token": 12},
        "on_parent_end": "keep",
        "may_return": True,
        "idempotency_key": "order-7",
        "task_id": "mine",
    }


def test_what_is_not_given_is_left_to_the_service() -> None:
    assert fields_of(given_to(tasksubmit.submit_command, "ocr")) == {}


def test_a_first_pause_beyond_the_usual_last_one_is_the_last_one() -> None:
    assert fields_of({"backoff": (300_000, None)})["backoff"] == {"first_ms": 300_000, "last_ms": 300_000}
    assert fields_of({"backoff": (500, None)})["backoff"] == {"first_ms": 500, "last_ms": 60_000}


def test_a_payload_comes_from_the_line_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    file.write_text('{"ä": [1, 2.5]}', encoding="utf-8")
    assert read_payload(None) == {}
    assert read_payload('{"a": {}}') == {"a": {}}
    assert read_payload(f"@{file}") == {"ä": [1, 2.5]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "holds a list, and a payload is a JSON object"),
        ('"x"', "holds a text"),
        ("null", "holds null"),
        ("7", "holds a number"),
        ("{'a': 1}", "is no JSON: line 1, column 2"),
        ('{"a": NaN}', "JSON has no NaN"),
        ("@", "cannot be read"),
        ("@/no/such/file", "/no/such/file cannot be read: No such file"),
        ("[" * 100_000, "the payload is nested too deep; flatten it"),
    ],
)
def test_a_payload_that_is_none_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_payload(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_no_text_or_has_no_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="byte 6 is not UTF-8"):
        json_object(b'{"a":"\xff"}', "job.json")
    with pytest.raises(UsageError, match="/dev/zero has more than"):
        read_bytes(Path("/dev/zero"))


DAG = """
tasks:
  fetch: {requirement: web, payload: {url: x}}
  parse:
    requirement: python>=3.11
    after: [fetch, {task_id: other, on_failure: run}]
    timeout: 10m
    deadline: 2h
    attempts: 5
    backoff: {first: 1s, last: 5m, factor: 3.0}
  mail: {requirement: mail, after: [{name: parse, on_failure: skip}], compensation: {requirement: mail}}
"""


def test_a_dag_is_read_from_names_or_from_a_list() -> None:
    by_name, own_id = read_dag(DAG.encode(), "dag.yaml", now_ms=NOW_MS)
    assert own_id is None
    assert [each["name"] for each in by_name] == ["fetch", "parse", "mail"]
    parse = by_name[1]
    assert (parse["timeout_ms"], parse["deadline_ms"], parse["max_attempts"]) == (
        600_000,
        NOW_MS + 7_200_000,
        5,
    )
    assert parse["backoff"] == {"first_ms": 1_000, "last_ms": 300_000, "factor": 3.0}
    wire.SubmitDagRequest.model_validate({"tasks": by_name})
    listed = json.dumps({"dag_id": "d", "tasks": [{"name": "a", "requirement": "x", "timeout_ms": 5}]})
    assert read_dag(listed.encode(), "dag.json", now_ms=0) == (
        [{"name": "a", "requirement": "x", "timeout_ms": 5}],
        "d",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tasks: [", "f.yaml:1:9: "),
        ("\x00", "f.yaml is neither JSON nor YAML"),
        ("7", "f.yaml: write an object with tasks"),
        ("tasks: {}", "tasks is empty"),
        ("tasks: 7", "an object of tasks by name, or a list"),
        ("tasks: {a: 7}", "task a is no object"),
        ("tasks: [{requirement: x}]", "task 1 has no name"),
        ("tasks: {a: {requirment: x}}", "task a: 'requirment' is no field; did you mean requirement?"),
        ("task: {}\ntasks: {}", "'task' is no field; did you mean tasks?"),
        ("tasks: {a: {requirement: x, timeout: 10}}", "task a: timeout: '10' is no length of time"),
        ("tasks: {a: {requirement: x, deadline: soon}}", "task a: deadline: 'soon' is no moment"),
        ("tasks: {a: {requirement: x, lease: 1s, lease_ms: 5}}", "task a: lease_ms is given twice"),
        ("tasks: {a: {requirement: x, name: b}}", "has another name inside, 'b'"),
    ],
)
def test_a_dag_that_is_none_is_refused_with_task_and_field(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_dag(text.encode(), "f.yaml", now_ms=NOW_MS)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", {"count": 10, "per_ms": 1_000}),
        ("600/5m", {"count": 600, "per_ms": 300_000}),
        ("10/s:50", {"count": 10, "per_ms": 1_000, "burst": 50}),
        ("none", None),
    ],
)
def test_rates_are_read_and_shown_alike(text: str, rate: dict[str, int] | None) -> None:
    assert rate_of(text) == rate
    assert rate_text(rate) == text


@pytest.mark.parametrize("text", ["", "10", "10/", "s/10", "10/x", "-1/s", "10/s:"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is no rate|is no length"):
        rate_of(text)


def test_setting_a_queue_changes_what_is_given_and_nothing_else() -> None:
    before = {
        "strategy": "best_match",
        "weights": {"gold": 3, "tin": 1},
        "rate_limits": {"ocr": {"count": 1, "per_ms": 1_000, "burst": None}},
        "max_held": 7,
        "is_paused": True,
    }
    given_ = given_to(
        queues.set_command,
        *("q", "--weight", "gold=5", "--weight", "tin=none", "--rate", "9/s", "--max-held", "none"),
        *("--agent-rate", "2/m"),
    )
    changes = {name: value for name, value in given_.items() if name in queues_options() and value}
    after = changed(before, changes)
    assert after == {
        "strategy": "best_match",
        "weights": {"gold": 5},
        "rate_limits": {
            "ocr": {"count": 1, "per_ms": 1_000, "burst": None},
            "*": {"count": 9, "per_ms": 1_000},
        },
        "agent_rate_limit": {"count": 2, "per_ms": 60_000},
        "max_held": None,
        "is_paused": True,
    }
    wire.SetQueueRequest.model_validate({"queue": "q", "settings": after})


def queues_options() -> set[str]:
    """Names of the options that change settings."""
    return {"strategy", "aging", "weights", "rates", "agent_rate", "max_held", "max_held_per_agent"}


def test_once_is_an_interval_with_one_time() -> None:
    assert When(at_ms=5).fields() == {"every_ms": 60_000, "start_ms": 5, "max_count": 1}
    assert When(cron="* * * * *", time_zone="UTC").fields() == {"cron": "* * * * *", "time_zone": "UTC"}


@given(
    st.integers(1, queues.MAX_RATE),
    st.integers(1, 90),
    st.sampled_from([1, 1_000, 60_000, 3_600_000, 86_400_000]),
    st.none() | st.integers(1, queues.MAX_RATE),
)
def test_every_rate_that_is_shown_is_read_back_as_the_same(
    count: int, number: int, unit_ms: int, burst: int | None
) -> None:
    rate = {"count": count, "per_ms": number * unit_ms} | ({} if burst is None else {"burst": burst})
    assert rate_of(rate_text(rate)) == rate


@pytest.mark.parametrize(
    ("group", "arguments", "said"),
    [
        (task_command, ("submit", "ocr", "--at", "soon"), "'soon' is no moment"),
        (task_command, ("submit", "ocr", "--after", "a:skp"), "did you mean skip?"),
        (task_command, ("submit", "ocr", "--after", "A"), "'A' is no task id"),
        (task_command, ("submit", "ocr", "--parent", "a"), "is not ID:TOKEN"),
        (task_command, ("submit", "ocr", "--backoff", "1s..x"), "write FIRST or FIRST..LAST"),
        (task_command, ("submit", "ocr", "--sticky-wait"), "for which key? Give --sticky, too"),
        (task_command, ("submit", "ocr", "--weight", "3"), "of which key? Give --fairness-key, too"),
        (
            task_command,
            ("submit", "ocr", "--bid-time", "3s", "--strategy", "best_match"),
            "--bid-time is for --strategy contract_net, and best_match gathers no bids",
        ),
        (
            task_command,
            ("submit", "ocr", "--bid-by", "eta", "--strategy", "round_robin"),
            "--bid-by is for --strategy contract_net",
        ),
        (
            task_command,
            ("submit", "ocr", "--bidders", "3", "--strategy", "least_loaded"),
            "--bidders is for --strategy contract_net",
        ),
        (task_command, ("submit", "ocr", "--met", "x"), "of which proposal? Give --proposal, too"),
        (task_command, ("submit", "ocr", "--priority", "10"), "10 is not in the range"),
        (task_command, ("watch",), "say what to watch, in one way"),
        (task_command, ("watch", "abcd", "--all"), "say what to watch, in one way"),
        (task_command, ("watch", "abcd", "--queue", "q"), "--queue is for --all"),
        (task_command, ("cancel",), "say what to cancel: TASK... or --dag ID"),
        (task_command, ("retry",), "say what to retry"),
        (task_command, ("list", "--mine", "--submitter", "ada"), "cannot be given together"),
        (task_command, ("get", "abcd", "--result", "--json"), "cannot be given together"),
        (deadletters.deadletters_command, ("purge",), "say what to purge: TASK..., or --all"),
        (deadletters.deadletters_command, ("redrive", "abcd", "--all"), "not both"),
        (deadletters.deadletters_command, ("redrive", "--queue", "q"), "give --all, too"),
        (deadletters.deadletters_command, ("list", "--older-than", "5"), "write 5s or 5m"),
        (queues.queue_command, ("set", "q"), "say what to set"),
        (queues.queue_command, ("set", "q", "--reset", "--rate", "1/s"), "give it alone"),
        (queues.queue_command, ("set", "q", "--rate", "ocr=x"), "'x' is no rate such as"),
        (queues.queue_command, ("set", "q", "--weight", "gold"), "is not KEY=N"),
        (queues.queue_command, ("set", "q", "--max-held", "x"), "no number of tasks"),
        (schedules.schedule_command, ("set", "s", "ocr"), "say when, in one way"),
        (schedules.schedule_command, ("set", "s", "ocr", "--every", "0"), "too short"),
        (
            schedules.schedule_command,
            ("set", "s", "o", "--every", "5m", "--time-zone", "UTC"),
            "is for --cron",
        ),
        (schedules.schedule_command, ("set", "s", "o", "--at", "5m", "--count", "2"), "--at is one moment"),
        (schedules.schedule_command, ("set", "s", "o", "--every", "5m", "--sticky-wait"), "for which key?"),
        (schedules.schedule_command, ("set", "s", "o", "--every", "5m", "--weight", "3"), "of which key?"),
    ],
)
def test_wrong_arguments_are_refused_before_anybody_is_asked(
    group: click.Command, arguments: tuple[str, ...], said: str
) -> None:
    done = CliRunner().invoke(group, arguments)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    "options",
    [
        ("--weight", "3", "--fairness-key", ""),
        ("--bid-time", "3s"),
        ("--bid-time", "3s", "--strategy", "contract_net"),
    ],
)
def test_what_counts_for_the_key_of_no_key_or_by_the_strategy_of_the_queue_is_taken(
    options: tuple[str, ...],
) -> None:
    taskoptions.refuse_idle(given_to(tasksubmit.submit_command, "ocr", *options))
