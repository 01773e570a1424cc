"""Is what agents were told about votes true? Checked against the bytes of the journal, recounted naively.

Of the service's own code the checks use its plain data and, as one witness among several, the audit.
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from consensus import wire
from consensus.audit import check, event_of
from consensus.events import (
    ExecutionReported,
    ProposalCanceled,
    ProposalCreated,
    ProposalDecided,
    ProposalEvent,
    ProposalExecuted,
    ProposalVetoed,
    VoteCast,
)
from consensus.model import ConsensusModel
from consensus.rules import Tally
from consensus.views import full_view
from coordination.runtime.host import Host
from coordination.runtime.shard import ShardState
from coordination.runtime.store import Entry
from tests.simulation.vote_recount import recounted
from tests.simulation.vote_sightings import FORBIDDEN, Attempt, Sightings
from tests.support.voting import signer_of

E = TypeVar("E")


@dataclass(slots=True)
class Trail:
    """The trail of one proposal as the journal has it, hashed here."""

    proposal_id: str
    events: list[ProposalEvent] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)

    def add(self, name: str, body: dict[str, Any]) -> None:
        """The next event."""
        previous = self.hashes[-1] if self.hashes else root_of(self.proposal_id)
        entry = {"sequence": len(self.hashes) + 1, "event": name, "body": body}
        text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self.hashes.append(sha256(bytes.fromhex(previous) + text.encode()).hexdigest())
        self.events.append(event_of(name, body))

    def of(self, kind: type[E]) -> list[E]:
        """Its events of one kind."""
        return [each for each in self.events if isinstance(each, kind)]

    def votes(self) -> list[tuple[VoteCast, str]]:
        """Its votes, each with the head after it."""
        return [
            (event, head)
            for event, head in zip(self.events, self.hashes, strict=True)
            if isinstance(event, VoteCast)
        ]


def root_of(proposal_id: str) -> str:
    return sha256(b"conclave-trail-1" + proposal_id.encode()).hexdigest()


def trails_of(payloads: Iterable[bytes]) -> dict[str, Trail]:
    """The trails of all proposals, from the records of a journal."""
    trails: dict[str, Trail] = {}
    for payload in payloads:
        for stored in json.loads(payload)["events"]:
            proposal_id = stored["data"].get("proposal_id")
            if proposal_id is not None and stored["type"] != "ProposalArchived":
                trails.setdefault(proposal_id, Trail(proposal_id)).add(stored["type"], stored["data"])
    return trails


def broken_votes(seen: Sightings, archive: Sequence[Entry], hosts: Iterable[Host[Any]]) -> Iterator[str]:
    """Everything that agents saw, or the journal holds, and that cannot be."""
    trails = trails_of(entry.payload for entry in archive)
    yield from _broken_attempts(seen.attempts, trails)
    yield from _unknown_heads(seen, trails)
    yield from _several_results(seen, trails)
    yield from _broken_executions(seen, trails)
    for trail in trails.values():
        yield from recounted(trail.proposal_id, trail.events)
        seen.met.update(type(event).__name__ for event in trail.events)
        seen.met.update(f"decided: {each.reason}" for each in trail.of(ProposalDecided))
    yield from _unverified(seen)
    yield from _unequal_copies(seen, trails, archive, hosts)


def _broken_attempts(attempts: Iterable[Attempt], trails: dict[str, Trail]) -> Iterator[str]:
    """Each vote that was taken is on record once, as it was acknowledged; none that was refused is."""
    by_label: dict[tuple[str, str, str], list[Attempt]] = defaultdict(list)
    for attempt in attempts:
        by_label[attempt.proposal_id, attempt.voter, attempt.label].append(attempt)
    cast = Counter(
        (proposal_id, vote.voter, vote.rationale)
        for proposal_id, trail in trails.items()
        for vote in trail.of(VoteCast)
    )
    for key in cast.keys() - by_label.keys():
        yield f"vote {key} is on record, and nobody cast it"
    for key, tries in by_label.items():
        shown = f"vote {key} ({', '.join(each.kind for each in tries)})"
        if cast[key] > 1:
            yield f"{shown} is on record {cast[key]} times"
        if cast[key] and any(each.kind in FORBIDDEN for each in tries):
            yield f"{shown} is on record, and must never be taken"
        if cast[key] and all(each.is_refused for each in tries):
            yield f"{shown} was refused, and is on record"
        taken = [each for each in tries if each.reply is not None]
        if taken and not cast[key]:
            yield f"{shown} was acknowledged, and is not on record"
        for each in taken:
            yield from _false_receipt(shown, each, trails)


def _false_receipt(shown: str, attempt: Attempt, trails: dict[str, Trail]) -> Iterator[str]:
    """What the voter was told, compared with what is on record."""
    reply, trail = attempt.reply, trails.get(attempt.proposal_id)
    assert reply is not None
    for vote, head in trail.votes() if trail is not None else ():
        if (vote.voter, vote.rationale) == (attempt.voter, attempt.label):
            told = (reply.sequence, reply.weight, reply.trail_hash)
            if told != (vote.sequence, vote.weight, head):
                yield f"{shown} was acknowledged as {told}, on record is {vote} with {head}"
            said = (attempt.choice, attempt.scope, attempt.conditions)
            if said != (vote.choice, vote.scope, vote.conditions):
                yield f"{shown} said {said}, on record is {vote}"


def _unknown_heads(seen: Sightings, trails: dict[str, Trail]) -> Iterator[str]:
    """Heads that somebody was given and that are not in the trail: it was another trail then."""
    for proposal_id, head in seen.heads:
        trail = trails.get(proposal_id)
        if trail is None or head not in trail.hashes:
            yield f"proposal {proposal_id} was told with the head {head}, which its trail never had"
    for shown in seen.votes:
        trail = trails.get(shown.proposal_id)
        votes = trail.of(VoteCast) if trail is not None else []
        if not any((each.voter, each.nonce) == (shown.voter, shown.nonce) for each in votes):
            yield f"{shown} was shown, and is not on record"


def _several_results(seen: Sightings, trails: dict[str, Trail]) -> Iterator[str]:
    """Whatever anybody was told of the end of a proposal is how the journal has it end."""
    told = [*seen.decisions, *(("acknowledgement", each) for each in seen.endings)]
    told += [("last answer", each.decision) for each, _ in seen.final.values() if each.decision is not None]
    for proposal_id, trail in trails.items():
        decided = trail.of(ProposalDecided)
        if len(decided) > 1:
            yield f"proposal {proposal_id} was decided {len(decided)} times: {decided}"
    for who, decision in told:
        ends = _ends(trails[decision.proposal_id]) if decision.proposal_id in trails else []
        found = _as_end(decision)
        if found not in ends:
            yield f"{who}: {found}, in the journal it ended as {ends}"


def _ends(trail: Trail) -> list[tuple[Any, ...]]:
    ends: list[tuple[Any, ...]] = []
    for event in trail.events:
        match event:
            case ProposalDecided():
                end = (event.status, event.reason, event.winner, event.artifact_sha256, event.is_early)
                ends.append((*end, event.decided_at_ms, *_sides(event.tally)))
            case ProposalVetoed():
                ends.append(("vetoed", event.reason, event.agent, event.vetoed_at_ms))
            case ProposalCanceled():
                ends.append(("canceled", event.reason, event.agent, event.canceled_at_ms))
    return ends


def _as_end(decision: wire.Decision) -> tuple[Any, ...]:
    if decision.status in ("vetoed", "canceled"):
        return (decision.status, decision.reason, decision.agent, decision.decided_at_ms)
    assert decision.tally is not None, "a decision after a vote has a count"
    end = (decision.status, decision.reason, decision.winner, decision.artifact_sha256, decision.early)
    return (*end, decision.decided_at_ms, *_sides(decision.tally))


def _sides(tally: Tally | wire.Tally) -> tuple[int, int, int, int]:
    return tally.for_votes, tally.against_votes, tally.abstain_votes, tally.eligible_votes


def _broken_executions(seen: Sightings, trails: dict[str, Trail]) -> Iterator[str]:
    """An approval is redeemed at most once, by whom the journal says, rightly, and in its time."""
    for proposal_id, trail in trails.items():
        executed = trail.of(ProposalExecuted)
        if len(executed) > 1:
            yield f"proposal {proposal_id} was executed {len(executed)} times: {executed}"
        yield from _out_of_time(trail)
    for each in seen.redemptions:
        if each.reply is None:
            continue
        told = (each.reply.executor, each.reply.execution_id, each.reply.executed_at_ms)
        stored = [
            (event.executor, event.execution_id, event.executed_at_ms)
            for event in trails[each.proposal_id].of(ProposalExecuted)
        ]
        if told not in stored or told[:2] != (each.executor, each.execution_id):
            yield f"{each} was acknowledged to have executed, the journal has {stored}"
        if each.kind in ("wrong artifact", "wrong token"):
            yield f"{each} was acknowledged, and must never be"
    for receipt in seen.receipts:
        reported = trails[receipt.proposal_id].of(ExecutionReported)
        if [each.note for each in reported] != [receipt.note]:
            yield f"{receipt} was acknowledged, the journal has {reported}"


def _out_of_time(trail: Trail) -> Iterator[str]:
    (created,) = trail.of(ProposalCreated)
    rules = created.rules
    decided = trail.of(ProposalDecided)
    for executed in trail.of(ProposalExecuted):
        if not decided or decided[0].status != "succeeded":
            yield f"proposal {trail.proposal_id} was executed and had not succeeded"
            continue
        if rules.executors and executed.executor not in rules.executors:
            yield f"proposal {trail.proposal_id} was executed by {executed.executor}, who may not"
        from_ms = decided[0].decided_at_ms + (rules.timelock_ms or 0)
        if not from_ms <= executed.executed_at_ms <= from_ms + rules.execution_window_ms:
            yield f"proposal {trail.proposal_id} was executed out of its time: {executed}, due {from_ms}"


def _unverified(seen: Sightings) -> Iterator[str]:
    """Audits in which the audit itself finds a fault."""
    heads: dict[str, set[str]] = defaultdict(set)
    for attempt in seen.attempts:
        if attempt.reply is not None:
            heads[attempt.proposal_id].add(attempt.reply.trail_hash)
    keys = {each.voter: {signer_of(each.voter).public_key} for each in seen.attempts}
    for proposal_id, (_, audit) in seen.final.items():
        report = check(io.BytesIO(audit), keys=keys, heads=sorted(heads[proposal_id]))
        for problem in report.problems:
            yield f"audit of {proposal_id}: {problem}"


def _unequal_copies(
    seen: Sightings, trails: dict[str, Trail], archive: Sequence[Entry], hosts: Iterable[Host[Any]]
) -> Iterator[str]:
    """Leader, standbys and a replay of the journal hold one trail and show one proposal."""
    replayed = ShardState("replay", ConsensusModel)
    for entry in archive:
        replayed.apply_entry(entry)
    copies = {"the replay": replayed.model, **{host.name: host.model for host in hosts}}
    for proposal_id, trail in trails.items():
        views: dict[str, str] = {}
        for name, model in copies.items():
            record = model.proposals.get(proposal_id)
            hashes = [link.hash for link in record.trail] if record is not None else []
            if hashes != trail.hashes[: len(hashes)]:
                yield f"{name} has another trail of {proposal_id} than the journal"
            if len(hashes) == len(trail.hashes):
                views[name] = _shown(wire.Proposal.model_validate(full_view(record)))
        if proposal_id in seen.final and seen.final[proposal_id][0].trail_hash == trail.hashes[-1]:
            views["the last answer"] = _shown(seen.final[proposal_id][0])
        if len(set(views.values())) > 1:
            yield f"proposal {proposal_id} is shown differently: {views}"


def _shown(proposal: wire.Proposal) -> str:
    return proposal.model_copy(update={"waiting_for": ""}).model_dump_json()
