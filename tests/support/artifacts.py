"""An artifact store in dictionaries, and the service over it or over the real one."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator

from coordination.artifacts.uploads import Upload
from coordination.runtime.errors import UnavailableError
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import ServiceDefinition


class MemoryStore:
    """`coordination.artifacts.store.Store` in the hands of a test."""

    def __init__(self) -> None:
        self.artifacts: dict[str, bytes] = {}
        self.chunks: dict[Upload, dict[int, bytes]] = {}
        self.reads_count = 0
        self.is_away = False

    async def size_bytes(self, sha256: str) -> int | None:
        self._require()
        return len(self.artifacts[sha256]) if sha256 in self.artifacts else None

    async def read(self, sha256: str) -> bytes | None:
        self._require()
        self.reads_count += 1
        await asyncio.sleep(0)
        return self.artifacts.get(sha256)

    async def write(self, sha256: str, content: bytes) -> None:
        self._require()
        await asyncio.sleep(0)
        self.artifacts[sha256] = content

    async def used_bytes(self) -> int:
        return sum(map(len, self.artifacts.values()))

    async def stage(self, upload: Upload, index: int, content: bytes) -> None:
        self._require()
        self.chunks.setdefault(upload, {})[index] = content

    async def staged(self, upload: Upload) -> dict[int, bytes]:
        self._require()
        return dict(self.chunks.get(upload, {}))

    async def drop(self, upload: Upload) -> None:
        self._require()
        self.chunks.pop(upload, None)

    def _require(self) -> None:
        if self.is_away:
            raise UnavailableError("the store is away")


def content_of(size_bytes: int, seed: int = 0) -> tuple[str, bytes]:
    """Digest and bytes of an artifact that no other seed or size gives."""
    content = random.Random(f"{seed}.{size_bytes}").randbytes(size_bytes)
    return hashlib.sha256(content).hexdigest(), content


@contextlib.asynccontextmanager
async def running(definition: ServiceDefinition, shell: Shell) -> AsyncIterator[None]:
    """Serve a definition that has no model for the length of the block."""
    runner = Runner(definition, shell=shell)
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        try:
            async with asyncio.timeout(10):
                await runner.ready.wait()
            yield
        finally:
            runner.stop()
