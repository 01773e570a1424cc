"""Agents as the registry would tell of them, without a registry."""

from __future__ import annotations

from typing import Any

from coordination.registry.wire import AgentRecord, Change

NOW_MS = 1_800_000_000_000


def record(agent: str, **given: Any) -> AgentRecord:
    """An agent that is online and was heard just now, unless `given` says otherwise."""
    fields = {
        "agent": agent,
        "incarnation": 1,
        "status": "online",
        "capabilities": (),
        "labels": {},
        "max_tasks": 1,
        "description": "",
        "registered_at_ms": NOW_MS - 60_000,
        "status_since_ms": NOW_MS - 60_000,
        "last_heard_ms": NOW_MS,
        **given,
    }
    return AgentRecord.model_validate(fields)


def change(revision: int, kind: str, agent: str, **given: Any) -> Change:
    """A change of `agent`'s first incarnation, unless `given` says otherwise."""
    fields = {
        "revision": revision,
        "at_ms": NOW_MS + revision * 1000,
        "kind": kind,
        "agent": agent,
        "incarnation": 1,
        **given,
    }
    return Change.model_validate(fields)


def able(*capabilities: str) -> list[dict[str, str]]:
    """Capabilities written as ``name@version``."""
    return [dict(zip(("name", "version"), each.split("@"), strict=True)) for each in capabilities]
