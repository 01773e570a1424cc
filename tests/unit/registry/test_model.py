"""The registry's state machine: state, command, expected outcome."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from coordination.registry import model as registry
from coordination.registry.model import (
    AgentDeregistered,
    AgentRegistered,
    Capability,
    DeregisterAgent,
    RegisterAgent,
    RegistryModel,
    RegistryState,
)
from coordination.runtime.model import Notice, Outcome, Rejected

PYTHON = Capability(name="python", version="3.11.0")


def make() -> RegistryModel:
    return RegistryModel(heartbeat_interval_ms=5_000)


def carry_out(model: RegistryModel, command: object, now_ms: int = 1) -> Outcome:
    outcome = model.decide(command, now_ms)
    assert isinstance(outcome, Outcome)
    for event in outcome.events:
        model.apply(event)
    return outcome


def test_first_registration_is_incarnation_one() -> None:
    outcome = carry_out(make(), RegisterAgent(agent="ada", capabilities=(PYTHON,)), now_ms=7)
    (event,) = outcome.events
    assert event == AgentRegistered(
        agent="ada",
        incarnation=1,
        capabilities=(PYTHON,),
        labels={},
        max_tasks=1,
        description="",
        registered_at_ms=7,
    )
    assert (outcome.reply.agent, outcome.reply.incarnation) == ("ada", 1)
    assert outcome.reply.heartbeat_interval_ms == 5_000
    (notice,) = outcome.messages
    assert isinstance(notice, Notice)
    assert (notice.event, notice.aggregate) == ("registered", "ada")


def test_registering_again_is_a_new_incarnation_with_the_new_capabilities() -> None:
    model = make()
    carry_out(model, RegisterAgent(agent="ada", capabilities=(PYTHON,)))
    assert carry_out(model, RegisterAgent(agent="ada")).reply.incarnation == 2
    assert list(model.with_capability("python")) == []


def test_incarnations_go_on_after_deregistration() -> None:
    model = make()
    carry_out(model, RegisterAgent(agent="ada"))
    outcome = carry_out(model, DeregisterAgent(agent="ada"))
    assert outcome.events == (AgentDeregistered(agent="ada"),)
    assert model.state.agents == {}
    assert carry_out(model, RegisterAgent(agent="ada")).reply.incarnation == 2


REFUSALS = {
    "unknown_agent": DeregisterAgent(agent="nobody"),
    "duplicate_capability": RegisterAgent(agent="ada", capabilities=(PYTHON, PYTHON)),
    "reserved_id": RegisterAgent(agent="knowledge"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_refusals_have_their_own_code_and_change_nothing(code: str) -> None:
    model = make()
    outcome = model.decide(REFUSALS[code], 1)
    assert isinstance(outcome, Rejected)
    assert outcome.code == code
    assert model.state == RegistryState()


def test_a_full_registry_takes_no_new_agent_but_still_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_AGENTS", 1)
    model = make()
    carry_out(model, RegisterAgent(agent="ada"))
    refused = model.decide(RegisterAgent(agent="bob"), 1)
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.retryable) == ("registry_full", True)
    assert carry_out(model, RegisterAgent(agent="ada")).reply.incarnation == 2


def test_pages_are_ordered_and_complete() -> None:
    model = make()
    for agent in ("c", "a", "b"):
        carry_out(model, RegisterAgent(agent=agent))
    assert [each.agent for each in model.page("", 2)] == ["a", "b"]
    assert [each.agent for each in model.page("b", 2)] == ["c"]
    assert model.page("c", 2) == []


def test_find_is_ordered_by_id() -> None:
    model = make()
    for agent in ("c", "a"):
        carry_out(model, RegisterAgent(agent=agent, capabilities=(PYTHON,)))
    carry_out(model, RegisterAgent(agent="b"))
    assert [each.agent for each in model.with_capability("python")] == ["a", "c"]


def test_state_survives_a_snapshot() -> None:
    model = make()
    attributes: dict[str, bool | int | float | str] = {
        "gpu": True,
        "memory_gb": 24,
        "rate": 0.5,
        "os": "nixos",
    }
    capability = Capability(name="python", version="3.11.0", attributes=attributes)
    carry_out(model, RegisterAgent(agent="ada", capabilities=(capability,), labels={"region": "eu"}))
    adapter = TypeAdapter(RegistryState)
    restored = make()
    restored.restore(adapter.validate_json(adapter.dump_json(model.snapshot())))
    assert restored.state == model.state
    assert restored.next_deadline_ms() is None
    assert restored.tick(10**15) == Outcome()


def test_a_foreign_command_is_our_own_bug() -> None:
    with pytest.raises(AssertionError, match="not a registry command"):
        make().decide(object(), 1)
