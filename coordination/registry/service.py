"""Binds the registry's endpoints to commands and queries."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from coordination.registry import wire
from coordination.registry.commands import (
    MAX_STATUS_CHANGES,
    DeregisterAgent,
    RecordStatuses,
    RegisterAgent,
    StatusChange,
    StatusesRecorded,
    UpdateAgent,
)
from coordination.registry.metadata import require_metadata
from coordination.registry.model import RegistryModel
from coordination.registry.presence import HEARTBEAT_INTERVAL_MS, Presence
from coordination.registry.queries import Queries
from coordination.registry.record import Capability
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.model import Outcome, Rejected
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, ServiceDefinition

NAME: Final = "registry"
_RECORDED: Final = TypeAdapter(StatusesRecorded)
_log = structlog.get_logger(__name__)


def define(shell: Shell, *, heartbeat_interval_ms: int = HEARTBEAT_INTERVAL_MS) -> ServiceDefinition:
    """The registry service.

    Args:
        shell: Its outside world.
        heartbeat_interval_ms: How often agents promise to be heard.
    """
    presence = Presence(started_ms=shell.clock.now_ms(), interval_ms=heartbeat_interval_ms)
    queries = Queries(
        load=lambda record: presence.load(record.agent, incarnation=record.incarnation),
        last_heard_ms=lambda record: presence.last_heard_ms(
            record.agent, incarnation=record.incarnation, registered_at_ms=record.registered_at_ms
        ),
    )
    return ServiceDefinition(
        name=NAME,
        version="0.2.0",
        description="Who is here, what they can do, and whether they are alive.",
        model=lambda: RegistryModel(heartbeat_interval_ms=heartbeat_interval_ms),
        companions=(lambda host: _listen(host, shell, presence),),
        endpoints=(*_COMMANDS, *queries.endpoints()),
    )


def _register(call: Call, request: wire.RegisterRequest) -> RegisterAgent:
    return RegisterAgent(
        agent=call.caller,
        capabilities=_capabilities(request.capabilities),
        labels=request.labels,
        max_tasks=request.max_tasks,
        description=request.description,
        metadata=require_metadata(request.metadata),
        protocols=request.protocols,
    )


def _update(call: Call, request: wire.UpdateRequest) -> UpdateAgent:
    return UpdateAgent(
        agent=call.caller,
        incarnation=request.incarnation,
        capabilities=None if request.capabilities is None else _capabilities(request.capabilities),
        labels=request.labels,
        max_tasks=request.max_tasks,
        description=request.description,
        metadata=None if request.metadata is None else require_metadata(request.metadata),
        protocols=request.protocols,
    )


def _deregister(call: Call, request: wire.DeregisterRequest) -> DeregisterAgent:
    return DeregisterAgent(agent=call.caller, incarnation=request.incarnation)


def _capabilities(given: Iterable[wire.Capability]) -> tuple[Capability, ...]:
    return tuple(
        Capability(
            name=each.name, version=each.version, attributes=each.attributes, description=each.description
        )
        for each in given
    )


_COMMANDS: Final = (
    Command(
        verb="register",
        description="Announce the caller and its capabilities; again means a new incarnation.",
        request=wire.RegisterRequest,
        reply=wire.RegisterReply,
        build=_register,
    ),
    Command(
        verb="update",
        description="Change what the caller registered, without a new incarnation.",
        request=wire.UpdateRequest,
        reply=wire.UpdateReply,
        build=_update,
    ),
    Command(
        verb="deregister",
        description="Leave in good order.",
        request=wire.DeregisterRequest,
        reply=wire.DeregisterReply,
        build=_deregister,
    ),
)


async def _listen(host: Host[RegistryModel], shell: Shell, presence: Presence) -> None:
    """Take heartbeats, and record every change of status, until cancelled."""

    async def hear(delivery: Delivery) -> None:
        agent = delivery.subject.rpartition(".")[2]
        record = host.model.state.agents.get(agent)
        if record is None:
            return
        try:
            heartbeat = wire.Heartbeat.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("heartbeat ignored", agent=agent, reason="not a heartbeat")
            return
        presence.hear(
            agent,
            incarnation=heartbeat.incarnation,
            current=record.incarnation,
            load=heartbeat.load,
            now_ms=shell.clock.now_ms(),
        )

    presence.restart(shell.clock.now_ms())
    subscription = await shell.bus.subscribe(shell.subjects.presence("*"), hear)
    never = asyncio.Event()
    try:
        while True:
            command = RecordStatuses(changes=_changes(host.model, presence, shell.clock.now_ms()))
            if command.changes:
                try:
                    await host.command(partial(_decide, command), reply_type=_RECORDED)
                except (UnavailableError, RejectedError) as error:
                    _log.warning("statuses not recorded", reason=str(error))
            await shell.clock.wait(never, presence.interval_ms // 4)
    finally:
        await subscription.unsubscribe()


def _decide(command: RecordStatuses, model: RegistryModel, now_ms: int) -> Outcome | Rejected:
    return model.decide(command, now_ms)


def _changes(model: RegistryModel, presence: Presence, now_ms: int) -> tuple[StatusChange, ...]:
    """Where what presence says differs from what is recorded."""
    changes: list[StatusChange] = []
    for record in model.state.agents.values():
        last_heard_ms = presence.last_heard_ms(
            record.agent, incarnation=record.incarnation, registered_at_ms=record.registered_at_ms
        )
        status = presence.status(last_heard_ms, now_ms)
        if status != record.status:
            changes.append(StatusChange(agent=record.agent, incarnation=record.incarnation, status=status))
    return tuple(changes[:MAX_STATUS_CHANGES])
