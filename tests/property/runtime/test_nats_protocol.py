"""What we write and read on the wire of NATS is what nats-py writes and reads; nothing breaks out of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.protocol.parser import Parser

from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import PeerProtocolError, UsageError
from coordination.runtime.nats_protocol import (
    Decoder,
    Line,
    Message,
    decode_headers,
    encode_publish,
    require_pattern,
)

LIMIT_BYTES = 1024 * 1024
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=40)
HEADERS = st.none() | st.dictionaries(NAMES, VALUES, max_size=4)
SUBJECTS = st.from_regex(r"[a-z_$]{1,8}(\.[a-z0-9-]{1,8}){0,4}", fullmatch=True)
PAYLOADS = st.binary(max_size=200)


def as_delivered(command: bytes, sid: int) -> bytes:
    """What the server makes of one published command."""
    line, _, rest = command.partition(b"\r\n")
    verb, subject, *others = line.split(b" ")
    words = [subject, b"%d" % sid, *(word for word in others if word)]
    return verb.replace(b"PUB", b"MSG") + b" " + b" ".join(words) + b"\r\n" + rest


class Reader(Client):
    """nats-py's own reading, as the twin."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[Any, ...]] = []

    async def _process_msg(
        self,
        sid: int,  # noqa: ARG002 - as in nats-py
        subject: bytes,
        reply: bytes,
        data: bytes,
        headers: bytes | None,
    ) -> None:
        found = await self._process_headers(headers)
        self.read.append((subject.decode(), reply.decode(), data, found or {}))

    async def _process_ping(self) -> None:
        self.read.append(("PING",))


def read_by_nats_py(stream: bytes) -> list[tuple[Any, ...]]:
    async def read() -> list[tuple[Any, ...]]:
        reader = Reader()
        await Parser(reader).parse(stream)
        return reader.read

    return asyncio.run(read())


def read_by_us(chunks: list[bytes], sid: int) -> list[tuple[Any, ...]]:
    read: list[tuple[Any, ...]] = []

    def listen(delivery: Delivery) -> None:
        read.append((delivery.subject, delivery.reply_to, delivery.payload, dict(delivery.headers)))

    decoder = Decoder({b"%d" % sid: listen})
    for chunk in chunks:
        read += [(other.verb.decode(),) for other in decoder.feed(chunk) if isinstance(other, Line)]
    return read


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream of messages, whole and cut anywhere."""
    commands = draw(st.lists(st.tuples(SUBJECTS, PAYLOADS, st.just("") | SUBJECTS, HEADERS), max_size=6))
    whole = b"".join(
        as_delivered(encode_publish(*command, limit_bytes=LIMIT_BYTES), 7) for command in commands
    )
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    return whole, [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@given(streams())
def test_however_a_stream_is_cut_we_read_what_nats_py_reads(stream: tuple[bytes, list[bytes]]) -> None:
    whole, chunks = stream
    assert read_by_us(chunks, 7) == read_by_nats_py(whole)


@given(SUBJECTS, PAYLOADS, st.just("") | SUBJECTS, HEADERS)
def test_we_write_what_nats_py_writes(
    subject: str, payload: bytes, reply_to: str, headers: dict[str, str] | None
) -> None:
    async def write() -> bytes:
        client = Client()
        await client._send_publish(subject, reply_to, payload, len(payload), headers or None)
        return b"".join(client._pending)

    assert encode_publish(subject, payload, reply_to, headers, limit_bytes=LIMIT_BYTES) == asyncio.run(
        write()
    )


@given(
    st.text(max_size=30), st.binary(max_size=30), st.text(max_size=30), st.dictionaries(st.text(), st.text())
)
@example("a\r\nPUB b 0", b"", "", {})
@example("a", b"", "b\r\nPUB c 0", {})
@example("a", b"", "", {"b\r\n": "c"})
@example("a", b"\r\nPUB b 0\r\n\r\n", "", {"b": "\r\n\r\nPUB c 0\r\n\r\n"})
@example("a", b"", "", {"b": "\x85\u2028"})
def test_nothing_breaks_out_of_its_command(
    subject: str, payload: bytes, reply_to: str, headers: dict[str, str]
) -> None:
    try:
        command = encode_publish(subject, payload, reply_to, headers, limit_bytes=LIMIT_BYTES)
    except UsageError:
        return
    ((read_subject, read_reply, read_payload, read_headers),) = read_by_us([as_delivered(command, 1)], 1)
    assert (read_subject, read_reply, read_payload) == (subject, reply_to, payload)
    assert set(read_headers) == {name.strip() for name in headers}


@given(st.binary(max_size=60))
@example(b"NATS/1.0")
@example(b"")
@example(b"NATS/1.0 \xff\xff\xff\r\n\r\n")
@example(b"NATS/1.0 100 \xff\r\n\r\n")
def test_any_bytes_may_stand_where_headers_are_expected(block: bytes) -> None:
    for name, value in decode_headers(b"NATS/1.0" + block).items():
        assert name
        assert "\r\n" not in value
    decode_headers(block)


@pytest.mark.parametrize(
    "block",
    [
        b"NATS/1.0 503\r\n\r\n",
        b"NATS/1.0 404 No Messages\r\n\r\n",
        b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 1016\r\nNats-Last-Stream: 1024\r\n\r\n",
        b"NATS/1.0\r\nA:b\r\nB: \t c \r\n\r\n",
        b"NATS/1.0\r\nNo colon\r\nSpace in: name\r\nN\xc3\xa4me: x\r\nA: \xff\r\nA: second\r\n\r\n",
    ],
)
def test_status_lines_and_odd_headers_are_read_as_nats_py_reads_them(block: bytes) -> None:
    assert dict(decode_headers(block)) == (asyncio.run(Client()._process_headers(block)) or {})


@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_bytes_from_a_server_are_read_or_named_as_no_protocol(chunks: list[bytes]) -> None:
    decoder = Decoder({})
    try:
        for chunk in chunks:
            decoder.feed(chunk)
    except PeerProtocolError:
        pass


@pytest.mark.parametrize(
    "stream",
    [
        b"MSG a 1 x\r\n",
        b"MSG a 0\r\n\r\n",
        b"MSG a one 0\r\n\r\n",
        b"HMSG a 1 0\r\n\r\n",
        b"MSG a b c d 0\r\n\r\n",
    ],
)
def test_a_malformed_message_is_named(stream: bytes) -> None:
    with pytest.raises(PeerProtocolError, match="the NATS server sends a m"):
        Decoder({}).feed(stream)


def test_a_line_without_end_is_not_collected_for_ever() -> None:
    decoder = Decoder({})
    for _ in range(16):
        decoder.feed(b"x" * 64 * 1024)
    with pytest.raises(PeerProtocolError, match="a line without end"):
        decoder.feed(b"x")


def test_a_subject_may_hold_any_white_space_that_the_server_lets_through() -> None:
    (other,) = Decoder({}).feed(b"MSG a\x0bb\xff 3 0\r\n\r\n")
    assert other == Message(3, b"a\x0bb\xff", b"", b"", None)


@pytest.mark.parametrize("subject", ["", "a b", "a\r\nb", "a\tb", "x" * 3000, "ä" * 1500])
def test_a_subject_that_no_command_can_hold_is_refused(subject: str) -> None:
    with pytest.raises(UsageError, match="not a valid subject"):
        encode_publish(subject, b"", "", None, limit_bytes=LIMIT_BYTES)
    if subject:
        with pytest.raises(UsageError, match="not a valid subject"):
            encode_publish("a", b"", subject, None, limit_bytes=LIMIT_BYTES)


def test_headers_count_toward_what_the_server_takes() -> None:
    encode_publish("a", b"x" * 100, "", None, limit_bytes=100)
    for payload, headers in ((b"x" * 101, None), (b"x" * 100, {"A": "b"})):
        with pytest.raises(UsageError, match="larger than the NATS server takes"):
            encode_publish("a", payload, "", headers, limit_bytes=100)


@pytest.mark.parametrize("pattern", ["a.*.b", "a.>", ">", "*", "a"])
def test_wildcards_are_whole_tokens(pattern: str) -> None:
    require_pattern(pattern)


@pytest.mark.parametrize("pattern", ["", "a..b", ".a", "a.", "a*", "a.>.b", "a>", "a b"])
def test_any_other_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(UsageError, match="not a valid subject"):
        require_pattern(pattern)


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "ä", "a\r\nb"])
def test_a_header_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="not a valid header name"):
        encode_publish("a", b"", "", {name: "x"}, limit_bytes=LIMIT_BYTES)
