"""What the command line says of values out of bounds: with its options, in the units that people write."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from conclave.commands import queues, schedules, taskoptions
from conclave.commands.task import task_command
from coordination.tasks import terms


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--lease", "0s"), "'--lease': 0s is too short: from 100ms to 1d"),
        (("--lease", "2d"), "'--lease': 2d is too long: from 100ms to 1d"),
        (("--attempt-timeout", "0s"), "'--attempt-timeout': 0s is too short: from 1ms to 366d"),
        (("--bid-time", "2h"), "'--bid-time': 2h is too long: from 1ms to 1h"),
        (("--backoff", "5s..1s"), "'--backoff': the last pause, 1s, is shorter than the first one, 5s"),
        (("--backoff", "5s..999d"), "'--backoff': 999d is too long"),
        (("--deadline", "2020-01-01T00:00Z"), "'--deadline': 2020-01-01T00:00Z has passed (2020-01-01 00:00"),
        (("--start-by", "0"), "'--start-by': 0 has passed"),
        (("--start-by", "2h", "--deadline", "1h"), "--start-by is after --deadline"),
        (("--at", "2h", "--deadline", "1h"), "--at is not before --deadline"),
        (("--at", "2h", "--start-by", "1h"), "--at is not before --start-by"),
    ],
)
def test_a_task_out_of_bounds_is_refused_by_the_name_of_the_option(
    arguments: tuple[str, ...], said: str
) -> None:
    assert said in _refused(task_command, ("submit", "ocr", *arguments))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rate", "ocr=0/s"), "'--rate': '0/s': a rate is 1 to 1000000 offers"),
        (("--rate", "ocr=1/s:0"), "'--rate': '1/s:0': a burst is 1 to 1000000 offers"),
        (("--rate", "1/0s"), "'--rate': '1/0s': an interval is from 1ms to 366d"),
        (("--agent-rate", "0/s"), "'--agent-rate': '0/s': a rate is 1 to"),
        (("--weight", "gold=0"), "'--weight': 'gold=0': a weight is from 1 to 1000"),
        (("--max-held", "0"), "'--max-held': at least 1 task"),
        (("--aging", "999d"), "'--aging': 999d is too long"),
    ],
)
def test_a_queue_out_of_bounds_is_refused_by_the_name_of_the_option(
    arguments: tuple[str, ...], said: str
) -> None:
    assert said in _refused(queues.queue_command, ("set", "q", *arguments))


def test_a_schedule_out_of_bounds_is_refused_by_the_name_of_the_option() -> None:
    said = _refused(schedules.schedule_command, ("set", "s", "ocr", "--every", "0"))
    assert "'--every': 0 is too short: from 1ms to 366d" in said


def _refused(command: click.Command, arguments: tuple[str, ...]) -> str:
    done = CliRunner().invoke(command, arguments, terminal_width=200)
    assert done.exit_code == 2
    return " ".join(done.output.split())


def test_bounds_that_are_written_twice_are_the_same() -> None:
    assert (taskoptions.MAX_BID_MS, queues.MAX_RATE) == (terms.MAX_BID_MS, terms.MAX_RATE)
