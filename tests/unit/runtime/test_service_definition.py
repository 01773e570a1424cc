"""A service that could never be served is refused where it is defined."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Action, Command, Endpoint, Query, ServiceDefinition
from coordination.runtime.wire import Body
from tests.support.toy import Ledger


class Nothing(Body):
    pass


async def _act(_: Any, request: Nothing) -> Nothing:
    return request


def action(verb: str) -> Action:
    return Action(verb=verb, description="Act.", request=Nothing, reply=Nothing, act=_act)


def command(verb: str) -> Command:
    return Command(
        verb=verb, description="Do.", request=Nothing, reply=Nothing, build=lambda _, request: request
    )


def query(verb: str) -> Query:
    return Query(verb=verb, description="Ask.", request=Nothing, reply=Nothing, answer=lambda *_: Nothing())


def define(*endpoints: Endpoint, journaled: bool = False) -> ServiceDefinition:
    return ServiceDefinition(
        name="toy",
        version="0.1.0",
        description="A toy.",
        endpoints=endpoints,
        model=Ledger if journaled else None,
    )


def test_two_endpoints_with_one_verb_are_refused() -> None:
    with pytest.raises(AssertionError, match="two endpoints with one verb"):
        define(action("do"), action("do"))


@pytest.mark.parametrize("endpoint", [command("do"), query("ask")])
def test_commands_and_queries_need_a_model(endpoint: Endpoint) -> None:
    with pytest.raises(AssertionError, match="commands need a model"):
        define(endpoint)
    assert define(endpoint, journaled=True).endpoints == (endpoint,)


def test_actions_need_no_model() -> None:
    assert define(action("do"), action("undo")).model is None


async def test_a_model_and_a_journal_come_together() -> None:
    shell = Shell.of(MemoryBus(MemoryExchange(), agent="toy"), service="toy", subjects=Subjects())
    with pytest.raises(AssertionError, match="model needs journal"):
        Runner(define(command("do"), journaled=True), shell=shell)
    with pytest.raises(AssertionError, match="model needs journal"):
        Runner(define(action("do")), shell=shell, journals=[Journal(MemoryStore(MemoryStream()))])
