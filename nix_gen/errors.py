"""The errors of nix_gen. Typed attributes first; the text is derived from them and is always one line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nix_gen.findings import Finding

QUOTE_MAX_CHARS = 60
"""How much of somebody's text an error repeats."""
FINDINGS_SHOWN_MAX_COUNT = 3


class NixGenError(Exception):
    """Root of every error this package raises on purpose."""


def quoted(text: object, limit_chars: int = QUOTE_MAX_CHARS) -> str:
    """Text of unknown origin made safe to stand in one line: shortened, printable, in quotes."""
    plain = re.sub(r"\s+", " ", str(text))
    visible = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in plain)
    if len(visible) > limit_chars:
        visible = visible[: limit_chars - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return f"'{visible}'"


def one_line(text: str) -> str:
    """Text without line breaks or other characters that do not print."""
    return "".join(char if char.isprintable() else " " for char in text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a file. `str()` is `FILE:LINE: where: what; mend`."""

    file: str
    what: str
    mend: str
    where: str = ""
    """Which part of the file: `node 'db', port`. Empty: the file as a whole."""
    line: int | None = None
    """From 1. None: the fault is not at a line (the file is missing, too large, ...)."""
    column: int | None = None
    """From 1."""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        where = f"{self.where}: " if self.where else ""
        return one_line(f"{place}: {where}{self.what}; {self.mend}")


class GraphFileError(NixGenError):
    """A graph or compose file cannot be used: the fault of whoever wrote or named it.

    Attributes:
        problems: everything found wrong, at least one, at most `PROBLEMS_MAX_COUNT`.
        file: the file as the caller named it.
        line: line of the first problem, from 1, or None.
    """

    PROBLEMS_MAX_COUNT = 100

    def __init__(self, *problems: Problem) -> None:
        assert problems, "an error without a problem"
        self.problems = problems[: self.PROBLEMS_MAX_COUNT]
        more_count = len(problems) - 1
        super().__init__(f"{problems[0]}{f' (and {more_count} more)' if more_count else ''}")

    @property
    def file(self) -> str:
        """The file as the caller named it."""
        return self.problems[0].file

    @property
    def line(self) -> int | None:
        """Line of the first problem, from 1."""
        return self.problems[0].line


class InvalidGraphError(NixGenError):
    """The graph has errors, so nothing was generated: its author's fault, or an agent's that let it pass.

    Attributes:
        findings: the errors, worst first, at least one.
    """

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        assert findings, "an invalid graph has a finding"
        self.findings = findings
        shown = "; ".join(
            f"{finding.place}: {finding.message}" for finding in findings[:FINDINGS_SHOWN_MAX_COUNT]
        )
        more_count = len(findings) - FINDINGS_SHOWN_MAX_COUNT
        super().__init__(f"{shown}{f' (and {more_count} more)' if more_count > 0 else ''}")
