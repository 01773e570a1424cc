"""What is voted on when knowledge is to be approved, and which topics take nothing else. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from coordination.approvals.artifact import Artifact, artifact
from knowledge.facts import Fact

APPROVED_PREFIX: Final = "approved-"
"""Topics whose names begin so take only what a vote has approved."""
FACT_PURPOSE: Final = "conclave.fact.1"
CHANGE_PURPOSE: Final = "conclave.change.1"


def needs_approval(topic: str) -> bool:
    """Whether a topic takes only what a vote has approved."""
    return topic.startswith(APPROVED_PREFIX)


def fact_artifact(topic: str, fact: Fact) -> Artifact:
    """The document of one fact, source and time included, in one topic; for ``knowledge.assert``."""
    stated = {
        "asserted_at_ms": fact.asserted_at_ms,
        "object": fact.object,
        "predicate": fact.predicate,
        "source": fact.source,
        "subject": fact.subject,
    }
    return artifact(FACT_PURPOSE, topic=topic, fact=stated)


def change_artifact(topic: str, change: bytes) -> Artifact:
    """The document of one change of a replica, by the SHA-256 of its bytes; for ``knowledge.publish``.

    Args:
        topic: The only one in which it may be published.
        change: What `Replica.draft` gave.
    """
    return artifact(CHANGE_PURPOSE, topic=topic, change_sha256=sha256(change).hexdigest())
