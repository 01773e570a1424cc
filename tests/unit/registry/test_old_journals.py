"""Journals and snapshots of the time before statuses and changes were recorded are still read."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from coordination.registry.commands import RegisterAgent
from coordination.registry.model import RegistryModel, RegistryState
from coordination.runtime.framing import EventCodec
from coordination.runtime.model import Outcome


def registered(agent: str, incarnation: int) -> dict[str, Any]:
    """An event as version 0.1 wrote it; a record in a snapshot looked the same."""
    return {
        "agent": agent,
        "incarnation": incarnation,
        "capabilities": [{"name": "python", "version": "03.011.0", "attributes": {"gpu": True}}],
        "labels": {"region": "eu"},
        "max_tasks": 2,
        "description": "old",
        "registered_at_ms": 7,
    }


def make() -> RegistryModel:
    return RegistryModel(heartbeat_interval_ms=5_000)


def next_incarnation(model: RegistryModel) -> int:
    outcome = model.decide(RegisterAgent(agent="new"), 1)
    assert isinstance(outcome, Outcome)
    incarnation: int = outcome.reply.incarnation
    return incarnation


def test_an_old_journal_leads_to_agents_that_are_online_and_found() -> None:
    codec = EventCodec(RegistryModel.event_types)
    model = make()
    for raw in (
        {"type": "AgentRegistered", "data": registered("ada", 1)},
        {"type": "AgentRegistered", "data": registered("bob", 1)},
        {"type": "AgentRegistered", "data": registered("ada", 2)},
        {"type": "AgentDeregistered", "data": {"agent": "bob"}},
    ):
        model.apply(codec.decode(raw))
    (record,) = model.page("", 10)
    assert (record.agent, record.incarnation, record.status) == ("ada", 2, "online")
    assert record.size_bytes > 0
    assert model.state.revision == 4
    assert [change.kind for change in model.state.history.changes][-1] == "deregistered"
    assert next_incarnation(model) == 3


def test_an_old_snapshot_is_taken_over_and_no_incarnation_of_it_is_used_again() -> None:
    old = {"agents": {"ada": registered("ada", 2)}, "incarnations": {"ada": 2, "gone": 9}}
    adapter = TypeAdapter(RegistryState)
    model = make()
    model.restore(adapter.validate_python(old))
    record = model.state.agents["ada"]
    assert (record.status, record.status_since_ms, record.revision) == ("online", 7, 0)
    assert next_incarnation(model) == 10
    again = make()
    again.restore(adapter.validate_json(adapter.dump_json(model.snapshot())))
    assert again.state == model.state
    assert next_incarnation(again) == 10
