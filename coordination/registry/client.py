"""Typed client of the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coordination.registry import wire
from coordination.runtime.client import Caller
from coordination.runtime.wire import to_json


class RegistryClient:
    """What one agent asks of the registry; errors as in `coordination.runtime.client.Caller`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def register(
        self,
        capabilities: Iterable[wire.Capability | str] = (),
        *,
        labels: Mapping[str, str] | None = None,
        max_tasks: int = 1,
        description: str = "",
    ) -> wire.RegisterReply:
        """Announce the caller; a bare string is a capability of version 1.0.0."""
        request = wire.RegisterRequest(
            capabilities=tuple(
                wire.Capability(name=each) if isinstance(each, str) else each for each in capabilities
            ),
            labels=dict(labels or {}),
            max_tasks=max_tasks,
            description=description,
        )
        return await self._caller.command("registry", "register", request, wire.RegisterReply)

    async def deregister(self) -> None:
        """Leave in good order."""
        await self._caller.command("registry", "deregister", wire.DeregisterRequest(), wire.DeregisterReply)

    async def heartbeat(self, *, incarnation: int, load: float = 0.0) -> None:
        """Give a sign of life; nothing confirms it."""
        body = wire.Heartbeat(incarnation=incarnation, load=load)
        await self._caller.bus.publish(self._caller.subjects.presence(self._caller.agent), to_json(body))

    async def get(self, agent: str) -> wire.Agent:
        """One agent."""
        return await self._caller.query("registry", "get", wire.GetRequest(agent=agent), wire.Agent)

    async def find(
        self, capability: str, *, include_offline: bool = False, limit: int = 100
    ) -> tuple[wire.Agent, ...]:
        """The agents that have `capability`, ordered by id."""
        request = wire.FindRequest(capability=capability, include_offline=include_offline, limit=limit)
        return (await self._caller.query("registry", "find", request, wire.AgentsReply)).agents

    async def list(self, *, after: str = "", limit: int = 100) -> tuple[wire.Agent, ...]:
        """A page of all agents, ordered by id."""
        request = wire.ListRequest(after=after, limit=limit)
        return (await self._caller.query("registry", "list", request, wire.AgentsReply)).agents
