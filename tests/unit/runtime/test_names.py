"""Which ids are accepted, and what subjects they lead to."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from coordination.runtime.errors import UsageError
from coordination.runtime.names import Id, Subjects, inbox_prefix, is_id, require_id

GOOD = ["a", "7", "ada", "agent-1", "agent_1", "0-_", "a" * 63]
BAD = [
    "",
    "a" * 64,
    "-ada",
    "_ada",
    "Ada",
    "ada\n",
    "\nada",
    "a\nb",
    "a\r",
    "a b",
    " ada",
    "ada\t",
    "a.b",
    "*",
    ">",
    "a*",
    "a>",
    "$SYS",
    "ä",
    "аda",  # noqa: RUF001 - a Cyrillic letter, which is the point
    "a\u0301",
    "１",  # noqa: RUF001 - a full-width digit
    "a\x00",
    "a/b",
    "a\u2028",
]


@pytest.mark.parametrize("text", GOOD)
def test_a_good_id_is_accepted_everywhere(text: str) -> None:
    assert is_id(text)
    assert require_id(text) == text
    assert TypeAdapter(Id).validate_python(text) == text
    assert Subjects(prefix=text).presence("x") == f"{text}.presence.x"


@pytest.mark.parametrize("text", BAD)
def test_a_bad_id_is_refused_everywhere(text: str) -> None:
    assert not is_id(text)
    with pytest.raises(UsageError, match="use 1 to 63 of a-z"):
        require_id(text)
    with pytest.raises(ValidationError):
        TypeAdapter(Id).validate_python(text)
    with pytest.raises(UsageError, match="subject prefix"):
        Subjects(prefix=text)


def test_a_refusal_is_one_short_line_whatever_was_given() -> None:
    with pytest.raises(UsageError) as refused:
        require_id("x\n" * 10_000, what="space")
    assert len(str(refused.value)) < 400
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("space ")


def test_every_subject_names_the_kind_of_traffic_second() -> None:
    subjects = Subjects(prefix="blue")
    assert subjects.call("registry", "find", "ada") == "blue.call.registry.find.ada"
    assert subjects.inbox("ada", "task") == "blue.inbox.ada.task"
    assert subjects.presence("ada") == "blue.presence.ada"
    assert subjects.event("tasks", "completed", "t1") == "blue.event.tasks.completed.t1"
    assert subjects.change("default", "ops", "ada") == "blue.change.default.ops.ada"
    assert subjects.journal("registry", 0) == "blue.journal.registry.0"


def test_a_stream_name_has_no_dots() -> None:
    assert Subjects(prefix="blue").journal_stream("registry", 3) == "blue-journal-registry-3"


def test_the_inbox_prefix_carries_the_agent() -> None:
    assert inbox_prefix("ada") == "_INBOX_ada"
