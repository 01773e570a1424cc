"""A registry that a test plays: what it knows, what it tells, and what of it gets lost."""

from __future__ import annotations

import json
from typing import Any

from coordination.runtime.bus import Delivery
from coordination.runtime.errors import RejectedError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.wire import HEADER_ERROR_CODE, ErrorBody, to_json

AgentState = tuple[int, str, int]
"""Incarnation, status and number of slots."""


class ToldRegistry:
    """Answers ``watch`` and ``changes`` as the registry does, in pages of `page_size`."""

    def __init__(self, exchange: MemoryExchange, *, page_size: int = 2) -> None:
        self.bus = MemoryBus(exchange, agent="registry")
        self.agents: dict[str, dict[str, Any]] = {}
        self.changes: list[dict[str, Any]] = []
        self.forgotten = 0
        """Changes that are not remembered any more."""
        self.between_pages: list[tuple[str, str]] = []
        """Changes that happen while the state is read, one after each page."""
        self.asked: list[str] = []
        self._page_size = page_size
        self._incarnations: dict[str, int] = {}

    async def open(self) -> None:
        """Answer from now on."""
        await self.bus.subscribe(Subjects().call("registry", "*", "*"), self._answer)

    @property
    def truth(self) -> dict[str, AgentState]:
        """What the roster should be."""
        return {
            agent: (each["incarnation"], each["status"], each["max_tasks"])
            for agent, each in self.agents.items()
        }

    def happen(self, kind: str, agent: str) -> dict[str, Any] | None:
        """Let something happen to an agent; returns the notice, or None where it cannot happen."""
        known = self.agents.get(agent)
        if known is None and kind != "registered":
            return None
        revision = len(self.changes) + 1
        record: dict[str, Any] | None = None
        if kind == "registered":
            self._incarnations[agent] = self._incarnations.get(agent, 0) + 1
            record = {"status": "online", "max_tasks": 1}
        elif kind == "updated":
            assert known is not None
            record = {"status": known["status"], "max_tasks": known["max_tasks"] + 1}
        incarnation = self._incarnations[agent]
        if record is not None:
            record |= {"agent": agent, "incarnation": incarnation, "revision": revision, "load": 0.0}
            record |= {"capabilities": [{"name": "python", "version": "3.12.0"}], "labels": {}}
            self.agents[agent] = record
        elif kind in ("deregistered", "expired"):
            del self.agents[agent]
        else:
            assert known is not None
            self.agents[agent] = known | {"status": kind, "revision": revision}
        change = {
            "revision": revision,
            "at_ms": 0,
            "kind": kind,
            "agent": agent,
            "incarnation": incarnation,
            "record": record,
        }
        self.changes.append(change)
        return change

    async def tell(self, change: dict[str, Any] | None) -> None:
        """Send the notice of a change."""
        if change is not None:
            subject = Subjects().event("registry", change["kind"], change["agent"])
            await self.bus.publish(subject, to_json(change))

    async def _answer(self, delivery: Delivery) -> None:
        verb = delivery.subject.split(".")[3]
        self.asked.append(verb)
        request = json.loads(delivery.payload or b"{}")
        try:
            body = to_json(self._watch(request) if verb == "watch" else self._changes(request))
            headers = {}
        except RejectedError as error:
            body, headers = to_json(ErrorBody.of(error)), {HEADER_ERROR_CODE: error.code}
        await self.bus.publish(delivery.reply_to, body, headers=headers)

    def _watch(self, request: dict[str, Any]) -> dict[str, Any]:
        following = sorted(agent for agent in self.agents if agent > request.get("after", ""))
        page = following[: min(self._page_size, request.get("limit", 1000))]
        reply = {
            "agents": [self.agents[agent] for agent in page],
            "next": page[-1] if len(page) < len(following) else "",
            "revision": len(self.changes),
        }
        if self.between_pages:
            self.happen(*self.between_pages.pop(0))
        return reply

    def _changes(self, request: dict[str, Any]) -> dict[str, Any]:
        after = request["after_revision"]
        if after < self.forgotten or after > len(self.changes):
            raise RejectedError("revision_compacted", "too long ago")
        return {"changes": self.changes[after : after + self._page_size], "revision": len(self.changes)}
