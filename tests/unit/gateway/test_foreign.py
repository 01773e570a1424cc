"""Envelopes and chunks of the foreign protocol, read and written as its own client library does."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from synadia_ai import agents as theirs
from synadia_ai.agents import envelope as their_envelope
from synadia_ai.agents.messages import decode_chunk
from synadia_ai.agents.subjects import AgentSubject

from coordination.gateway import foreign
from coordination.gateway.foreign import Attachment, EnvelopeError, is_answerable, parse_envelope
from coordination.gateway.limits import MAX_ATTACHMENTS, MAX_ENVELOPE_BYTES

FILE = Attachment(filename="a.txt", content=base64.b64encode(b"hello").decode())


@pytest.mark.parametrize(
    ("payload", "prompt"),
    [
        (b"hello", "hello"),
        ("Grüße".encode(), "Grüße"),
        (b"  spaced ", "  spaced "),
        (b'"quoted"', '"quoted"'),
        (b"[1]", "[1]"),
        (b'{"prompt": "hi"}', "hi"),
        (b' \n\t{"prompt": "hi", "attachments": null, "session": "x", "later": {"a": 1}}', "hi"),
    ],
)
def test_a_prompt_is_json_or_text(payload: bytes, prompt: str) -> None:
    assert parse_envelope(payload).prompt == prompt
    assert their_envelope.decode(payload).prompt == prompt


@pytest.mark.parametrize(
    ("payload", "complaint"),
    [
        (b"", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"{", "JSON"),
        (b"{}", "prompt"),
        (b'{"prompt": ""}', "prompt"),
        (b'{"prompt": 1}', "prompt"),
        (b'{"prompt": "\\ud800"}', "JSON"),
        (b'{"prompt": "x", "attachments": {}}', "attachments"),
        (b'{"prompt": "x", "attachments": [{"filename": "", "content": ""}]}', "attachments.0.filename"),
        (b'{"prompt": "x", "attachments": [{"filename": "a", "content": 1}]}', "attachments.0.content"),
        (b'{"prompt": "x", "attachments": [{"filename": "a", "content": "a"}]}', "attachments.0.content"),
        (b'{"prompt": "x", "attachments": [{"filename": "a", "content": "_-=="}]}', "attachments.0.content"),
        (b'{"prompt": "x", "attachments": [{"filename": "a", "content": "YQ=="}, 1]}', "attachments.1"),
        (b'{"prompt": ' + b"[" * 5000, "JSON"),
        (b"x" * (MAX_ENVELOPE_BYTES + 1), "at most"),
    ],
)
def test_a_bad_envelope_is_named(payload: bytes, complaint: str) -> None:
    with pytest.raises(EnvelopeError) as caught:
        parse_envelope(payload)
    assert complaint in caught.value.message


def test_what_the_protocol_does_not_define_is_handed_on() -> None:
    file = {**FILE.model_dump(), "mime": "text/plain"}
    envelope = parse_envelope(
        json.dumps({"prompt": "x", "attachments": [file], "later": {"a": [1]}}).encode()
    )
    assert envelope.unknown == {"later": {"a": [1]}}
    assert envelope.attachments is not None
    assert json.loads(foreign.response("", envelope.attachments).payload)["data"]["attachments"] == [file]


def test_an_envelope_has_a_bound_on_attachments() -> None:
    def body(count: int) -> bytes:
        return json.dumps({"prompt": "x", "attachments": [FILE.model_dump()] * count}).encode()

    assert len(parse_envelope(body(MAX_ATTACHMENTS)).attachments or ()) == MAX_ATTACHMENTS
    with pytest.raises(EnvelopeError, match="attachments"):
        parse_envelope(body(MAX_ATTACHMENTS + 1))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_envelope_or_refused(payload: bytes) -> None:
    try:
        envelope = parse_envelope(payload)
    except EnvelopeError:
        return
    assert envelope.prompt


@given(st.binary(max_size=100))
def test_what_their_library_encodes_is_taken_and_what_it_would_not_decode_is_not(content: bytes) -> None:
    sent = their_envelope.Attachment.from_bytes("file", content)
    mine = Attachment(filename=sent.filename, content=sent.content)
    assert mine.is_encoded
    assert base64.b64decode(mine.content, validate=True) == content
    broken = Attachment(filename="file", content=f"{sent.content}\n")
    assert not broken.is_encoded


@pytest.mark.parametrize("attachments", [(), (FILE, FILE)])
@pytest.mark.parametrize("text", ["", "hello", '{"a": "\n\u2028"}'])
def test_their_library_reads_our_chunks(text: str, attachments: tuple[Attachment, ...]) -> None:
    chunk = decode_chunk(foreign.response(text, attachments).payload)
    assert isinstance(chunk, theirs.ResponseChunk)
    assert chunk.text == text
    assert [each.to_bytes() for each in chunk.attachments or ()] == [b"hello"] * len(attachments)
    asked = decode_chunk(foreign.query("7", "x.y", text, attachments).payload)
    assert isinstance(asked, theirs.QueryChunk)
    assert (asked.id, asked.reply_subject, asked.prompt) == ("7", "x.y", text)
    assert len(asked.attachments or ()) == len(attachments)
    status = decode_chunk(foreign.status("ack").payload)
    assert status == theirs.StatusChunk(status="ack")


def test_text_alone_travels_in_its_short_form() -> None:
    assert json.loads(foreign.response("hi").payload) == {"type": "response", "data": "hi"}


def test_the_end_has_neither_payload_nor_headers_and_follows_an_error() -> None:
    error, end = foreign.failure(500, "it\nbroke: ä")
    assert (end.payload, end.headers) == (b"", None)
    assert error.headers == {"Nats-Service-Error-Code": "500", "Nats-Service-Error": "it broke: ?"}


def test_an_error_is_one_short_line() -> None:
    (error, _) = foreign.failure(400, "x" * 1000)
    assert error.headers is not None
    assert len(error.headers["Nats-Service-Error"]) == 200


@pytest.mark.parametrize(
    "reply_to", ["_INBOX.agents.abc.def", "_INBOX.x", "_INBOX.foreign.carl.1", "_INBOX." + "x" * 500]
)
def test_an_inbox_is_answered(reply_to: str) -> None:
    assert is_answerable(reply_to)


@pytest.mark.parametrize(
    "reply_to",
    [
        "",
        "_INBOX.",
        "_INBOX",
        "_INBOX_ada.x",
        "_INBOX_agents.x",
        "_INBOX.agents.>",
        "_INBOX.*",
        "_INBOX.a b",
        "_INBOX.a\r\nPUB x 0",
        "_INBOX..x",
        "_INBOX." + "x" * 506,
        "conclave.call.consensus.vote.ada",
        "$JS.API.STREAM.PURGE.x",
        "x_INBOX.y",
    ],
)
def test_nothing_else_is_answered(reply_to: str) -> None:
    assert not is_answerable(reply_to)


@given(st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True))
def test_our_subjects_are_theirs_for_every_agent_id(agent: str) -> None:
    expected = AgentSubject.new("conclave", "t-1", agent)
    assert foreign.subject("prompt", "t-1", agent) == expected.prompt
    assert foreign.subject("status", "t-1", agent) == expected.status
    assert foreign.subject("hb", "t-1", agent) == expected.heartbeat
