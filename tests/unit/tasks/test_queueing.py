"""Queues are set up, paused and resumed by the operator."""

from __future__ import annotations

from coordination.runtime.model import Outcome
from coordination.tasks.commands import ConfigureQueue, PauseQueue, QueueStanding
from coordination.tasks.limits import MAX_QUEUES
from coordination.tasks.queues import QueueSettings
from coordination.tasks.spec import Strategy
from tests.support.tasking import Tasking

SETTINGS = QueueSettings(strategy=Strategy.BEST_MATCH, max_held=3)


def configure(settings: QueueSettings | None, caller: str = "operator") -> ConfigureQueue:
    return ConfigureQueue(queue="q", caller=caller, settings=settings)


def pause(*, is_paused: bool, caller: str = "operator") -> PauseQueue:
    return PauseQueue(queue="q", caller=caller, is_paused=is_paused, reason="repairs")


def test_only_the_operator_may_set_up_or_pause_a_queue() -> None:
    tasking = Tasking()
    assert tasking.refuse(configure(SETTINGS, caller="ada")) == "not_operator"
    assert tasking.refuse(pause(is_paused=True, caller="ada")) == "not_operator"


def test_settings_are_kept_until_they_are_removed() -> None:
    tasking = Tasking()
    assert tasking.accept(configure(SETTINGS)) == QueueStanding(queue="q", settings=SETTINGS)
    assert tasking.model.state.allocation.settings == {"q": SETTINGS}
    tasking.check_replay()
    tasking.check_snapshot()
    standing = tasking.accept(configure(None))
    assert (standing.settings, standing.is_configured) == (QueueSettings(), False)
    assert tasking.model.state.allocation.settings == {}


def test_what_changes_nothing_is_not_recorded() -> None:
    tasking = Tasking()
    tasking.accept(configure(SETTINGS))
    for command in (configure(SETTINGS), pause(is_paused=False)):
        outcome = tasking.send(command)
        assert isinstance(outcome, Outcome)
        assert outcome.events == ()


def test_a_pause_keeps_the_other_settings_and_gives_them_back() -> None:
    tasking = Tasking()
    tasking.accept(configure(SETTINGS))
    paused = tasking.accept(pause(is_paused=True)).settings
    assert (paused.is_paused, paused.pause_reason, paused.max_held) == (True, "repairs", 3)
    assert tasking.accept(pause(is_paused=False)).settings == SETTINGS


def test_a_queue_that_was_only_paused_is_as_if_nobody_had_set_it_up() -> None:
    tasking = Tasking()
    tasking.accept(pause(is_paused=True))
    assert tasking.model.state.allocation.settings["q"].is_paused
    assert not tasking.accept(pause(is_paused=False)).is_configured
    assert tasking.model.state.allocation.settings == {}


def test_there_are_not_more_queues_than_the_bound() -> None:
    tasking = Tasking()
    for number in range(MAX_QUEUES):
        tasking.accept(ConfigureQueue(queue=f"q{number}", caller="operator", settings=SETTINGS))
    assert tasking.refuse(ConfigureQueue(queue="more", caller="operator", settings=SETTINGS)) == "overloaded"
    tasking.accept(ConfigureQueue(queue="q0", caller="operator", settings=None))
    tasking.accept(ConfigureQueue(queue="more", caller="operator", settings=SETTINGS))
