"""Reads what surrounds a request: its subject, its headers, its body. Every refusal is typed."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, NamedTuple

from pydantic import TypeAdapter, ValidationError

from coordination.runtime.answers import CommandKey
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_COMMAND_ID_CHARS, MAX_REQUEST_BYTES
from coordination.runtime.names import inbox_prefix, is_id
from coordination.runtime.problems import problems_of
from coordination.runtime.wire import HEADER_AGE, HEADER_COMMAND_ID, HEADER_TIMEOUT

_MAX_PROBLEMS: Final = 10
_MAX_HEADER_MS: Final = 366 * 24 * 3600 * 1000
_MAX_KNOWN_SUBJECTS: Final = 1024
_MAX_KNOWN_DURATIONS: Final = 1024


class Address(NamedTuple):
    """What the subject of a request says."""

    verb: str
    caller: str
    is_valid_caller: bool
    """Whether the caller is an agent id."""
    inbox: str
    """What the reply subjects of the caller begin with."""


@lru_cache(maxsize=_MAX_KNOWN_SUBJECTS)
def address_of(subject: str) -> Address:
    """Read the subject of a request; remembered, because agents call again and again (saves 1 us)."""
    _, verb, caller = subject.rsplit(".", 2)
    return Address(verb, caller, is_id(caller), f"{inbox_prefix(caller)}.")


def check_envelope(delivery: Delivery, address: Address, *, is_own_inbox: bool) -> None:
    """Refuse a request whose sender, reply subject or size is not as the contract says.

    Args:
        delivery: The request.
        address: What its subject says.
        is_own_inbox: Whether its reply subject is in the inbox of whoever sent it.

    Raises:
        RejectedError: ``invalid_caller``, ``foreign_reply_subject`` or ``too_large``.
    """
    if not address.is_valid_caller:
        raise RejectedError(
            "invalid_caller",
            "the last token of the subject must be your agent id: 1 to 63 of a-z, 0-9, '_' and '-'",
        )
    if delivery.reply_to and not is_own_inbox:
        raise RejectedError(
            "foreign_reply_subject",
            f"answers to {address.caller} go only below {address.inbox}; connect with that inbox "
            f"prefix (nats CLI: --inbox-prefix {inbox_prefix(address.caller)})",
        )
    if len(delivery.payload) > MAX_REQUEST_BYTES:
        raise RejectedError("too_large", f"a request body has at most {MAX_REQUEST_BYTES} bytes")


def parse_body(
    request_type: TypeAdapter[Any], payload: bytes, usual_type: TypeAdapter[Any] | None = None
) -> Any:
    """The body of a request.

    Args:
        request_type: What it must be; says what is wrong.
        payload: The bytes.
        usual_type: What most are (`Endpoint.usual_request`); tried first.

    Raises:
        RejectedError: ``invalid_request``; the message names the first field, the details up to ten.
    """
    if usual_type is not None:
        with suppress(ValidationError):
            return usual_type.validator.validate_json(payload)
    try:
        # Not `model_validate_json`: what that does before it gets here takes 2 us.
        return request_type.validator.validate_json(payload or b"{}")
    except ValidationError as error:
        problems = problems_of(error, most=_MAX_PROBLEMS, body=request_type)
        shown = [{"field": problem.place, "problem": problem.text} for problem in problems]
        first = problems[0]
        where = f"field {first.place}" if first.place else "the body"
        raise RejectedError(
            "invalid_request", f"{where}: {first.text}", details={"problems": shown}
        ) from None


def command_key(delivery: Delivery, verb: str, caller: str) -> CommandKey | None:
    """What makes the command idempotent; None if the caller gave it no id.

    Raises:
        RejectedError: ``invalid_request``.
    """
    headers = delivery.headers
    command_id = headers.get(HEADER_COMMAND_ID)
    if not command_id:
        return None
    if len(command_id) > MAX_COMMAND_ID_CHARS:
        raise RejectedError("invalid_request", f"a command id has at most {MAX_COMMAND_ID_CHARS} characters")
    fingerprint = hashlib.sha256(verb.encode() + b"\0" + delivery.payload).hexdigest()[:32]
    age_ms = _milliseconds(HEADER_AGE, headers[HEADER_AGE]) if HEADER_AGE in headers else 0
    return CommandKey(caller, command_id, fingerprint, age_ms)


def timeout_s(delivery: Delivery) -> float | None:
    """How long the caller waits; None if it does not say.

    Raises:
        RejectedError: ``invalid_request``.
    """
    text = delivery.headers.get(HEADER_TIMEOUT)
    return None if text is None else _milliseconds(HEADER_TIMEOUT, text) / 1000


@lru_cache(maxsize=_MAX_KNOWN_DURATIONS)  # most requests say the same; what is refused is not kept
def _milliseconds(header: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text) <= _MAX_HEADER_MS):
        raise RejectedError("invalid_request", f"header {header} must be a number of milliseconds")
    return int(text)
