"""Binds the endpoints of consensus to commands, and waiting proposals to the registry's agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from pydantic import BaseModel

from consensus import chartering, wire
from consensus.commands import (
    Amend,
    CancelProposal,
    CastVote,
    Discuss,
    ExecuteProposal,
    Propose,
    ReportExecution,
    SetDelegate,
    VetoProposal,
)
from consensus.model import ConsensusModel
from consensus.reading import Reading
from consensus.rules import Option, Rules, Threshold
from consensus.snapshots import Snapshots
from consensus.terms import electorate_spec, level_of
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, Endpoint, ServiceDefinition

NAME: Final = "consensus"
R = TypeVar("R", bound=BaseModel)


def define(shell: Shell) -> ServiceDefinition:
    """The consensus service; `shell` is its outside world."""
    snapshots = Snapshots(shell)
    return ServiceDefinition(
        name=NAME,
        version="0.2.0",
        description="Proposals, discussed and voted on, what was decided and how that can be checked.",
        model=ConsensusModel,
        companions=(snapshots.open_votes, snapshots.attendance.follow),
        endpoints=(
            *_proposer_commands(snapshots.look),
            *_voter_commands(),
            *_ending_commands(),
            *chartering.endpoints(),
            *Reading(shell.signer, snapshots.waiting).endpoints(),
        ),
    )


def _proposer_commands(look: Callable[[], None]) -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="propose",
            description="Put an artifact, named by its hash, to the vote of an electorate.",
            request=wire.ProposeRequest,
            reply=wire.ProposalSummary,
            build=_looking(look, _propose),
        ),
        Command(
            verb="discuss",
            description="Comment on a proposal that is not decided yet.",
            request=wire.DiscussRequest,
            reply=wire.Comment,
            build=lambda call, request: Discuss(
                proposal_id=request.proposal_id, agent=call.caller, text=request.text
            ),
        ),
        Command(
            verb="amend",
            description="Put another artifact in the place of the caller's own; the discussion begins anew.",
            request=wire.AmendRequest,
            reply=wire.ProposalSummary,
            build=_looking(look, _amend),
        ),
    )


def _voter_commands() -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="vote",
            description="Vote, signed with the voter's nkey unless the proposal makes that optional.",
            request=wire.VoteRequest,
            reply=wire.VoteReply,
            build=_vote,
        ),
        Command(
            verb="delegate",
            description="Choose who stands in for the caller in votes that open later, or nobody any more.",
            request=wire.DelegateRequest,
            reply=wire.Delegation,
            build=lambda call, request: SetDelegate(
                agent=call.caller, delegate=request.delegate, kind=request.kind
            ),
        ),
    )


def _ending_commands() -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="cancel",
            description="Stop a proposal: its proposer before voting opens, its guardian until execution.",
            request=wire.CancelRequest,
            reply=wire.Decision,
            build=lambda call, request: CancelProposal(
                proposal_id=request.proposal_id, agent=call.caller, reason=request.reason
            ),
        ),
        Command(
            verb="veto",
            description="Stop a proposal as one of its veto holders, who must say why.",
            request=wire.VetoRequest,
            reply=wire.Decision,
            build=lambda call, request: VetoProposal(
                proposal_id=request.proposal_id, agent=call.caller, reason=request.reason
            ),
        ),
        Command(
            verb="execute",
            description="Redeem the approval of a proposal that succeeded, once and for its artifact only.",
            request=wire.ExecuteRequest,
            reply=wire.Execution,
            build=_execute,
        ),
        Command(
            verb="report",
            description="Say what came of an execution that was the caller's.",
            request=wire.ReportRequest,
            reply=wire.Receipt,
            build=_report,
        ),
    )


def _looking(look: Callable[[], None], build: Callable[[Call, R], Any]) -> Callable[[Call, R], Any]:
    """Build a command after which there may be a snapshot to take."""

    def build_and_look(call: Call, request: R) -> Any:
        command = build(call, request)
        # The command enters the host's queue before the companion runs, so the companion's query,
        # which enters behind it, sees its effect.
        look()
        return command

    return build_and_look


def _propose(call: Call, request: wire.ProposeRequest) -> Propose:
    return Propose(
        proposal_id=call.fresh_id,
        proposer=call.caller,
        title=request.title,
        kind=request.kind,
        description=request.description,
        artifact_sha256=request.artifact_sha256,
        electorate=electorate_spec(request.electorate, request.weights),
        rules=_rules(request),
        voting_delay_ms=request.voting_delay_ms,
        voting_period_ms=request.voting_period_ms,
        conversation_id=request.conversation_id,
    )


def _rules(request: wire.ProposeRequest) -> Rules:
    return Rules(
        protocol=request.protocol,
        options=_options(request.options),
        threshold=None if request.threshold is None else _threshold(request.threshold),
        quorum=level_of(request.quorum),
        quorum_counts=request.quorum_counts,
        super_quorum=None if request.super_quorum is None else level_of(request.super_quorum),
        late_quorum_extension_ms=request.late_quorum_extension_ms,
        is_early_decision=request.early_decision,
        may_change_vote=request.vote_changes,
        is_fractional=request.fractional,
        tie_rule=request.tie_rule,
        credits=request.credits,
        minimum_electorate=request.minimum_electorate,
        offline_voters=request.offline_voters,
        veto_holders=request.veto_holders,
        guardian=request.guardian,
        executors=request.executors,
        timelock_ms=request.timelock_ms,
        execution_window_ms=request.execution_window_ms,
        are_signatures_required=request.signatures == "required",
    )


def _options(options: tuple[wire.Option, ...]) -> tuple[Option, ...]:
    return tuple(
        Option(option=each.option, title=each.title, artifact_sha256=each.artifact_sha256) for each in options
    )


def _threshold(threshold: wire.Threshold) -> Threshold:
    return Threshold(
        numerator=threshold.numerator,
        denominator=threshold.denominator,
        is_inclusive=threshold.inclusive,
        of=threshold.of,
    )


def _amend(call: Call, request: wire.AmendRequest) -> Amend:
    return Amend(
        proposal_id=request.proposal_id,
        agent=call.caller,
        artifact_sha256=request.artifact_sha256,
        description=request.description,
        options=None if request.options is None else _options(request.options),
        reason=request.reason,
    )


def _vote(call: Call, request: wire.VoteRequest) -> CastVote:
    return CastVote(
        proposal_id=request.proposal_id,
        voter=call.caller,
        choice=request.choice,
        scope=request.scope,
        conditions=request.conditions,
        rationale=request.rationale,
        artifact_sha256=request.artifact_sha256,
        nonce=request.nonce,
        public_key=request.public_key,
        signature=request.signature,
    )


def _execute(call: Call, request: wire.ExecuteRequest) -> ExecuteProposal:
    return ExecuteProposal(
        proposal_id=request.proposal_id,
        executor=call.caller,
        execution_id=request.execution_id,
        artifact_sha256=request.artifact_sha256,
        conditions_met=request.conditions_met,
        token=request.token,
    )


def _report(call: Call, request: wire.ReportRequest) -> ReportExecution:
    return ReportExecution(
        proposal_id=request.proposal_id,
        executor=call.caller,
        is_success=request.success,
        note=request.note,
        result_sha256=request.result_sha256,
    )
