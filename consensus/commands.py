"""What the model of consensus is asked to do. Plain data. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consensus.ballot import Scope
from consensus.rules import Charter, ElectorateSpec, Option, Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Propose:
    """Put an artifact to the vote."""

    proposal_id: str
    proposer: str
    title: str
    kind: str
    description: str
    artifact_sha256: str
    electorate: ElectorateSpec
    rules: Rules
    voting_delay_ms: int
    voting_period_ms: int
    conversation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discuss:
    """Comment on a proposal."""

    proposal_id: str
    agent: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Amend:
    """Put another artifact in the place of the present one, while the proposal is pending."""

    proposal_id: str
    agent: str
    artifact_sha256: str
    description: str | None = None
    """None: as it is."""
    options: tuple[Option, ...] | None = None
    """None: as they are. Ids stay, artifacts and titles may change."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVoting:
    """Open the vote with a snapshot taken elsewhere; only the service itself gives this command."""

    proposal_id: str
    weights: Mapping[str, int]
    offline: tuple[str, ...] = ()
    source_revision: int | None = None
    snapshot_ms: int = 0
    """`snapshot_ms` of the proposal when the snapshot was asked for: an amendment since then voids it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CastVote:
    """Vote. The choice is as the voter wrote it; the signature is over its normal form."""

    proposal_id: str
    voter: str
    choice: Any
    scope: Scope = "all"
    conditions: tuple[str, ...] = ()
    rationale: str = ""
    artifact_sha256: str = ""
    """What the voter believes to vote on; empty: whatever it is. Another is refused as ``stale_artifact``."""
    nonce: str = ""
    public_key: str = ""
    signature: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetDelegate:
    """Choose who stands in for `agent` in votes that open later."""

    agent: str
    delegate: str | None
    """None: nobody any more."""
    kind: str = ""
    """Of the proposals concerned; empty for all kinds without a delegation of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCharter:
    """Say what new proposals of a kind must satisfy; only the operator may."""

    agent: str
    kind: str
    charter: Charter | None
    """None: nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotePresence:
    """What the registry says of electors; only the service itself gives this command."""

    offline: tuple[str, ...] = ()
    online: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelProposal:
    """Take a proposal back, or stop it as its guardian."""

    proposal_id: str
    agent: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VetoProposal:
    """Stop a proposal as a veto holder."""

    proposal_id: str
    agent: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecuteProposal:
    """Redeem the approval of a proposal that succeeded."""

    proposal_id: str
    executor: str
    execution_id: str
    artifact_sha256: str
    """What is executed; anything but the approved artifact is refused."""
    conditions_met: tuple[str, ...] = ()
    token: Mapping[str, Any] = field(default_factory=dict)
    """The approval token as presented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportExecution:
    """Say what came of an execution; once, by whoever executed."""

    proposal_id: str
    executor: str
    is_success: bool
    note: str = ""
    result_sha256: str = ""
