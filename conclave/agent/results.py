"""What handlers return, as the JSON that others get. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, from_json, to_json

from coordination.artifacts.limits import MAX_ARTIFACT_BYTES

_WRAPPED: Final = b'{"result":%b}'
_MAX_PROBLEM_CHARS: Final = 200
_UNKNOWN_TYPE: Final = "Unable to serialize unknown type"
"""How pydantic begins when it names a type."""
_TOO_DEEP: Final = ("Circular reference detected (id repeated)", "Maximum serialization depth exceeded")
"""How it ends when there is too much."""
_HALF: Final = "surrogates not allowed"
"""How it ends when a text is none."""


class ResultError(ValueError):
    """A handler returned what cannot be sent; the message is safe to send."""


def task_result(value: Any) -> bytes:
    """What a task handler returned, as the task's result: the JSON of an object.

    A model, dataclass or mapping is the result itself, None an empty one, anything else its ``result``.

    Raises:
        ResultError: It cannot become JSON, or is too large even for the object store.
    """
    if value is None:
        return b"{}"
    content = _json(value)
    if len(content) > MAX_ARTIFACT_BYTES - len(_WRAPPED):
        raise ResultError(
            f"the result has {len(content)} bytes of JSON, a task's result has at most {MAX_ARTIFACT_BYTES}; "
            "put the parts into artifacts and return their SHA-256"
        )
    if content.startswith(b"{") and (
        isinstance(value, (dict, BaseModel, Mapping)) or dataclasses.is_dataclass(value)
    ):
        return content
    return _WRAPPED % content


def message_content(value: Any, *, max_bytes: int) -> str:
    """What a message handler returned, as the content of the answer: text as it is, else JSON.

    Raises:
        ResultError: It cannot become JSON, or is too large.
    """
    content = _utf8(value) if isinstance(value, str) else _json(value)
    if len(content) > max_bytes:
        raise ResultError(f"the answer has {len(content)} bytes, a message has at most {max_bytes}")
    return value if isinstance(value, str) else content.decode()


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ResultError("the answer holds half a surrogate pair, which cannot be sent as text") from None


def _json(value: Any) -> bytes:
    """The JSON of `value`, without what JSON does not have: NaN and infinity are found as by readers."""
    try:
        content = to_json(value, by_alias=True, inf_nan_mode="constants")
    except PydanticSerializationError as error:
        # Other texts than these may be those of the handler's own serializers, and those are not sent.
        text = str(error)
        if text.endswith(_TOO_DEEP):
            problem = "it is nested too deep, or in itself"
        elif text.endswith(_HALF):
            problem = "it holds half a surrogate pair, which cannot be sent as text"
        else:
            problem = text[:_MAX_PROBLEM_CHARS] if text.startswith(_UNKNOWN_TYPE) else "a serializer failed"
        raise ResultError(f"what the handler returned is not JSON: {problem}") from None
    # Only within a text could these be harmless, so that nearly nothing must be read again.
    if b"NaN" in content or b"Infinity" in content:
        try:
            from_json(content, allow_inf_nan=False)
        except ValueError:
            raise ResultError("what the handler returned is not JSON: it holds NaN or infinity") from None
    return content
