"""Typed client of the task service."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Unpack

from pydantic import ValidationError

from coordination.requirements import Requirement
from coordination.runtime.asking import items, request
from coordination.runtime.client import Caller
from coordination.runtime.errors import PeerProtocolError
from coordination.runtime.problems import problems_of
from coordination.runtime.wire import Reply
from coordination.tasks import wire
from coordination.tasks.asking import (
    Given,
    SubmitOptions,
    batches,
    listed,
    part,
    plain_submission,
    submission,
)
from coordination.tasks.expecting import Expected
from coordination.tasks.limits import MAX_BATCH, MAX_PAGE
from coordination.tasks.operating import Operating
from coordination.tasks.waiting import Waiting
from coordination.tasks.watching import dag_ended, watch, watch_all


class _ReportedInShort(Reply):
    """As `wire.ReportReply`, in a third of the time: nearly nothing is refused, and nobody needs the rest."""

    results: tuple[dict[str, Any], ...]


class TasksClient(Operating):
    """What submitters, workers and operators ask; errors as in `coordination.runtime.client.Caller`.

    Every worker's call carries the fencing token of its offer. Refusal codes: ``unknown_task``;
    ``stale_token``: the offer or lease is over, drop the work; ``not_holder``; ``wrong_state``;
    ``being_canceled``: stop the work, then `confirm`.
    """

    def __init__(self, caller: Caller) -> None:
        super().__init__(caller)
        self._waiting = Waiting(caller)

    # --- submitters

    async def submit(
        self,
        requirement: Requirement | str,
        payload: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> wire.SubmitReply:
        """Queue a task for an agent that meets `requirement`; it is durable on return.

        Args:
            requirement: What the worker must be and should be: the name of a capability, or
                ``python>=3.11, region in [eu, us], prefer region=eu``.
            payload: A JSON object of at most 128 KiB.
            options: Everything else, by keyword: see `SubmitOptions`.

        Raises:
            UsageError: The text is no requirement, whose place the message shows, or an argument
                cannot be right.
            RejectedError: A code of `coordination.tasks.wire`, or the approval is not good for this task
                (`coordination.approvals.redeeming.redeem`).
        """
        body = submission(requirement, payload, **options)
        self._waiting.forget(body.task_id)
        return await self._caller.command("tasks", "submit", body, wire.SubmitReply)

    def submit_plain(
        self, requirement: str, payload: Mapping[str, Any] | None, task_id: str
    ) -> Coroutine[Any, Any, wire.SubmitReply]:
        """As `submit`, of a task of which nothing else is said, under an id that was never used before.

        Args:
            requirement: See `submit`.
            payload: See `plain_submission`.
            task_id: A valid id.
        """
        body = plain_submission(requirement, payload, task_id)
        return self._caller.command("tasks", "submit", body, wire.SubmitReply)

    async def submit_many(
        self, tasks: Iterable[wire.SubmitRequest | Mapping[str, Any]]
    ) -> tuple[wire.SubmitReply | wire.RefusedReply, ...]:
        """Submit tasks, each of which is taken or refused by itself; one answer for each, in their order.

        Goes to the service in requests of at most 256 tasks and 200 KiB, one after another.

        Args:
            tasks: The fields of `submit`, ``requirement`` or ``capability`` among them. None with an
                approval: that one is submitted alone. None twice.

        Raises:
            UsageError: A task cannot be right; nothing was submitted then.
            UnavailableError: The service is away. Tasks before may have been taken; tasks with ids or keys
                of their own may all be submitted again.
        """
        given: tuple[wire.SubmitRequest, ...] = listed("tasks", tasks, wire.SubmitRequest)
        taken: list[wire.SubmitReply | wire.RefusedReply] = []
        for batch, text in batches(given, max_count=MAX_BATCH):
            request(wire.SubmitManyRequest, tasks=batch)
            body = b'{"tasks":[%b]}' % text
            taken += (await self._command("submit_many", body, wire.SubmitManyReply)).tasks
        return tuple(taken)

    async def submit_dag(
        self, tasks: Iterable[wire.DagTask | Mapping[str, Any]], *, dag_id: str | None = None
    ) -> wire.SubmitDagReply:
        """Submit tasks that wait for one another, all or none.

        Args:
            tasks: The fields of `wire.DagTask`: ``name``, ``after`` with names, what `submit` takes, and
                ``compensation``, which undoes the task when the DAG fails after it has completed.
            dag_id: Makes submitting the same DAG again harmless.

        Raises:
            UsageError: A task cannot be right.
            RejectedError: ``invalid_dag``: the message and `details.cycle` name the cycle; or a code of
                `submit`.
        """
        body = request(wire.SubmitDagRequest, dag_id=dag_id, tasks=listed("tasks", tasks, wire.DagTask))
        return await self._command("submit_dag", body, wire.SubmitDagReply)

    async def cancel(self, task_id: str, *, reason: str = "") -> wire.StandingReply:
        """Stop a task that the caller submitted, or one delegated below a task that it submitted or holds.

        A task that nobody works on is ``canceled`` at once; a running one is ``canceling`` until its worker
        confirms, leaves, or its lease ends. What was delegated from it is canceled, too.

        Raises:
            RejectedError: ``not_submitter``; ``wrong_state``: it has ended.
        """
        body = request(wire.CancelRequest, task_id=task_id, reason=reason)
        return await self._command("cancel", body, wire.StandingReply)

    async def cancel_dag(self, dag_id: str, *, reason: str = "") -> wire.DagStandingReply:
        """Cancel what is open of a DAG, and undo what has completed.

        Raises:
            RejectedError: ``unknown_dag``, ``not_submitter``; ``wrong_state``: it has ended.
        """
        body = request(wire.CancelDagRequest, dag_id=dag_id, reason=reason)
        return await self._command("cancel_dag", body, wire.DagStandingReply)

    async def retry(self, task_id: str) -> wire.StandingReply:
        """Do not wait any longer: end the backoff of a failed task, or redrive a dead letter.

        Raises:
            RejectedError: ``not_submitter``; ``wrong_state``: it is neither.
        """
        return await self._command("retry", request(wire.RetryRequest, task_id=task_id), wire.StandingReply)

    # --- workers

    async def accept(self, task_id: str, fencing_token: int) -> wire.StandingReply:
        """Take an offered task; the lease runs from now."""
        body = request(wire.AcceptRequest, task_id=task_id, fencing_token=fencing_token)
        return await self._command("accept", body, wire.StandingReply)

    async def refuse(self, task_id: str, fencing_token: int, *, reason: str = "") -> wire.StandingReply:
        """Pass on an offered task; others are asked first before it comes again."""
        body = request(wire.RefuseRequest, task_id=task_id, fencing_token=fencing_token, reason=reason)
        return await self._command("refuse", body, wire.StandingReply)

    async def progress(
        self,
        task_id: str,
        fencing_token: int,
        *,
        share: float | None = None,
        note: str = "",
        spent: int | None = None,
    ) -> wire.StandingReply:
        """Extend the lease; `share` of the work is done, 0 to 1, and `spent` units are used so far."""
        body = request(
            wire.ProgressRequest,
            task_id=task_id,
            fencing_token=fencing_token,
            share=share,
            note=note,
            spent=spent,
        )
        return await self._command("progress", body, wire.StandingReply)

    async def complete(
        self,
        task_id: str,
        fencing_token: int,
        result: Any = None,
        *,
        result_reference: Given | None = None,
        spent: int | None = None,
    ) -> wire.StandingReply:
        """Hand in the result: any JSON value of at most 128 KiB, or where in the object store it is."""
        body = request(
            wire.CompleteRequest,
            task_id=task_id,
            fencing_token=fencing_token,
            result=result,
            result_reference=part(result_reference),
            spent=spent,
        )
        return await self._command("complete", body, wire.StandingReply)

    async def fail(
        self,
        task_id: str,
        fencing_token: int,
        *,
        reason: str,
        retryable: bool = True,
        retry_after_ms: int | None = None,
        spent: int | None = None,
    ) -> wire.StandingReply:
        """Give up this attempt; another may follow, after `retry_after_ms` or the backoff."""
        body = request(
            wire.FailRequest,
            task_id=task_id,
            fencing_token=fencing_token,
            reason=reason,
            retryable=retryable,
            retry_after_ms=retry_after_ms,
            spent=spent,
        )
        return await self._command("fail", body, wire.StandingReply)

    async def confirm(self, task_id: str, fencing_token: int) -> wire.StandingReply:
        """Say that the work on a task that is being canceled has stopped."""
        body = request(wire.ConfirmRequest, task_id=task_id, fencing_token=fencing_token)
        return await self._command("confirm", body, wire.StandingReply)

    async def propose(
        self, task_id: str, call: int, *, cost: float = 0.0, eta_ms: int = 0
    ) -> wire.StandingReply:
        """Bid for a task: what it would cost, in the bidders' unit, and how long it would take.

        Raises:
            RejectedError: ``not_called``, ``bid_closed`` or ``already_bid``.
        """
        body = request(wire.ProposeRequest, task_id=task_id, call=call, cost=cost, eta_ms=eta_ms)
        return await self._command("propose", body, wire.StandingReply)

    async def decline(self, task_id: str, call: int, *, reason: str = "") -> wire.StandingReply:
        """Answer a call for proposals with a refusal; errors as of `propose`."""
        body = request(wire.ProposeRequest, task_id=task_id, call=call, refuse=True, reason=reason)
        return await self._command("propose", body, wire.StandingReply)

    async def report(
        self, reports: Iterable[wire.ReportItem | Mapping[str, Any]]
    ) -> tuple[wire.StandingReply | wire.RefusedReply, ...]:
        """Say several things of different tasks; each counts or is refused by itself, one answer for each.

        Args:
            reports: `wire.AcceptItem`, `wire.CompleteItem` and so on, or mappings with ``do`` and their
                fields; at most one of each task. Sent in requests of at most 256 and 200 KiB, one by one.

        Raises:
            UsageError: One cannot be right; nothing was reported then.
        """
        given: tuple[wire.ReportItem, ...] = listed("reports", reports, wire.ReportItem)
        told: list[wire.StandingReply | wire.RefusedReply] = []
        for batch, text in batches(given, max_count=MAX_BATCH):
            request(wire.ReportRequest, items=batch)
            body = b'{"items":[%b]}' % text
            told += (await self._command("report", body, wire.ReportReply)).results
        return tuple(told)

    async def report_written(self, items: Sequence[bytes]) -> tuple[wire.RefusedReply | None, ...]:
        """As `report`, of one request's items that are JSON already; None for each that is taken down."""
        body = b'{"items":[%b]}' % b",".join(items)
        results = (await self._caller.command("tasks", "report", body, _ReportedInShort)).results
        if len(results) != len(items):
            raise PeerProtocolError(f"the answer to {len(items)} reports has {len(results)} results")
        return tuple(_refusal(each) if "code" in each else None for each in results)

    # --- everybody

    async def get(self, task_id: str) -> wire.TaskRecord:
        """One task with payload, result and history."""
        return await self._query("get", request(wire.GetRequest, task_id=task_id), wire.TaskRecord)

    async def states(self, task_ids: Iterable[str]) -> wire.StatesReply:
        """In short how tasks stand: at most 1000."""
        body = request(wire.StatesRequest, task_ids=items("task_ids", task_ids, of="task ids"))
        return await self._query("states", body, wire.StatesReply)

    async def list(
        self,
        *,
        state: wire.State | None = None,
        submitter: str | None = None,
        capability: str | None = None,
        queue: str | None = None,
        parent: str | None = None,
        dag: str | None = None,
        after: int = 0,
        newest_first: bool = False,
        limit: int = 100,
    ) -> tuple[wire.TaskSummary, ...]:
        """A page of tasks in order of submission, or newest first, after the one with sequence `after`."""
        body = request(
            wire.ListRequest,
            state=state,
            submitter=submitter,
            capability=capability,
            queue=queue,
            parent=parent,
            dag=dag,
            after=after,
            newest_first=newest_first,
            limit=limit,
        )
        return (await self._query("list", body, wire.ListReply)).tasks

    async def children(self, task_id: str) -> tuple[wire.TaskSummary, ...]:
        """All tasks that were delegated from one, of all levels below it, in order of submission."""
        found: list[wire.TaskSummary] = []
        after: int | None = 0
        while after is not None:
            body = request(wire.ChildrenRequest, task_id=task_id, after=after, limit=MAX_PAGE)
            page = await self._query("children", body, wire.ListReply)
            found += page.tasks
            after = page.next
        return tuple(found)

    async def dag(self, dag_id: str) -> wire.DagReply:
        """A DAG and its tasks."""
        return await self._query("dag", request(wire.DagRequest, dag_id=dag_id), wire.DagReply)

    async def explain(self, task_id: str) -> wire.ExplainReply:
        """What a task waits for now, and for each agent why it was or was not chosen."""
        return await self._query("explain", request(wire.GetRequest, task_id=task_id), wire.ExplainReply)

    # --- waiting

    async def ended(self, task_id: str, *, timeout_s: float) -> wire.TaskRecord:
        """Wait until a task has ended, in whatever way; returns it with its result, or the reason for none.

        Raises:
            UnavailableError: It has not ended within `timeout_s`, or the service is away.
            RejectedError: There is no such task.
        """
        await self._waiting.result(task_id, timeout_s=timeout_s)
        return await self.get(task_id)

    @property
    def is_listening(self) -> bool:
        """Whether the ends of the caller's own tasks are heard, see `listen`."""
        return self._waiting.is_listening

    async def listen(self) -> None:
        """Hear the ends of the caller's own tasks from now on; done by itself when it waits for one."""
        await self._waiting.listen()

    def expected(self, task_id: str) -> Expected:
        """The end of a task, kept while the answer is held, for `result` and for whoever looks at it.

        Whoever listens, and expects tasks before it submits them, needs no question, however many they are.
        """
        return self._waiting.expected.expect(task_id)

    async def crowd(
        self, expected: Iterable[Expected], *, timeout_s: float | None = None, is_patient: bool = False
    ) -> bool:
        """Wait until all of `expected` have ended, or one has gone wrong; False if it took too long.

        As cheap for thousands as `result` is for one. What has no result then is to be asked for alone.

        Args:
            expected: From `expected`.
            timeout_s: None for as long as it takes.
            is_patient: Wait for the others, too, when one has gone wrong.
        """
        return await self._waiting.crowd(expected, timeout_s=timeout_s, is_patient=is_patient)

    def result(self, task_id: str, *, timeout_s: float | None) -> Coroutine[Any, Any, wire.TaskResult]:
        """As `ended`, with nothing but how it ended; whoever submitted the task pays for no query.

        However many wait, the client listens once. Without `timeout_s` it is waited for ever.
        """
        return self._waiting.result(task_id, timeout_s=timeout_s)

    async def dag_ended(self, dag_id: str, *, timeout_s: float) -> wire.DagReply:
        """Wait until nothing more happens to a DAG; errors as of `ended`."""
        return await dag_ended(self._caller, dag_id, timeout_s=timeout_s)

    def watch(self, task_id: str) -> AsyncGenerator[wire.TaskNotice]:
        """How a task stands, then what happens to it, until it has ended; the last notice says how.

        Progress that was made meanwhile may be left out. End it with ``aclose`` (`contextlib.aclosing`).

        Raises:
            RejectedError: There is no such task.
        """
        return watch(self._caller, task_id)

    def watch_all(self) -> AsyncGenerator[tuple[str, wire.TaskNotice]]:
        """Event and notice of whatever happens to any task from now on; lost notices are not made up for."""
        return watch_all(self._caller)


def _refusal(result: dict[str, Any]) -> wire.RefusedReply:
    try:
        return wire.RefusedReply.model_validate(result)
    except ValidationError as error:
        raise PeerProtocolError(f"the answer is no refusal: {problems_of(error, most=1)[0]}") from None
