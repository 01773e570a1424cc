"""What an explanation is made of. Pure data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from nix_gen.errors import NixGenError, one_line


class NothingToExplainError(NixGenError):
    """There is no such node, edge, host or code: the asker's mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One question and its answers."""

    title: str
    lines: tuple[str, ...]
    """At least one; each printable and without line breaks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What a part of a graph becomes, and why."""

    title: str
    sections: tuple[Section, ...]

    def to_plain(self) -> dict[str, Any]:
        """JSON data: the title, and the lines of each section by its title."""
        return {"title": self.title, "sections": {one.title: list(one.lines) for one in self.sections}}


@dataclass(slots=True)
class Pages:
    """An explanation while it is being written."""

    title: str
    sections: list[Section] = field(default_factory=list)

    def add(self, title: str, lines: Iterable[str]) -> None:
        """Add a section; none is added for no lines."""
        shown = tuple(one_line(line) for line in lines)
        if shown:
            self.sections.append(Section(title=title, lines=shown))

    def close(self) -> Explanation:
        """The finished explanation."""
        return Explanation(title=one_line(self.title), sections=tuple(self.sections))
