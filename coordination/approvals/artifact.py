"""What is voted on, as bytes: the decision is about their SHA-256, and about nothing else. Pure.

Each kind of effect has a document of its own: canonical JSON (RFC 8785) of what the effect consists of, and
of its `purpose`, so that what was approved as one thing is never taken for another. Proposer and consumer
compute it alike; voters can read it (``session.artifacts.put(artifact.content)``).
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from coordination.runtime.canonical import Json, canonical_json


@dataclass(frozen=True, slots=True)
class Artifact:
    """Bytes to be voted on."""

    content: bytes

    @property
    def sha256(self) -> str:
        """What a proposal names: 64 digits of lower-case hex."""
        return sha256(self.content).hexdigest()


def artifact(purpose: str, **parts: Json) -> Artifact:
    """The document of one effect.

    Args:
        purpose: What kind of effect, with the version of its document: ``conclave.task.1``.
        parts: What it consists of.

    Raises:
        NotCanonicalError: A part has no canonical JSON: an integer beyond 2**53 - 1, NaN, too deep.
    """
    return Artifact(canonical_json({"purpose": purpose, **parts}).encode())
