"""The Synadia Agent Protocol for NATS, v0.3, as bytes: subjects, envelopes, chunks and errors. Pure.

The sections named here are those of the protocol's specification. Subjects are
``agents.{verb}.{agent}.{owner}.{session}`` (section 2): the agent token is always ``conclave``, the owner is
the deployment's prefix and the session is the agent's id.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import to_json

from coordination.gateway.limits import (
    MAX_ATTACHMENTS,
    MAX_ENVELOPE_BYTES,
    MAX_FILENAME_CHARS,
    MAX_MESSAGE_CHARS,
)
from coordination.runtime.limits import MAX_REPLY_SUBJECT_CHARS
from coordination.runtime.wire import HEADER_ERROR, HEADER_ERROR_CODE

PROTOCOL_VERSION: Final = "0.3"
SERVICE: Final = "agents"
"""Name under which every agent is found (section 3.1), and the queue group of prompts (3.3)."""
AGENT: Final = "conclave"
"""The agent token of all our subjects: which harness an agent runs in."""
Verb = Literal["prompt", "status", "hb"]
Code = Literal[400, 401, 403, 404, 409, 429, 500]
"""What may have gone wrong (section 9)."""
WORKING: Final = "working"
"""The status that keeps a stream alive. Not ``ack``, of which there is exactly one in each (section 6.4);
clients pass over what they do not know, but count it as a sign of life (6.4, 6.6)."""
ANSWERABLE: Final = "_INBOX."
"""What a reply subject must begin with. No agent and no service listens there (theirs begin with
``_INBOX_<id>.``), so that nobody can have the gateway speak to them under its own name."""
_is_base64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}").fullmatch
_is_plain_subject: Final = re.compile(r"[^\s.*>]+(?:\.[^\s.*>]+)*").fullmatch


class EnvelopeError(Exception):
    """A client's envelope is not what the protocol or the agent takes; it is answered 400.

    Attributes:
        message: What is wrong, for the client.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Attachment(BaseModel):
    """A file that travels inside an envelope or a chunk (section 5.2); unknown fields are handed on (5.6)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    filename: Annotated[str, StringConstraints(min_length=1, max_length=MAX_FILENAME_CHARS)]
    content: str
    """Base64 as in RFC 4648 section 4: standard alphabet, padded, no white space."""

    @property
    def is_encoded(self) -> bool:
        """Whether `content` is what it should be."""
        return len(self.content) % 4 == 0 and _is_base64(self.content) is not None


class Envelope(BaseModel):
    """A prompt, or the answer to a question (section 5.1); unknown fields are handed on (5.6)."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    prompt: Annotated[str, StringConstraints(min_length=1)]
    attachments: Annotated[tuple[Attachment, ...] | None, Field(max_length=MAX_ATTACHMENTS)] = None

    @property
    def unknown(self) -> dict[str, Any]:
        """The fields that the protocol does not define."""
        return self.model_extra or {}


@dataclass(frozen=True, slots=True)
class Frame:
    """One message into a client's stream."""

    payload: bytes = b""
    code: Code | None = None
    """Of an error; None for a chunk."""
    message: str = ""
    """Of an error: one line."""

    @property
    def headers(self) -> dict[str, str] | None:
        """Those of an error frame (section 9.1); a chunk, and the end, have none."""
        if self.code is None:
            return None
        return {HEADER_ERROR_CODE: str(self.code), HEADER_ERROR: one_line(self.message)}


END: Final = Frame()
"""The end of every stream: neither payload nor headers (section 6.5)."""
_ENVELOPE: Final = TypeAdapter(Envelope)


def subject(verb: Verb, prefix: str, agent: str) -> str:
    """The subject of `verb` for one agent; `agent` may be ``*``."""
    return f"{SERVICE}.{verb}.{AGENT}.{prefix}.{agent}"


def is_answerable(reply_to: str) -> bool:
    """Whether an answer may go to `reply_to`: an inbox in which only foreign clients listen."""
    return (
        reply_to.startswith(ANSWERABLE)
        and len(reply_to) <= MAX_REPLY_SUBJECT_CHARS
        and _is_plain_subject(reply_to) is not None
    )


def parse_envelope(payload: bytes, *, max_bytes: int = MAX_ENVELOPE_BYTES) -> Envelope:
    """Read a prompt or an answer: JSON if it begins with ``{``, else text (section 5.3).

    Raises:
        EnvelopeError: It is empty, too large, malformed, or an attachment is not base64.
    """
    if len(payload) > max_bytes:
        raise EnvelopeError(f"{len(payload)} bytes; at most {max_bytes} are taken")
    if not payload.lstrip(b" \t\r\n").startswith(b"{"):
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            raise EnvelopeError("neither JSON nor UTF-8 text") from None
        if not text:
            raise EnvelopeError("an empty payload; send text, or JSON with a prompt")
        return Envelope(prompt=text)
    try:
        envelope = _ENVELOPE.validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:80]
        raise EnvelopeError(f"{place or 'the envelope'}: {first['msg']}") from None
    for place_in_list, attachment in enumerate(envelope.attachments or ()):
        if not attachment.is_encoded:
            raise EnvelopeError(f"attachments.{place_in_list}.content: not padded standard base64")
    return envelope


def one_line(message: str) -> str:
    """`message` as a header can carry it: ASCII, on one line, cut."""
    flat = " ".join(message.split()).encode("ascii", "replace").decode()
    return flat if len(flat) <= MAX_MESSAGE_CHARS else f"{flat[: MAX_MESSAGE_CHARS - 3]}..."


def response(text: str, attachments: Sequence[Attachment] = ()) -> Frame:
    """A piece of the answer (section 6.3); text alone in its short form."""
    if not attachments:
        return _chunk("response", text)
    return _chunk("response", {"text": text, "attachments": _plain(attachments)})


def status(token: str) -> Frame:
    """A sign of life (section 6.4); ``ack`` is the one that begins every stream."""
    return _chunk("status", token)


def query(query_id: str, reply_to: str, text: str, attachments: Sequence[Attachment] = ()) -> Frame:
    """A question to the client (section 7.1), to be answered at `reply_to`."""
    data: dict[str, Any] = {"id": query_id, "reply_subject": reply_to, "prompt": text}
    if attachments:
        data["attachments"] = _plain(attachments)
    return _chunk("query", data)


def failure(code: Code, message: str) -> tuple[Frame, Frame]:
    """An error and the end of the stream (section 9.3)."""
    return Frame(code=code, message=message), END


def _chunk(kind: str, data: object) -> Frame:
    return Frame(to_json({"type": kind, "data": data}))


def _plain(attachments: Sequence[Attachment]) -> list[dict[str, Any]]:
    return [each.model_dump() for each in attachments]
