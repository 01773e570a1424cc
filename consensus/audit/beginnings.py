"""How a proposal is made, discussed, amended and opened: what the rules have each entry say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from consensus.audit.findings import Finding, Findings, impossible, must_be, shown
from consensus.delegations import resolve
from consensus.events import CommentAdded, ProposalAmended, ProposalCreated, VotingOpened
from consensus.judging import most_amendments, problem_of, problem_of_amended, problem_of_artifact
from consensus.limits import MAX_COMMENTS, MAX_COMMENTS_PER_AGENT, MAX_ELECTORATE, MAX_WEIGHT
from consensus.record import Proposal
from consensus.rules import ElectorateSpec


def of_creation(event: ProposalCreated) -> Findings:
    """What is wrong with how a proposal was made. Under terms that mean nothing, nothing can follow."""
    terms = problem_of(event.rules, event.electorate, event.voting_delay_ms, event.voting_period_ms)
    if terms is not None:
        yield impossible(terms.code, terms.message)
    artifact = problem_of_artifact("artifact_sha256", event.artifact_sha256)
    if artifact is not None:
        yield Finding(artifact.code, artifact.message)
    if event.number < 1:
        yield Finding("wrong_value", f"number is {event.number}", "from 1 on")
    yield from must_be("snapshot_ms", event.snapshot_ms, event.created_at_ms + event.voting_delay_ms)


def of_comment(record: Proposal, event: CommentAdded) -> Findings:
    """What is wrong with a comment. Who may comment before an electorate is known is not on record."""
    if len(record.comments) >= MAX_COMMENTS:
        yield Finding("too_many_comments", f"there are {MAX_COMMENTS} comments already")
    if sum(each.agent == event.agent for each in record.comments) >= MAX_COMMENTS_PER_AGENT:
        yield Finding("too_many_comments", f"{event.agent:.80} has commented {MAX_COMMENTS_PER_AGENT} times")
    is_known = record.opened is not None or record.created.electorate.agents
    rules = record.rules
    with_say = {record.created.proposer, rules.guardian, *rules.veto_holders, *record.electors}
    if is_known and event.agent not in with_say:
        yield Finding("not_in_electorate", f"{event.agent:.80} has no say in this proposal")


def of_amendment(record: Proposal, event: ProposalAmended) -> Findings:
    """What is wrong with an amendment."""
    artifact = problem_of_artifact("artifact_sha256", event.artifact_sha256)
    if artifact is not None:
        yield Finding(artifact.code, artifact.message)
    options = problem_of_amended(event.options, record.rules.options)
    if options is not None:
        yield impossible(options.code, options.message)
    if len(record.amendments) >= most_amendments(len(record.electors)):
        yield Finding("too_many_amendments", f"there are {len(record.amendments)} amendments already")
    if not record.created.voting_delay_ms:
        yield Finding("not_pending", "a proposal without a discussion was amended")
    yield from must_be("snapshot_ms", event.snapshot_ms, mended_amendment(record, event).snapshot_ms)


def mended_amendment(record: Proposal, event: ProposalAmended) -> ProposalAmended:
    """An amendment as the rules have it: the discussion begins anew."""
    return replace(event, snapshot_ms=event.amended_at_ms + record.created.voting_delay_ms)


def of_opening(record: Proposal, event: VotingOpened) -> Findings:
    """What is wrong with the snapshot and the time of the opening."""
    if event.opened_at_ms < record.opens_from_ms:
        yield Finding("time", f"opened_at_ms is {event.opened_at_ms}", f"not before {record.opens_from_ms}")
    spec, due = record.created.electorate, mended_opening(record, event)
    yield from must_be("deadline_ms", event.deadline_ms, due.deadline_ms)
    if spec.is_known:
        yield from must_be("source_revision", event.source_revision, None)
    yield from _of_weights(spec, event.weights, due.weights)
    for role, agents in (
        ("delegates", event.delegations),
        ("is delegated to", event.delegations.values()),
        ("is offline", event.offline),
    ):
        strangers = set(agents) - due.weights.keys()
        if strangers:
            yield impossible("not_in_electorate", f"{min(strangers):.80} {role}, and is no elector")
    held = resolve(due.weights, event.delegations)
    if held != event.delegations:
        odd = min(event.delegations.keys() - held.keys())
        yield impossible("delegation_cycle", f"the delegation of {odd:.80} comes back to it")


def mended_opening(record: Proposal, event: VotingOpened) -> VotingOpened:
    """An opening as the rules have it, as far as that does not hang on other services."""
    spec = record.created.electorate
    begins_ms = record.snapshot_ms if spec.is_known else event.opened_at_ms
    weights = event.weights
    if spec.weights != "trust":
        electors = spec.agents or tuple(event.weights)
        weights = {agent: spec.given.get(agent, 1) for agent in electors}
    return replace(event, weights=weights, deadline_ms=begins_ms + record.created.voting_period_ms)


def _of_weights(spec: ElectorateSpec, weights: Mapping[str, int], due: Mapping[str, int]) -> Findings:
    if len(weights) > MAX_ELECTORATE:
        yield Finding(
            "electorate_too_large", f"weights: {len(weights)} electors", f"at most {MAX_ELECTORATE}"
        )
    if sum(weights.values()) > MAX_WEIGHT:
        yield impossible("wrong_value", "weights: too much in sum", f"at most {MAX_WEIGHT}")
    known = set(spec.agents) or weights.keys()
    for agent in sorted(known - weights.keys()):
        yield Finding("wrong_value", f"weights: {agent:.80} is left out", shown(due.get(agent)))
    for agent, weight in weights.items():
        if agent not in known:
            yield Finding("wrong_value", f"weights: {agent:.80} is no elector", "no weight")
        elif weight < 0:
            yield impossible("wrong_value", f"weights: that of {agent:.80} is {weight}", "at least 0")
        else:
            yield from must_be(f"weights: that of {agent:.80}", weight, due.get(agent))
