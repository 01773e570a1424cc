"""What a deployment says of an agent counts where its program says nothing."""

from __future__ import annotations

import pytest

from conclave import Agent, Capability, UsageError
from coordination.registry.wire import RegisterRequest


def _registered(agent: Agent) -> RegisterRequest:
    return agent._registration()


def test_a_deployment_says_what_the_program_leaves_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCLAVE_CAPABILITIES", '[{"name": "review"}, {"name": "gpu", "version": "2.0.0"}]')
    monkeypatch.setenv("CONCLAVE_MAX_TASKS", "4")
    found = _registered(Agent("worker"))
    assert found.capabilities == (Capability(name="review"), Capability(name="gpu", version="2.0.0"))
    assert found.max_tasks == 4


def test_what_the_program_says_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCLAVE_CAPABILITIES", '[{"name": "review"}]')
    monkeypatch.setenv("CONCLAVE_MAX_TASKS", "4")
    found = _registered(Agent("worker", capabilities=["lint"], max_tasks=1))
    assert found.capabilities == (Capability(name="lint"),)
    assert found.max_tasks == 1
    assert _registered(Agent("worker", capabilities=[])).capabilities == ()


def test_handlers_add_to_what_the_deployment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCLAVE_CAPABILITIES", '[{"name": "review"}]')
    agent = Agent("worker")

    @agent.task("lint")
    def lint(text: str) -> str:
        return text

    assert {each.name for each in _registered(agent).capabilities} == {"lint", "review"}


@pytest.mark.parametrize("text", [None, ""])
def test_without_variables_an_agent_has_one_place_and_what_its_handlers_say(
    monkeypatch: pytest.MonkeyPatch, text: str | None
) -> None:
    for name in ("CONCLAVE_CAPABILITIES", "CONCLAVE_MAX_TASKS"):
        if text is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, text)
    found = _registered(Agent("worker"))
    assert (found.capabilities, found.max_tasks) == ((), 1)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("CONCLAVE_MAX_TASKS", "many", "CONCLAVE_MAX_TASKS is 'many'; it is a whole number from 0 to 1000"),
        ("CONCLAVE_MAX_TASKS", "-1", "it is a whole number"),
        ("CONCLAVE_MAX_TASKS", "1001", "it is a whole number"),
        ("CONCLAVE_MAX_TASKS", "\u0663", "it is a whole number"),
        ("CONCLAVE_MAX_TASKS", "9" * 5000, "it is a whole number"),
        ("CONCLAVE_CAPABILITIES", "review", "CONCLAVE_CAPABILITIES: Invalid JSON.*write JSON such as"),
        ("CONCLAVE_CAPABILITIES", '{"name": "review"}', "CONCLAVE_CAPABILITIES: must be a list"),
        ("CONCLAVE_CAPABILITIES", '[{"name": "Review"}]', r"CONCLAVE_CAPABILITIES: 0\.name: use 1 to 63"),
        ("CONCLAVE_CAPABILITIES", '[{"name": "a"}, {"name": "a"}]', "CONCLAVE_CAPABILITIES: .*'a' twice"),
    ],
)
def test_a_variable_that_is_not_valid_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str, problem: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(UsageError, match=problem):
        Agent("worker")
