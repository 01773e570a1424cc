"""What the registry answers: pages that fit, the best first, and why the others do not match."""

from __future__ import annotations

from typing import Any

from coordination.registry import wire
from coordination.registry.commands import DeregisterAgent, RegisterAgent
from coordination.registry.directory import MAX_REMEMBERED
from coordination.registry.presence import FailureDetector
from coordination.registry.queries import Queries
from coordination.runtime.limits import MAX_PAGE_BYTES, MAX_REPLY_BYTES
from coordination.runtime.service import Call
from coordination.runtime.wire import ReadyJson
from tests.support.registering import Registry, capability

ASKER = Call(caller="eve", draw_id=lambda: "")


class Room:
    """A registry that is asked directly."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.detector = FailureDetector()
        self._endpoints = {each.verb: each for each in Queries(self.detector).endpoints()}

    def ask(self, verb: str, **request: Any) -> Any:
        endpoint = self._endpoints[verb]
        body = endpoint.request.model_validate(request)
        answer = endpoint.answer(self.registry.model, ASKER, body, 0)
        return endpoint.reply.model_validate_json(answer.text) if isinstance(answer, ReadyJson) else answer

    def find(self, requirement: str | None = None, **request: Any) -> list[str]:
        reply: wire.FindReply = self.ask("find", requirement=requirement, **request)
        return [agent.agent for agent in reply.agents]


def test_the_best_come_first_by_score_then_status_then_load_then_id() -> None:
    room = Room()
    for agent in ("e", "d", "c", "b", "a"):
        room.registry.register(agent, labels={"region": "eu" if agent == "e" else "us"})
    room.registry.become("suspect", "a", incarnation=5)
    room.detector.hear("b", 4, 0.5, 0)
    room.detector.hear("e", 1, 1.0, 0)
    assert room.find("region, prefer region=eu") == ["e", "c", "d", "b", "a"]
    assert room.find("region, prefer region=eu", limit=2) == ["e", "c"]
    assert room.find() == ["c", "d", "b", "e", "a"]
    room.detector.hear("c", 3, 0.75, 0)
    assert room.find(limit=3) == ["d", "b", "c"]


def test_a_capability_is_not_a_label_of_that_name() -> None:
    room = Room()
    room.registry.register("a", labels={"python": "yes"})
    room.registry.register("b", capabilities=(capability("python"),))
    assert room.find("python") == ["a", "b"]
    assert room.find(capability="python") == ["b"]


def test_a_model_made_anew_knows_the_loads_that_were_heard_before() -> None:
    room = Room()
    for agent in ("a", "b"):
        room.registry.register(agent)
    room.detector.hear("a", 1, 0.5, 0)
    assert room.find() == ["b", "a"]
    room.registry.restart()
    assert room.find() == ["b", "a"]


def test_an_agent_that_left_leaves_no_load_behind() -> None:
    room = Room()
    for agent in ("a", "b"):
        room.registry.register(agent)
    room.detector.hear("a", 1, 0.5, 0)
    assert room.find() == ["b", "a"]
    room.registry.accept(DeregisterAgent(agent="a"))
    room.registry.register("a")
    assert room.find() == ["a", "b"]


def test_every_agent_is_explained_the_nearest_misses_first() -> None:
    room = Room()
    room.registry.register("far")
    room.registry.register("good", capabilities=(capability("gpu", memory_gb=24),), labels={"region": "eu"})
    room.registry.register("lost", capabilities=(capability("gpu", memory_gb=24),), labels={"region": "eu"})
    room.registry.register("near", capabilities=(capability("gpu", memory_gb=16),), labels={"region": "eu"})
    room.registry.become("offline", "lost", incarnation=3)
    reply = room.ask("find", requirement="gpu.memory_gb>=24, region=eu, prefer tier=gold", explain=True)
    assert [agent.agent for agent in reply.agents] == ["good"]
    assert (reply.matched, reply.unexplained) == (1, 0)
    explained = {each.agent: each for each in reply.explanations}
    assert list(explained) == ["good", "lost", "near", "far"]
    assert [each.matches for each in reply.explanations] == [True, False, False, False]
    assert (explained["good"].score, explained["lost"].score) == (0.0, 0.0)
    assert [term.met for term in explained["good"].terms] == [True, True, False]
    assert explained["lost"].terms[-1].term == "status!=offline"
    assert "16" in explained["near"].terms[0].reason
    assert [term.met for term in explained["far"].terms] == [False, False, False]
    both = room.ask("find", requirement="region=eu", explain=True, include_offline=True, limit=1)
    assert ([each.agent for each in both.agents], both.matched) == (["good"], 3)
    assert ([each.agent for each in both.explanations], both.unexplained) == (["good", "far"], 2)


def test_nothing_is_explained_unless_it_is_asked_for() -> None:
    room = Room()
    room.registry.register("a")
    reply = room.ask("find", requirement="gpu")
    assert (reply.explanations, reply.unexplained, reply.matched) == ((), 0, 0)


def test_large_records_come_in_pages_that_fit_into_a_message() -> None:
    room = Room()
    for number in range(60):
        room.registry.register(f"a{number:02}", metadata={"a": "x" * 16_000}, description="ä" * 256)
    for verb, seen in (("watch", []), ("list", [])):
        after, pages = "", 0
        while pages == 0 or after:
            reply = room.ask(verb, after=after)
            assert len(reply.model_dump_json()) < MAX_PAGE_BYTES + 1_000
            seen += [agent.agent for agent in reply.agents]
            after, pages = reply.next, pages + 1
        assert seen == [f"a{number:02}" for number in range(60)]
        assert pages > 1
    revision, changes = 0, 0
    while revision < 60:
        reply = room.ask("changes", after_revision=revision)
        assert len(reply.model_dump_json()) < MAX_PAGE_BYTES + 1_000
        changes += len(reply.changes)
        revision = reply.changes[-1].revision
    assert changes == 60


def test_a_reply_that_explains_fits_into_a_message() -> None:
    room = Room()
    many = tuple(capability(f"c{number}", description="x" * 256) for number in range(64))
    for number in range(60):
        room.registry.register(f"a{number}", capabilities=many)
    requirement = ", ".join(f"c{number}" for number in range(32))
    reply = room.ask("find", requirement=requirement, explain=True)
    assert 0 < len(reply.agents) < 60
    assert reply.unexplained > 0
    assert len(reply.model_dump_json()) < MAX_REPLY_BYTES


def test_only_so_many_requirements_are_remembered() -> None:
    room = Room()
    room.registry.register("a")
    for number in range(MAX_REMEMBERED + 10):
        assert room.find(f"agent.max_tasks>={number}") == (["a"] if number < 2 else [])
    assert len(room.registry.model.directory._remembered) == MAX_REMEMBERED


def test_equal_offers_are_kept_once() -> None:
    registry = Registry()
    for agent in ("a", "b"):
        registry.accept(RegisterAgent(agent=agent, capabilities=(capability("gpu", memory_gb=24),)))
    assert registry.record("a").capabilities is registry.record("b").capabilities
    registry.restart()
    assert registry.record("a").capabilities is registry.record("b").capabilities
