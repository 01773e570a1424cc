"""Setting up and pausing queues. Pure."""

from __future__ import annotations

from dataclasses import replace

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import ConfigureQueue, PauseQueue, QueueStanding
from coordination.tasks.events import QueueConfigured
from coordination.tasks.limits import MAX_QUEUES
from coordination.tasks.queues import QueueSettings
from coordination.tasks.record import TasksState
from coordination.tasks.view import View

OPERATOR = "operator"
"""The caller that may set up what concerns everybody."""


def decide(view: View, command: ConfigureQueue | PauseQueue, now_ms: int) -> Outcome | Rejected:
    """What setting up or pausing a queue leads to; the reply is its settings as they stand then.

    Nothing is recorded when nothing changes. Pausing keeps the other settings, and setting up keeps a pause
    only if it says so.
    """
    if command.caller != OPERATOR:
        return Rejected(
            code="not_operator",
            message=f"queue '{command.queue}' concerns everybody who uses it: only '{OPERATOR}' may set it "
            f"up, pause or resume it, and the caller is '{command.caller}'",
        )
    known = view.state.allocation.settings
    before = known.get(command.queue)
    wanted = command.settings if isinstance(command, ConfigureQueue) else _paused(before, command)
    if wanted == before:
        return Outcome(reply=_standing(command.queue, wanted))
    if before is None and len(known) >= MAX_QUEUES:
        return Rejected(
            code="overloaded",
            message=f"{MAX_QUEUES} queues are set up, and that is the bound; remove the settings of one",
            retryable=True,
        )
    event = QueueConfigured(queue=command.queue, settings=wanted, by=command.caller, at_ms=now_ms)
    return Outcome(events=(event,), reply=_standing(command.queue, wanted))


def _standing(queue: str, settings: QueueSettings | None) -> QueueStanding:
    return QueueStanding(
        queue=queue, settings=settings or QueueSettings(), is_configured=settings is not None
    )


def apply(state: TasksState, event: QueueConfigured) -> None:
    """Take over the settings of a queue.

    Ordering: the mapping is replaced, never changed, so that whoever holds on to it sees that it is another.
    """
    settings = {name: each for name, each in state.allocation.settings.items() if name != event.queue}
    if event.settings is not None:
        settings[event.queue] = event.settings
    state.allocation.settings = settings


def _paused(before: QueueSettings | None, command: PauseQueue) -> QueueSettings | None:
    """The settings with the pause that is wanted; None where nobody set up anything but a pause."""
    base = before if before is not None else QueueSettings()
    if command.is_paused:
        return replace(base, is_paused=True, pause_reason=command.reason)
    wanted = replace(base, is_paused=False, pause_reason="")
    return None if wanted == QueueSettings() else wanted
