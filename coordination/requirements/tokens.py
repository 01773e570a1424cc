"""The words of a requirement's text, with their places. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from coordination.requirements.terms import MAX_TEXT_CHARS, WORD

_SPACE: Final = re.compile(r"[ \t\r\n]+")
_SYMBOL: Final = re.compile(r"==|!=|<=|>=|~=|[=<>~^,\[\]]")
_QUOTED_END: Final = re.compile(r'["\\\x00-\x1f]')
_ESCAPED: Final = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_HEX: Final = re.compile(r"[0-9a-fA-F]{4}")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_HINTS: Final = {
    "'": 'put text into double quotes, such as "two words"',
    ";": "separate terms by ','",
    "&": "separate terms by ','; all of them must be met",
    "|": "alternatives of a value are a list, such as region in [eu, us]",
    "!": "write != or not in [...]",
    "(": "a list stands in brackets, such as region in [eu, us]",
    "{": "the JSON form is not text; hand it over as an object",
    "*": 'a version range with * is quoted, such as python semver "3.*"',
}
_SHOWN_CHARS: Final = 60
"""Of the text, on each side of the place of an error."""


class RequirementSyntaxError(ValueError):
    """A text is no requirement.

    Attributes:
        message: What is wrong, and what may stand there.
        offset: Index of the character at which it goes wrong, from 0; the length of the text if it is
            the end.
        text: The whole text.
    """

    def __init__(self, message: str, *, offset: int, text: str) -> None:
        super().__init__(message, offset, text)
        self.message: Final = message
        self.offset: Final = offset
        self.text: Final = text

    def __reduce__(self) -> tuple[object, ...]:
        return _error, (self.message, self.offset, self.text)

    def __str__(self) -> str:
        """Three lines: the message, the text, and a caret under the place."""
        first = max(0, self.offset - _SHOWN_CHARS)
        last = self.offset + _SHOWN_CHARS
        before = "…" if first else ""
        after = "…" if last < len(self.text) else ""
        shown = before + "".join(map(_on_one_line, self.text[first:last])) + after
        return f"{self.message}\n  {shown}\n  {' ' * (len(before) + self.offset - first)}^"


class Sort(Enum):
    """What a token is."""

    WORD = auto()
    STRING = auto()
    SYMBOL = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Token:
    """One word, string or symbol."""

    sort: Sort
    text: str
    """Of a string what it means, without quotes and escapes."""
    offset: int
    """Index of its first character."""

    @property
    def shown(self) -> str:
        """As an error names it."""
        if self.sort is Sort.END:
            return "the end"
        return f"'{self.text}'" if len(self.text) <= 40 else f"'{self.text[:39]}…'"


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, with one of sort END last; takes time linear in its length.

    Raises:
        RequirementSyntaxError: The text is too long or holds something that is no token.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise RequirementSyntaxError(
            f"a requirement has at most {MAX_TEXT_CHARS} characters, not {len(text)}",
            offset=MAX_TEXT_CHARS,
            text=text,
        )
    surrogate = _SURROGATE.search(text)
    if surrogate is not None:
        raise RequirementSyntaxError(
            "half a surrogate pair is no character", offset=surrogate.start(), text=text
        )
    place = 0
    while place < len(text):
        space = _SPACE.match(text, place)
        if space is not None:
            place = space.end()
            continue
        token, place = _next(text, place)
        yield token
    yield Token(Sort.END, "", len(text))


def _next(text: str, place: int) -> tuple[Token, int]:
    """The token that begins at `place`, and where it ends."""
    if text[place] == '"':
        return _string(text, place)
    for sort, pattern in ((Sort.WORD, WORD), (Sort.SYMBOL, _SYMBOL)):
        found = pattern.match(text, place)
        if found is not None:
            return Token(sort, found[0], place), found.end()
    character = text[place]
    hint = _HINTS.get(character, "text with such characters stands in double quotes")
    named = character if character.isprintable() else f"\\u{ord(character):04x}"
    raise RequirementSyntaxError(f"'{named}' has no meaning here; {hint}", offset=place, text=text)


def _string(text: str, start: int) -> tuple[Token, int]:
    parts: list[str] = []
    place = start + 1
    while True:
        found = _QUOTED_END.search(text, place)
        if found is None:
            raise RequirementSyntaxError("the closing '\"' is missing", offset=start, text=text)
        parts.append(text[place : found.start()])
        place = found.start()
        if found[0] == '"':
            return Token(Sort.STRING, "".join(parts), start), place + 1
        if found[0] != "\\":
            raise RequirementSyntaxError(
                "a control character within quotes is written as \\n, \\r, \\t or \\u0000",
                offset=place,
                text=text,
            )
        meaning, place = _escape(text, place)
        parts.append(meaning)


def _escape(text: str, place: int) -> tuple[str, int]:
    letter = text[place + 1 : place + 2]
    if letter in _ESCAPED:
        return _ESCAPED[letter], place + 2
    code = _HEX.match(text, place + 2) if letter == "u" else None
    if code is None:
        raise RequirementSyntaxError(
            'unknown escape; there are \\", \\\\, \\n, \\r, \\t and \\u with four hexadecimal digits',
            offset=place,
            text=text,
        )
    meaning = chr(int(code[0], 16))
    if _SURROGATE.match(meaning):
        raise RequirementSyntaxError(
            "half a surrogate pair is no character; write the character itself", offset=place, text=text
        )
    return meaning, code.end()


def _on_one_line(character: str) -> str:
    return character if character.isprintable() else " "


def _error(message: str, offset: int, text: str) -> RequirementSyntaxError:
    """An error read back from a pickle."""
    return RequirementSyntaxError(message, offset=offset, text=text)
