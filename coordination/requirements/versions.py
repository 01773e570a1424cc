"""Semantic versions and npm's ranges of them, as comparisons of tuples. Pure.

Precedence is SemVer 2.0.0's (section 11; build metadata does not count), ranges are npm's
(as node-semver's README defines them): partial versions, `^`, `~`, hyphens,
`x`, and `||`; a prerelease is in a range only if a bound of that range is a prerelease of the same
major.minor.patch. Written here, and not taken from `semantic-version`: docs/adr/0002-dependencies.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

Key = tuple[Any, ...]
"""Orders versions as SemVer does: (major, minor, patch, 1) for a release, for a prerelease
(major, minor, patch, 0, identifier...) with (0, number) or (1, text) for an identifier. Anything between
two versions, such as (2, 0, 0, 0) just below every prerelease of 2.0.0, may bound an interval."""

_NUMBER: Final = r"(0|[1-9][0-9]*)"
_TAIL: Final = (
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?"
)
_VERSION: Final = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}{_TAIL}")
_PARTIAL: Final = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER}{_TAIL})?)?")
_WILDCARD: Final = re.compile(r"[xX*](?:\.[xX*]){0,2}")
_WILD_END: Final = re.compile(r"(?:\.[xX*]){1,2}")
_COMPARATOR: Final = re.compile(r"\s*(<=|>=|<|>|=|\^|~)?\s*(\S+)")
_HYPHEN: Final = re.compile(r"\s+-\s+")
_LOWEST: Final[Key] = ()
_HIGHEST: Final[Key] = (float("inf"),)
_RELEASE: Final = 1
_PRERELEASE: Final = 0


class VersionError(ValueError):
    """A text is no version, or no range of versions; the message says why."""


@dataclass(frozen=True, slots=True)
class Partial:
    """A version as ranges name it: 1 to 3 numbers, with a prerelease only behind the third."""

    numbers: tuple[int, ...]
    """None at all is npm's ``*``."""
    key: Key
    """Of the lowest release that it names, or of the prerelease."""

    @property
    def is_prerelease(self) -> bool:
        """Whether it names one prerelease."""
        return bool(self.key[3] == _PRERELEASE)

    @property
    def end(self) -> Key:
        """Just above the last version that it names."""
        if len(self.numbers) == 3:
            return (*self.key, ())
        return below(self.numbers, len(self.numbers) - 1) if self.numbers else _HIGHEST


@dataclass(frozen=True, slots=True)
class Interval:
    """The versions from `low` up to, not including, `high`, and prereleases only of `patches`."""

    low: Key
    high: Key
    patches: frozenset[Key] = frozenset()
    """major.minor.patch of those bounds that are prereleases."""

    def __contains__(self, key: Key) -> bool:
        if not self.low <= key < self.high:
            return False
        return bool(key[3] == _RELEASE) or key[:3] in self.patches


@dataclass(frozen=True, slots=True)
class Range:
    """The versions that are in any of the intervals."""

    intervals: tuple[Interval, ...]

    def __contains__(self, key: Key) -> bool:
        # A loop and not any(): this is called for every agent.
        for interval in self.intervals:  # noqa: SIM110
            if key in interval:
                return True
        return False

    def but_for_prerelease(self, key: Key) -> bool:
        """Whether a version is kept out only because it is a prerelease."""
        return key not in self and any(each.low <= key < each.high for each in self.intervals)


def below(numbers: tuple[int, ...], place: int) -> Key:
    """Just below every version, prereleases included, of `numbers` with the one at `place` raised."""
    raised = (*numbers[:place], numbers[place] + 1, 0, 0)
    return (*raised[:3], _PRERELEASE)


def version_key(text: str) -> Key | None:
    """The key of a full semantic version; None if `text` is none."""
    found = _VERSION.fullmatch(text)
    return _key(found) if found is not None else None


def loose_version_key(text: str) -> Key | None:
    """The key of a version that may lack its last parts, which are then 0; None if `text` is none."""
    found = _PARTIAL.fullmatch(text)
    return _key(found) if found is not None else None


def partial(text: str) -> Partial | None:
    """Read ``3``, ``3.11``, ``3.11.4`` or ``3.11.4-rc.1+build``; None if `text` is none of them."""
    found = _PARTIAL.fullmatch(text)
    if found is None:
        return None
    numbers = tuple(int(each) for each in found.groups()[:3] if each is not None)
    return Partial(numbers, _key(found))


def compare(operator: str, bound: Partial) -> Range:
    """The versions that are `operator` a bound, by npm's rules for partial versions.

    Args:
        operator: One of ``=``, ``<``, ``<=``, ``>``, ``>=``, ``^`` and ``~``.
        bound: What they are compared with.
    """
    return Range((_interval([(operator, bound)]),))


def npm_range(text: str) -> Range:
    """Read npm's syntax of ranges, such as ``>=1.2 <2 || 3.x``.

    Raises:
        VersionError: It is none.
    """
    return Range(tuple(_interval(_comparators(part.strip())) for part in text.split("||")))


def _key(found: re.Match[str]) -> Key:
    major, minor, patch, prerelease = found.groups()
    numbers = (int(major), int(minor or 0), int(patch or 0))
    if prerelease is None:
        return (*numbers, _RELEASE)
    identifiers = ((0, int(each)) if each.isdigit() else (1, each) for each in prerelease.split("."))
    return (*numbers, _PRERELEASE, *identifiers)


def _comparators(text: str) -> list[tuple[str, Partial]]:
    """The comparators of one alternative, all of which must hold."""
    if not text:
        raise VersionError("an alternative is empty; write * for any version")
    ends = _HYPHEN.split(text)
    if len(ends) == 2:
        return [(">=", _bound(ends[0])), ("<=", _bound(ends[1]))]
    if len(ends) > 2:
        raise VersionError(f"{text!r} has more than two ends; write 1.2 - 2.3")
    return [(found[1] or "=", _bound(found[2])) for found in _COMPARATOR.finditer(text)]


def _bound(text: str) -> Partial:
    """Read one version of a range, in which ``x``, ``X`` and ``*`` stand for any number at the end."""
    if _WILDCARD.fullmatch(text):
        return Partial((), (0, 0, 0, _RELEASE))
    bare = text.removeprefix("v")
    wild = next((found for found in _WILD_END.finditer(bare) if found.end() == len(bare)), None)
    read = partial(bare[: wild.start()] if wild is not None else bare)
    if read is None or (wild is not None and bare[: wild.start()].count(".") + wild[0].count(".") > 2):
        raise VersionError(f"{text!r} is no version; write 1, 1.2, 1.2.3, 1.2.3-rc.1 or 1.x")
    return read


def _interval(comparators: Iterable[tuple[str, Partial]]) -> Interval:
    low, high = _LOWEST, _HIGHEST
    patches = set()
    for operator, bound in comparators:
        starts, ends = _ends(operator, bound)
        low, high = max(low, starts), min(high, ends)
        if bound.is_prerelease:
            patches.add(bound.key[:3])
    return Interval(low, high, frozenset(patches))


def _ends(operator: str, bound: Partial) -> tuple[Key, Key]:  # noqa: PLR0911 - one arm per operator
    """Where the versions that are `operator` a bound begin and, exclusively, end."""
    match operator:
        case ">=":
            return bound.key, _HIGHEST
        case ">":
            return _after(bound), _HIGHEST
        case "<":
            whole = len(bound.numbers) == 3
            return _LOWEST, bound.key if whole else (*bound.key[:3], _PRERELEASE)
        case "<=":
            return _LOWEST, bound.end
        case "~":
            numbers = bound.numbers
            return bound.key, below(numbers, min(len(numbers), 2) - 1) if numbers else _HIGHEST
        case "^":
            return bound.key, _caret_end(bound.numbers)
        case _:
            return bound.key, bound.end


def _after(bound: Partial) -> Key:
    """The first version above all that a bound names; what is above 1.2 begins with 1.3.0."""
    if len(bound.numbers) == 3 or not bound.numbers:
        return bound.end
    return (*bound.end[:3], _RELEASE)


def _caret_end(numbers: tuple[int, ...]) -> Key:
    """Where compatibility ends: the first number that is not 0 may not change, else the last given."""
    if not numbers:
        return _HIGHEST
    leading = next((place for place, number in enumerate(numbers) if number), len(numbers) - 1)
    return below(numbers, leading)
