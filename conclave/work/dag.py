"""A DAG that was submitted, in the hands of whoever waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from conclave.work.errors import DagFailedError
from conclave.work.handle import FOREVER_S, TaskHandle, gather
from coordination.tasks.wire import DagReply

if TYPE_CHECKING:
    from conclave.work.desk import WorkDesk


class DagHandle:
    """Tasks that wait for one another. Iterating gives their names, in topological order.

    Attributes:
        dag_id: Id of the DAG.
        tasks: Handles by name.
    """

    def __init__(self, desk: WorkDesk, dag_id: str, tasks: Mapping[str, TaskHandle]) -> None:
        self.dag_id = dag_id
        self.tasks: Mapping[str, TaskHandle] = MappingProxyType(dict(tasks))
        self._desk = desk

    def __repr__(self) -> str:
        return f"<DagHandle {self.dag_id}: {', '.join(self.tasks) or 'tasks not known'}>"

    def __getitem__(self, name: str) -> TaskHandle:
        """The task called `name`."""
        return self.tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tasks)

    async def record(self) -> DagReply:
        """How the DAG and each of its tasks stands now.

        Raises:
            RejectedError: There is no such DAG (``unknown_dag``).
            UnavailableError: The task service does not answer.
        """
        return await self._desk.tasks.dag(self.dag_id)

    async def wait(self, *, timeout_s: float | None = None) -> DagReply:
        """Wait until nothing more happens to the DAG: all is done, or all that was done is undone.

        Args:
            timeout_s: How long; None for as long as it takes.

        Returns:
            Its record: state, reason, and each task with its state and whether it was undone.

        Raises:
            UnavailableError: It goes on, or nobody can say.
            RejectedError: There is no such DAG (``unknown_dag``).
        """
        until_s = FOREVER_S if timeout_s is None else timeout_s
        return await self._desk.tasks.dag_ended(self.dag_id, timeout_s=until_s)

    async def results(self, *, timeout_s: float | None = None) -> dict[str, Any]:
        """The results of all tasks by name, when the DAG has completed; those that were skipped are left out.

        Raises:
            DagFailedError: It has ended otherwise.
            UnavailableError: It goes on, or nobody can say.
            RejectedError: There is no such DAG, or a task of it is forgotten.
        """
        record = await self.wait(timeout_s=timeout_s)
        if record.state != "completed":
            raise DagFailedError(self.dag_id, record.state, record.reason)
        done = [each for each in record.tasks if each.state == "completed"]
        handles = [self.tasks.get(each.name) or self._desk.task(each.task_id) for each in done]
        found = await gather(*handles)
        return {each.name: result for each, result in zip(done, found, strict=True)}

    async def cancel(
        self, reason: str = "", *, confirmed: bool = False, timeout_s: float | None = None
    ) -> DagReply:
        """Stop what is open of the DAG, and have undone what has completed.

        Args:
            reason: For workers, and for the record.
            confirmed: Wait until nothing more happens to it.
            timeout_s: How long to wait for that; None for as long as it takes.

        Raises:
            RejectedError: It has ended (``wrong_state``), or is somebody else's (``not_submitter``).
            UnavailableError: No answer, or not ended in time; the cancellation goes on.
        """
        await self._desk.tasks.cancel_dag(self.dag_id, reason=reason)
        return await (self.wait(timeout_s=timeout_s) if confirmed else self.record())
