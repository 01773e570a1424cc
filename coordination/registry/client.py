"""Typed client of the registry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

from pydantic import JsonValue

from coordination.registry import wire
from coordination.registry.watch import WatchEvent, watch
from coordination.requirements import Requirement, parse
from coordination.runtime.asking import items, mapping, read, request
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
        metadata: Mapping[str, JsonValue] | None = None,
        protocols: Iterable[str] = (),
    ) -> wire.RegisterReply:
        """Announce the caller; a bare string is a capability of version 1.0.0."""
        body = request(
            wire.RegisterRequest,
            capabilities=_capabilities(capabilities),
            labels=mapping("labels", labels),
            max_tasks=max_tasks,
            description=description,
            metadata=mapping("metadata", metadata),
            protocols=items("protocols", protocols, of="names"),
        )
        return await self._caller.command("registry", "register", body, wire.RegisterReply)

    async def update(
        self,
        *,
        incarnation: int,
        capabilities: Iterable[wire.Capability | str] | None = None,
        labels: Mapping[str, str] | None = None,
        max_tasks: int | None = None,
        description: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        protocols: Iterable[str] | None = None,
    ) -> wire.UpdateReply:
        """Change what the caller registered as `incarnation`; None leaves a part as it is."""
        body = request(
            wire.UpdateRequest,
            incarnation=incarnation,
            capabilities=None if capabilities is None else _capabilities(capabilities),
            labels=None if labels is None else mapping("labels", labels),
            max_tasks=max_tasks,
            description=description,
            metadata=None if metadata is None else mapping("metadata", metadata),
            protocols=None if protocols is None else items("protocols", protocols, of="names"),
        )
        return await self._caller.command("registry", "update", body, wire.UpdateReply)

    async def deregister(self, *, incarnation: int | None = None) -> None:
        """Leave in good order; given its `incarnation`, an agent never sends its successor away."""
        body = request(wire.DeregisterRequest, incarnation=incarnation)
        await self._caller.command("registry", "deregister", body, wire.DeregisterReply)

    async def heartbeat(self, *, incarnation: int, load: float = 0.0) -> None:
        """Give a sign of life; nothing confirms it."""
        body = request(wire.Heartbeat, incarnation=incarnation, load=load)
        await self._caller.bus.publish(self._caller.subjects.presence(self._caller.agent), to_json(body))

    async def get(self, agent: str) -> wire.AgentRecord:
        """One agent."""
        return await self._caller.query(
            "registry", "get", request(wire.GetRequest, agent=agent), wire.AgentRecord
        )

    async def find(
        self, requirement: Requirement | str, *, include_offline: bool = False, limit: int = 100
    ) -> tuple[wire.FoundAgent, ...]:
        """The agents that meet `requirement`, best first: ``python>=3.11, region in [eu, us]``.

        At most `limit`, and fewer if more do not fit into a message: `search` says how many match in all,
        and `iterate` comes by everybody.

        Raises:
            UsageError: The text is no requirement; the message shows the place.
        """
        return (await self.search(requirement, include_offline=include_offline, limit=limit)).agents

    async def search(
        self, requirement: Requirement | str, *, include_offline: bool = False, limit: int = 100
    ) -> wire.FindReply:
        """As `find`, with how many match in all: `matched`, of which `agents` are the best.

        Raises:
            UsageError: The text is no requirement; the message shows the place.
        """
        body = _find_request(requirement, include_offline=include_offline, limit=limit)
        return await self._caller.query("registry", "find", body, wire.FindReply)

    async def explain(
        self, requirement: Requirement | str, *, include_offline: bool = False, limit: int = 100
    ) -> wire.FindReply:
        """As `find`, with what every term finds in those that match and in those that do not.

        Args:
            requirement: What is asked for.
            include_offline: Whether agents that are offline may match.
            limit: How many that match to return, and how many of the others to explain, at most.
        """
        body = _find_request(requirement, include_offline=include_offline, limit=limit, explain=True)
        return await self._caller.query("registry", "find", body, wire.FindReply)

    async def list(self, *, after: str = "", limit: int = 100) -> tuple[wire.Agent, ...]:
        """A page of all agents, ordered by id; fewer than there are if more do not fit into a message."""
        return (await self._page(after, limit)).agents

    async def iterate(self) -> AsyncGenerator[wire.Agent]:
        """All agents, ordered by id, page by page.

        Each page is as the registry is when it is read; `watch` gives one state as a whole.
        """
        after = ""
        while True:
            page = await self._page(after, wire.MAX_PAGE)
            for agent in page.agents:
                yield agent
            if not page.next:
                return
            after = page.next

    def watch(self) -> AsyncGenerator[WatchEvent]:
        """The present state, then every change; see `coordination.registry.watch.watch`."""
        return watch(self._caller)

    async def _page(self, after: str, limit: int) -> wire.AgentsReply:
        body = request(wire.ListRequest, after=after, limit=limit)
        return await self._caller.query("registry", "list", body, wire.AgentsReply)


def _find_request(
    requirement: Requirement | str, *, include_offline: bool, limit: int, explain: bool = False
) -> wire.FindRequest:
    return request(
        wire.FindRequest,
        requirement=read("requirement", requirement, Requirement, parse),
        include_offline=include_offline,
        limit=limit,
        explain=explain,
    )


def _capabilities(given: Iterable[wire.Capability | str]) -> tuple[Any, ...]:
    """As data, so that what is wrong with one is told with its place among the others."""
    listed = items("capabilities", given, of="capabilities")
    return tuple({"name": each} if isinstance(each, str) else each for each in listed)
