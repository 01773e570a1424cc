"""The dialog's rules, one by one."""

from __future__ import annotations

from itertools import product
from typing import Any, get_args

import pytest

from coordination.runtime.model import Notice, Push, Rejected
from dialog import limits, model, wire
from dialog.conversation import (
    LIFECYCLE,
    Act,
    CloseConversation,
    LateReplyRefused,
    OpenConversation,
    SayMessage,
    Status,
)
from dialog.model import DialogModel, DialogState
from tests.support.driving import Driver

OPEN = OpenConversation(conversation_id="c", owner="ada", topic="tea", participants=("bob", "cy"))
CLOSE = CloseConversation(conversation_id="c", agent="ada")


def say(sender: str = "ada", content: str = "hello", **fields: Any) -> SayMessage:
    fields = {"conversation_id": "c", "performative": "inform"} | fields
    return SayMessage(sender=sender, content=content, **fields)


@pytest.fixture
def dialog() -> Driver[DialogModel]:
    """A conversation of ada, who owns it, with bob and cy, at 1000 ms."""
    driver = Driver(DialogModel, DialogState, now_ms=1000)
    driver.accept(OPEN)
    driver.messages.clear()
    return driver


def test_opening_tells_the_others_and_makes_the_caller_owner() -> None:
    driver = Driver(DialogModel, DialogState, now_ms=1000)
    reply = wire.Conversation.model_validate(driver.accept(OPEN))
    assert (reply.owner, reply.participants, reply.status) == ("ada", ("ada", "bob", "cy"), "open")
    assert [push.agent for push in driver.pushes("conversation")] == ["bob", "cy"]
    assert wire.Conversation.model_validate(driver.pushes("conversation")[0].body) == reply


def test_participants_named_twice_take_part_once() -> None:
    driver = Driver(DialogModel, DialogState)
    opened = driver.accept(
        OpenConversation(conversation_id="c", owner="ada", topic="t", participants=("bob", "ada", "bob"))
    )
    assert opened["participants"] == ("ada", "bob")


def test_notices_tell_nothing_but_the_id(dialog: Driver[DialogModel]) -> None:
    dialog.accept(say())
    dialog.accept(CLOSE)
    notices = [each for each in dialog.messages if isinstance(each, Notice)]
    assert notices == [Notice(event="closed", aggregate="c", body={"conversation_id": "c"})]


def test_a_broadcast_is_pushed_to_all_others_as_it_stands_in_history(dialog: Driver[DialogModel]) -> None:
    dialog.accept(say(reply_by_ms=5000))
    pushes = dialog.pushes("message")
    assert [push.agent for push in pushes] == ["bob", "cy"]
    message = wire.Message.model_validate(pushes[0].body)
    assert message == wire.Message(
        conversation_id="c",
        sequence=1,
        sender="ada",
        performative="inform",
        content="hello",
        to=(),
        in_reply_to=None,
        reply_by_ms=5000,
        said_at_ms=1000,
        previous_sequence=0,
    )
    stored = model.message_view(dialog.model.state.conversations["c"].messages[0])
    assert wire.Message.model_validate(stored) == message.model_copy(update={"previous_sequence": None})


def test_a_push_names_the_push_before_it_to_the_same_agent(dialog: Driver[DialogModel]) -> None:
    dialog.accept(say())
    dialog.accept(say(to=("bob",)))
    dialog.accept(say("bob", to=("ada",)))
    dialog.accept(say())
    seen = [(push.agent, push.body["sequence"], push.body["previous_sequence"]) for push in _messages(dialog)]
    assert [entry for entry in seen if entry[0] == "bob"] == [("bob", 1, 0), ("bob", 2, 1), ("bob", 4, 2)]
    assert [entry for entry in seen if entry[0] == "cy"] == [("cy", 1, 0), ("cy", 4, 1)]


def _messages(dialog: Driver[DialogModel]) -> list[Push]:
    return dialog.pushes("message")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (OPEN, "conversation_exists"),
        (say("dan"), "not_a_participant"),
        (say(conversation_id="d"), "unknown_conversation"),
        (say(to=("bob", "dan")), "unknown_recipient"),
        (say(in_reply_to=1), "unknown_message"),
        (say(reply_by_ms=999), "reply_by_passed"),
        (say(content="ä" * (limits.MAX_CONTENT_BYTES // 2) + "!"), "message_too_large"),
        (CloseConversation(conversation_id="c", agent="bob"), "not_owner"),
        (CloseConversation(conversation_id="c", agent="dan"), "not_a_participant"),
        (CloseConversation(conversation_id="d", agent="ada"), "unknown_conversation"),
        (
            OpenConversation(
                conversation_id="d",
                owner="ada",
                topic="t",
                participants=tuple(f"a{index}" for index in range(limits.MAX_PARTICIPANTS)),
            ),
            "too_many_participants",
        ),
    ],
)
def test_what_is_not_allowed_is_refused_by_name(dialog: Driver[DialogModel], command: Any, code: str) -> None:
    assert dialog.refuse(command) == code


@pytest.mark.parametrize(
    "command",
    [
        say(content="x" * limits.MAX_CONTENT_BYTES),
        say(reply_by_ms=1000),
        say("cy"),
        OpenConversation(
            conversation_id="d",
            owner="ada",
            topic="t",
            participants=tuple(f"a{index}" for index in range(1, limits.MAX_PARTICIPANTS)),
        ),
    ],
    ids=["largest content", "reply by now", "any participant", "most participants"],
)
def test_what_is_just_within_the_bounds_is_taken(dialog: Driver[DialogModel], command: Any) -> None:
    dialog.accept(command)


@pytest.mark.parametrize(("now_ms", "is_late"), [(1999, False), (2000, False), (2001, True)])
def test_the_instant_of_reply_by_is_still_in_time(
    dialog: Driver[DialogModel],
    now_ms: int,
    is_late: bool,  # noqa: FBT001
) -> None:
    dialog.accept(say(reply_by_ms=2000))
    dialog.advance(now_ms)
    outcome = dialog.send(say("bob", in_reply_to=1))
    assert (isinstance(outcome, Rejected) and outcome.code == "too_late") == is_late


def test_a_late_reply_is_on_record_once(dialog: Driver[DialogModel]) -> None:
    dialog.accept(say(reply_by_ms=2000))
    dialog.advance(2500)
    for _ in range(3):
        assert dialog.refuse(say("bob", in_reply_to=1, performative="refuse")) == "too_late"
    assert dialog.refuse(say("cy", in_reply_to=1)) == "too_late"
    late = [event for event in dialog.events if isinstance(event, LateReplyRefused)]
    assert [(event.sender, event.in_reply_to, event.refused_at_ms) for event in late] == [
        ("bob", 1, 2500),
        ("cy", 1, 2500),
    ]
    assert len(dialog.model.state.conversations["c"].messages) == 1
    dialog.check_replay()


def test_the_record_of_late_replies_is_bounded(
    dialog: Driver[DialogModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MAX_LATE_REPLIES", 1)
    dialog.accept(say(reply_by_ms=2000))
    dialog.advance(2500)
    assert dialog.refuse(say("bob", in_reply_to=1)) == "too_late"
    assert dialog.refuse(say("cy", in_reply_to=1)) == "too_late"
    assert len(dialog.model.state.conversations["c"].late_replies) == 1


def test_a_direct_message_is_seen_and_answered_by_its_parties_only(dialog: Driver[DialogModel]) -> None:
    dialog.accept(say(to=("bob",), reply_by_ms=2000))
    conversation = dialog.model.state.conversations["c"]
    seen = {agent: conversation.messages[0].is_visible_to(agent) for agent in conversation.participants}
    assert seen == {"ada": True, "bob": True, "cy": False}
    assert dialog.refuse(say("cy", in_reply_to=1)) == "unknown_message"
    dialog.advance(2500)
    assert dialog.refuse(say("bob", in_reply_to=1)) == "too_late"
    assert [len(list(conversation.late_replies_visible_to(agent))) for agent in ("ada", "bob", "cy")] == [
        1,
        1,
        0,
    ]


@pytest.mark.parametrize(("status", "act"), list(product(get_args(Status), get_args(Act))))
def test_every_act_in_every_status_does_what_the_table_says(
    dialog: Driver[DialogModel], status: Status, act: Act
) -> None:
    if status == "closed":
        dialog.accept(CLOSE)
    command = {"say": say(), "close": CLOSE}[act]
    expected = LIFECYCLE.get((status, act))
    if expected is None:
        assert dialog.refuse(command) == "conversation_closed"
    else:
        dialog.accept(command)
    assert dialog.model.state.conversations["c"].status == (expected or status)


def test_a_full_conversation_takes_no_more(
    dialog: Driver[DialogModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "MAX_MESSAGES", 2)
    dialog.accept(say())
    dialog.accept(say())
    assert dialog.refuse(say()) == "conversation_full"


def test_a_conversation_is_bounded_in_bytes(
    dialog: Driver[DialogModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    size_bytes = limits.CONVERSATION_OVERHEAD_BYTES + limits.MESSAGE_OVERHEAD_BYTES + 5
    monkeypatch.setattr(model, "MAX_CONVERSATION_BYTES", size_bytes)
    assert dialog.refuse(say(content="123456")) == "conversation_full"
    dialog.accept(say(content="12345"))
    assert dialog.model.state.size_bytes == size_bytes


def test_the_longest_closed_conversation_makes_room_for_a_new_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model, "MAX_CONVERSATIONS", 3)
    driver = Driver(DialogModel, DialogState)
    for each in ("a", "b", "c"):
        driver.accept(OpenConversation(conversation_id=each, owner="ada", topic="t", participants=("bob",)))
    new = OpenConversation(conversation_id="d", owner="ada", topic="t")
    assert driver.refuse(new) == "dialog_full"
    for each in ("b", "a"):
        driver.accept(CloseConversation(conversation_id=each, agent="ada"))
    driver.accept(new)
    assert [each.conversation_id for each in driver.model.page("ada", "", 10)] == ["a", "c", "d"]
    assert [each.conversation_id for each in driver.model.page("bob", "", 10)] == ["a", "c"]
    assert list(driver.model.state.closed) == ["a"]
    driver.check_replay()
    driver.check_snapshot()


def test_closed_conversations_make_room_for_a_message(
    dialog: Driver[DialogModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog.accept(OpenConversation(conversation_id="old", owner="bob", topic="t"))
    monkeypatch.setattr(model, "MAX_STORED_BYTES", dialog.model.state.size_bytes)
    assert dialog.refuse(say()) == "dialog_full"
    dialog.accept(CloseConversation(conversation_id="old", agent="bob"))
    dialog.accept(say())
    assert list(dialog.model.state.conversations) == ["c"]


def test_conversations_are_listed_by_participant_in_pages() -> None:
    driver = Driver(DialogModel, DialogState)
    for each in ("c", "a", "b"):
        driver.accept(OpenConversation(conversation_id=each, owner="ada", topic="t", participants=("bob",)))
    assert [each.conversation_id for each in driver.model.page("bob", "", 2)] == ["a", "b"]
    assert [each.conversation_id for each in driver.model.page("bob", "b", 2)] == ["c"]
    assert driver.model.page("dan", "", 2) == []


def test_a_foreign_command_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="not a dialog command: str"):
        DialogModel().decide("say", 0)
