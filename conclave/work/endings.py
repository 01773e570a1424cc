"""How the tasks of one session end: one subscription for all of them, and a question now and then.

The task service pushes the end of a task to its submitter. A push may get lost, with a connection or with a
leader; so whoever waits asks as well, one for all that wait, and the more rarely the longer they have waited.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from weakref import WeakValueDictionary

from pydantic import ValidationError

from coordination.runtime.bus import Bus, Delivery
from coordination.runtime.errors import ConclaveError, UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.names import Subjects
from coordination.tasks.client import TasksClient
from coordination.tasks.lifecycle import ENDED
from coordination.tasks.limits import MAX_PAGE
from coordination.tasks.wire import DagOutcome, TaskResult

FIRST_POLL_S: Final = 1.0
"""How long whoever waits trusts in the push, at first."""
LAST_POLL_S: Final = 10.0
_POLL_SHARE: Final = 0.1
"""Of the time waited so far, the share that passes before it is asked again."""
_log = get_logger(__name__)


class Ending:
    """The end of one task or DAG: waited for by any number of waiters, known at most once.

    Args:
        key: The id.
    """

    __slots__ = ("__weakref__", "is_over", "key", "news", "outcome", "waiters", "watchers")

    def __init__(self, key: str) -> None:
        self.key = key
        self.outcome: TaskResult | DagOutcome | None = None
        """As it was pushed; None while it is not known."""
        self.is_over: bool = False
        """It may have ended, though nobody has told how: the record says it."""
        self.news: int = 0
        """Grows with everything heard of it."""
        self.watchers: int = 0
        """Who wants to know it."""
        self.waiters: list[asyncio.Future[None]] = []

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Want to know it, for the length of the block."""
        self.watchers += 1
        try:
            yield
        finally:
            self.watchers -= 1

    def result(self) -> TaskResult | None:
        """How the task has ended; None while that is not known."""
        return self.outcome if isinstance(self.outcome, TaskResult) else None

    def tell(self, outcome: TaskResult | DagOutcome) -> None:
        """Take the end down; the first one stays."""
        if self.outcome is None:
            self.outcome = outcome
        self.is_over = True
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        self.news += 1
        waiters, self.waiters = self.waiters, []
        for waiter in waiters:
            _wake(waiter)

    async def changed(self, news: int, timeout_s: float) -> bool:
        """Wait until there is more than `news` (True), or `timeout_s` has passed (False)."""
        if self.news > news:
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self.waiters.append(waiter)
        timer = loop.call_later(timeout_s, _wake, waiter)
        try:
            await waiter
        finally:
            timer.cancel()
            if self.news <= news:
                self.waiters.remove(waiter)
        return self.news > news


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


class Endings:
    """What one session hears of the ends of what it waits for.

    Args:
        bus: The session's connection.
        subjects: The deployment's subjects.
        agent: Whose session it is.
        tasks: Its client of the task service.
    """

    def __init__(self, bus: Bus, subjects: Subjects, agent: str, tasks: TasksClient) -> None:
        self._bus = bus
        self._subjects = subjects
        self._agent = agent
        self._tasks = tasks
        self._known: dict[str, WeakValueDictionary[str, Ending]] = {
            "result": WeakValueDictionary(),
            "dag": WeakValueDictionary(),
        }
        """By kind of push and id; those that nobody holds any more are gone."""
        self._is_listening = False
        self._beginning = asyncio.Lock()
        self._asking = asyncio.Lock()
        self._asked_s = 0.0

    def of_task(self, task_id: str) -> Ending:
        """The end of a task, the same for everybody who waits for it."""
        return self._of("result", task_id)

    def of_dag(self, dag_id: str) -> Ending:
        """The end of a DAG."""
        return self._of("dag", dag_id)

    def _of(self, kind: str, key: str) -> Ending:
        known = self._known[kind]
        ending = known.get(key)
        if ending is None:
            known[key] = ending = Ending(key)
        return ending

    async def listen(self) -> None:
        """Hear of ends from now on: whatever ends after this call is heard, unless the push gets lost.

        Raises:
            PermissionDeniedError: The server does not let the session hear its own inbox.
            UnavailableError: The connection is down.
        """
        if self._is_listening:
            return
        async with self._beginning:
            await self._begin()

    async def _begin(self) -> None:
        if self._is_listening:
            return  # whoever came first has done it
        async with contextlib.AsyncExitStack() as stack:
            for kind, hear in (("result", self._hear_result), ("dag", self._hear_dag)):
                subscription = await self._bus.subscribe(self._subjects.inbox(self._agent, kind), hear)
                stack.push_async_callback(subscription.unsubscribe)
            await self._bus.flush()
            self._bus.on_reconnect(self._wake_all)
            stack.pop_all()  # they end with the connection
            self._is_listening = True

    async def _hear_result(self, delivery: Delivery) -> None:
        self._hear("result", delivery, lambda: TaskResult.model_validate_json(delivery.payload))

    async def _hear_dag(self, delivery: Delivery) -> None:
        self._hear("dag", delivery, lambda: DagOutcome.model_validate_json(delivery.payload))

    def _hear(self, kind: str, delivery: Delivery, read: Callable[[], TaskResult | DagOutcome]) -> None:
        try:
            outcome = read()
        except ValidationError:
            _log.warning("push ignored", agent=self._agent, kind=kind, size_bytes=len(delivery.payload))
            return
        key = outcome.task_id if isinstance(outcome, TaskResult) else outcome.dag_id
        ending = self._known[kind].get(key)
        if ending is not None:
            ending.tell(outcome)

    def _wake_all(self) -> None:
        """The connection was lost, and so may be what was said meanwhile."""
        self._asked_s = 0.0
        for known in self._known.values():
            for ending in tuple(known.values()):
                ending.wake()

    async def wait(self, ending: Ending, news: int, waited_s: float, until_s: float) -> None:
        """Wait a while for anything new of `ending`; ask the task service if nothing has come.

        Args:
            ending: What is waited for.
            news: What is known of it.
            waited_s: How long it has been waited for.
            until_s: When to give up, by the event loop's clock.
        """
        loop = asyncio.get_running_loop()
        pause_s = min(max(FIRST_POLL_S, waited_s * _POLL_SHARE), LAST_POLL_S, until_s - loop.time())
        if not await ending.changed(news, max(pause_s, 0.0)) and loop.time() < until_s:
            await self._ask()

    async def _ask(self) -> None:
        """Ask how everything stands that is waited for; whoever comes second finds it done."""
        loop = asyncio.get_running_loop()
        came_s = loop.time()
        async with self._asking:
            if self._asked_s >= came_s:
                return
            self._asked_s = loop.time()
            try:
                await self._ask_all()
            except UnavailableError:
                return  # there is a next time
            except ConclaveError as error:
                _log.warning("cannot ask how tasks stand", agent=self._agent, reason=str(error))

    async def _ask_all(self) -> None:
        waiting = [
            each for each in tuple(self._known["result"].values()) if each.watchers and not each.is_over
        ]
        for dag in tuple(self._known["dag"].values()):
            if dag.watchers:
                _note_over([dag])  # there are few, and each is asked for by itself
        for first in range(0, len(waiting), MAX_PAGE):
            asked = {each.key: each for each in waiting[first : first + MAX_PAGE]}
            standing = await self._tasks.states(asked)
            ended = (each.task_id for each in standing.tasks if each.state in ENDED)
            _note_over(asked[key] for key in (*ended, *standing.unknown) if key in asked)


def _note_over(endings: Iterable[Ending]) -> None:
    for ending in endings:
        ending.is_over = True
        ending.wake()
