"""Binds the task service's endpoints to commands, and waiting tasks to the registry's agents."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter

from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, PeerProtocolError, RejectedError
from coordination.runtime.host import Host
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, Endpoint, Query, ServiceDefinition
from coordination.runtime.wire import page
from coordination.tasks import wire
from coordination.tasks.approved import redeeming, submission
from coordination.tasks.commands import (
    AcceptOffer,
    CancelTask,
    Candidate,
    CompleteTask,
    FailTask,
    OffersMade,
    OfferTasks,
    RefuseOffer,
    ReportProgress,
)
from coordination.tasks.holders import watch_holders
from coordination.tasks.limits import MAX_CANDIDATES, MAX_OFFERS, MAX_RESULT_BYTES, Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.record import Task
from coordination.tasks.size import require_json_bytes

NAME: Final = "tasks"
POLL_MS: Final = 250
"""Longest time between looks at what waits; commands that may change it wake the allocation at once."""
OUTAGE_PAUSE_MS: Final = 1_000
"""Pause when the registry is away."""
_WANTED: Final = TypeAdapter(tuple[str, ...])
_OFFERS_MADE: Final = TypeAdapter(OffersMade)
_log = get_logger(__name__)
R = TypeVar("R", bound=BaseModel)


def define(shell: Shell, *, policy: Policy | None = None) -> ServiceDefinition:
    """The task service.

    Args:
        shell: Its outside world.
        policy: Time-outs, backoff and bounds.
    """
    wake = asyncio.Event()
    return ServiceDefinition(
        name=NAME,
        version="0.1.0",
        description="Durable allocation of work: offers, leases, fencing, retries and dead letters.",
        model=lambda: TasksModel(policy),
        companions=(
            lambda host: _allocate(host, shell, wake),
            lambda host: watch_holders(host, shell, wake),
        ),
        endpoints=(*_submitter_commands(shell, wake), *_worker_commands(wake), *_QUERIES),
    )


def _submitter_commands(shell: Shell, wake: asyncio.Event) -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="submit",
            description="Queue a task for an agent that meets a requirement.",
            request=wire.SubmitRequest,
            reply=wire.SubmitReply,
            prepare=partial(redeeming, shell.caller),
            build=_waking(wake, submission),
        ),
        Command(
            verb="cancel",
            description="Stop a task that the caller submitted; its worker is told.",
            request=wire.CancelRequest,
            reply=wire.StandingReply,
            build=_waking(wake, _cancel),
        ),
    )


def _worker_commands(wake: asyncio.Event) -> tuple[Endpoint, ...]:
    return (
        Command(
            verb="accept",
            description="Take an offered task; its lease runs from now.",
            request=wire.AcceptRequest,
            reply=wire.StandingReply,
            build=_accept,
        ),
        Command(
            verb="refuse",
            description="Pass on an offered task; the others are asked first before it comes again.",
            request=wire.RefuseRequest,
            reply=wire.StandingReply,
            build=_waking(wake, _refuse),
        ),
        Command(
            verb="progress",
            description="Say that the work goes on; extends the lease.",
            request=wire.ProgressRequest,
            reply=wire.StandingReply,
            build=_progress,
        ),
        Command(
            verb="complete",
            description="Hand in the result of a task that the caller holds.",
            request=wire.CompleteRequest,
            reply=wire.StandingReply,
            build=_waking(wake, _complete),
        ),
        Command(
            verb="fail",
            description="Give up this attempt; it is retried, or goes to the dead letters.",
            request=wire.FailRequest,
            reply=wire.StandingReply,
            build=_waking(wake, _fail),
        ),
    )


def _waking(wake: asyncio.Event, build: Callable[[Call, R], Any]) -> Callable[[Call, R], Any]:
    """Build a command after which there may be something to allocate."""

    def build_and_wake(call: Call, request: R) -> Any:
        command = build(call, request)
        # The command enters the host's queue before the companion runs, so the companion's query,
        # which enters behind it, sees its effect.
        wake.set()
        return command

    return build_and_wake


def _cancel(call: Call, request: wire.CancelRequest) -> CancelTask:
    return CancelTask(task_id=request.task_id, caller=call.caller, reason=request.reason)


def _accept(call: Call, request: wire.AcceptRequest) -> AcceptOffer:
    return AcceptOffer(task_id=request.task_id, agent=call.caller, fencing_token=request.fencing_token)


def _refuse(call: Call, request: wire.RefuseRequest) -> RefuseOffer:
    return RefuseOffer(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        reason=request.reason,
    )


def _progress(call: Call, request: wire.ProgressRequest) -> ReportProgress:
    return ReportProgress(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        share=request.share,
        note=request.note,
    )


def _complete(call: Call, request: wire.CompleteRequest) -> CompleteTask:
    return CompleteTask(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        result=request.result,
        result_bytes=require_json_bytes(request.result, what="result", max_bytes=MAX_RESULT_BYTES),
    )


def _fail(call: Call, request: wire.FailRequest) -> FailTask:
    return FailTask(
        task_id=request.task_id,
        agent=call.caller,
        fencing_token=request.fencing_token,
        reason=request.reason,
        retryable=request.retryable,
    )


def _get(model: TasksModel, _: Call, request: wire.GetRequest, now_ms: int) -> Task:  # noqa: ARG001
    task = model.find(request.task_id)
    if task is None:
        raise RejectedError("unknown_task", f"there is no task {request.task_id}, or it ended long ago")
    return task


def _list(model: TasksModel, _: Call, request: wire.ListRequest, now_ms: int) -> wire.ListReply:  # noqa: ARG001
    wanted = (
        task
        for task in chain(model.state.open.values(), model.state.finished.values())
        if task.sequence > request.after
        and request.state in (None, task.state)
        and request.submitter in (None, task.submitter)
        and request.capability in (None, task.capability)
    )
    first = heapq.nsmallest(request.limit, wanted, key=lambda task: task.sequence)
    return wire.ListReply(
        tasks=page(wire.TaskSummary.model_validate(task, from_attributes=True) for task in first)
    )


_QUERIES: Final[tuple[Endpoint, ...]] = (
    Query(
        verb="get",
        description="One task with its payload, result, attempts and refusals.",
        request=wire.GetRequest,
        reply=wire.TaskRecord,
        answer=_get,
    ),
    Query(
        verb="list",
        description="A page of tasks, by state, submitter or capability, in order of submission.",
        request=wire.ListRequest,
        reply=wire.ListReply,
        answer=_list,
    ),
)


async def _allocate(host: Host[TasksModel], shell: Shell, wake: asyncio.Event) -> None:
    """Offer what waits to the agents that the registry names, until cancelled."""
    never = asyncio.Event()
    while True:
        wake.clear()
        try:
            if await _offer_all(host, shell.caller):
                wake.set()
        except ConclaveError as error:
            _log.warning("nothing offered, will try again", reason=str(error))
            await shell.clock.wait(never, OUTAGE_PAUSE_MS)
        await shell.clock.wait(wake, POLL_MS)


async def _offer_all(host: Host[TasksModel], caller: Caller) -> bool:
    """Offer what waits, requirement by requirement; True if more could be offered at once.

    Raises:
        UnavailableError: The registry is away.
    """
    more = False
    wanted = await host.query(lambda model, _: model.wanted(), reply_type=_WANTED)
    for requirement in _WANTED.validate_json(wanted):
        try:
            more |= await _offer(host, caller, requirement)
        except (RejectedError, PeerProtocolError) as error:
            # What is wrong with one requirement must not hold up the others.
            _log.warning("requirement skipped", requirement=requirement, reason=str(error))
    return more


async def _offer(host: Host[TasksModel], caller: Caller, requirement: str) -> bool:
    """Offer what waits with one requirement; True if there may be more to offer at once."""
    request = wire.FindAgents(requirement=requirement, limit=MAX_CANDIDATES)
    found = await caller.query("registry", "find", request, wire.FoundAgents)
    command = OfferTasks(
        requirement=requirement,
        candidates=tuple(
            Candidate(
                agent=each.agent,
                incarnation=each.incarnation,
                max_tasks=each.max_tasks,
                status=each.status,
                load=each.load,
                score=each.score,
            )
            for each in found.agents
        ),
    )
    made = await host.command(lambda model, now_ms: model.decide(command, now_ms), reply_type=_OFFERS_MADE)
    offers = _OFFERS_MADE.validate_json(made)
    return offers.count == MAX_OFFERS or offers.taken_back > 0
