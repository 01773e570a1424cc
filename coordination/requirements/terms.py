"""What a requirement consists of: names, operators, values, terms. Pure, immutable, validated.

Every value here has exactly one text, which reads back as an equal value.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

from coordination.requirements.specifiers import Specifier
from coordination.requirements.versions import VersionError, npm_range, partial

MAX_TERMS: Final = 32
MAX_TEXT_CHARS: Final = 2048
MAX_ITEMS: Final = 64
MAX_VALUE_CHARS: Final = 256
MAX_WEIGHT: Final = 1000
MAX_PLAIN_NAME_CHARS: Final = 63
"""Of a capability, an attribute or a label."""
MAX_NAME_CHARS: Final = 2 * MAX_PLAIN_NAME_CHARS + 1
"""Of a capability and one of its attributes, with the dot between."""

KEYWORDS: Final = frozenset({"prefer", "not", "in", "exists", "semver", "pep440"})
"""Words that are not names unless quoted. As a value any word is a value."""
WORD: Final = re.compile(r"[A-Za-z0-9_.:/@+-]+")
NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

Part = Literal["name", "op", "value", "weight"]
Space = Literal["any", "capability", "label"]
"""Where a name is looked up."""


class TermError(ValueError):
    """A term says something that has no meaning.

    Attributes:
        part: Which part of the term is to be mended.
        message: What is wrong with it, and what may stand there.
        item: Which item of a list, from 0; None if the value is no list.
    """

    def __init__(self, part: Part, message: str, *, item: int | None = None) -> None:
        super().__init__(message)
        self.part: Final = part
        self.message: Final = message
        self.item: Final = item


class Op(StrEnum):
    """How a term tests what its name stands for."""

    EQ = "="
    NE = "!="
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    IN = "in"
    NOT_IN = "not in"
    EXISTS = "exists"
    ABSENT = "not exists"
    COMPATIBLE = "~="
    CARET = "^"
    TILDE = "~"
    SEMVER = "semver"
    PEP440 = "pep440"


ORDERED: Final = frozenset({Op.LT, Op.LE, Op.GT, Op.GE})
LISTS: Final = frozenset({Op.IN, Op.NOT_IN})
PRESENCE: Final = frozenset({Op.EXISTS, Op.ABSENT})
VERSIONED: Final = frozenset({Op.COMPATIBLE, Op.CARET, Op.TILDE, Op.SEMVER, Op.PEP440})
"""Operators whose value is the text of a version or of a range of versions."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was written: ``3.10`` and ``3.1`` are one number but two versions.

    Args:
        text: A JSON number of at most 256 characters, within the range of a double.

    Raises:
        ValueError: It is none.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse what would not read back as the same number."""
        if len(self.text) > MAX_VALUE_CHARS or not NUMBER.fullmatch(self.text):
            raise ValueError(f"{self.text[:80]!r} is no number")
        if not math.isfinite(self.value):
            raise ValueError(f"{self.text} is beyond the range of numbers")

    @property
    def value(self) -> int | float:
        """Exact if it is written without point and exponent."""
        return int(self.text) if self.text.lstrip("-").isdigit() else float(self.text)


Scalar = bool | Number | str
"""One value. Written without quotes it has the type of what it is compared with; a quoted one is text."""
Value = Scalar | tuple[Scalar, ...] | None
"""A tuple for ``in`` and ``not in``, None for ``exists`` and ``not exists``, else one value."""


@dataclass(frozen=True, slots=True)
class Name:
    """What a term is about: a capability, its attribute, a label, or ``agent.max_tasks``.

    Args:
        text: Without the prefix; 1 to 127 of ``a-z``, ``0-9``, ``_``, ``.`` and ``-``.
        space: Where it is looked up; "any" means capabilities, then their attributes, then labels.

    Raises:
        TermError: No agent can have that name.
    """

    text: str
    space: Space = "any"

    def __post_init__(self) -> None:
        """Refuse names that no agent can have."""
        limit = MAX_PLAIN_NAME_CHARS if self.space == "label" else MAX_NAME_CHARS
        if not _NAME.fullmatch(self.text) or len(self.text) > limit:
            raise TermError(
                "name",
                f"{shown(self.text)} is not a name; use up to {limit} of a-z, 0-9, '_', '-' and '.', "
                "beginning with a letter or digit",
            )

    @classmethod
    def read(cls, text: str) -> Name:
        """Read a name with or without ``capability:`` or ``label:``.

        Raises:
            TermError: It is none.
        """
        prefix, colon, rest = text.partition(":")
        if not colon:
            return cls(text)
        for space in ("capability", "label"):
            if prefix == space:
                return cls(rest, "capability" if space == "capability" else "label")
        raise TermError(
            "name", f"{shown(prefix)} is no kind of name; write capability:{rest} or label:{rest}"[:200]
        )

    def __str__(self) -> str:
        if self.space != "any":
            return f"{self.space}:{self.text}"
        return quoted(self.text) if self.text in KEYWORDS else self.text


@dataclass(frozen=True, slots=True)
class Term:
    """One test of one thing.

    Args:
        name: What is tested.
        op: How.
        value: With what; of the kind that `op` takes.

    Raises:
        TermError: `op` does not take this value.
    """

    name: Name
    op: Op = Op.EXISTS
    value: Value = None

    def __post_init__(self) -> None:
        """Refuse what could never match anything."""
        require_value(self.op, self.value)

    @property
    def condition(self) -> str:
        """The term without its name, as reasons show it: ``>= 24``."""
        return self.op.value if self.value is None else f"{self.op.value} {self._operand}"

    @property
    def _operand(self) -> str:
        if self.op in (Op.SEMVER, Op.PEP440):
            return quoted(str(self.value))
        if self.op in VERSIONED:
            text = str(self.value)
            return text if WORD.fullmatch(text) else quoted(text)
        return written(self.value)

    def __str__(self) -> str:
        if self.op is Op.EXISTS:
            return str(self.name)
        if self.op is Op.ABSENT:
            return f"not {self.name}"
        if self.op in LISTS or self.op in (Op.SEMVER, Op.PEP440):
            return f"{self.name} {self.condition}"
        return f"{self.name}{self.op.value}{self._operand}"


@dataclass(frozen=True, slots=True)
class Preference:
    """A term that an agent need not meet, but better does.

    Args:
        term: What is preferred.
        weight: How much, 1 to 1000.

    Raises:
        TermError: The weight is out of range.
    """

    term: Term
    weight: int = 1

    def __post_init__(self) -> None:
        """Refuse weights that would make a score meaningless."""
        if type(self.weight) is not int or not 1 <= self.weight <= MAX_WEIGHT:
            raise TermError("weight", f"a weight is a whole number from 1 to {MAX_WEIGHT}")

    def __str__(self) -> str:
        return f"prefer {self.term}" + (f" weight {self.weight}" if self.weight != 1 else "")


def written(value: Value) -> str:
    """The text of a value, which reads back as an equal one."""
    match value:
        case bool():
            return "true" if value else "false"
        case Number():
            return value.text
        case str():
            return value if is_bare(value) else quoted(value)
        case tuple():
            return f"[{', '.join(map(written, value))}]"
        case None:
            return ""


def is_bare(text: str) -> bool:
    """Whether a text needs no quotes to be read as text."""
    return WORD.fullmatch(text) is not None and text not in ("true", "false") and not NUMBER.fullmatch(text)


def quoted(text: str) -> str:
    """`text` in double quotes, with escapes where they are needed."""
    return '"' + "".join(_ESCAPES.get(each) or _visible(each) for each in text) + '"'


def shown(text: str) -> str:
    """`text` as an error shows it: quoted, on one line, and not too long."""
    return quoted(text if len(text) <= 60 else text[:59] + "…")


def plain(value: Scalar) -> str:
    """A value as text, as it is compared with text."""
    match value:
        case bool():
            return "true" if value else "false"
        case Number():
            return value.text
        case _:
            return value


def require_value(op: Op, value: Value) -> None:
    """Check that `op` takes `value`.

    Raises:
        TermError: It does not.
    """
    if op in PRESENCE:
        if value is not None:
            raise TermError("value", f"'{op}' takes no value")
    elif op in LISTS:
        _require_items(op, value)
    elif value is None or isinstance(value, tuple):
        raise TermError("value", f"'{op}' takes one value" + ("; a list goes with 'in'" if value else ""))
    else:
        _require_scalar(value)
        if op in ORDERED:
            _require_orderable(op, value)
        elif op in VERSIONED:
            _require_version(op, value)


def _require_items(op: Op, value: Value) -> None:
    if not isinstance(value, tuple):
        raise TermError("value", f"'{op}' takes a list, such as [eu, us]")
    if not 1 <= len(value) <= MAX_ITEMS:
        raise TermError("value", f"a list has 1 to {MAX_ITEMS} items, not {len(value)}")
    for position, item in enumerate(value):
        try:
            _require_scalar(item)
        except TermError as error:
            raise TermError("value", error.message, item=position) from None


def _require_scalar(value: Scalar) -> None:
    if not isinstance(value, str):
        return
    if len(value) > MAX_VALUE_CHARS:
        raise TermError("value", f"a text has at most {MAX_VALUE_CHARS} characters, not {len(value)}")
    if any("\ud800" <= each <= "\udfff" for each in value):
        raise TermError("value", "half a surrogate pair is no character")


def _require_orderable(op: Op, value: Scalar) -> None:
    if isinstance(value, bool):
        raise TermError("value", f"{plain(value)} has no order; write ={plain(value)}")
    if isinstance(value, str) and partial(value) is None:
        raise TermError(
            "value",
            f"{shown(value)} is neither a number nor a version, and '{op}' orders only those; "
            "write 24, 3.11 or 1.2.0-rc.1",
        )


def _require_version(op: Op, value: Scalar) -> None:
    if not isinstance(value, str):
        raise TermError("value", f"'{op}' takes a version as text: 3.10 as a number would be 3.1")
    if op in (Op.CARET, Op.TILDE):
        if partial(value) is None:
            raise TermError(
                "value", f"{shown(value)} is no version; write {op}1, {op}1.2, {op}1.2.3 or {op}1.2.3-rc.1"
            )
        return
    try:
        if op is Op.SEMVER:
            npm_range(value)
        else:
            specifier(op, value)
    except VersionError as error:
        raise TermError("value", str(error)) from None


def specifier(op: Op, text: str) -> Specifier:
    """The PEP 440 specifier that ``~=`` or ``pep440`` means with `text`.

    Raises:
        VersionError: `text` is none.
    """
    if op is not Op.COMPATIBLE:
        return Specifier(text)
    wrong = VersionError(f"{shown(text)} is no version of two or more parts; write ~=3.11 or ~=3.11.4")
    if "," in text or " " in text:
        raise wrong
    try:
        return Specifier(f"~={text}")
    except VersionError:
        raise wrong from None


def _visible(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x20 or 0x7F <= code < 0xA0 or 0x2028 <= code <= 0x2029 else character
