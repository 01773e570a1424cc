"""Hands work out: submits tasks and DAGs, and keeps an eye on how they end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Mapping
from typing import Any, Final, Unpack

from pydantic import BaseModel

from conclave.work.dag import DagHandle
from conclave.work.errors import TasksRefusedError
from conclave.work.fields import TaskFields, wire_fields
from conclave.work.handle import TaskHandle
from conclave.work.jsonvalues import is_plain, require_json
from conclave.work.large import placed
from coordination.artifacts.client import ArtifactsClient
from coordination.requirements import Requirement
from coordination.runtime.asking import items, mapping, request
from coordination.runtime.clock import Clock
from coordination.runtime.errors import RejectedError, UsageError
from coordination.runtime.ids import RandomIds
from coordination.tasks.client import TasksClient
from coordination.tasks.expecting import Expected
from coordination.tasks.wire import DagTask, Parent, RefusedReply, SubmitReply, SubmitRequest

_RETRY_FIRST_S: Final = 0.1
_RETRY_LAST_S: Final = 2.0
_MAX_NAME_CHARS: Final = 63
_ALONE: Final = ("approval", "conditions_met")


class WorkDesk:
    """What one session hands out; `Session.work`.

    Args:
        tasks: The session's client of the task service.
        artifacts: Its client of the object store.
        clock: What time it is.
        entropy: Where ids come from.
        patience_s: How long what was refused as overloaded is submitted again.
    """

    def __init__(
        self,
        *,
        tasks: TasksClient,
        artifacts: ArtifactsClient,
        clock: Clock,
        entropy: random.Random,
        patience_s: float,
    ) -> None:
        self.tasks = tasks
        self.artifacts = artifacts
        self._clock = clock
        self._entropy = entropy
        self._patience_s = patience_s
        self._ids = RandomIds(entropy)

    def task(self, task_id: str) -> TaskHandle:
        """A handle for a task that is known by its id; nothing is asked."""
        return TaskHandle(self, self.tasks.expected(task_id))

    def dag(self, dag_id: str, tasks: Mapping[str, str] | None = None) -> DagHandle:
        """A handle for a DAG that is known by its id; nothing is asked."""
        return DagHandle(self, dag_id, {name: self.task(each) for name, each in (tasks or {}).items()})

    async def submit(
        self,
        requirement: Requirement | str,
        payload: Mapping[str, Any] | None = None,
        *,
        parent: Parent | None = None,
        **fields: Unpack[TaskFields],
    ) -> TaskHandle:
        """See `Session.submit`; `parent` is the task, which the session works on, that it is a part of."""
        if fields or parent is not None or type(requirement) is not str or not is_plain(payload):
            return await self._submit(requirement, payload, parent, fields)
        task_id = self._ids.draw()
        if not self.tasks.is_listening:
            await self.tasks.listen()
        # Before it is submitted: its end may come sooner than the answer.
        expected = self.tasks.expected(task_id)
        return self._handle(await self.tasks.submit_plain(requirement, payload, task_id), expected)

    async def _submit(
        self,
        requirement: Requirement | str,
        payload: Mapping[str, Any] | None,
        parent: Parent | None,
        fields: TaskFields,
    ) -> TaskHandle:
        """Submit a task of which anything may be said."""
        if "compensation" in fields:
            raise UsageError("compensation: only tasks of a DAG are undone; submit it by submit_dag")
        told = wire_fields(fields, now_ms=self._clock.now_ms()) if fields else {}
        given = mapping("payload", payload)
        is_approved = told.get("approval") is not None
        if not is_plain(given):
            require_json("payload", payload)
            # What is approved is a payload, and none that somebody has put elsewhere.
            reference = None if is_approved else await placed(self.artifacts, given)
            if reference is not None:
                given, told["payload_reference"] = {}, reference
        task_id = told.get("task_id")
        if task_id is None and not is_approved:
            told["task_id"] = task_id = self._ids.draw()
        if not self.tasks.is_listening:
            await self.tasks.listen()
        expected = None if task_id is None else self.tasks.expected(task_id)
        if parent is not None:
            told["parent"] = parent
        reply = await self.tasks.submit(requirement, given, **told)
        return self._handle(reply, expected)

    def _handle(self, reply: SubmitReply, expected: Expected | None) -> TaskHandle:
        if expected is None or reply.task_id != expected.task_id:
            expected = self.tasks.expected(reply.task_id)
        expected.is_announced = not reply.duplicate
        return TaskHandle(self, expected, is_duplicate=reply.duplicate)

    async def submit_many(self, tasks: Iterable[SubmitRequest | Mapping[str, Any]]) -> list[TaskHandle]:
        """See `Session.submit_many`."""
        requests: list[dict[str, Any]] = []
        for place, each in enumerate(items("tasks", tasks, of="tasks")):
            fields = self._prepared(each, f"tasks.{place}")
            if not is_plain(fields.get("payload")):
                await self._put_away(fields, f"tasks.{place}")
            requests.append(fields)
        if not self.tasks.is_listening:
            await self.tasks.listen()
        expected = [self.tasks.expected(each["task_id"]) for each in requests]
        handles: list[TaskHandle | None] = [None] * len(requests)
        refusals = await self._submit_all(requests, expected, handles)
        if refusals:
            raise TasksRefusedError(handles, refusals)
        return [each for each in handles if each is not None]

    async def _submit_all(
        self, requests: list[dict[str, Any]], expected: list[Expected], handles: list[TaskHandle | None]
    ) -> dict[int, RejectedError]:
        """Submit `requests`, again where the service was overloaded; what it refuses for good, by place."""
        refusals: dict[int, RejectedError] = {}
        loop = asyncio.get_running_loop()
        give_up_s, delay_s = loop.time() + self._patience_s, _RETRY_FIRST_S
        places = list(range(len(requests)))
        while places:
            answers = await self.tasks.submit_many([requests[place] for place in places])
            again: list[int] = []
            for place, answer in zip(places, answers, strict=True):
                if not isinstance(answer, RefusedReply):
                    handles[place] = self._handle(answer, expected[place])
                elif answer.retryable and loop.time() + delay_s < give_up_s:
                    again.append(place)
                else:
                    refusals[place] = _refusal(answer)
            places = again
            if places:
                await asyncio.sleep(delay_s * self._entropy.uniform(0.5, 1.5))
                delay_s = min(delay_s * 2, _RETRY_LAST_S)
        return refusals

    async def submit_dag(
        self, tasks: Mapping[str, Mapping[str, Any]], *, dag_id: str | None = None
    ) -> DagHandle:
        """See `Session.submit_dag`."""
        named = mapping("tasks", tasks)
        if not named:
            raise UsageError("tasks is empty; a DAG has at least one task, by its name")
        prepared: list[DagTask] = []
        for name, each in named.items():
            fields = self._prepared(each, f"tasks.{name}")
            await self._put_away(fields, f"tasks.{name}")
            prepared.append(_dag_task(name, fields))
        await self.tasks.listen()
        expected = {each.name: self.tasks.expected(each.task_id) for each in prepared if each.task_id}
        reply = await self.tasks.submit_dag(prepared, dag_id=dag_id or self._ids.draw())
        handles = {each.name: self._handle(each, expected.get(each.name)) for each in reply.tasks}
        return DagHandle(self, reply.dag_id, handles)

    def _prepared(self, given: BaseModel | Mapping[str, Any], place: str) -> dict[str, Any]:
        """One of several tasks, under an id; its payload is to be looked at.

        Raises:
            UsageError: It is no task.
        """
        if type(given) is not dict:
            given = _mapping(given, place)
        prepared: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for name, value in given.items():
            (prepared if name in _NEEDS else fields)[name] = value
        if fields:
            prepared.update(self._told(fields, place))
        if not prepared.get("task_id"):
            prepared["task_id"] = self._ids.draw()
        return prepared

    def _told(self, fields: dict[str, Any], place: str) -> dict[str, Any]:
        """What is said of one of several tasks beside its needs; errors as of `_prepared`."""
        if any(name in fields for name in _ALONE):
            raise UsageError(f"{place}.approval: an approved task is submitted alone, by submit")
        try:
            told = wire_fields(fields, now_ms=self._clock.now_ms())
        except UsageError as error:
            raise UsageError(f"{place}: {error}") from None
        undone_by = told.get("compensation")
        if isinstance(undone_by, Mapping):
            require_json(f"{place}.compensation.payload", undone_by.get("payload"))
        return told

    async def _put_away(self, fields: dict[str, Any], place: str) -> None:
        """Put the payload of `fields` into the object store if it is large; errors as of `_prepared`."""
        payload = fields.get("payload")
        require_json(f"{place}.payload", payload)
        reference = await placed(self.artifacts, payload)
        if reference is not None:
            del fields["payload"]
            fields["payload_reference"] = reference


_NEEDS: Final = frozenset({"requirement", "capability", "payload", "payload_reference", "parent", "name"})


def _mapping(given: BaseModel | Mapping[str, Any], place: str) -> Mapping[str, Any]:
    if isinstance(given, BaseModel):
        return {name: getattr(given, name) for name in given.model_fields_set}
    if isinstance(given, Mapping):
        return given
    raise UsageError(f"{place} is a {type(given).__name__}; it is a mapping with a requirement")


def _dag_task(name: str, fields: Mapping[str, Any]) -> DagTask:
    """A task of a DAG; what is wrong with it is told under the name that its submitter gave it.

    Raises:
        UsageError: It is no task.
    """
    try:
        return request(DagTask.model_validate, {**fields, "name": name})
    except UsageError as error:
        raise UsageError(f"tasks.{str(name)[:_MAX_NAME_CHARS]}: {error}") from None


def _refusal(answer: RefusedReply) -> RejectedError:
    return RejectedError(answer.code, answer.message, retryable=answer.retryable, details=answer.details)
