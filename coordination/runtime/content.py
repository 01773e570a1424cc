"""Bytes in JSON bodies: base64 with the standard alphabet and padding (RFC 4648, section 4)."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

_SCHEMA: Final = {"type": "string", "contentEncoding": "base64"}


def _decode(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        if isinstance(value, str):
            return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise ValueError("should be base64 with the standard alphabet and padding")


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


Base64 = Annotated[
    bytes,
    PlainValidator(_decode, json_schema_input_type=str),
    PlainSerializer(_encode, return_type=str, when_used="json"),
    WithJsonSchema(_SCHEMA),
]
"""A field that is `bytes` in the program and base64 text on the wire."""
