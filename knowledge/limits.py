"""Every bound of the knowledge room in one place, with units as the last word of the name."""

from __future__ import annotations

from typing import Final

from coordination.runtime.limits import MAX_REPLY_BYTES

MAX_TOPIC_FACTS: Final = 1_000
"""Facts of one topic that a replica still asserts; one more is refused as ``topic_full``."""

MAX_REPLICATED_FACTS: Final = 2 * MAX_TOPIC_FACTS
"""Facts of one topic accepted from peers. Replicas that assert concurrently may pass
`MAX_TOPIC_FACTS` together and must still converge; this is the safety valve far above."""

MAX_TOPIC_CHANGES: Final = 16_384
"""Changes of one topic; facts and, later, beliefs."""

MAX_SUBJECT_BYTES: Final = 512
"""UTF-8 size of a fact's subject."""

MAX_PREDICATE_BYTES: Final = 128
"""UTF-8 size of a fact's predicate."""

MAX_OBJECT_BYTES: Final = 8 * 1024
"""Canonical JSON size of a fact's object."""

MAX_FACT_BYTES: Final = 16 * 1024
"""Canonical JSON size of a whole fact (escapes can double subject and predicate, not the object)."""

MAX_OBJECT_DEPTH: Final = 8
"""Nesting of lists and maps in a fact's object."""

MAX_BELIEF_BYTES: Final = 1024
"""Size of one belief."""

MAX_SAFE_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 7493); also the largest counter."""

MAX_CHANGE_OPS: Final = 512
"""Operations of one change."""

MAX_CHANGE_PREDS: Final = 1024
"""Predecessors of all operations of one change together."""

MAX_CHANGE_DEPS: Final = 4096
"""Direct dependencies of one change: the heads its writer saw, one per concurrent writer."""

MAX_CHANGE_BYTES: Final = 512 * 1024
"""Size of a change, on the wire and inflated (``max_payload`` is 1 MiB)."""

MAX_CHANGE_SECONDS: Final = 253_402_300_799
"""Largest commit time of a change: the end of the year 9999. Beyond it the engine may panic."""

MAX_SNAPSHOT_BYTES: Final = 64 * 1024 * 1024
"""Size of a saved topic."""

MAX_PENDING_CHANGES: Final = 4096
"""Changes of one topic that wait for a dependency."""

MAX_PENDING_CHANGES_PER_SIGNER: Final = 1024
"""Of these, from one signer, so that one agent cannot occupy the whole buffer."""

MAX_PENDING_BYTES: Final = 16 * 1024 * 1024
"""Size of all waiting changes of one topic."""

ACTOR_NONCE_BYTES: Final = 8
"""Random part of an actor id, drawn anew whenever an engine is made."""

MAX_CHANGES_PAGE: Final = 1000
"""Changes in one answer to ``changes``."""

MAX_CHANGES_PAGE_BYTES: Final = 384 * 1024
"""Size of the changes in one such answer; a larger one comes alone."""

MAX_NOTICE_BYTES: Final = 32 * 1024
"""Size of the changes that one notice carries to every replica; larger ones are asked for."""

MAX_RECENT_BYTES: Final = 8 * 1024 * 1024
"""Latest changes that the service keeps in memory for replicas that missed a notice."""

MAX_HEARD_BYTES: Final = 8 * 1024 * 1024
"""Notices that wait at a replica; one that falls behind further asks for what it missed."""

CHANGE_OVERHEAD_BYTES: Final = 256
"""Counted for each change beside its content: sequence, topic, signer and punctuation."""

MAX_TRUST_EVIDENCE: Final = 10**6
"""Positive, or negative, evidence in one rating."""

MAX_IGNORED_RATERS: Final = 100
"""Agents that an answer about trust names because their ratings are malformed."""
MAX_RATED_AGENTS: Final = 4096
"""Agents whose trust is asked for at once; more than any electorate has."""

assert MAX_SUBJECT_BYTES + MAX_PREDICATE_BYTES + MAX_OBJECT_BYTES < MAX_FACT_BYTES < MAX_CHANGE_BYTES
assert MAX_TOPIC_FACTS < MAX_REPLICATED_FACTS <= MAX_TOPIC_CHANGES
assert MAX_PENDING_CHANGES_PER_SIGNER < MAX_PENDING_CHANGES
assert MAX_CHANGE_DEPS * 32 < MAX_CHANGE_BYTES
assert MAX_NOTICE_BYTES < MAX_CHANGES_PAGE_BYTES < MAX_CHANGE_BYTES
assert (MAX_CHANGE_BYTES + CHANGE_OVERHEAD_BYTES) * 4 // 3 < MAX_REPLY_BYTES
