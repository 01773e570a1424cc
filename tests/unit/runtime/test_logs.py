"""Where our lines go: to standard error, until the program says otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.tidy.source import ROOT

CONFIGURE = "structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stdout))"
STDLIB = (
    "logging.basicConfig(stream=sys.stdout, format='%(name)s %(message)s', level='INFO'); "
    "structlog.configure(logger_factory=structlog.stdlib.LoggerFactory(), "
    "wrapper_class=structlog.stdlib.BoundLogger, processors=[structlog.stdlib.filter_by_level, "
    "structlog.stdlib.add_logger_name, structlog.stdlib.render_to_log_kwargs])"
)


def output_of(*statements: str) -> tuple[str, str]:
    """(standard output, standard error) of a program that has our logger ``log``."""
    program = "\n".join(
        (
            "import logging, sys, structlog",
            "from coordination.runtime.logs import get_logger",
            "log = get_logger('room')",
            *statements,
        )
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    return done.stdout, done.stderr


def test_without_any_configuration_lines_go_to_standard_error() -> None:
    out, err = output_of("log.warning('gone', agent='ada')", "print('answer')")
    assert out == "answer\n"
    assert "gone" in err
    assert "ada" in err


def test_without_any_configuration_the_programs_own_lines_go_where_they_went() -> None:
    out, err = output_of("log.info('ours')", "structlog.get_logger().info('theirs')")
    assert "theirs" in out
    assert "theirs" not in err


@pytest.mark.parametrize("configure", [CONFIGURE, STDLIB], ids=["print", "stdlib"])
def test_a_configuration_counts_whenever_it_is_made(configure: str) -> None:
    for statements in (
        (configure, "log.info('later')"),
        ("log.info('sooner')", configure, "log.info('later')"),
    ):
        out, err = output_of(*statements)
        assert "later" in out
        assert "later" not in err
        assert ("sooner" in err) == ("log.info('sooner')" in statements)


def test_the_standard_library_hears_our_names() -> None:
    assert output_of(STDLIB, "log.bind(agent='ada').info('came')")[0].startswith("room came")


def test_only_configure_once_of_the_program_is_needed() -> None:
    once = CONFIGURE.replace("configure", "configure_once")
    out, err = output_of("log.info('sooner')", once, "log.info('later')")
    assert "later" in out
    assert "Warning" not in err


def test_every_logger_of_ours_is_made_there() -> None:
    rooms = ("conclave", "coordination", "dialog", "knowledge", "consensus")
    direct = [
        str(path.relative_to(ROOT))
        for room in rooms
        for path in (ROOT / room).rglob("*.py")
        if "= structlog.get_logger(" in path.read_text(encoding="utf-8")
    ]
    assert direct == []
