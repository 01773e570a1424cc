"""Functions have at most 60 lines of code, files at most 500 lines."""

from __future__ import annotations

from tests.tidy.source import OURS, code_lines, files, functions, place

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 500
LONGER_FUNCTIONS: frozenset[str] = frozenset()
"""Functions allowed to be longer, as ``file:name``. May only shrink, and is empty."""
LONGER_FILES: frozenset[str] = frozenset()
"""Files allowed to be longer. May only shrink, and is empty."""


def test_no_function_is_longer_than_a_screen() -> None:
    too_long = {}
    for path in files(*OURS):
        for function in functions(path):
            span = range(function.lineno, (function.end_lineno or function.lineno) + 1)
            lines = sum(line in code_lines(path) for line in span)
            name = f"{place(path)}:{function.name}"
            if lines > MAX_FUNCTION_LINES and name not in LONGER_FUNCTIONS:
                too_long[name] = lines
    assert not too_long


def test_no_file_is_longer_than_can_be_overlooked() -> None:
    too_long = {}
    for path in files(*OURS):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MAX_FILE_LINES and place(path) not in LONGER_FILES:
            too_long[place(path)] = lines
    assert not too_long
