"""PEP 440 version specifiers, read by `packaging`. Pure."""

from __future__ import annotations

import re
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from coordination.requirements.versions import VersionError

_SEMVER_WITH_TAIL: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+-([^+]*)(\+.*)?")
_KNOWN_PRERELEASE: Final = re.compile(r"(a|alpha|b|beta|c|rc|pre|preview|dev)([.-]?[0-9]+)?")
_MAX_MEMORY: Final = 1024
"""Different versions of which a specifier remembers the answer: asking `packaging` costs microseconds."""


class Specifier:
    """Which versions a PEP 440 specifier takes; prereleases only if it names one.

    Args:
        text: Such as ``>=3.11,!=3.11.4``; at most 256 characters.

    Raises:
        VersionError: It is none.
    """

    __slots__ = ("_answers", "_specifiers")

    def __init__(self, text: str) -> None:
        if "===" in text:
            raise VersionError("=== compares texts and not versions; write ==")
        if not text.strip(" ,") or not text.isascii():
            raise VersionError(f"{text!r} is no PEP 440 specifier; write >=3.11,!=3.11.4")
        try:
            self._specifiers = SpecifierSet(text)
        except InvalidSpecifier:
            raise VersionError(f"{text!r} is no PEP 440 specifier; write >=3.11,!=3.11.4") from None
        self._answers: dict[tuple[str, bool], bool | None] = {}

    def takes(self, version: str, *, is_semver: bool) -> bool | None:
        """Whether it takes `version`; None if that is no PEP 440 version.

        Args:
            version: The text of a version.
            is_semver: It is a semantic version, in which ``-1`` is a prerelease and not, as in PEP 440,
                a post-release.
        """
        asked = (version, is_semver)
        if asked not in self._answers:
            if len(self._answers) >= _MAX_MEMORY:
                self._answers.clear()
            self._answers[asked] = self._decide(version, is_semver=is_semver)
        return self._answers[asked]

    def _decide(self, version: str, *, is_semver: bool) -> bool | None:
        tail = _SEMVER_WITH_TAIL.fullmatch(version) if is_semver else None
        if not version.isascii() or (tail is not None and not _KNOWN_PRERELEASE.fullmatch(tail[1])):
            return None
        try:
            read = Version(version)
        except InvalidVersion:
            return None
        return self._specifiers.contains(read, prereleases=bool(self._specifiers.prereleases))
