"""Binds the registry's endpoints to commands, and heartbeats to presence."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog
from pydantic import ValidationError

from coordination.registry import wire
from coordination.registry.model import (
    AgentRegistered,
    Capability,
    DeregisterAgent,
    RegisterAgent,
    RegistryModel,
)
from coordination.registry.presence import HEARTBEAT_INTERVAL_MS, Presence, Status
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.model import Notice
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, Query, ServiceDefinition

NAME: Final = "registry"
_log = structlog.get_logger(__name__)


def define(shell: Shell, *, heartbeat_interval_ms: int = HEARTBEAT_INTERVAL_MS) -> ServiceDefinition:
    """The registry service.

    Args:
        shell: Its outside world.
        heartbeat_interval_ms: How often agents promise to be heard.
    """
    presence = Presence(started_ms=shell.clock.now_ms(), interval_ms=heartbeat_interval_ms)

    def find(model: RegistryModel, _: Call, request: wire.FindRequest, now_ms: int) -> wire.AgentsReply:
        agents = (_agent(record, presence, now_ms) for record in model.with_capability(request.capability))
        wanted = [agent for agent in agents if request.include_offline or agent.status != "offline"]
        return wire.AgentsReply(agents=tuple(wanted[: request.limit]))

    def page(model: RegistryModel, _: Call, request: wire.ListRequest, now_ms: int) -> wire.AgentsReply:
        records = model.page(request.after, request.limit)
        return wire.AgentsReply(agents=tuple(_agent(record, presence, now_ms) for record in records))

    def get(model: RegistryModel, _: Call, request: wire.GetRequest, now_ms: int) -> wire.Agent:
        record = model.state.agents.get(request.agent)
        if record is None:
            raise RejectedError("unknown_agent", f"{request.agent} is not registered")
        return _agent(record, presence, now_ms)

    return ServiceDefinition(
        name=NAME,
        version="0.1.0",
        description="Who is here, what they can do, and whether they are alive.",
        model=lambda: RegistryModel(heartbeat_interval_ms=heartbeat_interval_ms),
        companions=(lambda host: _listen(host, shell, presence),),
        endpoints=(
            Command(
                verb="register",
                description="Announce the caller and its capabilities; again means a new incarnation.",
                request=wire.RegisterRequest,
                reply=wire.RegisterReply,
                build=_register,
            ),
            Command(
                verb="deregister",
                description="Leave in good order.",
                request=wire.DeregisterRequest,
                reply=wire.DeregisterReply,
                build=lambda call, _: DeregisterAgent(agent=call.caller),
            ),
            Query(
                verb="get",
                description="One agent with its capabilities and presence.",
                request=wire.GetRequest,
                reply=wire.Agent,
                answer=get,
            ),
            Query(
                verb="find",
                description="The agents that have a capability.",
                request=wire.FindRequest,
                reply=wire.AgentsReply,
                answer=find,
            ),
            Query(
                verb="list",
                description="A page of all agents, ordered by id.",
                request=wire.ListRequest,
                reply=wire.AgentsReply,
                answer=page,
            ),
        ),
    )


def _register(call: Call, request: wire.RegisterRequest) -> RegisterAgent:
    return RegisterAgent(
        agent=call.caller,
        capabilities=tuple(
            Capability(name=each.name, version=each.version, attributes=each.attributes)
            for each in request.capabilities
        ),
        labels=request.labels,
        max_tasks=request.max_tasks,
        description=request.description,
    )


def _agent(record: AgentRegistered, presence: Presence, now_ms: int) -> wire.Agent:
    last_heard_ms = presence.last_heard_ms(
        record.agent, incarnation=record.incarnation, registered_at_ms=record.registered_at_ms
    )
    return wire.Agent(
        agent=record.agent,
        incarnation=record.incarnation,
        status=presence.status(last_heard_ms, now_ms),
        capabilities=tuple(
            wire.Capability(name=each.name, version=each.version, attributes=each.attributes)
            for each in record.capabilities
        ),
        labels=record.labels,
        max_tasks=record.max_tasks,
        description=record.description,
        registered_at_ms=record.registered_at_ms,
        last_heard_ms=last_heard_ms,
        load=presence.load(record.agent, incarnation=record.incarnation),
    )


async def _listen(host: Host[RegistryModel], shell: Shell, presence: Presence) -> None:
    """Take heartbeats, and announce every change of status, until cancelled."""

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
    announced: dict[str, Status] = {}
    never = asyncio.Event()
    try:
        while True:
            for notice in _changes(host.model, presence, announced, shell.clock.now_ms()):
                try:
                    await shell.deliver(NAME, notice)
                except UnavailableError as error:
                    # NATS is away; a change of status must not end the registry.
                    _log.warning("notice not sent", event_name=notice.event, reason=str(error))
            await shell.clock.wait(never, presence.interval_ms // 4)
    finally:
        await subscription.unsubscribe()


def _changes(
    model: RegistryModel, presence: Presence, announced: dict[str, Status], now_ms: int
) -> list[Notice]:
    """Notices for every agent whose status differs from the one in `announced`, which is updated."""
    notices: list[Notice] = []
    for gone in announced.keys() - model.state.agents.keys():
        del announced[gone]
        presence.forget(gone)
    for record in model.state.agents.values():
        last_heard_ms = presence.last_heard_ms(
            record.agent, incarnation=record.incarnation, registered_at_ms=record.registered_at_ms
        )
        status = presence.status(last_heard_ms, now_ms)
        if announced.get(record.agent, "online") != status:
            body = {"agent": record.agent, "incarnation": record.incarnation, "status": status}
            notices.append(Notice(event=status, aggregate=record.agent, body=body))
        announced[record.agent] = status
    return notices
