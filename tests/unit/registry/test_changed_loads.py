"""The failure detector says whose load changed, so that nobody need look at everybody's."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.registry.presence import FailureDetector
from coordination.registry.record import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    agent: str
    incarnation: int = 1
    status: Status = "online"


def test_a_load_is_named_once_when_it_changes() -> None:
    detector = FailureDetector()
    detector.hear("ada", 1, 0.0, 1)
    detector.hear("bob", 1, 0.5, 1)
    assert detector.take_changed_loads() == {"ada", "bob"}
    detector.hear("ada", 1, 0.0, 2)
    assert detector.take_changed_loads() == set()
    detector.hear("bob", 1, 0.25, 3)
    assert detector.take_changed_loads() == {"bob"}


def test_a_new_incarnation_begins_without_load() -> None:
    detector = FailureDetector()
    detector.hear("ada", 1, 0.5, 1)
    detector.take_changed_loads()
    detector.verdicts([Known(agent="ada", incarnation=2)])
    assert detector.take_changed_loads() == {"ada"}
    assert detector.load("ada") == 0.0


def test_a_heartbeat_that_does_not_count_changes_no_load() -> None:
    detector = FailureDetector(max_tracked=1)
    detector.hear("ada", 2, 0.5, 1)
    detector.take_changed_loads()
    assert not detector.hear("ada", 1, 0.9, 2)
    assert not detector.hear("bob", 1, 0.9, 2)
    assert detector.take_changed_loads() == set()


def test_loads_of_agents_that_are_gone_do_not_pile_up() -> None:
    detector = FailureDetector()
    for number in range(100):
        detector.hear(f"a{number}", 1, 0.5, 1)
    assert detector.verdicts([Known(agent="a7")]) == []
    assert detector.take_changed_loads() == {"a7"}


def test_some_can_be_judged_without_forgetting_the_others() -> None:
    detector = FailureDetector()
    for agent in ("ada", "bob"):
        detector.hear(agent, 1, 0.5, 1)
    found = detector.judge([Known(agent="ada", status="suspect")])
    assert [(each.agent, each.status) for each in found] == [("ada", "online")]
    assert detector.tracked == 2
    detector.forget_others({"ada"})
    assert detector.tracked == 1
