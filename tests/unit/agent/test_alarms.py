"""Alarms: what is not taken back rings, once, in time."""

from __future__ import annotations

import asyncio
from functools import partial

from conclave.agent.alarms import Alarms
from tests.support.virtual import pass_time


async def test_what_was_not_taken_back_rings_once_in_time(memory_mesh: object) -> None:
    del memory_mesh  # for its virtual time
    loop, alarms, heard = asyncio.get_running_loop(), Alarms(), list[tuple[str, float]]()
    began_s = loop.time()

    def ring(name: str) -> None:
        heard.append((name, round(loop.time() - began_s, 3)))

    rings = {name: partial(ring, name) for name in ("short", "gone", "long", "later")}
    alarms.set(rings["short"], began_s, 1)
    alarms.set(rings["gone"], began_s, 1)
    alarms.set(rings["long"], began_s, 5)
    await pass_time(0.5)
    alarms.set(rings["later"], loop.time(), 1)
    for _ in range(2):
        alarms.take_back(rings["gone"], 1)
    alarms.take_back(rings["gone"], 7)
    await pass_time(10)
    assert heard == [("short", 1.0), ("later", 1.5), ("long", 5.0)]


async def test_an_alarm_may_be_set_again_by_what_it_rings(memory_mesh: object) -> None:
    del memory_mesh
    loop, alarms, heard = asyncio.get_running_loop(), Alarms(), list[float]()
    began_s = loop.time()

    def ring() -> None:
        heard.append(round(loop.time() - began_s, 3))
        if len(heard) < 3:
            alarms.set(ring, loop.time(), 2)

    alarms.set(ring, began_s, 2)
    await pass_time(100)
    assert heard == [2.0, 4.0, 6.0]


async def test_when_all_were_taken_back_nothing_is_kept(memory_mesh: object) -> None:
    del memory_mesh
    loop, alarms, heard = asyncio.get_running_loop(), Alarms(), list[int]()
    rings = [partial(heard.append, number) for number in range(100)]
    for ring in rings:
        alarms.set(ring, loop.time(), 3)
    for ring in rings:
        alarms.take_back(ring, 3)
    await pass_time(10)
    alarms.set(rings[0], loop.time(), 3)
    await pass_time(10)
    assert heard == [0]
