"""PEP 440 version specifiers, read by `packaging`. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from coordination.requirements.versions import VersionError

_SEMVER_WITH_TAIL: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+-([^+]*)(\+.*)?")
_KNOWN_PRERELEASE: Final = re.compile(r"(a|alpha|b|beta|c|rc|pre|preview|dev)([.-]?[0-9]+)?")


class Specifier:
    """Which versions a PEP 440 specifier takes; prereleases only if it names one.

    Args:
        text: Such as ``>=3.11,!=3.11.4``; at most 256 characters.

    Raises:
        VersionError: It is none.
    """

    __slots__ = ("_specifiers", "_with_prereleases")

    def __init__(self, text: str) -> None:
        if "===" in text:
            raise VersionError("=== compares texts and not versions; write ==")
        if not text.strip(" ,") or not text.isascii():
            raise VersionError(f"{text!r} is no PEP 440 specifier; write >=3.11,!=3.11.4")
        try:
            self._specifiers = SpecifierSet(text)
        except InvalidSpecifier:
            raise VersionError(f"{text!r} is no PEP 440 specifier; write >=3.11,!=3.11.4") from None
        self._with_prereleases = bool(self._specifiers.prereleases)

    def takes(self, version: str, *, is_semver: bool) -> bool | None:
        """Whether it takes `version`; None if that is no PEP 440 version.

        Args:
            version: The text of a version.
            is_semver: It is a semantic version, in which ``-1`` is a prerelease and not, as in PEP 440,
                a post-release.
        """
        read = _read(version, is_semver)
        return None if read is None else self._specifiers.contains(read, prereleases=self._with_prereleases)


@lru_cache(maxsize=4096)
def _read(text: str, is_semver: bool) -> Version | None:  # noqa: FBT001 - keywords would slow the cache
    """The version that `text` is by PEP 440; remembered, because reading it takes long."""
    tail = _SEMVER_WITH_TAIL.fullmatch(text) if is_semver else None
    if not text.isascii() or (tail is not None and not _KNOWN_PRERELEASE.fullmatch(tail[1])):
        return None
    try:
        return Version(text)
    except InvalidVersion:
        return None
