"""How tasks look from outside: the replies of `coordination.tasks.replies`, as plain data. Pure.

Made by explicit functions, because reading attributes one by one through a schema takes three times as long.
"""

from __future__ import annotations

from typing import Any

from coordination.tasks.dags import Dag
from coordination.tasks.lifecycle import State
from coordination.tasks.queues import QueueSettings, RateLimit
from coordination.tasks.record import Call, Task, TasksState
from coordination.tasks.schedules import Schedule
from coordination.tasks.spec import Dependency, Reference, TaskSpec


def summary_view(task: Task) -> dict[str, Any]:
    """A task without its payload, result and history."""
    spec, holder = task.spec, task.holder
    return {
        "task_id": task.task_id,
        "sequence": task.sequence,
        "submitter": task.submitter,
        "capability": spec.capability,
        "requirement": spec.requirement,
        "queue": spec.queue,
        "priority": spec.priority,
        "fairness_key": spec.fairness_key,
        "run_at_ms": spec.run_at_ms,
        "deadline_ms": spec.deadline_ms,
        "max_attempts": spec.max_attempts,
        "attempt_count": len(task.attempts),
        "earlier_attempts": task.first_attempt,
        "submitted_at_ms": task.submitted_at_ms,
        "traceparent": spec.traceparent,
        "approved_by": spec.approved_by,
        "state": task.state.value,
        "fencing_token": task.fencing_token,
        "holder": None
        if holder is None
        else {
            "agent": holder.agent,
            "incarnation": holder.incarnation,
            "expires_ms": holder.expires_ms,
            "why": holder.why,
        },
        "retry_at_ms": task.retry_at_ms,
        "share": task.share,
        "note": task.note,
        "reason": _reason(task),
        "finished_at_ms": task.finished_at_ms,
        "canceled_by": task.canceled_by,
        "is_confirmed": task.is_confirmed,
        "waits_for": task.waits_for,
        "chain": task.chain,
        "dag": spec.dag,
        "name": spec.name,
        "compensates": spec.compensates,
        "schedule": spec.schedule,
    }


def _reason(task: Task) -> str:
    """Why it ended or is being stopped; while it waits for its next attempt, why the last one failed."""
    if task.state is State.FAILED and not task.reason:
        return task.attempts[-1].error
    return task.reason


def record_view(task: Task, *, shows_bids: bool = True) -> dict[str, Any]:
    """Everything known of one task."""
    spec = task.spec
    return {
        **summary_view(task),
        **_terms_view(spec),
        "payload": spec.payload,
        "payload_reference": _reference_view(spec.payload_reference),
        "result": task.result,
        "result_reference": _reference_view(task.result_reference),
        "attempts": tuple(
            {
                "agent": each.agent,
                "fencing_token": each.fencing_token,
                "started_ms": each.started_ms,
                "ended_ms": each.ended_ms,
                "error": each.error,
                "incarnation": each.incarnation,
                "spent": each.spent,
            }
            for each in task.attempts
        ),
        "refusals": tuple(
            {"agent": each.agent, "reason": each.reason, "at_ms": each.at_ms} for each in task.refusals
        ),
        "rounds": task.rounds,
        "call": _call_view(task.call, shows_bids=shows_bids),
        "queued_at_ms": task.queued_at_ms,
        "used_tasks": task.used_tasks,
        "used_cost": task.used_cost,
        "redrives": task.redrives,
    }


def _terms_view(spec: TaskSpec) -> dict[str, Any]:
    """What a record says of a spec beyond what a summary says."""
    backoff, budget, compensation = spec.backoff, spec.budget, spec.compensation
    return {
        "strategy": None if spec.strategy is None else spec.strategy.value,
        "fairness_weight": spec.fairness_weight,
        "start_by_ms": spec.start_by_ms,
        "timeout_ms": spec.timeout_ms,
        "lease_ms": spec.lease_ms,
        "max_rounds": spec.max_rounds,
        "backoff": {
            "first_ms": backoff.first_ms,
            "factor": backoff.factor,
            "last_ms": backoff.last_ms,
            "jitter": backoff.jitter,
        },
        "placement": {
            "marks": spec.placement.marks,
            "near": tuple(
                {"mark": each.mark, "is_apart": each.is_apart, "is_required": each.is_required}
                for each in spec.placement.near
            ),
            "sticky_key": spec.placement.sticky_key,
            "waits_for_sticky": spec.placement.waits_for_sticky,
        },
        "bidding": {
            "bid_ms": spec.bidding.bid_ms,
            "criterion": spec.bidding.criterion.value,
            "max_bidders": spec.bidding.max_bidders,
        },
        "after": _after_view(spec.after),
        "parent": spec.parent,
        "on_parent_end": spec.on_parent_end.value,
        "budget": None if budget is None else {"tasks": budget.tasks, "cost": budget.cost},
        "cost": spec.cost,
        "max_depth": spec.max_depth,
        "may_return": spec.may_return,
        "idempotency_key": spec.idempotency_key,
        "compensation": None
        if compensation is None
        else {"requirement": compensation.requirement, "payload": compensation.payload},
    }


def _after_view(after: tuple[Dependency, ...]) -> tuple[dict[str, Any], ...]:
    return tuple({"task_id": each.task_id, "on_failure": each.on_failure.value} for each in after)


def _reference_view(reference: Reference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {"sha256": reference.sha256, "size_bytes": reference.size_bytes}


def _call_view(call: Call | None, *, shows_bids: bool) -> dict[str, Any] | None:
    if call is None:
        return None
    return {
        "call": call.call,
        "agents": tuple(call.agents),
        "bids_until_ms": call.bids_until_ms,
        "bids": tuple(
            {
                "agent": each.agent,
                "incarnation": each.incarnation,
                "at_ms": each.at_ms,
                "is_refusal": each.is_refusal,
                "reason": each.reason,
                "cost": each.cost,
                "eta_ms": each.eta_ms,
            }
            for each in (call.bids if shows_bids else ())
        ),
    }


def dag_view(state: TasksState, dag: Dag) -> dict[str, Any]:
    """A DAG and its tasks."""
    undone, not_undone = frozenset(dag.compensated), frozenset(dag.not_compensated)
    members = []
    for name, task_id in dag.tasks.items():
        task = state.find(task_id)
        members.append(
            {
                "name": name,
                "task_id": task_id,
                "state": None if task is None else task.state.value,
                "after": () if task is None else _after_view(task.spec.after),
                "reason": "" if task is None else task.reason,
                "is_compensated": True if task_id in undone else False if task_id in not_undone else None,
            }
        )
    return {
        "dag_id": dag.dag_id,
        "submitter": dag.submitter,
        "state": dag.state.value,
        "reason": dag.reason,
        "submitted_at_ms": dag.submitted_at_ms,
        "finished_at_ms": dag.finished_at_ms,
        "open_count": dag.open_count,
        "compensating": dag.compensating,
        "tasks": members,
    }


def settings_view(settings: QueueSettings) -> dict[str, Any]:
    """How tasks of a queue are allocated."""
    return {
        "strategy": settings.strategy.value,
        "aging_ms": settings.aging_ms,
        "weights": settings.weights,
        "rate_limits": {name: _rate_limit_view(each) for name, each in settings.rate_limits.items()},
        "agent_rate_limit": None
        if settings.agent_rate_limit is None
        else _rate_limit_view(settings.agent_rate_limit),
        "max_held": settings.max_held,
        "max_held_per_agent": settings.max_held_per_agent,
        "is_paused": settings.is_paused,
        "pause_reason": settings.pause_reason,
    }


def _rate_limit_view(limit: RateLimit) -> dict[str, Any]:
    return {"count": limit.count, "per_ms": limit.per_ms, "burst": limit.burst}


def schedule_view(schedule: Schedule) -> dict[str, Any]:
    """A schedule as it stands."""
    when = schedule.recurrence
    return {
        "schedule_id": schedule.schedule_id,
        "owner": schedule.owner,
        "requirement": schedule.spec.requirement,
        "payload": schedule.spec.payload,
        "queue": schedule.spec.queue,
        "priority": schedule.spec.priority,
        "recurrence": {
            "every_ms": when.every_ms,
            "cron": when.cron,
            "time_zone": when.time_zone,
            "start_ms": when.start_ms,
            "end_ms": when.end_ms,
            "max_count": when.max_count,
        },
        "deadline_after_ms": schedule.deadline_after_ms,
        "overlap": schedule.overlap.value,
        "catch_up": schedule.catch_up.value,
        "is_paused": schedule.is_paused,
        "created_ms": schedule.created_ms,
        "next_ms": schedule.next_ms,
        "count": schedule.count,
        "skipped": schedule.skipped,
        "last_task_id": schedule.last_task_id,
        "last_ms": schedule.last_ms,
    }
