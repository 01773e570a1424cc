"""Binds the task service's endpoints to commands and queries, and its model to the registry's agents."""

from __future__ import annotations

from functools import partial
from typing import Final

from pydantic_core import to_json

from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, Endpoint, ServiceDefinition
from coordination.tasks import forms, wire, written
from coordination.tasks.approved import redeeming
from coordination.tasks.commands import (
    CancelDag,
    CancelTask,
    ConfigureQueue,
    PauseQueue,
    PauseSchedule,
    PurgeDeadLetters,
    RedriveDeadLetters,
    RemoveSchedule,
    RetryTask,
)
from coordination.tasks.limits import Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.queries import QUERIES
from coordination.tasks.roster import Roster
from coordination.tasks.schedules import Schedule
from coordination.tasks.sighting import RosterFeed
from coordination.tasks.submissions import BareTasksRequest
from coordination.tasks.views import schedule_view

NAME: Final = "tasks"


def define(shell: Shell, *, policy: Policy | None = None) -> ServiceDefinition:
    """The task service.

    Args:
        shell: Its outside world.
        policy: Time-outs, pauses and bounds.
    """
    roster = Roster()
    feed = RosterFeed(shell, roster)
    return ServiceDefinition(
        name=NAME,
        version="0.2.0",
        description="Durable allocation of work: offers, leases, fencing, retries, DAGs and schedules.",
        model=lambda: TasksModel(policy, roster),
        companions=(feed.lead,),
        background=(feed.listen,),
        compact_kinds=wire.COMPACT_KINDS,
        endpoints=(*_submitting(shell), *_WORKING, *_ENDING, *_OPERATING, *_SCHEDULING, *QUERIES),
    )


def _submitting(shell: Shell) -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="submit",
            description="Queue a task for an agent that meets a requirement.",
            request=wire.SubmitRequest,
            reply=wire.SubmitReply,
            prepare=partial(redeeming, shell.caller),
            build=forms.submission,
            write=written.submitted,
        ),
        Command(
            verb="submit_many",
            description="Submit up to 256 tasks; each is taken or refused by itself.",
            request=wire.SubmitManyRequest,
            usual_request=BareTasksRequest,
            reply=wire.SubmitManyReply,
            build=forms.submissions,
            write=written.submitted_tasks,
        ),
        Command(
            verb="submit_dag",
            description="Submit up to 512 tasks that wait for one another: all of them, or none.",
            request=wire.SubmitDagRequest,
            reply=wire.SubmitDagReply,
            build=forms.dag,
        ),
    )


_WORKING: Final[tuple[Endpoint, ...]] = (
    Command(
        verb="accept",
        description="Take an offered task; its lease runs from now.",
        request=wire.AcceptRequest,
        reply=wire.StandingReply,
        build=forms.acceptance,
        write=written.standing,
    ),
    Command(
        verb="refuse",
        description="Pass on an offered task; the others are asked first before it comes again.",
        request=wire.RefuseRequest,
        reply=wire.StandingReply,
        build=forms.refusal,
        write=written.standing,
    ),
    Command(
        verb="progress",
        description="Say that the work goes on; extends the lease.",
        request=wire.ProgressRequest,
        reply=wire.StandingReply,
        build=forms.progress,
        write=written.standing,
    ),
    Command(
        verb="complete",
        description="Hand in the result of a task that the caller holds.",
        request=wire.CompleteRequest,
        reply=wire.StandingReply,
        build=forms.completion,
        write=written.standing,
    ),
    Command(
        verb="fail",
        description="Give up this attempt; it is retried, or goes to the dead letters.",
        request=wire.FailRequest,
        reply=wire.StandingReply,
        build=forms.failure,
        write=written.standing,
    ),
    Command(
        verb="propose",
        description="Answer a call for proposals: bid for the task, or decline to.",
        request=wire.ProposeRequest,
        reply=wire.StandingReply,
        build=forms.bid,
    ),
    Command(
        verb="confirm",
        description="Say that the work on a task that is being canceled has stopped.",
        request=wire.ConfirmRequest,
        reply=wire.StandingReply,
        build=forms.confirmation,
        write=written.standing,
    ),
    Command(
        verb="report",
        description="Say up to 256 of these things of different tasks; each counts or is refused by itself.",
        request=wire.ReportRequest,
        reply=wire.ReportReply,
        build=forms.report,
        write=written.reported,
    ),
)


def _cancel(call: Call, request: wire.CancelRequest) -> CancelTask:
    return CancelTask(task_id=request.task_id, caller=call.caller, reason=request.reason)


def _cancel_dag(call: Call, request: wire.CancelDagRequest) -> CancelDag:
    return CancelDag(dag_id=request.dag_id, caller=call.caller, reason=request.reason)


def _retry(call: Call, request: wire.RetryRequest) -> RetryTask:
    return RetryTask(task_id=request.task_id, caller=call.caller)


def _redrive(call: Call, request: wire.SweepRequest) -> RedriveDeadLetters:
    which = forms.dead_letters(request.filter)
    return RedriveDeadLetters(caller=call.caller, which=which, limit=request.limit)


def _purge(call: Call, request: wire.SweepRequest) -> PurgeDeadLetters:
    which = forms.dead_letters(request.filter)
    return PurgeDeadLetters(caller=call.caller, which=which, limit=request.limit)


_ENDING: Final[tuple[Endpoint, ...]] = (
    Command(
        verb="cancel",
        description="Stop a task, and what was delegated from it; a worker is told, and confirms.",
        request=wire.CancelRequest,
        reply=wire.StandingReply,
        build=_cancel,
    ),
    Command(
        verb="cancel_dag",
        description="Cancel what is open of a DAG, and undo what has completed.",
        request=wire.CancelDagRequest,
        reply=wire.DagStandingReply,
        build=_cancel_dag,
    ),
    Command(
        verb="retry",
        description="End the backoff of a failed task, or redrive a dead letter.",
        request=wire.RetryRequest,
        reply=wire.StandingReply,
        build=_retry,
    ),
    Command(
        verb="redrive",
        description="Bring dead letters of the caller's back, up to 256; the operator any.",
        request=wire.SweepRequest,
        reply=wire.SweptReply,
        build=_redrive,
    ),
    Command(
        verb="purge",
        description="Delete dead letters of the caller's, up to 256; the operator any.",
        request=wire.SweepRequest,
        reply=wire.SweptReply,
        build=_purge,
    ),
)


def _set_queue(call: Call, request: wire.SetQueueRequest) -> ConfigureQueue:
    return ConfigureQueue(queue=request.queue, caller=call.caller, settings=forms.settings(request.settings))


def _pause_queue(call: Call, request: wire.PauseQueueRequest) -> PauseQueue:
    return PauseQueue(queue=request.queue, caller=call.caller, is_paused=True, reason=request.reason)


def _resume_queue(call: Call, request: wire.ResumeQueueRequest) -> PauseQueue:
    return PauseQueue(queue=request.queue, caller=call.caller, is_paused=False)


_OPERATING: Final[tuple[Endpoint, ...]] = (
    Command(
        verb="set_queue",
        description="Set a queue up: strategy, aging, weights, rate limits; only the operator may.",
        request=wire.SetQueueRequest,
        reply=wire.QueueReply,
        build=_set_queue,
    ),
    Command(
        verb="pause_queue",
        description="Offer nothing more of a queue; only the operator may.",
        request=wire.PauseQueueRequest,
        reply=wire.QueueReply,
        build=_pause_queue,
    ),
    Command(
        verb="resume_queue",
        description="Offer tasks of a queue again; only the operator may.",
        request=wire.ResumeQueueRequest,
        reply=wire.QueueReply,
        build=_resume_queue,
    ),
)


def _schedule(schedule: Schedule) -> str:
    return to_json(schedule_view(schedule)).decode()


def _pause_schedule(call: Call, request: wire.ScheduleRequest) -> PauseSchedule:
    return PauseSchedule(schedule_id=request.schedule_id, caller=call.caller, is_paused=True)


def _resume_schedule(call: Call, request: wire.ScheduleRequest) -> PauseSchedule:
    return PauseSchedule(schedule_id=request.schedule_id, caller=call.caller, is_paused=False)


def _remove_schedule(call: Call, request: wire.ScheduleRequest) -> RemoveSchedule:
    return RemoveSchedule(schedule_id=request.schedule_id, caller=call.caller)


_SCHEDULING: Final[tuple[Endpoint, ...]] = (
    Command(
        verb="set_schedule",
        description="Set up or change a schedule: submit a task at every interval, or by a cron expression.",
        request=wire.SetScheduleRequest,
        reply=wire.ScheduleReply,
        build=forms.schedule,
        write=_schedule,
    ),
    Command(
        verb="pause_schedule",
        description="Submit nothing more of a schedule; only its owner or the operator may.",
        request=wire.ScheduleRequest,
        reply=wire.ScheduleReply,
        build=_pause_schedule,
        write=_schedule,
    ),
    Command(
        verb="resume_schedule",
        description="Submit tasks of a schedule again; only its owner or the operator may.",
        request=wire.ScheduleRequest,
        reply=wire.ScheduleReply,
        build=_resume_schedule,
        write=_schedule,
    ),
    Command(
        verb="remove_schedule",
        description="Forget a schedule; its tasks go on. Only its owner or the operator may.",
        request=wire.ScheduleRequest,
        reply=wire.ScheduleRemovedReply,
        build=_remove_schedule,
    ),
)
