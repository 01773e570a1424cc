"""Binds the registry's endpoints to commands and queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from coordination.registry import wire
from coordination.registry.commands import DeregisterAgent, RegisterAgent, UpdateAgent
from coordination.registry.listening import NAME, background
from coordination.registry.metadata import require_metadata
from coordination.registry.model import RegistryModel
from coordination.registry.presence import HEARTBEAT_INTERVAL_MS, FailureDetector
from coordination.registry.queries import Queries
from coordination.registry.record import Capability
from coordination.runtime.runner import Shell
from coordination.runtime.service import Call, Command, ServiceDefinition

__all__ = ["NAME", "define"]


def define(shell: Shell, *, heartbeat_interval_ms: int = HEARTBEAT_INTERVAL_MS) -> ServiceDefinition:
    """The registry service.

    Args:
        shell: Its outside world.
        heartbeat_interval_ms: How often agents promise to be heard.
    """
    detector = FailureDetector(heartbeat_interval_ms)
    queries = Queries(detector)
    return ServiceDefinition(
        name=NAME,
        version="0.2.0",
        description="Who is here, what they can do, and whether they are alive.",
        model=lambda: RegistryModel(heartbeat_interval_ms=heartbeat_interval_ms),
        background=(background(shell, detector),),
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
