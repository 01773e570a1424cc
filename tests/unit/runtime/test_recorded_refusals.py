"""A refusal may leave a record: it is durable before the caller hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter

from coordination.runtime.clock import SystemClock
from coordination.runtime.errors import RejectedError
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.model import NOTHING, Notice, Outcome, Push, Rejected


@dataclass(frozen=True, slots=True, kw_only=True)
class KnockRefused:
    who: str


class Door:
    event_types: ClassVar[tuple[type, ...]] = (KnockRefused,)

    def __init__(self) -> None:
        self.refused: list[str] = []

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:  # noqa: ARG002
        return Rejected(code="closed", message="not today", events=(KnockRefused(who=command),))

    def apply(self, event: KnockRefused) -> None:
        self.refused.append(event.who)

    def next_deadline_ms(self) -> int | None:
        return None

    def tick(self, now_ms: int) -> Outcome:  # noqa: ARG002
        return NOTHING

    def snapshot(self) -> list[str]:
        return self.refused

    def restore(self, state: list[str]) -> None:
        self.refused = state


async def _ignore(_: Sequence[Push | Notice]) -> None: ...


def _host(journal: MemoryStream) -> Host[Door]:
    return Host(
        name="door.0",
        make_model=Door,
        journal=Journal(MemoryStore(journal)),
        clock=SystemClock(),
        deliver=_ignore,
    )


async def test_a_recorded_refusal_survives_a_restart() -> None:
    journal = MemoryStream()
    async with asyncio.TaskGroup() as group:
        host = _host(journal)
        group.create_task(host.run())
        await host.leading.wait()
        with pytest.raises(RejectedError, match="closed"):
            await host.command(lambda model, now_ms: model.decide("ada", now_ms), reply_type=TypeAdapter(Any))
        assert b"KnockRefused" in journal.payloads[-1]
        host.stop()
    async with asyncio.TaskGroup() as group:
        again = _host(journal)
        group.create_task(again.run())
        await again.leading.wait()
        again.stop()
    assert again.model.refused == ["ada"]
