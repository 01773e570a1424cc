"""Whatever agents do, everybody sees exactly what was meant for them, and the journal tells it again."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordination.runtime.model import Outcome, Push, Rejected
from dialog import model
from dialog.conversation import CloseConversation, Conversation, OpenConversation, SayMessage
from dialog.limits import MAX_LATE_REPLIES
from dialog.model import DialogModel, DialogState
from tests.support.driving import Driver

AGENTS = ("ada", "bob", "cy", "dan")
IDS = ("c1", "c2", "c3")
MAX_CONVERSATIONS = 2
agents = st.sampled_from(AGENTS)
ids = st.sampled_from(IDS)
groups = st.lists(agents, max_size=4).map(tuple)


class DialogMachine(RuleBasedStateMachine):
    """Random talk, beside a naive account of who must have received and may see what."""

    @initialize()
    def begin(self) -> None:
        self.driver = Driver(DialogModel, DialogState)
        self.received: dict[tuple[str, str], list[int]] = {}
        self.visible: dict[tuple[str, str], list[int]] = {}
        self.limits = mock.patch.multiple(model, MAX_CONVERSATIONS=MAX_CONVERSATIONS, MAX_MESSAGES=6)
        self.limits.start()

    def teardown(self) -> None:
        if hasattr(self, "driver"):
            self.limits.stop()
            self.driver.check_replay()
            self.driver.check_snapshot()

    @rule(conversation_id=ids, owner=agents, participants=groups)
    def open(self, conversation_id: str, owner: str, participants: tuple[str, ...]) -> None:
        outcome = self.driver.send(
            OpenConversation(
                conversation_id=conversation_id, owner=owner, topic="t", participants=participants
            )
        )
        if isinstance(outcome, Outcome):  # an id may be used anew once its conversation is archived
            for book in (self.received, self.visible):
                for agent in AGENTS:
                    book.pop((conversation_id, agent), None)

    @rule(
        conversation_id=ids,
        sender=agents,
        to=groups,
        in_reply_to=st.none() | st.integers(1, 7),
        wait_ms=st.none() | st.integers(-1, 5),
    )
    def say(
        self,
        conversation_id: str,
        sender: str,
        to: tuple[str, ...],
        in_reply_to: int | None,
        wait_ms: int | None,
    ) -> None:
        now_ms = self.driver.now_ms
        command = SayMessage(
            conversation_id=conversation_id,
            sender=sender,
            performative="inform",
            content="ä" * len(to),
            to=to,
            in_reply_to=in_reply_to,
            reply_by_ms=None if wait_ms is None else now_ms + wait_ms,
        )
        outcome = self.driver.send(command)
        if isinstance(outcome, Rejected):
            self._check_refusal(command, outcome)
            return
        sequence = outcome.reply.sequence
        present = self.driver.model.state.conversations[conversation_id].participants
        expected = set(to) or set(present) - {sender}
        pushes = [each for each in outcome.messages if isinstance(each, Push)]
        assert sorted(push.agent for push in pushes) == sorted(expected)
        for push in pushes:
            earlier = self.received.setdefault((conversation_id, push.agent), [])
            assert push.body["previous_sequence"] == (earlier[-1] if earlier else 0)
            earlier.append(sequence)
        for agent in expected | {sender}:
            self.visible.setdefault((conversation_id, agent), []).append(sequence)

    def _check_refusal(self, command: SayMessage, refusal: Rejected) -> None:
        if refusal.code == "too_late":
            assert command.in_reply_to is not None
            conversation = self.driver.model.state.conversations[command.conversation_id]
            question = conversation.message(command.in_reply_to)
            assert question is not None
            assert question.reply_by_ms is not None
            assert question.reply_by_ms < self.driver.now_ms
        else:
            assert not refusal.events

    @rule(conversation_id=ids, agent=agents)
    def close_as_anybody(self, conversation_id: str, agent: str) -> None:
        conversation = self.driver.model.state.conversations.get(conversation_id)
        may = conversation is not None and (conversation.owner, conversation.status) == (agent, "open")
        outcome = self.driver.send(CloseConversation(conversation_id=conversation_id, agent=agent))
        assert isinstance(outcome, Outcome) == may

    @rule(conversation_id=ids)
    def close_as_owner(self, conversation_id: str) -> None:
        conversation = self.driver.model.state.conversations.get(conversation_id)
        if conversation is not None:
            self.close_as_anybody(conversation_id, conversation.owner)

    @rule(by_ms=st.integers(1, 4))
    def time_passes(self, by_ms: int) -> None:
        self.driver.advance(self.driver.now_ms + by_ms)

    @rule()
    def restart(self) -> None:
        self.driver.restart()

    @invariant()
    def everybody_sees_what_was_meant_for_them(self) -> None:
        for conversation in self._conversations():
            assert [each.sequence for each in conversation.messages] == list(
                range(1, len(conversation.messages) + 1)
            )
            for agent in AGENTS:
                seen = [each.sequence for each in conversation.messages if each.is_visible_to(agent)]
                assert seen == self.visible.get((conversation.conversation_id, agent), [])

    @invariant()
    def nothing_grows_beyond_its_bounds(self) -> None:
        state = self.driver.model.state if hasattr(self, "driver") else DialogState()
        assert len(state.conversations) <= MAX_CONVERSATIONS
        assert state.size_bytes == sum(each.size_bytes for each in state.conversations.values())
        for conversation in state.conversations.values():
            late = [(each.sender, each.in_reply_to) for each in conversation.late_replies]
            assert len(set(late)) == len(late) <= MAX_LATE_REPLIES
        closed = {each.conversation_id for each in state.conversations.values() if each.status == "closed"}
        assert set(state.closed) == closed

    def _conversations(self) -> Iterator[Conversation]:
        if hasattr(self, "driver"):
            yield from self.driver.model.state.conversations.values()


TestDialog = DialogMachine.TestCase
TestDialog.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
