"""A large artifact takes its time: whoever brings it waits for as long as its size asks."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from conclave.commands.access import Access
from conclave.commands.reach import _saying_what_is_missing
from conclave.testing import MemoryMesh
from coordination.artifacts.client import ArtifactsClient, ArtifactStoreError
from coordination.runtime.bus import Bus, Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import UnavailableError
from coordination.runtime.names import Subjects
from tests.support.virtual import pass_time

HASTE_S = 1.0
"""Less patience than a commit takes."""
LARGE = bytes(5 * 1024 * 1024)


class SlowStoreBus:
    """A connection on which one endpoint of the artifact store does not answer for some time.

    Args:
        bus: Answers everything else.
        endpoint: Part of the subjects that are not answered.
        silent_s: For how long, from the first request of them on; None for ever.
    """

    def __init__(self, bus: Bus, endpoint: str, silent_s: float | None) -> None:
        self._bus = bus
        self._endpoint = endpoint
        self._silent_s = silent_s
        self._since_s: float | None = None

    async def request(self, subject: str, payload: bytes, *, timeout_s: float, **more: Any) -> Delivery:
        now_s = asyncio.get_running_loop().time()
        if self._endpoint in subject:
            self._since_s = now_s if self._since_s is None else self._since_s
            if self._silent_s is None or now_s < self._since_s + self._silent_s:
                await pass_time(timeout_s)
                raise UnavailableError(f"no answer on {subject} within {timeout_s:g} s")
        return await self._bus.request(subject, payload, timeout_s=timeout_s, **more)


def client(bus: Bus, endpoint: str, silent_s: float | None) -> ArtifactsClient:
    slow = cast("Bus", SlowStoreBus(bus, endpoint, silent_s))
    return ArtifactsClient(Caller(slow, agent="ada", patience_s=HASTE_S))


async def test_an_upload_is_waited_for_longer_than_anything_else(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("ada") as ada:
        digest = await client(ada.bus, "artifacts.commit", 12).put(LARGE)
        assert await ada.artifacts.get(digest) == LARGE


async def test_an_upload_that_nobody_takes_up_is_given_up_as_soon_as_anything_else(
    memory_mesh: MemoryMesh,
) -> None:
    loop = asyncio.get_running_loop()
    async with memory_mesh.connect("ada") as ada:
        started_s = loop.time()
        with pytest.raises(
            ArtifactStoreError, match=f"^the upload of {len(LARGE)} bytes to the artifact store"
        ):
            await client(ada.bus, "artifacts.put", None).put(LARGE)
        assert loop.time() - started_s < 2 * HASTE_S


async def test_the_command_line_names_the_upload_and_how_to_wait_longer(memory_mesh: MemoryMesh) -> None:
    access = Access(
        url="nats://here:1", credentials=None, subjects=Subjects(), agent="ada", timeout_s=HASTE_S
    )
    async with memory_mesh.connect("ada") as ada:
        with (
            pytest.raises(UnavailableError) as failed,
            _saying_what_is_missing(access, "nats://here:1", "tasks"),
        ):
            await client(ada.bus, "artifacts.commit", None).put(LARGE)
    said = str(failed.value)
    assert said.startswith(
        f"the upload of {len(LARGE)} bytes to the artifact store was not finished: no answer"
    )
    assert "--timeout SECONDS (now 1)" in said
    assert "task service" not in said


async def test_what_cannot_be_fetched_is_named(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("ada") as ada:
        digest = await ada.artifacts.put(b"small")
        with pytest.raises(ArtifactStoreError, match=f"^artifact {digest} was not fetched"):
            await client(ada.bus, "artifacts.get", None).get(digest)
