"""Wire contract of knowledge: ``conclave.call.knowledge.<verb>.<caller>``.

Agents with a replica of their own write to the change stream, read locally, and keep current by
``changes`` and by the notices on ``conclave.event.knowledge.changed.<topic>``. The other endpoints are for
plain tools and for programs that hold no replica.

Codes: ``invalid_topic``, ``invalid_fact``, ``too_many_topics``, ``topic_full``; ``unknown_space`` (the
service keeps one space, ``main``). In topics whose names begin with ``approved-``, and wherever an approval
is presented: ``approval_required``, ``invalid_change``, and what `coordination.approvals.redeeming` names.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import Field, StringConstraints

from coordination.approvals.wire import Approval, Conditions
from coordination.runtime.content import Base64
from coordination.runtime.names import Id
from coordination.runtime.wire import Body
from knowledge.facts import Fact
from knowledge.limits import (
    MAX_CHANGES_PAGE,
    MAX_PREDICATE_BYTES,
    MAX_RATED_AGENTS,
    MAX_SAFE_INTEGER,
    MAX_SUBJECT_BYTES,
)

MAX_PAGE: Final = 1000
DEFAULT_SPACE: Final = "main"
CHANGED: Final = "changed"
"""The event whose notices say that a topic has changed."""

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
    """Give it to make a retry name the same fact; by default the service's clock. With an approval it must be
    given."""
    approval: Approval | None = None
    """Of exactly this fact in this topic (`knowledge.artifact.fact_artifact`); it is redeemed before the fact
    is stored. A topic whose name begins with ``approved-`` needs one."""
    conditions_met: Conditions = ()
    """Every condition of the approval."""


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


class TrustRequest(Body):
    """Ask how far some agents are trusted, by what others said of them in a topic."""

    topic: Id
    agents: Annotated[tuple[Id, ...], Field(max_length=MAX_RATED_AGENTS)]


class TrustReply(Body):
    """The trust in each agent that was asked for."""

    weights: dict[Id, int]
    """Agent -> expected probability that it is right, in thousandths, rounded down: 0 to 999. 500 for one of
    which nobody said anything."""
    ignored: dict[Id, int] = Field(default_factory=dict)
    """Agent -> how many of its ratings of them count for nothing, because they are not of the form
    ``{"positive": 8, "negative": 1}`` and it has given no proper one since. At most `MAX_IGNORED_RATERS`,
    those with most first."""


Sequence = Annotated[int, Field(ge=0, le=2**63)]
"""Place in the change stream, which all topics of a space share; the first change has 1."""


class PublishRequest(Body):
    """Store a change that the caller made."""

    space: Id = DEFAULT_SPACE
    topic: Id
    content: Base64
    approval: Approval | None = None
    """Of exactly this change in this topic (`knowledge.artifact.change_artifact`), as for ``assert``."""
    conditions_met: Conditions = ()
    """Every condition of the approval."""


class PublishReply(Body):
    """The change is durable; whether replicas take it, each decides by the same rules."""


class ChangesRequest(Body):
    """Ask for the changes of all topics that follow a sequence."""

    space: Id = DEFAULT_SPACE
    after: Sequence = 0
    limit: int = Field(default=MAX_CHANGES_PAGE, ge=0, le=MAX_CHANGES_PAGE)
    """0 asks for nothing but ``last_sequence``."""


class ChangeBody(Body):
    """One change as the stream holds it."""

    sequence: Sequence
    topic: str
    """Cut after 64 characters; a topic that long is none."""
    signer: str
    """Agent id that the server let publish it."""
    content: Base64
    """Empty if it has more than 512 KiB: no replica takes such a change."""


class ChangesReply(Body):
    """The next changes: every one up to the last that is here, in order, as many as fit."""

    changes: tuple[ChangeBody, ...]
    """Empty when there are none."""
    last_sequence: Sequence
    """Of the newest change of any topic."""


class ChangedNotice(Body):
    """Published after a change of a topic is durable, on ``conclave.event.knowledge.changed.<topic>``.

    Whoever holds everything up to ``after`` is current up to ``last_sequence`` with these changes; anybody
    else asks ``changes``.
    """

    space: Id
    after: Sequence
    last_sequence: Sequence
    changes: tuple[ChangeBody, ...]
    """All changes between the two, or none if they are too large to be sent to everybody."""
