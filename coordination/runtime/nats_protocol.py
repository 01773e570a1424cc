"""The bytes of the NATS client protocol, without input or output.

nats-py does the same for its own subscriptions; what every message of ours passes through is written
anew here, because it is a third of what a small request costs, and because nats-py's reading is not
total: a header block of eight bytes or a subject that is not UTF-8, sent by anybody, ends its read loop.

Protocol: https://docs.nats.io/reference/reference-protocols/nats-protocol
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from coordination.runtime.delivery import NO_HEADERS, Delivery, Listener
from coordination.runtime.errors import PeerProtocolError, UsageError

MAX_LINE_BYTES: Final = 1024 * 1024
"""Longest line that a server may send; the INFO of a large cluster is the longest there is."""
MAX_SUBJECT_BYTES: Final = 2048
"""Longest subject or reply subject: both must fit into the server's control line of 4096 bytes, and a
server closes the connection of a client that sends a longer one."""
STATUS: Final = "Status"
_DESCRIPTION: Final = "Description"
_MAGIC: Final = "NATS/1.0"
_PLAIN: Final = b"NATS/1.0\r\n"
"""How a block without a status line begins: nearly every one."""
_WHITE: Final = " \t\n\r\x0b\x0c"
"""What ``bytes.strip`` takes off."""
_find_white: Final = re.compile(r"[ \t\r\n]").search
_is_header_name: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_known_names: Final = {
    "Conclave-Age-Ms",
    "Conclave-Push",
    "Conclave-Takes",
    "Conclave-Timeout-Ms",
    "Nats-Expected-Last-Sequence",
    "Nats-Last-Sequence",
    "Nats-Msg-Id",
    "Nats-Msg-Size",
    "Nats-Sequence",
    "Nats-Service-Error",
    "Nats-Service-Error-Code",
    "Nats-Stream",
    "Nats-Subject",
    "Nats-Time-Stamp",
    "traceparent",
}
"""Header names known to be valid; what we write is added, up to `_MAX_KNOWN_NAMES`."""
_MAX_KNOWN_NAMES: Final = 256
_LINE_ENDS: Final = str.maketrans({"\r": " ", "\n": " "})


def require_subject(subject: str) -> None:
    """Refuse what would break out of the control line.

    Raises:
        UsageError: Empty, with white space, or too long.
    """
    if not subject or _find_white(subject) or len(subject.encode(errors="replace")) > MAX_SUBJECT_BYTES:
        raise UsageError(f"{subject[:200]!r} is not a valid subject")


def require_pattern(pattern: str) -> None:
    """Refuse a subject that nobody may subscribe to.

    Raises:
        UsageError: As `require_subject`; or an empty token, or a wildcard that is not a token.
    """
    require_subject(pattern)
    parts = pattern.split(".")
    for place, part in enumerate(parts, start=1):
        is_wildcard = part == "*" or (part == ">" and place == len(parts))
        if not part or (not is_wildcard and ("*" in part or ">" in part)):
            raise UsageError(f"{pattern[:200]!r} is not a valid subject")


def encode_publish(
    subject: str, payload: bytes, reply_to: str, headers: Mapping[str, str] | None, *, limit_bytes: int
) -> bytes:
    """The command that publishes one message.

    A header's value loses white space around it, and its line ends become spaces, as in nats-py.

    Args:
        subject: Where to.
        payload: The body.
        reply_to: Where answers go; empty for none.
        headers: Names and values.
        limit_bytes: What the server takes, headers and payload together. (nats-py compares the payload
            alone, and the server then closes the connection.)

    Raises:
        UsageError: The subject or a header is not valid, or the message too large.
    """
    if not subject or _find_white(subject) or len(subject) > MAX_SUBJECT_BYTES // 4:
        require_subject(subject)
    if reply_to and (_find_white(reply_to) or len(reply_to) > MAX_SUBJECT_BYTES // 4):
        require_subject(reply_to)
    size = len(payload)
    try:
        if not headers:
            if size > limit_bytes:
                raise _too_large(subject, size, limit_bytes)
            return b"%b%b\r\n" % (f"PUB {subject} {reply_to} {size}\r\n".encode(), payload)
        block = _encode_headers(headers)
        head = len(block)
        if head + size > limit_bytes:
            raise _too_large(subject, head + size, limit_bytes)
        line = f"HPUB {subject} {reply_to} {head} {head + size}\r\n".encode()
    except UnicodeEncodeError:
        raise UsageError("a subject or header with half a surrogate pair cannot be sent") from None
    return b"%b%b%b\r\n" % (line, block, payload)


def _encode_headers(headers: Mapping[str, str]) -> bytes:
    text = "NATS/1.0\r\n"
    for given, value in headers.items():
        name = given if given in _known_names else _require_header_name(given)
        kept = value.strip() if value.isprintable() else value.strip().translate(_LINE_ENDS)
        text += f"{name}: {kept}\r\n"
    return f"{text}\r\n".encode()


def _require_header_name(given: str) -> str:
    name = given.strip()
    if not _is_header_name(name):
        raise UsageError(f"{given[:80]!r} is not a valid header name")
    if len(_known_names) < _MAX_KNOWN_NAMES:
        _known_names.add(name)
    return name


def _too_large(subject: str, size_bytes: int, limit_bytes: int) -> UsageError:
    return UsageError(
        f"the message on {subject} is larger than the NATS server takes: {size_bytes} of {limit_bytes} bytes"
    )


def decode_headers(block: bytes) -> Mapping[str, str]:
    """The headers in a received block; total: what is no header is passed over.

    A status line (``NATS/1.0 503``, then perhaps words) becomes the headers ``Status`` and
    ``Description``.
    """
    headers: dict[str, str] = {}
    if block.startswith(_PLAIN):
        rest = str(block[len(_PLAIN) :], "utf-8", "replace")
    else:
        first, _, rest = str(block, "utf-8", "replace").partition("\r\n")
        if not first.startswith(_MAGIC):
            return NO_HEADERS
        status, description = first[9:12].strip(_WHITE), first[13:]
        if status.isascii() and status.isdigit():
            headers[STATUS] = status
        if description:
            headers[_DESCRIPTION] = description
    for line in rest.split("\r\n"):
        if line:
            name, colon, value = line.partition(":")
            if name in _known_names or (colon and _is_header_name(name := name.strip(_WHITE))):
                headers[name] = value.strip(_WHITE)
    return headers


class Message(NamedTuple):
    """A message that no listener of ours has taken."""

    sid: int
    subject: bytes
    reply_to: bytes
    payload: bytes
    headers: bytes | None


class Line(NamedTuple):
    """Any other line of the server: PING, PONG, INFO, +OK, -ERR."""

    verb: bytes
    rest: bytes


class Decoder:
    """Cuts what a server sends into messages.

    Args:
        listeners: By subscription id, who takes a message at once; may change at any time. A listener
            must not raise.
    """

    def __init__(self, listeners: Mapping[bytes, Listener]) -> None:
        self._listeners = listeners
        self._parts: list[bytes] = []
        """What has come and is not used yet."""
        self._have_bytes = 0
        self._needed_bytes = 0
        """Until this much has come there is nothing to be found."""

    def feed(self, chunk: bytes) -> list[Message | Line]:
        """Hand the messages in `chunk` to their listeners; return the rest, in order.

        Raises:
            PeerProtocolError: This is not the NATS protocol.
        """
        if self._parts:
            self._parts.append(chunk)
            self._have_bytes += len(chunk)
            if self._have_bytes < self._needed_bytes:
                return []
            chunk = b"".join(self._parts)
            self._parts.clear()
        others: list[Message | Line] = []
        used = self._cut(chunk, others)
        if used < len(chunk):
            self._parts.append(chunk[used:] if used else chunk)
            self._have_bytes = len(chunk) - used
        return others

    def _cut(self, chunk: bytes, others: list[Message | Line]) -> int:
        """Take everything whole; returns how many bytes that was."""
        place, end = 0, len(chunk)
        while place < end:
            line_end = chunk.find(b"\r\n", place)
            if line_end < 0:
                if end - place > MAX_LINE_BYTES:
                    raise PeerProtocolError("the NATS server sends a line without end")
                self._needed_bytes = 0
                break
            # Cut at spaces alone, as the server does: a subject may hold any other white space.
            words = chunk[place:line_end].split(b" ")
            verb = words[0]
            body = line_end + 2
            if verb not in (b"MSG", b"HMSG"):
                others.append(Line(verb, b" ".join(words[1:])))
                place = body
                continue
            try:
                after = body + int(words[-1])
            except ValueError:
                raise PeerProtocolError("the NATS server sends a message without a size") from None
            if after + 2 > end:
                self._needed_bytes = after + 2 - place
                break
            self._take(words, chunk[body:after], others)
            place = after + 2
        return place

    def _take(self, words: list[bytes], body: bytes, others: list[Message | Line]) -> None:
        """Deliver one message: verb, subject, sid, perhaps reply, perhaps size of the headers, size."""
        block: bytes | None = None
        try:
            if words[0] == b"HMSG":
                head = int(words.pop(-2))
                block, body = body[:head], body[head:]
            if len(words) == 5:
                _, subject, sid, reply_to, _ = words
            else:
                _, subject, sid, _ = words
                reply_to = b""
            listener = self._listeners.get(sid)
            if listener is None:
                others.append(Message(int(sid), subject, reply_to, body, block))
                return
        except (ValueError, IndexError):
            raise PeerProtocolError("the NATS server sends a malformed message") from None
        listener(
            Delivery(
                subject=str(subject, "utf-8", "replace"),
                payload=body,
                reply_to=str(reply_to, "utf-8", "replace"),
                headers=decode_headers(block) if block else NO_HEADERS,
            )
        )
