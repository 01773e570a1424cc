"""Makes the model's commands of requests. Pure: ids and seeds come with the call."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from coordination.requirements import parse
from coordination.runtime.errors import RejectedError
from coordination.runtime.fast_init import maker
from coordination.runtime.service import Call
from coordination.tasks import wire
from coordination.tasks.commands import (
    AcceptOffer,
    Bid,
    CompleteTask,
    ConfirmCancel,
    DeadLetterFilter,
    FailTask,
    RefuseOffer,
    Report,
    ReportProgress,
    SetSchedule,
    SubmitDag,
    SubmitTask,
    SubmitTasks,
    WorkerCommand,
)
from coordination.tasks.graph import DagError, ordered
from coordination.tasks.limits import (
    MAX_COMPENSATION_BYTES,
    MAX_DAG_EDGES,
    MAX_PAYLOAD_BYTES,
    MAX_RESULT_BYTES,
)
from coordination.tasks.queues import QueueSettings, RateLimit
from coordination.tasks.schedules import CatchUp, Overlap, Recurrence
from coordination.tasks.size import require_json_bytes
from coordination.tasks.spec import (
    Backoff,
    Bidding,
    Budget,
    Compensation,
    Criterion,
    Dependency,
    Nearness,
    OnFailure,
    OnParentEnd,
    Placement,
    Reference,
    Strategy,
    TaskSpec,
)
from coordination.tasks.submissions import BareTask, BareTasksRequest

_new_submit: Final = maker(SubmitTask)
_new_accept: Final = maker(AcceptOffer)
_new_complete: Final = maker(CompleteTask)
_new_spec: Final = maker(TaskSpec)

_ID_BYTES = 8
_EMPTY_BYTES = len("{}")
_SEED_DIGITS = 8
"""Of a fresh id, which is random hex: 32 bits."""
_TAKEN_OVER = frozenset(
    {
        *("queue", "priority", "fairness_key", "fairness_weight", "cost", "timeout_ms", "lease_ms"),
        *("max_attempts", "max_rounds", "max_depth", "may_return", "idempotency_key"),
        *("run_at_ms", "start_by_ms", "deadline_ms"),
    }
)
"""What a request says as a spec does, with the same defaults."""
_BARE = frozenset({"requirement", "capability", "payload", "task_id"})
"""What most requests say, and no more."""
_SIMPLE = _TAKEN_OVER | _BARE
_ON_FAILURE = {each.value: each for each in OnFailure}
_ON_PARENT_END = {each.value: each for each in OnParentEnd}


def submission(call: Call, request: wire.SubmitRequest) -> SubmitTask:
    """The command of a request; one with an approval has its id from the request alone.

    Raises:
        RejectedError: ``too_large``, ``too_deep`` or ``invalid_request``: the payload.
    """
    return _submission(call, request, call.traceparent)


def _submission(call: Call, request: wire.SubmitRequest | BareTask, traceparent: str) -> SubmitTask:
    """As `submission`; the trace of a call is read once, however many tasks it submits."""
    if isinstance(request, BareTask) or request.model_fields_set <= _BARE:
        spec = _bare_spec(request, traceparent)
        fresh_id = call.fresh_id
        return _new_submit(
            task_id=request.task_id or fresh_id, submitter=call.caller, spec=spec, seed=seed_of(fresh_id)
        )
    fields = _fields(request)
    parent, approval = request.parent, request.approval
    if request.after:
        fields["after"] = tuple(
            Dependency(task_id=each.task_id, on_failure=_ON_FAILURE[each.on_failure])
            for each in request.after
        )
    if parent is not None:
        fields["parent"] = parent.task_id
        fields["on_parent_end"] = _ON_PARENT_END[request.on_parent_end]
    if approval is not None:
        fields["approved_by"] = approval.proposal_id
        fields["approval_expires_ms"] = approval.expires_at_ms
    fresh_id = call.fresh_id
    return _new_submit(
        task_id=request.task_id or (fresh_id if approval is None else approval.proposal_id),
        submitter=call.caller,
        spec=_new_spec(**fields, traceparent=traceparent),
        seed=seed_of(fresh_id),
        parent_token=parent.fencing_token if parent is not None else 0,
    )


def _bare_spec(request: wire.SubmitRequest | BareTask, traceparent: str) -> TaskSpec:
    """As `_fields` of a request that says no more than `_BARE`."""
    requirement, payload = str(request.needs), request.payload
    size_bytes = _EMPTY_BYTES
    if payload:
        size_bytes = require_json_bytes(payload, what="payload", max_bytes=MAX_PAYLOAD_BYTES)
    return _new_spec(
        requirement=requirement,
        capability=_capability(requirement),
        payload=payload,
        payload_bytes=size_bytes,
        traceparent=traceparent,
    )


def seed_of(fresh_id: str) -> int:
    """What is drawn about a task is drawn from this: the first bits of a random id, 0 to 2**32 - 1."""
    return int(fresh_id[:_SEED_DIGITS], 16)


def submissions(call: Call, request: wire.SubmitManyRequest | BareTasksRequest) -> SubmitTasks:
    """The command of a request.

    Raises:
        RejectedError: As of `submission`; which task it is about stands before the message.
    """
    tasks: list[SubmitTask] = []
    traceparent = call.traceparent
    given: Sequence[wire.SubmitRequest | BareTask] = request.tasks
    for place, each in enumerate(given):
        try:
            tasks.append(_submission(call, each, traceparent))
        except RejectedError as error:
            raise _at(f"tasks.{place}", error) from None
    return SubmitTasks(tasks=tuple(tasks))


def dag(call: Call, request: wire.SubmitDagRequest) -> SubmitDag:
    """The command of a request: its tasks in topological order, with ids in place of names.

    Raises:
        RejectedError: ``invalid_dag``: two tasks of one name or id, an edge to a name that there is not, or a
            cycle, which `details` has; or as of `submission`.
    """
    by_name: dict[str, wire.DagTask] = {}
    names_by_id: dict[str, str] = {}
    for place, task in enumerate(request.tasks):
        if task.name in by_name:
            raise _invalid(f"tasks.{place}.name: there are two tasks {task.name}; each needs its own name")
        if task.task_id in names_by_id:
            raise _invalid(
                f"tasks.{place}.task_id: there are two tasks {task.task_id}; each needs its own id"
            )
        by_name[task.name] = task
        if task.task_id is not None:
            names_by_id[task.task_id] = task.name
    edge_count = sum(len(task.after) for task in request.tasks)
    if edge_count > MAX_DAG_EDGES:
        raise _invalid(f"there are {edge_count} edges, at most {MAX_DAG_EDGES} are taken; leave some out")
    edges = {
        name: tuple(_names(each.name or names_by_id.get(each.task_id or "") for each in task.after))
        for name, task in by_name.items()
    }
    try:
        names = ordered(edges)
    except DagError as error:
        details = {"cycle": list(error.cycle)} if error.cycle else {}
        raise _invalid(str(error), **details) from None
    dag_id = request.dag_id or call.fresh_id
    ids = {name: by_name[name].task_id or _id_of_member(call.caller, dag_id, name) for name in names}
    tasks = []
    for name in names:
        try:
            tasks.append(_member(call, dag_id, by_name[name], ids))
        except RejectedError as error:
            raise _at(f"task {name}", error) from None
    return SubmitDag(dag_id=dag_id, submitter=call.caller, tasks=tuple(tasks))


def _names(given: Iterable[str | None]) -> Iterator[str]:
    """Those that are names: the others are of tasks outside the DAG, which were there before it."""
    return (name for name in given if name)


def _invalid(message: str, **details: Any) -> RejectedError:
    return RejectedError("invalid_dag", message, details=details)


def _id_of_member(submitter: str, dag_id: str, name: str) -> str:
    """The id of a task that was given none: the same each time that its DAG is submitted."""
    return hashlib.blake2b(f"{submitter}/{dag_id}/{name}".encode(), digest_size=_ID_BYTES).hexdigest()


def _member(call: Call, dag_id: str, request: wire.DagTask, ids: dict[str, str]) -> SubmitTask:
    fields = _fields(request)
    parent, compensation = request.parent, request.compensation
    if parent is not None:
        fields["parent"] = parent.task_id
        fields["on_parent_end"] = _ON_PARENT_END[request.on_parent_end]
    if compensation is not None:
        require_json_bytes(
            compensation.payload, what="payload of the compensation", max_bytes=MAX_COMPENSATION_BYTES
        )
        fields["compensation"] = Compensation(
            requirement=str(compensation.requirement), payload=compensation.payload
        )
    after = tuple(
        Dependency(
            task_id=ids[edge.name] if edge.name is not None else edge.task_id or "",
            on_failure=_ON_FAILURE[edge.on_failure],
        )
        for edge in request.after
    )
    return _new_submit(
        task_id=ids[request.name],
        submitter=call.caller,
        spec=_new_spec(
            **fields,
            after=after,
            dag=dag_id,
            name=request.name,
            traceparent=call.traceparent,
        ),
        seed=seed_of(call.fresh_id),
        parent_token=parent.fencing_token if parent is not None else 0,
    )


def _fields(request: wire.TaskFields) -> dict[str, Any]:
    """What every task's spec has from its request; what the request does not say is as by default."""
    requirement = str(request.needs)
    payload = request.payload
    fields: dict[str, Any] = {
        "requirement": requirement,
        "capability": _capability(requirement),
        "payload": payload,
        "payload_bytes": require_json_bytes(payload, what="payload", max_bytes=MAX_PAYLOAD_BYTES),
    }
    said = request.model_fields_set
    if said <= _BARE:
        return fields
    for name in _TAKEN_OVER & said:
        fields[name] = getattr(request, name)
    if said <= _SIMPLE:
        return fields
    if request.payload_reference is not None:
        fields["payload_reference"] = _reference(request.payload_reference)
    if request.strategy is not None:
        fields["strategy"] = Strategy(request.strategy)
    if request.backoff is not None:
        given = request.backoff
        fields["backoff"] = Backoff(
            first_ms=given.first_ms, factor=given.factor, last_ms=given.last_ms, jitter=given.jitter
        )
    if request.placement is not None:
        fields["placement"] = _placement(request.placement)
    if request.bidding is not None:
        fields["bidding"] = Bidding(
            bid_ms=request.bidding.bid_ms,
            criterion=Criterion(request.bidding.criterion),
            max_bidders=request.bidding.max_bidders,
        )
    if request.budget is not None:
        fields["budget"] = Budget(tasks=request.budget.tasks, cost=request.budget.cost)
    return fields


@lru_cache(maxsize=4096)  # tasks mostly ask for what others have asked for
def _capability(requirement: str) -> str:
    """What a requirement is about, if that is one thing; else empty."""
    subjects = parse(requirement).subjects
    return subjects[0] if len(subjects) == 1 else ""


def _placement(given: wire.Placement) -> Placement:
    return Placement(
        marks=given.marks,
        near=tuple(
            Nearness(mark=each.mark, is_apart=each.is_apart, is_required=each.is_required)
            for each in given.near
        ),
        sticky_key=given.sticky_key,
        waits_for_sticky=given.waits_for_sticky,
    )


def _reference(given: wire.Reference) -> Reference:
    return Reference(sha256=given.sha256, size_bytes=given.size_bytes)


def _at(place: str, error: RejectedError) -> RejectedError:
    """The same refusal, of one of several."""
    return RejectedError(
        error.code, f"{place}: {error.message}", retryable=error.retryable, details=dict(error.details)
    )


# --- workers


def acceptance(call: Call, request: wire.AcceptRequest) -> AcceptOffer:
    """The command of a request."""
    return _new_accept(task_id=request.task_id, agent=call.caller, fencing_token=request.fencing_token)


def refusal(call: Call, request: wire.RefuseRequest) -> RefuseOffer:
    """The command of a request."""
    return RefuseOffer(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        reason=request.reason,
    )


def progress(call: Call, request: wire.ProgressRequest) -> ReportProgress:
    """The command of a request."""
    return ReportProgress(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        share=request.share,
        note=request.note,
        spent=request.spent,
    )


def completion(call: Call, request: wire.CompleteRequest) -> CompleteTask:
    """The command of a request.

    Raises:
        RejectedError: ``too_large``, ``too_deep`` or ``invalid_request``: the result.
    """
    reference = request.result_reference
    return _new_complete(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        result=request.result,
        result_bytes=require_json_bytes(request.result, what="result", max_bytes=MAX_RESULT_BYTES),
        result_reference=None if reference is None else _reference(reference),
        spent=request.spent,
    )


def failure(call: Call, request: wire.FailRequest) -> FailTask:
    """The command of a request."""
    return FailTask(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        reason=request.reason,
        retryable=request.retryable,
        retry_after_ms=request.retry_after_ms,
        spent=request.spent,
    )


def confirmation(call: Call, request: wire.ConfirmRequest) -> ConfirmCancel:
    """The command of a request."""
    return ConfirmCancel(task_id=request.task_id, agent=call.caller, fencing_token=request.fencing_token)


def bid(call: Call, request: wire.ProposeRequest) -> Bid:
    """The command of a request."""
    return Bid(
        task_id=request.task_id,
        agent=call.caller,
        call=request.call,
        is_refusal=request.refuse,
        reason=request.reason,
        cost=request.cost,
        eta_ms=request.eta_ms,
    )


def report(call: Call, request: wire.ReportRequest) -> Report:
    """The command of a request.

    Raises:
        RejectedError: As of `completion`; which item it is about stands before the message.
    """
    items: list[WorkerCommand | Bid] = []
    for place, each in enumerate(request.items):
        try:
            items.append(_REPORTED[type(each)](call, each))
        except RejectedError as error:
            raise _at(f"items.{place}", error) from None
    return Report(agent=call.caller, items=tuple(items))


_REPORTED: dict[type, Any] = {
    wire.AcceptItem: acceptance,
    wire.RefuseItem: refusal,
    wire.ProgressItem: progress,
    wire.CompleteItem: completion,
    wire.FailItem: failure,
    wire.ConfirmItem: confirmation,
    wire.ProposeItem: bid,
}


# --- operators


def dead_letters(given: wire.DeadLetterFilter) -> DeadLetterFilter:
    """Which dead letters are meant."""
    return DeadLetterFilter(
        task_ids=given.task_ids,
        submitter=given.submitter or "",
        capability=given.capability or "",
        queue=given.queue or "",
        reason=given.reason,
        before_ms=given.before_ms,
    )


def settings(given: wire.QueueSettings | None) -> QueueSettings | None:
    """The settings of a queue."""
    if given is None:
        return None
    limit = given.agent_rate_limit
    return QueueSettings(
        strategy=Strategy(given.strategy),
        aging_ms=given.aging_ms,
        weights=given.weights,
        rate_limits={name: _rate_limit(each) for name, each in given.rate_limits.items()},
        agent_rate_limit=None if limit is None else _rate_limit(limit),
        max_held=given.max_held,
        max_held_per_agent=given.max_held_per_agent,
        is_paused=given.is_paused,
        pause_reason=given.pause_reason,
    )


def _rate_limit(given: wire.RateLimit) -> RateLimit:
    return RateLimit(count=given.count, per_ms=given.per_ms, burst=given.burst)


def schedule(call: Call, request: wire.SetScheduleRequest) -> SetSchedule:
    """The command of a request.

    Raises:
        RejectedError: As of `submission`.
    """
    when = request.recurrence
    return SetSchedule(
        schedule_id=request.schedule_id,
        caller=call.caller,
        spec=_new_spec(**_fields(request.task), schedule=request.schedule_id),
        recurrence=Recurrence(
            every_ms=when.every_ms,
            cron=when.cron,
            time_zone=when.time_zone,
            start_ms=when.start_ms,
            end_ms=when.end_ms,
            max_count=when.max_count,
        ),
        deadline_after_ms=request.deadline_after_ms,
        overlap=Overlap(request.overlap),
        catch_up=CatchUp(request.catch_up),
    )
