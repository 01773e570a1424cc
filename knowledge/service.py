"""Binds the knowledge endpoints to a replica that the service keeps itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, Final, Protocol

from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import RejectedError
from coordination.runtime.runner import Shell
from coordination.runtime.service import Action, Call, ServiceDefinition
from knowledge import wire
from knowledge.approved import redeem_for_change, redeem_for_fact
from knowledge.changes import JetStreamChanges
from knowledge.facts import Fact, Pattern
from knowledge.feed import Feed, ReadableStream
from knowledge.gate import KNOWLEDGE_AGENT
from knowledge.limits import MAX_IGNORED_RATERS
from knowledge.replica import Replica
from knowledge.trust import PREDICATE, ignored, trust

NAME: Final = "knowledge"
assert NAME == KNOWLEDGE_AGENT


class OwnStream(ReadableStream, Protocol):
    """A change stream that the service makes itself."""

    async def open(self) -> None:
        """Create the stream if it is not there.

        Raises:
            UnavailableError: Its storage does not answer.
        """
        ...


def define(shell: Shell, bus: NatsBus) -> ServiceDefinition:
    """The knowledge service over the change stream of the default space."""
    return define_over(shell, JetStreamChanges(bus, shell.subjects))


def define_over(shell: Shell, stream: OwnStream) -> ServiceDefinition:
    """The knowledge service over `stream`."""

    async def announce(topic: str, notice: wire.ChangedNotice) -> None:
        subject = shell.subjects.event(NAME, wire.CHANGED, topic)
        await shell.bus.publish(subject, notice.model_dump_json().encode())

    replica = Replica(feed := Feed(stream, announce), agent=NAME)
    is_open, current = asyncio.Event(), asyncio.Event()

    async def follow(_: Any) -> None:
        await stream.open()
        is_open.set()
        async with asyncio.TaskGroup() as group:
            group.create_task(replica.follow())
            await replica.catch_up()
            current.set()

    async def state(call: Call, request: wire.AssertRequest) -> wire.AssertReply:
        _require(current)
        fact = Fact.of(
            subject=request.subject,
            predicate=request.predicate,
            object=request.object,
            source=call.caller,
            asserted_at_ms=shell.clock.now_ms() if request.asserted_at_ms is None else request.asserted_at_ms,
        )
        replica.require_room(request.topic, fact)
        await redeem_for_fact(shell.caller, request, fact)
        is_new = await replica.assert_fact(request.topic, fact)
        return wire.AssertReply(fact=wire.FactBody.of(fact), is_new=is_new)

    async def publish(call: Call, request: wire.PublishRequest) -> wire.PublishReply:
        _require_space(request.space, is_open)
        await redeem_for_change(shell.caller, request, call.caller)
        await stream.publish(request.topic, call.caller, request.content)
        return wire.PublishReply()

    async def changes(_: Call, request: wire.ChangesRequest) -> wire.ChangesReply:
        _require_space(request.space, is_open)
        return await feed.page(request.after, request.limit)

    return ServiceDefinition(
        name=NAME,
        version="0.2.0",
        description="Facts that agents share, replicated as Automerge documents.",
        companions=(follow,),
        endpoints=(*_endpoints(state, _Reader(replica, current)), *_for_replicas(publish, changes)),
    )


class _Reader:
    """Answers from the service's own replica.

    Args:
        replica: The replica.
        current: Set once it has caught up; before, everything is refused as ``unavailable``.
    """

    def __init__(self, replica: Replica, current: asyncio.Event) -> None:
        self._replica = replica
        self._current = current

    async def query(self, _: Call, request: wire.QueryRequest) -> wire.QueryReply:
        """Facts of a topic by pattern."""
        _require(self._current)
        pattern = Pattern(
            subject=request.subject,
            subject_prefix=request.subject_prefix,
            predicate=request.predicate,
            source=request.source,
        )
        found = self._replica.query(request.topic, pattern)[: request.limit]
        facts = tuple(wire.FactBody.of(fact) for fact in found)
        return wire.QueryReply(facts=facts, heads=self._replica.heads(request.topic))

    async def topics(self, _: Call, __: wire.TopicsRequest) -> wire.TopicsReply:
        """All topics."""
        _require(self._current)
        return wire.TopicsReply(
            topics=tuple(
                wire.Topic(
                    topic=topic, facts_count=self._replica.count(topic), heads=self._replica.heads(topic)
                )
                for topic in self._replica.topics()
            ),
            quarantined_count=self._replica.quarantined_count,
        )

    async def trust(self, _: Call, request: wire.TrustRequest) -> wire.TrustReply:
        """How far some agents are trusted."""
        _require(self._current)
        ratings = self._replica.query(request.topic, Pattern(predicate=PREDICATE))
        fused = trust(ratings, request.agents)
        malformed = islice(ignored(ratings, request.agents).items(), MAX_IGNORED_RATERS)
        return wire.TrustReply(
            weights={agent: evidence.weight for agent, evidence in fused.items()}, ignored=dict(malformed)
        )


_Act = Callable[[Call, Any], Awaitable[Any]]


def _endpoints(state: _Act, reader: _Reader) -> tuple[Action, ...]:
    return (
        Action(
            verb="assert",
            description="State a fact in the caller's name.",
            request=wire.AssertRequest,
            reply=wire.AssertReply,
            act=state,
            changes=True,
        ),
        Action(
            verb="query",
            description="Facts of a topic by pattern, oldest first.",
            request=wire.QueryRequest,
            reply=wire.QueryReply,
            act=reader.query,
        ),
        Action(
            verb="topics",
            description="All topics with their number of facts and their heads.",
            request=wire.TopicsRequest,
            reply=wire.TopicsReply,
            act=reader.topics,
        ),
        Action(
            verb="trust",
            description="How far some agents are trusted, by what others said of them in a topic.",
            request=wire.TrustRequest,
            reply=wire.TrustReply,
            act=reader.trust,
        ),
    )


def _for_replicas(publish: _Act, changes: _Act) -> tuple[Action, ...]:
    # The stream's subjects are closed to agents: JetStream acknowledges what it stores into any reply
    # subject, and an agent could so make it speak where the agent itself may not (docs/adr/0005).
    return (
        Action(
            verb="publish",
            description="Store a change that the caller's replica made; the same one again is no second one.",
            request=wire.PublishRequest,
            reply=wire.PublishReply,
            act=publish,
        ),
        Action(
            verb="changes",
            description="The changes that follow a sequence, for replicas; a notice tells of new ones.",
            request=wire.ChangesRequest,
            reply=wire.ChangesReply,
            act=changes,
        ),
    )


def _require_space(space: str, is_open: asyncio.Event) -> None:
    _require(is_open)
    if space != wire.DEFAULT_SPACE:
        message = f"no space {space!r}; the service keeps {wire.DEFAULT_SPACE!r}"
        raise RejectedError("unknown_space", message)


def _require(current: asyncio.Event) -> None:
    if not current.is_set():
        raise RejectedError("unavailable", "knowledge is still catching up, try again", retryable=True)
