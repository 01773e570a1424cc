"""Reads what a command is given as JSON or YAML: a payload, a file of tasks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

from coordination.runtime.errors import UsageError

MAX_READ_BYTES: Final = 16 * 1024 * 1024
"""The artifact store takes no more in one piece."""
_FORMS: Final = "write a JSON object, @FILE, or - for standard input"


def read_payload(given: str | None) -> dict[str, Any]:
    """The payload that a command was given.

    Args:
        given: A JSON object, ``@FILE`` with one in it, or ``-`` for standard input; None is the empty one.

    Raises:
        UsageError: It cannot be read, or is none; says where.
    """
    if given is None:
        return {}
    if given == "-":
        return json_object(
            _limited(sys.stdin.buffer.read(MAX_READ_BYTES + 1), "standard input"), "standard input"
        )
    if given.startswith("@"):
        return json_object(read_bytes(Path(given[1:])), given[1:])
    return json_object(given.encode(errors="surrogateescape"), "the payload")


def read_bytes(path: Path) -> bytes:
    """What is in the file `path`, or with ``-`` on standard input.

    Raises:
        UsageError: It cannot be read, or is too large.
    """
    if str(path) == "-":
        return _limited(sys.stdin.buffer.read(MAX_READ_BYTES + 1), "standard input")
    try:
        with path.open("rb") as file:
            return _limited(file.read(MAX_READ_BYTES + 1), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def json_object(content: bytes, where: str) -> dict[str, Any]:
    """The JSON object in `content`.

    Raises:
        UsageError: There is none; says where it ceases to be one.
    """
    try:
        value = json.loads(content, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise UsageError(f"{where} is no JSON: {place}: {error.msg}; {_FORMS}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{where} is no JSON: byte {error.start} is not UTF-8") from None
    except RecursionError:
        raise UsageError(f"{where} is nested too deep; flatten it, or write its inner part as text") from None
    except ValueError as error:
        raise UsageError(f"{where} is no JSON: {str(error)[:80]}") from None
    if not isinstance(value, dict):
        kind = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(
            type(value), "a number"
        )
        raise UsageError(f"{where} holds {kind}, and a payload is a JSON object: {_FORMS}")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"JSON has no {name}")


def _limited(content: bytes, where: str) -> bytes:
    if len(content) > MAX_READ_BYTES:
        raise UsageError(
            f"{where} has more than {MAX_READ_BYTES} bytes; store it elsewhere and send its name"
        )
    return content
