"""Facts: immutable statements, the hash that names them, and the patterns that find them.

Pure: no await, clock, randomness or transport. Time arrives as `asserted_at_ms`.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coordination.runtime.errors import RejectedError
from coordination.runtime.names import is_id
from knowledge.canonical import Json, NotCanonicalError, canonical_json, parse_canonical
from knowledge.limits import (
    MAX_FACT_BYTES,
    MAX_OBJECT_BYTES,
    MAX_PREDICATE_BYTES,
    MAX_SAFE_INTEGER,
    MAX_SUBJECT_BYTES,
)

_TOPIC: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_FIELDS: Final = frozenset({"asserted_at_ms", "object", "predicate", "source", "subject"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One immutable statement: subject, predicate, object, who said it and when.

    Two facts are equal when their canonical JSON is: ``1`` and ``1.0`` are the same object, ``1`` and
    ``True`` are not. Build one with `Fact.of`, or `parse_fact` from its canonical JSON.

    Raises:
        RejectedError: ``invalid_fact``; the message names the field and its limit.
    """

    subject: str
    """What the fact is about; 1 to 512 bytes, no control characters."""
    predicate: str
    """The relation; 1 to 128 bytes, no control characters."""
    object_json: str
    """Canonical JSON of the object; at most 8 KiB, 8 levels deep."""
    source: str
    """Agent id of who asserts it."""
    asserted_at_ms: int
    """When, in milliseconds since the Unix epoch, 0 to 2**53 - 1, by the source's clock."""

    def __post_init__(self) -> None:
        """Refuse a field that is out of its limits."""
        _require_text("subject", self.subject, MAX_SUBJECT_BYTES)
        _require_text("predicate", self.predicate, MAX_PREDICATE_BYTES)
        _require_object(self.object_json)
        _require_id("source", self.source)
        _require_instant("asserted_at_ms", self.asserted_at_ms)

    @classmethod
    def of(cls, *, subject: str, predicate: str, object: Json, source: str, asserted_at_ms: int) -> Fact:  # noqa: A002
        """Build a fact from a plain JSON `object`.

        Raises:
            RejectedError: ``invalid_fact``.
        """
        return cls(
            subject=subject,
            predicate=predicate,
            object_json=object_text(object),
            source=source,
            asserted_at_ms=asserted_at_ms,
        )

    @property
    def object(self) -> Json:
        """The object as plain JSON, a new copy each time."""
        return parse_canonical(self.object_json)

    @property
    def canonical(self) -> str:
        """The fact as canonical JSON: what replicas store and what `fact_id` hashes."""
        subject, predicate = canonical_json(self.subject), canonical_json(self.predicate)
        return (
            f'{{"asserted_at_ms":{self.asserted_at_ms},"object":{self.object_json},'
            f'"predicate":{predicate},"source":"{self.source}","subject":{subject}}}'
        )

    @property
    def fact_id(self) -> str:
        """SHA-256 of `canonical`, 64 lower-case hex digits."""
        return text_id(self.canonical)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Which facts a query wants; a field left out matches anything, all given ones must match."""

    subject: str | None = None
    """Exact subject."""
    subject_prefix: str | None = None
    """Beginning of the subject."""
    predicate: str | None = None
    """Exact predicate."""
    object_json: str | None = None
    """Canonical JSON of the exact object, from `object_text`; the text ``null`` asks for a null object."""
    source: str | None = None
    """Exact agent id of the source."""

    def matches(self, fact: Fact) -> bool:
        """Whether `fact` has everything this pattern asks for."""
        return (
            self.subject in (None, fact.subject)
            and self.predicate in (None, fact.predicate)
            and self.object_json in (None, fact.object_json)
            and self.source in (None, fact.source)
            and fact.subject.startswith(self.subject_prefix or "")
        )


def select(facts: Iterable[Fact], pattern: Pattern) -> list[Fact]:
    """Return the facts that match, oldest first; facts of one instant by id, so every replica agrees."""
    matching = (fact for fact in facts if pattern.matches(fact))
    return sorted(matching, key=lambda fact: (fact.asserted_at_ms, fact.fact_id))


def text_id(text: str) -> str:
    """Return the SHA-256 of `text` in hex: the id of the fact whose canonical JSON it is."""
    return hashlib.sha256(text.encode()).hexdigest()


def object_text(value: Json) -> str:
    """Return the canonical JSON of a fact's object.

    Raises:
        RejectedError: ``invalid_fact``: no JSON, too deep, or a number that JSON cannot carry exactly.
    """
    try:
        return canonical_json(value)
    except NotCanonicalError as problem:
        raise _invalid("object", str(problem)) from None


def parse_fact(text: str) -> Fact:
    """Read a fact from its canonical JSON.

    Raises:
        RejectedError: ``invalid_fact``: not canonical JSON, unknown or missing fields, or out of limits.
    """
    if len(text) > MAX_FACT_BYTES:
        raise _invalid("fact", f"is over {MAX_FACT_BYTES} bytes")
    try:
        value = parse_canonical(text)
    except NotCanonicalError as problem:
        raise _invalid("fact", str(problem)) from None
    if not isinstance(value, dict) or value.keys() != _FIELDS:
        raise _invalid("fact", f"must have exactly the fields {', '.join(sorted(_FIELDS))}")
    return Fact.of(**value)


def require_topic(name: str) -> str:
    """Return `name` if it can name a topic (and so be one token of a subject).

    Raises:
        RejectedError: ``invalid_topic``.
    """
    if _TOPIC.fullmatch(name) is None:
        raise RejectedError(
            "invalid_topic",
            f"topic {name[:80]!r} is not valid: use 1 to 63 of a-z, 0-9, '_' and '-', "
            "beginning with a letter or digit",
        )
    return name


def _require_id(field: str, text: object) -> None:
    if not isinstance(text, str) or not is_id(text):
        raise _invalid(field, "must be an agent id")


def _require_instant(field: str, instant_ms: object) -> None:
    # type() and not isinstance(): True is an int to Python, and would be written as "True".
    if type(instant_ms) is not int or not 0 <= instant_ms <= MAX_SAFE_INTEGER:
        raise _invalid(field, "must be an integer between 0 and 2**53 - 1")


def _require_text(field: str, text: object, limit_bytes: int) -> None:
    if not isinstance(text, str) or not text:
        raise _invalid(field, "must be a text that is not empty")
    if len(text) > limit_bytes or _size_bytes(field, text) > limit_bytes:
        raise _invalid(field, f"is over {limit_bytes} bytes")
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise _invalid(field, "has a control character")


def _require_object(text: str) -> None:
    if len(text) > MAX_OBJECT_BYTES or _size_bytes("object", text) > MAX_OBJECT_BYTES:
        raise _invalid("object", f"is over {MAX_OBJECT_BYTES} bytes of JSON")
    try:
        parse_canonical(text)
    except NotCanonicalError as problem:
        raise _invalid("object", str(problem)) from None


def _size_bytes(field: str, text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise _invalid(field, "has a lone surrogate") from None


def _invalid(field: str, problem: str) -> RejectedError:
    return RejectedError("invalid_fact", f"{field} {problem}", details={"field": field})
