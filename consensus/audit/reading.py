"""An exported audit, line by line: each is read strictly, or named with what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, BinaryIO, Final, get_args

from pydantic import TypeAdapter, ValidationError

from consensus.audit.findings import Finding, shown
from consensus.audit.form import MAX_FILE_BYTES, MAX_LINE_BYTES
from consensus.canonical import canonical, plain
from consensus.events import ProposalEvent

EVENTS: Final[dict[str, type[Any]]] = {each.__name__: each for each in get_args(ProposalEvent)}
"""What may stand in a trail, by name."""


FOREIGN_ENDING: Final = "foreign_ending"
"""Code of a line that ends as on another system; whatever changed one has changed all, so one is told."""


class UnreadableError(ValueError):
    """What was given is no audit at all, or larger than any; the message says what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a file."""

    number: int
    """From 1."""
    offset: int
    """Of its first byte in the file, from 0."""
    content: bytes
    """Without its newline."""
    is_ended: bool
    """Whether there is a newline behind it."""


class LineError(ValueError):
    """A line that says nothing."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


def lines_of(file: BinaryIO) -> Iterator[Line]:
    """The lines of a file.

    Raises:
        UnreadableError: The file, or a line, is larger than any audit has.
    """
    number, offset = 0, 0
    while raw := file.readline(MAX_LINE_BYTES + 2):
        number += 1
        if len(raw) > MAX_LINE_BYTES + 1:
            raise UnreadableError(f"line {number} is longer than {MAX_LINE_BYTES} bytes")
        if offset + len(raw) > MAX_FILE_BYTES:
            raise UnreadableError(f"it is larger than {MAX_FILE_BYTES} bytes")
        is_ended = raw.endswith(b"\n")
        yield Line(number=number, offset=offset, content=raw[:-1] if is_ended else raw, is_ended=is_ended)
        offset += len(raw)


def object_of(line: Line) -> tuple[dict[str, Any], list[Finding]]:
    """The object that a line holds, and how the line is not the one text of it.

    Raises:
        LineError: It holds no JSON object.
    """
    value = _json_of(line.content)
    if not isinstance(value, dict):
        raise LineError(Finding("not_json", "the line is no JSON object"))
    findings = []
    try:
        text = canonical(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise LineError(Finding("not_canonical", f"the line has no canonical form: {error!s:.120}")) from None
    content = line.content
    if line.is_ended and content.endswith(b"\r"):
        # Canonical JSON has no such byte outside of strings, and there only escaped: it is the line's end.
        content = content[:-1]
        message = "the line ends in CR LF, not in LF: the file was changed in transfer; take it as binary"
        findings.append(Finding(FOREIGN_ENDING, message, place=len(content)))
    if text != content:
        findings.append(_difference(text, content))
    if not line.is_ended:
        message = "the line is not ended by a newline"
        findings.append(Finding("not_canonical", message, place=len(content)))
    return value, findings


def _json_of(content: bytes) -> Any:
    try:
        text = content.decode("utf-8")
        return json.loads(text)
    except UnicodeDecodeError as error:
        message = f"byte {error.start + 1} of the line is no UTF-8"
        raise LineError(Finding("not_json", message, place=error.start)) from None
    except json.JSONDecodeError as error:
        place = len(text[: error.pos].encode())
        message = f"the line is no JSON from its byte {place + 1} on: {error.msg:.120}"
        raise LineError(Finding("not_json", message, place=place)) from None
    except RecursionError:
        raise LineError(Finding("not_json", "the line nests too deeply")) from None
    except ValueError as error:  # a number of too many digits
        raise LineError(Finding("not_json", f"the line is no JSON: {error!s:.120}")) from None


def _difference(due: bytes, content: bytes) -> Finding:
    """Where a line begins to be other than its canonical text, and what is due there."""
    pairs = enumerate(zip(due, content, strict=False))
    place = next((at for at, (ours, theirs) in pairs if ours != theirs), min(len(due), len(content)))
    rest = due[place : place + 20].decode("utf-8", "replace")
    return Finding(
        "not_canonical",
        f"the line is not canonical JSON from its byte {place + 1} on",
        shown(rest) if rest else "the end of the line",
        place=place,
    )


def require(value: dict[str, Any], **kinds: type[Any] | tuple[type[Any], ...]) -> None:
    """Check that an object has exactly these fields, each of its type.

    Raises:
        LineError: It has not.
    """
    if value.keys() != kinds.keys():
        message = f"the line has the fields {', '.join(value) or 'none'}"
        raise LineError(Finding("wrong_fields", f"{message:.200}", ", ".join(sorted(kinds))))
    for name, kind in kinds.items():
        # A bool is an int to Python, and to nobody else.
        if not isinstance(value[name], kind) or (kind is int and isinstance(value[name], bool)):
            raise LineError(Finding("wrong_fields", f"{name} is {shown(value[name])}"))


def event_of(name: str, body: dict[str, Any]) -> ProposalEvent:
    """The event that an entry of a trail holds, read strictly: no field more or less, nothing converted.

    Raises:
        LineError: It is none.
    """
    if name not in EVENTS:
        raise LineError(Finding("unknown_event", f"there is no event {shown(name)}"))
    try:
        event: ProposalEvent = _adapter(name).validate_json(canonical(body), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        raise LineError(Finding("not_an_event", f"body: {place:.120}: {first['msg']:.120}")) from None
    if plain(event) != body:
        due = ", ".join(sorted(plain(event)))
        raise LineError(Finding("not_an_event", f"body: it has more or less in it than a {name} has", due))
    return event


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENTS[name])
