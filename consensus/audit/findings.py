"""What an audit finds, in words for people and in fields for programs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

from consensus.canonical import plain
from consensus.events import ProposalEvent

_SHOWN_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with an entry."""

    code: str
    message: str
    expected: str = ""
    """What should have been there; empty where the message says it."""
    is_impossible: bool = False
    """It cannot have happened at all, and is left out of the replay."""
    place: int = 0
    """Of the byte in its line, from 0, from which on that is wrong; 0 too where no one byte is to blame."""


Findings = Iterator[Finding]


def impossible(code: str, message: str, expected: str = "") -> Finding:
    """A finding about something that cannot have happened."""
    return Finding(code, message, expected, is_impossible=True)


def must_be(name: str, value: Any, due: Any) -> Findings:
    """A finding if the field called `name` is not what it must be."""
    if value != due:
        yield Finding("wrong_value", f"{name} is {shown(value)}", shown(due))


def differences(recorded: ProposalEvent, expected: ProposalEvent) -> Findings:
    """Each field of an event that is not what it must be."""
    for each in fields(expected):
        yield from must_be(each.name, getattr(recorded, each.name), getattr(expected, each.name))


def shown(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    if is_dataclass(value) and not isinstance(value, type):
        value = plain(value)
    text = json.dumps(value, ensure_ascii=False, default=plain)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 1]}\u2026"
