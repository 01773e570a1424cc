"""The ends of tasks that somebody holds on to: kept as long as they are held, however many there are."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from coordination.tasks import wire


class Expected:
    """The end of one task, for whoever holds this: it is kept from when it is heard.

    Args:
        task_id: The task.
    """

    __slots__ = ("__weakref__", "is_announced", "result", "task_id")

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.result: wire.TaskResult | None = None
        """How it ended, the first time; None while that is not known."""
        self.is_announced: bool = False
        """Whether the service will say: it was submitted by us, while we listened."""


class _Link(weakref.ref[Expected]):
    """To what somebody else holds, and of which task that is."""

    __slots__ = ("task_id",)

    task_id: str


class Expectations:
    """By task, what is held of it; nothing here keeps it.

    As `weakref.WeakValueDictionary`, with fewer calls for each task.
    """

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}
        links = self._links

        def forget(link: _Link) -> None:
            if links.get(link.task_id) is link:  # it may be expected anew already
                del links[link.task_id]

        self._forget = forget

    def __len__(self) -> int:
        return len(self._links)

    def get(self, task_id: str) -> Expected | None:
        """What is held of a task, if anything is."""
        link = self._links.get(task_id)
        return None if link is None else link()

    def doubt(self, task_ids: Iterable[str] | None = None) -> None:
        """The service may have said how these ended, or any, without being heard."""
        for task_id in tuple(self._links) if task_ids is None else task_ids:
            expected = self.get(task_id)
            if expected is not None:
                expected.is_announced = False

    def expect(self, task_id: str) -> Expected:
        """The end of a task: the same for everybody who expects it at one time."""
        link = self._links.get(task_id)
        expected = None if link is None else link()
        if expected is None:
            expected = Expected(task_id)
            link = _Link(expected, self._forget)
            link.task_id = task_id
            self._links[task_id] = link
        return expected
