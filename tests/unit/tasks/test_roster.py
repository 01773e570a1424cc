"""Which agents are there, and which of them meet a requirement."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.requirements import CapabilityFacts, Facts, parse
from coordination.tasks import eligibility
from coordination.tasks import roster as module
from coordination.tasks.roster import Roster
from tests.support.allocating import agent

WANTED = ["ocr", "web", "ocr, prefer web", "label:zone = eu, prefer ocr weight 3, prefer web"]


def test_only_agents_that_are_online_and_meet_the_requirement_are_eligible() -> None:
    roster = Roster()
    roster.put(agent("a", "ocr"))
    roster.put(agent("b", "ocr", "web"))
    roster.put(agent("c", "ocr", status="suspect"))
    roster.put(agent("d", "web"))
    assert dict(roster.eligible("ocr")) == {"a": 1.0, "b": 1.0}
    assert dict(roster.eligible("ocr, prefer web")) == {"a": 0.0, "b": 1.0}
    assert len(roster.eligible("web")) == 2
    assert "c" not in roster.eligible("ocr")
    with pytest.raises(KeyError):
        roster.eligible("ocr")["c"]


def test_what_is_eligible_follows_the_agents() -> None:
    roster = Roster()
    eligible = roster.eligible("ocr")
    assert dict(eligible) == {}
    roster.put(agent("a", "ocr"))
    assert dict(eligible) == {"a": 1.0}
    roster.set_status("a", "offline")
    assert dict(eligible) == {}
    roster.set_status("a", "online")
    roster.put(agent("a", "web"))
    assert dict(eligible) == {}
    roster.put(agent("a", "ocr", "web"))
    roster.remove("a")
    assert dict(eligible) == {}
    assert roster.get("a") is None


def test_the_version_grows_with_what_could_change_who_may_be_asked_and_not_with_loads() -> None:
    roster = Roster()
    roster.put(agent("a", "ocr"))
    version = roster.version
    roster.put(agent("a", "ocr"))
    roster.set_load("a", 0.7)
    roster.set_status("a", "online")
    roster.set_load("nobody", 0.7)
    roster.set_status("nobody", "online")
    roster.remove("nobody")
    assert roster.version == version
    view = roster.get("a")
    assert view is not None
    assert view.load == 0.7
    roster.set_status("a", "offline")
    assert roster.version > version
    version = roster.version
    roster.put(agent("a", "ocr", incarnation=2))
    assert roster.version > version
    assert roster.incarnations() == {"a": 2}


def test_a_flag_and_a_number_that_python_takes_for_equal_are_different_facts() -> None:
    roster = Roster()
    roster.put(agent("a", "ocr", attributes={"fast": True}))
    roster.put(agent("b", "ocr", attributes={"fast": 1}))
    assert dict(roster.eligible("ocr.fast = true")) == {"a": 1.0}
    roster.put(agent("a", "ocr", attributes={"fast": 1}))
    assert dict(roster.eligible("ocr.fast = true")) == {}


def test_agents_that_insist_on_approval_are_eligible_for_approved_tasks_only() -> None:
    roster = Roster()
    roster.put(agent("a", "ocr", attributes={"requires_approval": True}))
    roster.put(agent("b", "ocr"))
    assert [*roster.eligible_for("ocr", "ocr", is_approved=False)] == ["b"]
    assert [*roster.eligible_for("ocr", "", is_approved=False)] == ["b"]
    assert [*roster.eligible_for("ocr", "ocr", is_approved=True)] == ["a", "b"]
    facts = Facts(capabilities={"x": CapabilityFacts(attributes={"requires_approval": True})})
    assert eligibility.insists_on_approval("x, y", "", facts) == "x"
    assert eligibility.insists_on_approval("x, y", "y", facts) == ""


def test_a_requirement_is_tested_once_per_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    tested: list[Facts] = []

    def score(requirement: str, capability: str, *, is_approved: bool, facts: Facts) -> float | None:
        tested.append(facts)
        return 1.0

    monkeypatch.setattr(eligibility, "score", score)
    roster = Roster()
    for number in range(1_000):
        roster.put(agent(f"a{number}", f"c{number % 7}"))
    for _ in range(3):
        assert len(roster.eligible("c1")) == 1_000
        roster.set_status("a1", "offline")
        roster.set_status("a1", "online")
    assert len(tested) == 7


def test_what_is_remembered_of_requirements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_REMEMBERED", 4)
    roster = Roster()
    roster.put(agent("a", "ocr"))
    first = roster.eligible("ocr")
    for number in range(20):
        roster.eligible(f"c{number}")
    assert roster.eligible("ocr") is not first
    assert dict(roster.eligible("ocr")) == dict(first)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from(["put", "status", "remove", "load"]),
            st.sets(st.sampled_from(["ocr", "web"])),
            st.sampled_from(["eu", "us"]),
            st.sampled_from(["online", "offline"]),
        ),
        max_size=40,
    )
)
def test_it_agrees_with_testing_every_agent_after_every_change(
    steps: list[tuple[str, str, set[str], str, str]],
) -> None:
    roster = Roster()
    for name, step, names, zone, status in steps:
        match step:
            case "put":
                roster.put(agent(name, *sorted(names), labels={"zone": zone}, status=status))
            case "status":
                roster.set_status(name, status)
            case "remove":
                roster.remove(name)
            case _:
                roster.set_load(name, len(names) / 2)
        for wanted in WANTED:
            naive = {
                each.agent: verdict.score
                for each in roster.agents.values()
                if (verdict := parse(wanted).evaluate(each.facts)).matches and each.status == "online"
            }
            found = roster.eligible(wanted)
            assert dict(found) == naive
            assert len(found) == len(naive)
        assert replace(agent("z")) not in roster.agents.values()
