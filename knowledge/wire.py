"""Wire contract of knowledge: ``conclave.call.knowledge.<verb>.<caller>``.

Agents with a replica of their own write to the change stream and read locally; these endpoints are for
plain tools and for programs that hold no replica.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from coordination.runtime.names import Id
from coordination.runtime.wire import Body
from knowledge.facts import Fact
from knowledge.limits import MAX_PREDICATE_BYTES, MAX_SAFE_INTEGER, MAX_SUBJECT_BYTES

MAX_PAGE: Final = 1000

Subject = Annotated[str, StringConstraints(min_length=1, max_length=MAX_SUBJECT_BYTES)]
Predicate = Annotated[str, StringConstraints(min_length=1, max_length=MAX_PREDICATE_BYTES)]


class AssertRequest(Body):
    """State a fact in the caller's name."""

    topic: Id
    subject: Subject
    predicate: Predicate
    object: Any
    """Any JSON of at most 8 KiB."""
    asserted_at_ms: int | None = Field(default=None, ge=0, le=MAX_SAFE_INTEGER)
    """Give it to make a retry name the same fact; by default the service's clock."""


class FactBody(Body):
    """A fact."""

    fact_id: str
    """SHA-256 of its canonical JSON."""
    subject: str
    predicate: str
    object: Any
    source: Id
    asserted_at_ms: int

    @classmethod
    def of(cls, fact: Fact) -> FactBody:
        """The wire form of `fact`."""
        return cls(
            fact_id=fact.fact_id,
            subject=fact.subject,
            predicate=fact.predicate,
            object=fact.object,
            source=fact.source,
            asserted_at_ms=fact.asserted_at_ms,
        )


class AssertReply(Body):
    """The fact is in the change stream."""

    fact: FactBody
    is_new: bool
    """False if the very same fact was known."""


class QueryRequest(Body):
    """Ask for the facts of a topic; all given fields must match exactly."""

    topic: Id
    subject: Subject | None = None
    subject_prefix: Subject | None = None
    predicate: Predicate | None = None
    source: Id | None = None
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class QueryReply(Body):
    """Matching facts, oldest first."""

    facts: tuple[FactBody, ...]
    heads: tuple[str, ...]
    """Hashes of the topic's latest changes: replicas with equal heads hold equal facts."""


class TopicsRequest(Body):
    """Ask for the topics of the space."""


class Topic(Body):
    """One topic as the service's replica holds it."""

    topic: str
    facts_count: int
    heads: tuple[str, ...]


class TopicsReply(Body):
    """All topics by name."""

    topics: tuple[Topic, ...]
    quarantined_count: int
    """Changes refused since the service started; each is named in its log."""
