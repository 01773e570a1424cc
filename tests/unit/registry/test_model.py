"""The registry's state machine: state, command, expected outcome."""

from __future__ import annotations

import pytest

from conclave.identity.permissions import SERVICE_NAMES
from coordination.registry import model as registry
from coordination.registry.commands import (
    MAX_STATUS_CHANGES,
    DeregisterAgent,
    RecordStatuses,
    RegisterAgent,
    StatusChange,
    UpdateAgent,
)
from coordination.registry.model import RESERVED_IDS, RETENTION_MS
from coordination.registry.record import Capability, Status
from coordination.runtime.model import Outcome, Rejected
from tests.support.registering import Registry, capability

PYTHON = Capability(name="python", version="3.11.0")


def test_first_registration_is_incarnation_one_online_and_announced() -> None:
    registry = Registry()
    reply = registry.accept(RegisterAgent(agent="ada", capabilities=(PYTHON,), metadata={"a": [1]}))
    assert (reply.agent, reply.incarnation, reply.heartbeat_interval_ms, reply.revision) == (
        "ada",
        1,
        5_000,
        1,
    )
    record = registry.record()
    assert (record.status, record.registered_at_ms, record.status_since_ms) == ("online", 1_000, 1_000)
    assert (record.capabilities, record.metadata, record.revision) == ((PYTHON,), {"a": [1]}, 1)
    (notice,) = registry.notices()
    assert (notice.event, notice.aggregate) == ("registered", "ada")
    assert notice.body["record"]["metadata"] == {"a": [1]}


def test_registering_again_is_a_new_incarnation_with_the_new_content_only() -> None:
    registry = Registry()
    registry.register(capabilities=(PYTHON,), labels={"a": "b"})
    assert registry.register() == 2
    assert (registry.record().capabilities, registry.record().labels) == ((), {})


def test_no_incarnation_is_used_twice_whoever_registers() -> None:
    registry = Registry()
    used = [registry.register(agent) for agent in ("ada", "bob", "ada")]
    registry.accept(DeregisterAgent(agent="ada"))
    used.append(registry.register("ada"))
    assert used == [1, 2, 3, 4]


@pytest.mark.parametrize(("status", "told"), [("online", 1), ("suspect", 1), ("offline", 0)])
def test_whoever_is_superseded_while_it_may_be_alive_is_told(status: Status, told: int) -> None:
    registry = Registry()
    registry.register()
    registry.become(status)
    registry.register()
    assert [each.body for each in registry.pushes("registration")] == [
        {"code": "superseded", "incarnation": 2}
    ] * told


def test_an_update_changes_what_is_given_and_nothing_else() -> None:
    registry = Registry()
    registry.register(capabilities=(PYTHON,), labels={"region": "eu"}, max_tasks=2)
    registry.become("suspect")
    reply = registry.accept(UpdateAgent(agent="ada", incarnation=1, labels={}, description="new"))
    assert (reply.incarnation, reply.revision) == (1, 3)
    record = registry.record()
    assert (record.labels, record.description) == ({}, "new")
    assert (record.capabilities, record.max_tasks, record.status) == ((PYTHON,), 2, "suspect")
    assert registry.kinds() == ["registered", "suspect", "updated"]


def test_an_update_that_changes_nothing_is_no_change() -> None:
    registry = Registry()
    registry.register(labels={"region": "eu"})
    reply = registry.accept(UpdateAgent(agent="ada", incarnation=1, labels={"region": "eu"}))
    assert (reply.revision, registry.model.state.revision) == (1, 1)


def test_a_number_and_a_truth_value_are_different_content() -> None:
    registry = Registry()
    for index, value in enumerate((1, True, 1.0), start=1):
        capability = Capability(name="gpu", version="1.0.0", attributes={"x": value})
        if index == 1:
            registry.register(capabilities=(capability,))
        else:
            registry.accept(UpdateAgent(agent="ada", incarnation=1, capabilities=(capability,)))
        assert type(registry.record().capabilities[0].attributes["x"]) is type(value)
    registry.check_replay()


def test_statuses_are_recorded_once_and_void_ones_left_out() -> None:
    registry = Registry()
    registry.register()
    assert registry.become("online") == 0
    assert registry.become("suspect", incarnation=7) == 0
    assert registry.become("suspect", agent="nobody") == 0
    assert registry.become("suspect") == 1
    registry.now_ms = 2_000
    assert registry.become("offline") == 1
    assert (registry.record().status, registry.record().status_since_ms) == ("offline", 2_000)
    assert registry.kinds() == ["registered", "suspect", "offline"]
    assert [notice.event for notice in registry.notices()] == registry.kinds()


def test_an_agent_named_twice_in_one_command_ends_with_the_last_status() -> None:
    registry = Registry()
    registry.register()
    statuses: tuple[Status, ...] = ("suspect", "suspect", "online", "online")
    changes = tuple(StatusChange(agent="ada", incarnation=1, status=each) for each in statuses)
    assert registry.accept(RecordStatuses(changes=changes)).count == 2
    assert registry.record().status == "online"
    revisions = [notice.body["revision"] for notice in registry.notices()]
    assert revisions == [1, 2, 3]


def test_too_many_changes_of_status_are_our_own_bug() -> None:
    change = StatusChange(agent="ada", incarnation=1, status="offline")
    with pytest.raises(AssertionError, match="501 changes"):
        Registry().send(RecordStatuses(changes=(change,) * (MAX_STATUS_CHANGES + 1)))


def test_an_agent_leaves_only_as_the_incarnation_that_it_is() -> None:
    registry = Registry()
    registry.register()
    registry.register()
    assert registry.refuse(DeregisterAgent(agent="ada", incarnation=1)) == "superseded"
    registry.accept(DeregisterAgent(agent="ada", incarnation=2))
    assert registry.model.state.agents == {}
    assert registry.kinds()[-1] == "deregistered"


def test_an_agent_that_is_offline_for_long_expires_and_others_do_not() -> None:
    registry = Registry()
    for number, agent in enumerate(("ada", "bob", "eve"), start=1):
        registry.register(agent)
        registry.become("offline", agent, incarnation=number)
    registry.become("online", "bob", incarnation=2)
    registry.register("eve")
    registry.advance(1_000 + RETENTION_MS - 1)
    assert len(registry.model.state.agents) == 3
    registry.advance(1_000 + RETENTION_MS)
    assert list(registry.model.state.agents) == ["bob", "eve"]
    assert registry.kinds()[-1] == "expired"
    assert registry.model.next_deadline_ms() is None


def test_many_agents_expire_in_several_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coordination.registry.model.MAX_TICK_EXPIRIES", 2)
    registry = Registry()
    for number in range(1, 6):
        registry.register(f"a{number}")
        registry.become("offline", f"a{number}", incarnation=number)
    registry.tick(1_000 + RETENTION_MS)
    assert len(registry.model.state.agents) == 3
    registry.advance(1_000 + RETENTION_MS)
    assert registry.model.state.agents == {}


REFUSALS = {
    "unknown_agent": DeregisterAgent(agent="nobody"),
    "duplicate_capability": RegisterAgent(agent="ada", capabilities=(PYTHON, PYTHON)),
    "reserved_id": RegisterAgent(agent="knowledge"),
    "registration_too_large": RegisterAgent(agent="ada", labels={"a": "x" * 65_536}),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_refusals_have_their_own_code_and_change_nothing(code: str) -> None:
    assert Registry().refuse(REFUSALS[code]) == code


def test_no_agent_takes_the_id_of_a_service() -> None:
    assert frozenset(SERVICE_NAMES) == RESERVED_IDS
    assert {Registry().refuse(RegisterAgent(agent=service)) for service in SERVICE_NAMES} == {"reserved_id"}


UPDATE_REFUSALS: dict[str, UpdateAgent] = {
    "unknown_agent": UpdateAgent(agent="bob", incarnation=1),
    "superseded": UpdateAgent(agent="ada", incarnation=2),
    "duplicate_capability": UpdateAgent(agent="ada", incarnation=1, capabilities=(PYTHON, PYTHON)),
    "registration_too_large": UpdateAgent(agent="ada", incarnation=1, labels={"a": "x" * 40_000}),
}


@pytest.mark.parametrize("code", UPDATE_REFUSALS)
def test_an_update_is_refused_for_what_a_registration_is_refused_for(code: str) -> None:
    registry = Registry()
    registry.register(description="x" * 30_000)
    assert registry.refuse(UPDATE_REFUSALS[code]) == code


def test_a_full_registry_takes_no_new_agent_but_still_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_AGENTS", 1)
    full = Registry()
    full.register()
    refused = full.send(RegisterAgent(agent="bob"))
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.retryable) == ("registry_full", True)
    assert full.register() == 2


def test_all_registrations_together_are_bounded_and_leaving_makes_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "MAX_REGISTRY_BYTES", 1_000)
    full = Registry()
    full.register("ada", description="x" * 900)
    full.register("ada", description="y" * 900)
    assert full.refuse(RegisterAgent(agent="bob", description="x" * 900)) == "registry_full"
    full.restart()
    assert full.refuse(RegisterAgent(agent="bob", description="x" * 900)) == "registry_full"
    full.accept(DeregisterAgent(agent="ada"))
    full.register("bob", description="x" * 900)


def test_pages_are_ordered_and_complete() -> None:
    registry = Registry()
    for agent in ("c", "a", "b", "d"):
        registry.register(agent)
    registry.accept(DeregisterAgent(agent="d"))
    registry.register("a")
    assert [each.agent for each in registry.model.page("", 2)] == ["a", "b"]
    assert [each.agent for each in registry.model.page("b", 2)] == ["c"]
    assert registry.model.page("c", 2) == []


def test_a_foreign_command_or_event_is_our_own_bug() -> None:
    with pytest.raises(AssertionError, match="not a registry command"):
        Registry().model.decide(object(), 1)
    with pytest.raises(AssertionError, match="not a registry event"):
        Registry().model.apply(object())


def test_state_survives_a_snapshot_and_a_replay() -> None:
    registry = Registry()
    offer = capability("python", "3.11.0", gpu=True, memory_gb=24, rate=0.5, os="nixos")
    registry.register(capabilities=(offer,), labels={"region": "eu"}, protocols=("agents",))
    registry.register("bob", metadata={"a": {"b": [1, 2.5, None, "c"]}})
    registry.become("offline")
    registry.accept(UpdateAgent(agent="bob", incarnation=2, max_tasks=0))
    registry.check_replay()
    registry.check_snapshot()
    assert isinstance(registry.model.tick(1_000), Outcome)
