"""Shares of service among fairness keys: start-time fair queueing, one number per key. Pure.

Every key has a tag, the service it has had divided by its weight; the waiting key with the smallest one is
served next, and pays for it. A key that was idle joins no further back than the smallest tag of those that it
waits among, so it has saved up nothing; and it keeps what it had beyond that, so it sheds nothing that it
owes by being idle for a moment. Nothing is owed any more once nobody waits.

Source: Goyal, Vin, Cheng, "Start-time fair queueing" (1997). Those who join do so as in Linux' CFS.
"""

from __future__ import annotations

from typing import Final

from coordination.tasks.limits import MAX_FAIRNESS_KEYS
from coordination.tasks.queues import AllocationState, Fairness
from coordination.tasks.spec import TaskSpec

UNIT: Final = 720_720_000
"""What one dispatch costs a key of weight 1."""


def price(allocation: AllocationState, spec: TaskSpec) -> int:
    """What one dispatch of such a task costs its key."""
    return UNIT // weight(allocation, spec)


def weight(allocation: AllocationState, spec: TaskSpec) -> int:
    """Weight of the task's key: what the operator gave it in the queue, else the task's own word, else 1."""
    settings = allocation.settings.get(spec.queue)
    given = settings.weights.get(spec.fairness_key) if settings is not None else None
    return given or spec.fairness_weight or 1


def join(allocation: AllocationState, queue: str, key: str, floor: int | None) -> None:
    """`key`, of which nothing waited in `queue`, has a task that waits now.

    Args:
        allocation: Changed.
        queue: The queue.
        key: The fairness key.
        floor: The smallest tag among those that it waits with; None: nobody, and that of the queue counts.
    """
    fairness = allocation.fairness.get(queue)
    if fairness is None:
        fairness = allocation.fairness[queue] = Fairness()
    least = fairness.virtual_time if floor is None else floor
    fairness.finish[key] = max(fairness.finish.get(key, 0), least)


def charge(allocation: AllocationState, spec: TaskSpec, floor: int | None) -> None:
    """A task of the key was dispatched.

    Args:
        allocation: Changed.
        spec: The task's.
        floor: The smallest tag among those that wait where it waited; None: nobody does.
    """
    fairness = allocation.fairness.get(spec.queue)
    if fairness is None:
        return
    start = fairness.finish.get(spec.fairness_key, fairness.virtual_time)
    fairness.finish[spec.fairness_key] = start + price(allocation, spec)
    fairness.virtual_time = max(fairness.virtual_time, start if floor is None else floor)


def refund(allocation: AllocationState, spec: TaskSpec) -> None:
    """A dispatch came to nothing: the agent passed on the task."""
    fairness = allocation.fairness.get(spec.queue)
    if fairness is not None and spec.fairness_key in fairness.finish:
        fairness.finish[spec.fairness_key] -= price(allocation, spec)


def forget(allocation: AllocationState, queue: str, waiting: dict[str, int]) -> None:
    """Let go of what need not be remembered.

    That is everything once nobody waits; else, beyond a bound, the smallest debts.

    Args:
        allocation: Changed.
        queue: The queue.
        waiting: Tasks that wait, by key; none of these keys is forgotten.
    """
    if not waiting:
        allocation.fairness.pop(queue, None)
        return
    finish = allocation.fairness[queue].finish
    if len(finish) - len(waiting) <= MAX_FAIRNESS_KEYS:
        return
    idle = sorted((tag, key) for key, tag in finish.items() if key not in waiting)
    for _, key in idle[: len(idle) - MAX_FAIRNESS_KEYS // 2]:
        del finish[key]
