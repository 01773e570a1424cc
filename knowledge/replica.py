"""One agent's own copy of a space: every topic, kept current from the change stream.

Reads are local. A write is applied locally, published, and confirmed when the stream has it; what could
not be published is kept and goes out first next time, because later changes build on it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from typing import Final

from coordination.runtime.concurrency import one_error
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from coordination.runtime.logs import get_logger
from knowledge.approved import require_no_approval
from knowledge.changes import ChangeStream, PublishedChange
from knowledge.engine import AutomergeEngine, Engine
from knowledge.facts import Fact, Pattern, require_topic, select
from knowledge.gate import KNOWLEDGE_AGENT
from knowledge.limits import ACTOR_NONCE_BYTES, MAX_TOPIC_FACTS
from knowledge.outcome import Applied, Outcome, Quarantined

MAX_TOPICS: Final = 4096
"""Topics of one space that a replica holds."""
CATCH_UP_TIMEOUT_S: Final = 60.0
_log = get_logger(__name__)


class Replica:
    """A copy of one space, written to as `agent`.

    Use `following` to get one that is kept current.
    """

    def __init__(self, changes: ChangeStream, *, agent: str) -> None:
        self.agent = agent
        self.quarantined_count = 0
        """Changes that were refused, named in the log and skipped."""
        self._changes = changes
        self._topics: dict[str, Engine] = {}
        self._unpublished: list[tuple[str, bytes]] = []
        self._writing = asyncio.Lock()
        self._sequence = 0
        self._arrived = asyncio.Condition()

    def topics(self) -> tuple[str, ...]:
        """Names of the topics that have any change, in order."""
        return tuple(sorted(self._topics))

    def heads(self, topic: str) -> tuple[str, ...]:
        """Hashes of the topic's latest changes; replicas with equal heads hold equal topics."""
        engine = self._topics.get(require_topic(topic))
        return engine.heads() if engine is not None else ()

    def count(self, topic: str) -> int:
        """How many facts the topic holds here."""
        engine = self._topics.get(require_topic(topic))
        return len(engine.facts()) if engine is not None else 0

    def query(self, topic: str, pattern: Pattern | None = None) -> list[Fact]:
        """Facts of `topic` that match, oldest first.

        Raises:
            RejectedError: ``invalid_topic``.
        """
        engine = self._topics.get(require_topic(topic))
        return select(engine.facts(), pattern or Pattern()) if engine is not None else []

    def require_room(self, topic: str, fact: Fact) -> None:
        """Refuse a fact that `assert_fact` would have no room for.

        Raises:
            RejectedError: ``invalid_topic``, ``too_many_topics`` or ``topic_full``.
        """
        engine = self._topics.get(require_topic(topic))  # not `_engine`: a refusal leaves no topic behind
        if engine is None:
            self._require_place()
        elif len(engine.facts()) >= MAX_TOPIC_FACTS and engine.get(fact.fact_id) is None:
            raise RejectedError("topic_full", f"the topic has {len(engine.facts())} facts: begin another")

    def draft(self, topic: str, fact: Fact) -> bytes:
        """The change that would add `fact` to `topic`, for a vote on it; nothing is changed.

        Once it is approved, `KnowledgeClient.publish` stores exactly this change, and it comes to every
        replica, this one included, as all changes do.

        Raises:
            RejectedError: ``invalid_topic``, ``too_many_topics``, ``topic_full`` or ``foreign_source``.
            UsageError: The fact is here already.
        """
        snapshot = self._engine(require_topic(topic)).save()
        # By an actor of its own: ours would have to publish it before anything else, approved or not.
        change = AutomergeEngine.load(snapshot, self.agent, os.urandom(ACTOR_NONCE_BYTES)).assert_fact(fact)
        if change is None:
            raise UsageError(f"topic {topic} holds the fact {fact.fact_id[:12]} already")
        return change

    async def assert_fact(self, topic: str, fact: Fact) -> bool:
        """Add `fact` to `topic`; returns once the change is durable. False if it was here already.

        Raises:
            RejectedError: ``invalid_topic``, ``too_many_topics``, ``topic_full`` or ``foreign_source``;
                ``approval_required``: in such a topic, `draft` it and have it approved.
            UnavailableError: Not confirmed; asserting the same fact again is safe.
        """
        if self.agent != KNOWLEDGE_AGENT:
            require_no_approval(topic)  # now: applied here and never published it would hold up all others
        engine = self._engine(require_topic(topic))
        async with self._writing:
            change = engine.assert_fact(fact)
            if change is not None:
                self._unpublished.append((topic, change))
            while self._unpublished:
                waiting_topic, waiting = self._unpublished[0]
                await self._changes.publish(waiting_topic, self.agent, waiting)
                self._unpublished.pop(0)
        return change is not None

    async def wait_for(self, topic: str, fact_id: str, *, timeout_s: float) -> Fact:
        """The fact `fact_id` of `topic` as soon as this replica holds it.

        Raises:
            UnavailableError: It did not arrive within `timeout_s`.
        """
        require_topic(topic)
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                while True:
                    engine = self._topics.get(topic)
                    fact = engine.get(fact_id) if engine is not None else None
                    if fact is not None:
                        return fact
                    await self._arrived.wait()
        except TimeoutError:
            raise UnavailableError(f"fact {fact_id[:12]} did not arrive within {timeout_s:g} s") from None

    async def catch_up(self, *, timeout_s: float = CATCH_UP_TIMEOUT_S) -> None:
        """Return when everything the stream held at the call is here.

        Raises:
            UnavailableError: Not within `timeout_s`.
        """
        wanted = await self._changes.last_sequence()
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                await self._arrived.wait_for(lambda: self._sequence >= wanted)
        except TimeoutError:
            raise UnavailableError(f"knowledge did not catch up within {timeout_s:g} s") from None

    async def follow(self) -> None:
        """Apply changes from the stream as they come, until cancelled."""
        async with contextlib.aclosing(self._changes.follow()) as batches:
            async for batch in batches:
                self._apply(batch)
                async with self._arrived:
                    self._sequence = batch[-1].sequence
                    self._arrived.notify_all()

    def _apply(self, batch: Sequence[PublishedChange]) -> None:
        by_topic: dict[str, list[PublishedChange]] = {}
        for change in batch:
            by_topic.setdefault(change.topic, []).append(change)
        for topic, changes in by_topic.items():
            try:
                engine = self._engine(require_topic(topic))
            except RejectedError as error:
                self._quarantine(changes[0], error.code)
                continue
            outcomes = engine.apply_all([(change.content, change.signer) for change in changes])
            for change, outcome in zip(changes, outcomes, strict=True):
                for each in _refused(outcome):
                    self._quarantine(change, f"{each.reason}: {each.detail}")

    def _quarantine(self, change: PublishedChange, reason: str) -> None:
        self.quarantined_count += 1
        _log.warning(
            "change quarantined",
            topic=change.topic,
            signer=change.signer,
            sequence=change.sequence,
            reason=reason,
        )

    def _require_place(self) -> None:
        if len(self._topics) >= MAX_TOPICS:
            raise RejectedError("too_many_topics", f"this space has {MAX_TOPICS} topics already")

    def _engine(self, topic: str) -> Engine:
        engine = self._topics.get(topic)
        if engine is None:
            self._require_place()
            # A new random actor per engine: an actor id is one linear history, never to be resumed.
            engine = self._topics[topic] = AutomergeEngine(self.agent, os.urandom(ACTOR_NONCE_BYTES))
        return engine


def _refused(outcome: Outcome) -> tuple[Quarantined, ...]:
    match outcome:
        case Quarantined():
            return (outcome,)
        case Applied():
            return outcome.refused
        case _:
            return ()


@contextlib.asynccontextmanager
async def following(changes: ChangeStream, *, agent: str) -> AsyncIterator[Replica]:
    """A replica that has caught up and stays current for the length of the block."""
    replica = Replica(changes, agent=agent)
    with one_error():
        async with asyncio.TaskGroup() as group:
            follower = group.create_task(replica.follow())
            try:
                await replica.catch_up()
                yield replica
            finally:
                follower.cancel()
