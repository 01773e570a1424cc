"""The change stream as an agent reaches it: through the knowledge service.

An agent's credential lets it call services and hear events, and nothing of JetStream: notices bring small
changes as they come, and whatever a notice does not bring, or who missed one, is asked for.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from pydantic import ValidationError

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import PeerProtocolError, RejectedError, UnavailableError
from coordination.runtime.logs import get_logger
from knowledge import wire
from knowledge.changes import PublishedChange
from knowledge.limits import MAX_CHANGES_PAGE, MAX_HEARD_BYTES

_SERVICE: Final = "knowledge"
_RETRY_S: Final = 0.25
POLL_S: Final = 10.0
"""How long without any notice before the service is asked: only a lost last notice waits that long."""
_log = get_logger(__name__)


class ServedChanges:
    """The change stream of one space, for an agent.

    Args:
        caller: The agent's way to the services.
        space: Which space; the service must keep it.
        poll_s: How long without any notice before the service is asked.
    """

    def __init__(self, caller: Caller, *, space: str = wire.DEFAULT_SPACE, poll_s: float = POLL_S) -> None:
        self._caller = caller
        self._bus = caller.bus
        self._subjects = caller.subjects
        self._space = space
        self._poll_s = poll_s

    async def publish(self, topic: str, agent: str, content: bytes) -> None:
        """See `knowledge.changes.ChangeStream.publish`.

        Raises:
            RejectedError: ``unknown_space``, or the change is larger than a request may be.
        """
        assert agent == self._caller.agent, f"{self._caller.agent} cannot publish as {agent}"
        request = wire.PublishRequest(space=self._space, topic=topic, content=content)
        await self._caller.query(_SERVICE, "publish", request, wire.PublishReply)

    async def last_sequence(self) -> int:
        """See `knowledge.changes.ChangeStream.last_sequence`.

        Raises:
            RejectedError: ``unknown_space``.
        """
        return (await self._ask(after=0, limit=0)).last_sequence

    async def follow(self) -> AsyncGenerator[Sequence[PublishedChange], None]:
        """See `knowledge.changes.ChangeStream.follow`; survives restarts of the service, too.

        Raises:
            RejectedError: ``unknown_space``.
            PeerProtocolError: The service's answers are not what the contract says.
        """
        heard = Heard(self._space)
        subject = self._subjects.event(_SERVICE, wire.CHANGED, "*")
        subscription = await self._bus.subscribe(subject, heard.hear)
        try:
            after, is_behind = 0, True
            while True:
                if is_behind:
                    changes, is_behind = await self._next_page(after)
                else:
                    told = await heard.following(after, timeout_s=self._poll_s)
                    changes, is_behind = told or [], told is None
                if changes:
                    after = changes[-1].sequence
                    yield changes
        finally:
            await subscription.unsubscribe()

    async def _next_page(self, after: int) -> tuple[list[PublishedChange], bool]:
        """The changes after `after`, and whether to ask again at once."""
        try:
            page = await self._ask(after=after, limit=MAX_CHANGES_PAGE)
        except (UnavailableError, RejectedError) as error:
            if isinstance(error, RejectedError) and not error.retryable:
                raise
            _log.info("knowledge is away, asking again", after=after, error=str(error)[:200])
            await asyncio.sleep(_RETRY_S)
            return [], True
        changes = [_change(body) for body in page.changes]
        last = after
        for change in changes:
            if change.sequence <= last:
                raise PeerProtocolError(f"changes out of order: {change.sequence} after {last}")
            last = change.sequence
        # An empty page is the end, whatever the last sequence says: changes may have been removed.
        return changes, bool(changes) and last < page.last_sequence

    async def _ask(self, *, after: int, limit: int) -> wire.ChangesReply:
        request = wire.ChangesRequest(space=self._space, after=after, limit=limit)
        return await self._caller.query(_SERVICE, "changes", request, wire.ChangesReply)


class Heard:
    """Notices of one space that arrived and were not used yet; bounded in bytes."""

    def __init__(self, space: str, *, max_bytes: int = MAX_HEARD_BYTES) -> None:
        self._space = space
        self._max_bytes = max_bytes
        self._waiting: deque[tuple[wire.ChangedNotice, int]] = deque()
        self._size_bytes = 0
        self._has_lost = False
        self._arrived = asyncio.Event()

    async def hear(self, delivery: Delivery) -> None:
        """Keep a notice, or the knowledge that one was lost."""
        try:
            notice = wire.ChangedNotice.model_validate_json(delivery.payload)
        except ValidationError:
            notice = None
        if notice is not None and notice.space != self._space:
            return
        self._arrived.set()
        if notice is None or self._size_bytes + len(delivery.payload) > self._max_bytes:
            self._has_lost = True
            self._waiting.clear()
            self._size_bytes = 0
            return
        self._waiting.append((notice, len(delivery.payload)))
        self._size_bytes += len(delivery.payload)

    async def following(self, after: int, *, timeout_s: float) -> list[PublishedChange] | None:
        """The changes that follow `after` without a gap, or None if they must be asked for.

        That is so when a notice did not bring them, when one before it is missing, and when there was none
        for `timeout_s`.
        """
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + timeout_s
        while True:
            found, is_missing = self._take(after)
            if is_missing:
                return None
            if found:
                return found
            self._arrived.clear()
            try:
                async with asyncio.timeout_at(give_up_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None

    def _take(self, after: int) -> tuple[list[PublishedChange], bool]:
        """The changes in all notices that follow on `after`, and whether one is missing at once."""
        found: list[PublishedChange] = []
        if self._has_lost:
            self._has_lost = False
            return found, True
        while self._waiting:
            notice, _ = self._waiting[0]
            if notice.last_sequence > after and (notice.after > after or not notice.changes):
                if not found:
                    # What is asked for reaches to the end of this notice at least.
                    self._drop_first()
                return found, not found
            self._drop_first()
            changes = [_change(body) for body in notice.changes if body.sequence > after]
            if changes:
                found += changes
                after = changes[-1].sequence
        return found, False

    def _drop_first(self) -> None:
        _, size_bytes = self._waiting.popleft()
        self._size_bytes -= size_bytes


def _change(body: wire.ChangeBody) -> PublishedChange:
    return PublishedChange(sequence=body.sequence, topic=body.topic, signer=body.signer, content=body.content)
