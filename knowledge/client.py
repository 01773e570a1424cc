"""Typed client of the knowledge service, for programs without a replica of their own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from coordination.approvals.artifact import Artifact
from coordination.approvals.wire import presented
from coordination.runtime.asking import items, request
from coordination.runtime.client import Caller
from knowledge import wire
from knowledge.artifact import fact_artifact
from knowledge.facts import Fact, require_topic


class KnowledgeClient:
    """What one agent asks of the knowledge service; errors as in `coordination.runtime.client.Caller`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def assert_fact(
        self,
        topic: str,
        subject: str,
        predicate: str,
        object: Any,  # noqa: A002 - the field's own word: subject, predicate, object
        *,
        asserted_at_ms: int | None = None,
        approval: BaseModel | Mapping[str, Any] | None = None,
        conditions_met: Iterable[str] = (),
    ) -> wire.AssertReply:
        """State a fact in the caller's name; the time defaults to this machine's clock.

        Args:
            topic: One whose name begins with ``approved-`` takes only what a vote has approved.
            subject: What the fact is about.
            predicate: The relation.
            object: Any JSON of at most 8 KiB.
            asserted_at_ms: When, since the Unix epoch; that of the approved fact, if one was.
            approval: Of a proposal that approved exactly this fact (`fact_artifact`): ``proposal.approval``.
            conditions_met: Every condition of the approval.
        """
        body = request(
            wire.AssertRequest,
            topic=topic,
            subject=subject,
            predicate=predicate,
            object=object,
            # Fixed here, so that a retry on the way states the same fact and not a second one.
            asserted_at_ms=time.time_ns() // 1_000_000 if asserted_at_ms is None else asserted_at_ms,
            approval=presented(approval),
            conditions_met=items("conditions_met", conditions_met, of="texts"),
        )
        return await self._caller.command("knowledge", "assert", body, wire.AssertReply)

    def artifact_of(
        self,
        topic: str,
        subject: str,
        predicate: str,
        object: Any,  # noqa: A002 - the field's own word: subject, predicate, object
        *,
        asserted_at_ms: int,
    ) -> Artifact:
        """What is voted on so that `assert_fact` may state the same afterwards; asks nobody.

        Args:
            topic: As in `assert_fact`, as are all others.
            subject: What the fact is about.
            predicate: The relation.
            object: Any JSON of at most 8 KiB.
            asserted_at_ms: When, since the Unix epoch (``session.clock.now_ms()``). It is part of what is
                approved, so `assert_fact` must be given the same.

        Raises:
            RejectedError: ``invalid_topic`` or ``invalid_fact``: nobody could assert this.
        """
        fact = Fact.of(
            subject=subject,
            predicate=predicate,
            object=object,
            source=self._caller.agent,
            asserted_at_ms=asserted_at_ms,
        )
        return fact_artifact(require_topic(topic), fact)

    async def publish(
        self,
        topic: str,
        change: bytes,
        *,
        approval: BaseModel | Mapping[str, Any] | None = None,
        conditions_met: Iterable[str] = (),
    ) -> None:
        """Store a change that the caller's replica has drafted; the same one again is no second one.

        Args:
            topic: For which it was drafted.
            change: What `Replica.draft` gave.
            approval: Of a proposal that approved exactly this change (`change_artifact`).
            conditions_met: Every condition of the approval.
        """
        body = request(
            wire.PublishRequest,
            topic=topic,
            content=change,
            approval=presented(approval),
            conditions_met=items("conditions_met", conditions_met, of="texts"),
        )
        await self._caller.query("knowledge", "publish", body, wire.PublishReply)

    async def query(
        self,
        topic: str,
        *,
        subject: str | None = None,
        predicate: str | None = None,
        source: str | None = None,
        limit: int = 100,
    ) -> wire.QueryReply:
        """Facts of `topic` whose given fields match exactly, oldest first."""
        body = request(
            wire.QueryRequest, topic=topic, subject=subject, predicate=predicate, source=source, limit=limit
        )
        return await self._caller.query("knowledge", "query", body, wire.QueryReply)

    async def trust(self, topic: str, agents: Iterable[str]) -> dict[str, int]:
        """How far each of `agents` is trusted, in thousandths: 500 for one that nobody rated in `topic`.

        To rate an agent, assert a fact about it: predicate ``trust``, object
        ``{"positive": 8, "negative": 1}``. The latest one of each rater counts; what has another form counts
        for nothing, and `ratings` says whose that is.
        """
        return (await self.ratings(topic, agents)).weights

    async def ratings(self, topic: str, agents: Iterable[str]) -> wire.TrustReply:
        """As `trust`, with ``ignored``: how many ratings are malformed and count for nothing, by rater."""
        body = request(wire.TrustRequest, topic=topic, agents=items("agents", agents, of="agent ids"))
        return await self._caller.query("knowledge", "trust", body, wire.TrustReply)

    async def topics(self) -> wire.TopicsReply:
        """All topics of the space."""
        return await self._caller.query("knowledge", "topics", wire.TopicsRequest(), wire.TopicsReply)
