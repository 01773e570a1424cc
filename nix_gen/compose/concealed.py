"""The secrets of one compose file, found again wherever else their text stands.

Pure. A password is spelled in a variable that says so, and once more in a command, a health check, a label or
under a name that tells nothing. Whatever is known as a secret anywhere in the file is hidden everywhere, and
also in what is said about the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

HIDDEN_MIN_CHARS = 6
"""Shorter secrets are not searched for inside other text: they would be found by accident."""
HIDDEN_MAX_COUNT = 10_000
"""Secrets searched for inside other text; what a key names as a secret is hidden without any search."""
_COMMON = """
admin administrator always bridge compose container database default development disabled docker
enabled example external internal localhost manager mariadb minioadmin mongodb mysql nobody passwd
password postgres postgresql private production public rabbitmq redis required secret server service
system username valkey wordpress
"""
COMMON_WORDS = frozenset(_COMMON.split())
"""Texts that many files use as a password and that mean something else in every other place."""
_STAND_IN = "<secret>"
_REFERRING = ("$", "{{", "<")
"""What begins a text that stands for a secret."""
_URL_PASSWORD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/\s:@]{0,255}:([^/\s@]{1,1023})@")
_CLIENTS = r"(?:mysql|mysqldump|mysqladmin|mysqlcheck|mysqlimport|mysqlshow|mariadb(?:-\w+)?)"
_WORD = r"""(?:"([^"$`]+)"|'([^']+)'|([^\s"'$`;|&<>]+))"""
_SPELLED = (
    re.compile(rf"\b{_CLIENTS}\b[^\n;|&]{{0,500}}?\s[\"']?-p{_WORD}"),
    re.compile(rf"\bredis-cli\b[^\n;|&]{{0,500}}?\s-a\s*{_WORD}"),
    re.compile(rf"\bmongo\w{{0,9}}\b[^\n;|&]{{0,500}}?\s-p\s+{_WORD}"),
    re.compile(rf"\bsshpass\s+-p\s*{_WORD}"),
    re.compile(rf"--(?:password|passwd|pass|requirepass|masterauth)[= ]{_WORD}"),
    re.compile(rf"\b(?:PGPASSWORD|MYSQL_PWD|REDISCLI_AUTH)={_WORD}"),
)
"""How command lines spell passwords."""


class Concealed:
    """The secrets of one file, to find them again inside other texts."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()
        self._public: set[str] = set(COMMON_WORDS)
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Remember a secret; short ones are left alone."""
        for text in (secret, *_URL_PASSWORD.findall(secret)):
            if text.startswith(_REFERRING):
                continue
            if len(text) >= HIDDEN_MIN_CHARS and len(self._secrets) < HIDDEN_MAX_COUNT:
                self._secrets.add(text)
                self._pattern = None

    def allow(self, text: str) -> None:
        """Remember a text that is no secret even if one is equal to it: a user or database name."""
        self._public.add(text)
        self._pattern = None

    def known(self, text: str) -> bool:
        """Whether the whole text is a secret."""
        return text in self._secrets and text not in self._public

    def inside(self, text: str) -> bool:
        """Whether a secret stands inside the text."""
        return self.pattern().search(text) is not None

    def pattern(self) -> re.Pattern[str]:
        """What matches every secret, the longest first."""
        if self._pattern is None:
            words = sorted(self._secrets - self._public, key=lambda text: (-len(text), text))
            self._pattern = re.compile("|".join(map(re.escape, words)) or r"(?!)")
        return self._pattern

    def redacted(self, text: str) -> str:
        """The text with a stand-in for every secret."""
        return self.pattern().sub(_STAND_IN, text)


def spelled_passwords(line: str) -> Iterator[str]:
    """Passwords that a command line spells out: `mysql -pTEXT`, `--password=TEXT`, `PGPASSWORD=TEXT`."""
    for pattern in _SPELLED:
        for found in pattern.finditer(line):
            yield next(text for text in found.groups() if text is not None)
    yield from _URL_PASSWORD.findall(line)
