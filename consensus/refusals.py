"""Every code with which consensus refuses, what it means and how to mend it. Pure.

The table in docs/consensus.md is made from this one; a test compares them, and another has a case for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from coordination.runtime.model import Rejected


@dataclass(frozen=True, slots=True)
class RefusalFacts:
    """What is to be known of one code."""

    meaning: str
    mend: str


REFUSALS: Final[Mapping[str, RefusalFacts]] = {
    # of all commands that name a proposal
    "unknown_proposal": RefusalFacts(
        "there is no such proposal, or it was archived", "check the id; what is archived is in the journal"
    ),
    # propose
    "empty_electorate": RefusalFacts("the list of agents is empty", "name agents, a requirement or a role"),
    "duplicate_voter": RefusalFacts("the electorate names an agent twice", "name it once"),
    "electorate_too_large": RefusalFacts(
        "more agents than may vote on one proposal", "name fewer, or let them delegate"
    ),
    "invalid_quorum": RefusalFacts(
        "a quorum or super-quorum that no count can mean",
        "a count, or a fraction from 0 to 1, of what there is",
    ),
    "invalid_threshold": RefusalFacts(
        "a threshold outside 0 to 1, or for a protocol without one", "a fraction such as 2/3"
    ),
    "invalid_rules": RefusalFacts("rules that contradict each other or a bound", "as the message says"),
    "invalid_options": RefusalFacts(
        "options for a protocol without, too few, too many, or alike", "two or more different ids"
    ),
    "invalid_artifact": RefusalFacts(
        "not a SHA-256: 64 digits of lower-case hex", "hash the bytes that are decided on"
    ),
    "charter_unmet": RefusalFacts(
        "the operator asks for more of proposals of this kind", "as the message says; see `charters`"
    ),
    "too_many_proposals": RefusalFacts(
        "too many proposals are not settled, and no approval of the proposer could give way",
        "cancel one, or let votes end",
    ),
    "proposal_exists": RefusalFacts("the new id is taken", "try again"),
    # discuss
    "discussion_closed": RefusalFacts("voting has ended", "nothing: what is decided is decided"),
    "too_many_comments": RefusalFacts("the discussion is full", "go on in a dialog"),
    # amend
    "not_proposer": RefusalFacts("only the proposer may", "ask the proposer"),
    "not_pending": RefusalFacts("only possible during the discussion", "ask the guardian or a veto holder"),
    "too_many_amendments": RefusalFacts("amended too often", "cancel it and propose anew"),
    # opening, by the service itself
    "stale_snapshot": RefusalFacts(
        "the snapshot was asked for before an amendment, or is not asked for", "take another when it is due"
    ),
    # vote
    "not_active": RefusalFacts("voting has not opened yet", "vote after `snapshot_ms`"),
    "voting_closed": RefusalFacts("voting has ended", "vote before `deadline_ms`"),
    "not_in_electorate": RefusalFacts("the agent has no say in this proposal", "ask an elector"),
    "stale_artifact": RefusalFacts(
        "the vote is about another artifact than the present one", "read the amended proposal and vote anew"
    ),
    "invalid_choice": RefusalFacts("a choice or scope that these rules do not know", "as the message says"),
    "invalid_conditions": RefusalFacts(
        "conditions on a vote that is not in favour, or too many", "vote in favour, with fewer conditions"
    ),
    "signature_required": RefusalFacts(
        "a vote without signature, public key and nonce", "sign the vote; the SDK does"
    ),
    "nonce_reused": RefusalFacts("the voter used this nonce before", "draw a fresh nonce for each vote"),
    "bad_signature": RefusalFacts(
        "the signature is not the key's, or of something else", "sign exactly what is sent"
    ),
    "already_voted": RefusalFacts(
        "this weight has been cast", "nothing: votes stand, unless rules let change"
    ),
    "delegated_away": RefusalFacts("the weight was delegated for good", "delegate before voting opens"),
    "nothing_to_cast": RefusalFacts("no weight in this scope", "choose another scope"),
    "overspent": RefusalFacts("more weight than is left", "spend at most what is left"),
    "too_many_votes": RefusalFacts("the voter has voted too often on this", "make up your mind"),
    # delegate
    "delegation_cycle": RefusalFacts(
        "the agent would stand in for itself", "choose a delegate outside the chain"
    ),
    "too_many_delegations": RefusalFacts("no room for another delegation", "try again later"),
    # charter
    "not_operator": RefusalFacts("only the operator sets charters", "ask whoever runs the server"),
    # cancel, veto
    "already_settled": RefusalFacts(
        "the proposal is over", "nothing: it binds nobody any more, or is executed"
    ),
    "not_guardian": RefusalFacts("neither its guardian nor its proposer", "ask the guardian"),
    "not_veto_holder": RefusalFacts("the agent holds no veto", "ask a veto holder"),
    "reason_required": RefusalFacts("a veto without a reason", "say why"),
    # execute, report
    "may_not_execute": RefusalFacts("the agent may not redeem this approval", "ask one of those who may"),
    "not_succeeded": RefusalFacts("there is no approval to redeem", "execute what succeeded"),
    "timelock_pending": RefusalFacts("the timelock has not run out", "execute from `eta_ms` on"),
    "approval_expired": RefusalFacts("it was not executed in time", "propose anew"),
    "already_executed": RefusalFacts("an approval is good for one execution", "propose anew"),
    "wrong_artifact": RefusalFacts("not the artifact that was approved", "execute exactly what was approved"),
    "token_mismatch": RefusalFacts(
        "the token is not this approval's", "present the token of `get`, unchanged"
    ),
    "conditions_unmet": RefusalFacts(
        "a condition of the approval is not confirmed", "meet and name each one"
    ),
    "not_executed": RefusalFacts("nothing was executed that could be reported on", "execute first"),
    "not_executor": RefusalFacts("only whoever executed reports", "leave it to the executor"),
    "already_reported": RefusalFacts("there is a receipt already", "nothing: the first receipt stands"),
}
"""By code, in the order in which a proposal meets them."""


def refused(
    code: str, message: str, *, retryable: bool = False, details: Mapping[str, Any] | None = None
) -> Rejected:
    """A refusal of this service.

    Args:
        code: One of `REFUSALS`.
        message: What is wrong, where, and how to mend it.
        retryable: Whether the same command may succeed later.
        details: For programs.
    """
    assert code in REFUSALS, f"{code} is not documented"
    return Rejected(code=code, message=message, retryable=retryable, details=details or {})
