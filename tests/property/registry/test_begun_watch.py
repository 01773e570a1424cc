"""A watch that begins while agents come and go names one state, though it reads it page by page."""

from __future__ import annotations

import contextlib
import random
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from coordination.registry.commands import DeregisterAgent, RegisterAgent, UpdateAgent
from coordination.registry.presence import FailureDetector
from coordination.registry.queries import Queries
from coordination.registry.record import STATUSES
from coordination.registry.watch import Present, Synced, apply_change, watch
from coordination.registry.wire import AgentRecord, Change
from coordination.runtime.client import Caller
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.service import Call
from tests.support.registering import Registry

R = TypeVar("R", bound=BaseModel)
IDS = tuple("abcdef")


class Restless(Caller):
    """A registry that is asked directly, answers with pages of two, and changes before each answer."""

    def __init__(self, entropy: random.Random) -> None:
        super().__init__(MemoryBus(MemoryExchange(), agent="eve"), agent="eve")
        self.entropy = entropy
        self.registry = Registry()
        self.states: list[dict[str, AgentRecord]] = [{}]
        """By revision."""
        queries = Queries(FailureDetector())
        self._endpoints = {each.verb: each for each in queries.endpoints()}

    async def query(
        self, service: str, verb: str, request: BaseModel, reply: type[R], *, least_patience_s: float = 0.0
    ) -> R:
        assert service == "registry"
        assert not least_patience_s
        for _ in range(self.entropy.randrange(4)):
            self.change()
        if verb == "watch":
            request = request.model_copy(update={"limit": 2})
        if verb == "changes":
            request = request.model_copy(update={"limit": self.entropy.randint(1, 3)})
        call = Call(caller=self.agent, draw_id=lambda: "")
        answer = self._endpoints[verb].answer(self.registry.model, call, request, 0)
        return reply.model_validate_json(answer.model_dump_json())

    def change(self) -> None:
        agent = self.entropy.choice(IDS)
        record = self.registry.model.state.agents.get(agent)
        incarnation = 0 if record is None else record.incarnation
        match self.entropy.randrange(5):
            case 0 | 1:
                self.registry.send(RegisterAgent(agent=agent))
            case 2:
                description = str(self.entropy.random())
                command = UpdateAgent(agent=agent, incarnation=incarnation, description=description)
                self.registry.send(command)
            case 3:
                self.registry.become(self.entropy.choice(STATUSES), agent, incarnation=incarnation)
            case _:
                self.registry.send(DeregisterAgent(agent=agent))
        for notice in self.registry.notices()[len(self.states) - 1 :]:
            state = dict(self.states[-1])
            apply_change(state, Change.model_validate(notice.body, from_attributes=True))
            self.states.append(state)


@given(seed=st.integers(0, 2**32))
async def test_what_is_named_at_first_is_the_state_at_the_revision_that_it_says(seed: int) -> None:
    caller = Restless(random.Random(seed))
    for _ in range(caller.entropy.randrange(20)):
        caller.change()
    named: dict[str, Any] = {}
    async with contextlib.aclosing(watch(caller)) as events:
        while isinstance(event := await anext(events), Present):
            named[event.record.agent] = event.record.model_copy(update={"last_heard_ms": 0})
        assert isinstance(event, Synced)
        assert named == caller.states[event.revision]
        assert list(named) == sorted(named)
