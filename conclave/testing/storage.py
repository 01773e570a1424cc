"""What the services of a `MemoryMesh` keep outside their journals: shared knowledge and artifacts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from coordination.artifacts.uploads import Upload
from knowledge.changes import PublishedChange, message_id
from knowledge.limits import MAX_CHANGES_PAGE_BYTES


class MemoryChanges:
    """The in-memory twin of `knowledge.changes.JetStreamChanges`: what it took is there at once."""

    def __init__(self) -> None:
        self._changes: list[PublishedChange] = []
        self._known: set[str] = set()
        self._arrived = asyncio.Event()

    async def open(self) -> None:
        """See `knowledge.service.OwnStream.open`."""

    async def publish(self, topic: str, agent: str, content: bytes) -> None:
        """See `knowledge.changes.ChangeStream.publish`."""
        name = message_id(topic, agent, content)
        if name in self._known:
            return
        self._known.add(name)
        sequence = len(self._changes) + 1
        self._changes.append(PublishedChange(sequence=sequence, topic=topic, signer=agent, content=content))
        arrived, self._arrived = self._arrived, asyncio.Event()
        arrived.set()

    async def last_sequence(self) -> int:
        """See `knowledge.changes.ChangeStream.last_sequence`."""
        return len(self._changes)

    async def follow(self) -> AsyncGenerator[Sequence[PublishedChange], None]:
        """See `knowledge.changes.ChangeStream.follow`."""
        after = 0
        while True:
            batch = self._changes[after:]
            if batch:
                after += len(batch)
                yield batch
            else:
                await self._arrived.wait()

    async def read(self, after: int, limit: int) -> list[PublishedChange]:
        """See `knowledge.feed.ReadableStream.read`."""
        found: list[PublishedChange] = []
        size_bytes = 0
        for change in self._changes[after : after + limit]:
            if size_bytes >= MAX_CHANGES_PAGE_BYTES:
                break
            found.append(change)
            size_bytes += len(change.content)
        return found


class MemoryArtifacts:
    """A `coordination.artifacts.store.Store` that keeps everything as long as it lives."""

    def __init__(self) -> None:
        self._artifacts: dict[str, bytes] = {}
        self._chunks: dict[Upload, dict[int, bytes]] = {}

    async def size_bytes(self, sha256: str) -> int | None:
        """See `Store.size_bytes`."""
        return len(self._artifacts[sha256]) if sha256 in self._artifacts else None

    async def read(self, sha256: str) -> bytes | None:
        """See `Store.read`."""
        return self._artifacts.get(sha256)

    async def write(self, sha256: str, content: bytes) -> None:
        """See `Store.write`."""
        self._artifacts[sha256] = content

    async def used_bytes(self) -> int:
        """See `Store.used_bytes`."""
        return sum(map(len, self._artifacts.values()))

    async def stage(self, upload: Upload, index: int, content: bytes) -> None:
        """See `Store.stage`."""
        self._chunks.setdefault(upload, {})[index] = content

    async def staged(self, upload: Upload) -> dict[int, bytes]:
        """See `Store.staged`."""
        return dict(self._chunks.get(upload, {}))

    async def drop(self, upload: Upload) -> None:
        """See `Store.drop`."""
        self._chunks.pop(upload, None)
