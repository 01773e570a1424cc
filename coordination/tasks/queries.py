"""What can be asked about tasks, and the answers as JSON."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final

from pydantic_core import to_json

from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_PAGE_BYTES
from coordination.runtime.service import Call, Endpoint, Query
from coordination.runtime.wire import ReadyJson
from coordination.tasks import wire
from coordination.tasks.commands import OPERATOR
from coordination.tasks.deadletters import matching
from coordination.tasks.explaining import explain
from coordination.tasks.forms import dead_letters
from coordination.tasks.lifecycle import State
from coordination.tasks.model import TasksModel
from coordination.tasks.queues import QueueSettings
from coordination.tasks.record import Task, TasksState
from coordination.tasks.views import dag_view, record_view, schedule_view, settings_view, summary_view

_DEFAULTS: Final = QueueSettings()


def _get(model: TasksModel, call: Call, request: wire.GetRequest, _: int) -> ReadyJson:
    task = _task(model, request.task_id)
    # Sealed while they are gathered: who could read the others' bids would bid a little less.
    shows_bids = task.state is not State.ANNOUNCED or call.caller in (task.submitter, OPERATOR)
    return _json(record_view(task, shows_bids=shows_bids))


def _task(model: TasksModel, task_id: str) -> Task:
    task = model.find(task_id)
    if task is None:
        raise RejectedError("unknown_task", f"there is no task {task_id}, or it ended long ago; check the id")
    return task


def _states(model: TasksModel, _: Call, request: wire.StatesRequest, __: int) -> ReadyJson:
    found, unknown = [], []
    for task_id in request.task_ids:
        task = model.find(task_id)
        if task is None:
            unknown.append(task_id)
        else:
            found.append(
                {
                    "task_id": task_id,
                    "submitter": task.submitter,
                    "state": task.state.value,
                    "fencing_token": task.fencing_token,
                    "finished_at_ms": task.finished_at_ms,
                }
            )
    return _json({"tasks": found, "unknown": unknown})


def _list(model: TasksModel, _: Call, request: wire.ListRequest, __: int) -> ReadyJson:
    wanted = (
        task
        for task in _candidates(model, request)
        if _is_further(task, request)
        and request.state in (None, task.state)
        and request.submitter in (None, task.submitter)
        and request.capability in (None, task.spec.capability)
        and request.queue in (None, task.spec.queue)
        and request.parent in (None, task.spec.parent)
        and request.dag in (None, task.spec.dag)
    )
    return _tasks_page(wanted, request.limit, newest_first=request.newest_first)


def _is_further(task: Task, request: wire.ListRequest) -> bool:
    """Whether it comes after the previous page."""
    if request.newest_first:
        return not request.after or task.sequence < request.after
    return task.sequence > request.after


def _candidates(model: TasksModel, request: wire.ListRequest) -> Iterable[Task]:
    """The fewest tasks among which are all that are wanted, and for which there is an index."""
    state = model.state
    if request.parent is not None:
        return _found(state, model.view.families.children(request.parent))
    if request.dag is not None:
        dag = state.dags.get(request.dag)
        if dag is not None:
            undoing = (f"{task_id}-undo" for task_id in dag.tasks.values())
            return _found(state, chain(dag.tasks.values(), undoing))
    if request.state == "dead_lettered":
        return state.dead_letters.values()
    if request.state in ("completed", "canceled", "expired", "skipped"):
        return state.finished.values()
    if request.state is not None:
        return state.open.values()
    return chain(state.open.values(), state.finished.values(), state.dead_letters.values())


def _found(state: TasksState, task_ids: Iterable[str]) -> Iterator[Task]:
    return (task for task in map(state.find, task_ids) if task is not None)


def _tasks_page(wanted: Iterable[Task], limit: int, *, newest_first: bool = False) -> ReadyJson:
    """The first of `wanted` by their sequence, or the last, and where the next page begins."""
    choose = heapq.nlargest if newest_first else heapq.nsmallest
    first = choose(limit + 1, wanted, key=lambda task: task.sequence)
    shown, more = _fitting(first[:limit], summary_view)
    following = first[shown.count - 1].sequence if shown.count and (more or len(first) > limit) else None
    return ReadyJson(f'{{"tasks":{shown.text},"next":{"null" if following is None else following}}}')


def _children(model: TasksModel, _: Call, request: wire.ChildrenRequest, __: int) -> ReadyJson:
    _task(model, request.task_id)
    below = (task for task in _descendants(model, request.task_id) if task.sequence > request.after)
    return _tasks_page(below, request.limit)


def _descendants(model: TasksModel, task_id: str) -> Iterator[Task]:
    waiting, seen = [task_id], {task_id}
    while waiting:
        for task in _found(model.state, model.view.families.children(waiting.pop())):
            if task.task_id not in seen:  # an id can be used again, so this need not be a tree
                seen.add(task.task_id)
                waiting.append(task.task_id)
                yield task


def _dag(model: TasksModel, _: Call, request: wire.DagRequest, __: int) -> ReadyJson:
    dag = model.state.dags.get(request.dag_id)
    if dag is None:
        raise RejectedError("unknown_dag", f"there is no DAG {request.dag_id}, or it ended long ago")
    return _json(dag_view(model.state, dag))


def _explain(model: TasksModel, _: Call, request: wire.GetRequest, now_ms: int) -> Any:
    return explain(model.view, _task(model, request.task_id), now_ms)


def _dead_letters(model: TasksModel, _: Call, request: wire.DeadLettersRequest, __: int) -> ReadyJson:
    after = _moment(request.after)
    # Of ids, in the order in which they were named: sorted, so that a page has the same order as the others.
    found = sorted(matching(model.state, dead_letters(request.filter)), key=_ended)
    begin = bisect_right(found, after, key=_ended)
    page = list(islice(found, begin, begin + request.limit + 1))
    shown, more = _fitting(page[: request.limit], summary_view)
    following = ""
    if shown.count and (more or len(page) > request.limit):
        following = "{}-{}".format(*_ended(page[shown.count - 1]))
    count = len(model.state.dead_letters)
    return ReadyJson(f'{{"tasks":{shown.text},"next":"{following}","count":{count}}}')


def _ended(task: Task) -> tuple[int, int]:
    return task.finished_at_ms or 0, task.sequence


def _moment(text: str) -> tuple[int, int]:
    ended_ms, _, sequence = text.partition("-")
    return (int(ended_ms), int(sequence)) if text else (-1, -1)


def _queues(model: TasksModel, _: Call, __: wire.QueuesRequest, ___: int) -> ReadyJson:
    open_counts: Counter[str] = Counter()
    for (queue, _requirement), count in model.view.index.requirements.items():
        open_counts[queue] += count
    held_in = model.view.lanes.holdings.of_queue
    configured = model.state.allocation.settings
    views = [
        {
            "queue": queue,
            "settings": settings_view(configured.get(queue, _DEFAULTS)),
            "is_configured": queue in configured,
            "waiting": open_counts[queue] - held_in(queue),
            "held": held_in(queue),
        }
        for queue in sorted({*configured, *open_counts})
    ]
    return _json({"queues": views})


def _schedules(model: TasksModel, _: Call, request: wire.SchedulesRequest, __: int) -> ReadyJson:
    schedules = model.state.schedules
    wanted = [
        schedules[each]
        for each in sorted(schedules)
        if each > request.after and request.owner in (None, schedules[each].owner)
    ]
    shown, more = _fitting(wanted[: request.limit], schedule_view)
    following = wanted[shown.count - 1].schedule_id if more or len(wanted) > request.limit else ""
    return ReadyJson(f'{{"schedules":{shown.text},"next":"{following}"}}')


class _Shown:
    """A JSON array of the first of some things."""

    def __init__(self, items: list[str]) -> None:
        self.count = len(items)
        self.text = f"[{','.join(items)}]"


def _fitting(things: Iterable[Any], view: Callable[[Any], dict[str, Any]]) -> tuple[_Shown, bool]:
    """As many `things` as one reply can carry, from the first, at least one; and whether some did not fit."""
    taken: list[str] = []
    size_bytes = 0
    for thing in things:
        body = to_json(view(thing))
        size_bytes += len(body) + 1
        if taken and size_bytes > MAX_PAGE_BYTES:
            return _Shown(taken), True
        taken.append(body.decode())
    return _Shown(taken), False


def _json(view: dict[str, Any]) -> ReadyJson:
    return ReadyJson(to_json(view).decode())


QUERIES: Final[tuple[Endpoint, ...]] = (
    Query(
        verb="get",
        description="One task with its payload, result, attempts, bids and refusals.",
        request=wire.GetRequest,
        reply=wire.TaskRecord,
        answer=_get,
    ),
    Query(
        verb="states",
        description="In short how up to 1000 tasks stand.",
        request=wire.StatesRequest,
        reply=wire.StatesReply,
        answer=_states,
    ),
    Query(
        verb="list",
        description="A page of tasks as submitted, by state, submitter, capability, queue, parent or DAG.",
        request=wire.ListRequest,
        reply=wire.ListReply,
        answer=_list,
    ),
    Query(
        verb="children",
        description="The tasks that were delegated from one, of all levels below it.",
        request=wire.ChildrenRequest,
        reply=wire.ListReply,
        answer=_children,
    ),
    Query(
        verb="dag",
        description="A DAG: how it stands, its tasks, and which of them were undone.",
        request=wire.DagRequest,
        reply=wire.DagReply,
        answer=_dag,
    ),
    Query(
        verb="explain",
        description="What a task waits for now, and for each agent why it was or was not chosen.",
        request=wire.GetRequest,
        reply=wire.ExplainReply,
        answer=_explain,
    ),
    Query(
        verb="deadletters",
        description="A page of dead letters, the oldest first, by submitter, queue, reason or time.",
        request=wire.DeadLettersRequest,
        reply=wire.DeadLettersReply,
        answer=_dead_letters,
    ),
    Query(
        verb="queues",
        description="Every queue with its settings, and how many of its tasks wait and are held.",
        request=wire.QueuesRequest,
        reply=wire.QueuesReply,
        answer=_queues,
    ),
    Query(
        verb="schedules",
        description="A page of schedules: what they submit, when next, and what they have submitted.",
        request=wire.SchedulesRequest,
        reply=wire.SchedulesReply,
        answer=_schedules,
    ),
)
