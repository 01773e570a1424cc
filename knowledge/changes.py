"""The change stream: every change of a space, in one JetStream stream. It is the truth of the room.

Subject ``<prefix>.change.<space>.<topic>.<agent>``: the last token is the authenticated writer. The
message id (`message_id`) is the change's hash, so that a repeated publish stores nothing twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import nats.errors
import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, DiscardPolicy, StorageType, StreamConfig

from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.concurrency import raise_if_cancelled
from coordination.runtime.errors import UnavailableError
from coordination.runtime.limits import DUPLICATE_WINDOW_S
from coordination.runtime.logs import get_logger
from coordination.runtime.names import Subjects
from knowledge.artifact import needs_approval
from knowledge.limits import MAX_CHANGE_BYTES, MAX_CHANGES_PAGE_BYTES
from knowledge.pull import Pull, pulling
from knowledge.wire import DEFAULT_SPACE

_PUBLISH_TIMEOUT_S: Final = 2.0
_PUBLISH_PATIENCE_S: Final = 15.0
"""How long a change is published again, under one message id, while the server does not confirm it."""
_RETRY_S: Final = 0.25
_CONSUMER_IDLE_S: Final = 30.0
_MAX_HEADER_BYTES: Final = 4096
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedChange:
    """One change as the stream holds it."""

    sequence: int
    topic: str
    signer: str
    """Agent id the server let publish it."""
    content: bytes


def message_id(topic: str, agent: str, content: bytes) -> str:
    """Under which a change is published: JetStream drops a second message with the same one.

    It is the change's hash. What is up for approval, though, is known to others before its author publishes
    it: for topics that take only approved changes topic and author are hashed, too, so that nobody can have
    it dropped there by publishing the same bytes elsewhere first.
    """
    where = f"{topic}/{agent}/".encode() if needs_approval(topic) else b""
    return hashlib.sha256(where + content).hexdigest()


class ChangeStream(Protocol):
    """Where the replicas of one space exchange changes."""

    async def publish(self, topic: str, agent: str, content: bytes) -> None:
        """Store a change of `agent`; returns when it is durable. Idempotent.

        Raises:
            UnavailableError: It is not known to be stored; publish it again.
        """
        ...

    async def last_sequence(self) -> int:
        """Sequence of the newest change of any topic; 0 while there is none."""
        ...

    def follow(self) -> AsyncGenerator[Sequence[PublishedChange], None]:
        """Every change from the first on, then each new one, for ever; survives server restarts."""
        ...


class JetStreamChanges:
    """The change stream of one space on JetStream.

    Args:
        bus: A connection with access to the stream.
        subjects: The deployment's subjects.
        space: One subject token; separates groups of agents that share knowledge.
    """

    def __init__(self, bus: NatsBus, subjects: Subjects, *, space: str = DEFAULT_SPACE) -> None:
        self._bus = bus
        self._subjects = subjects
        self._space = space
        self._stream = f"{subjects.prefix}-changes-{space}"

    @property
    def _js(self) -> JetStreamContext:
        """For one use: the bus goes on with another client when the connection was lost."""
        return self._bus.jetstream()

    async def open(self) -> None:
        """Create the stream if it is not there.

        Raises:
            UnavailableError: JetStream does not answer.
        """
        config = StreamConfig(
            name=self._stream,
            subjects=[self._subjects.change(self._space, "*", "*")],
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            max_msg_size=MAX_CHANGE_BYTES + _MAX_HEADER_BYTES,
            duplicate_window=DUPLICATE_WINDOW_S,
        )
        try:
            await self._js.add_stream(config)
        except nats.js.errors.BadRequestError:
            await self._js.stream_info(self._stream)  # it exists with other settings, an operator's choice
        except (nats.errors.Error, TimeoutError):
            raise UnavailableError(f"stream {self._stream} cannot be opened") from None

    async def publish(self, topic: str, agent: str, content: bytes) -> None:
        """See `ChangeStream.publish`."""
        subject = self._subjects.change(self._space, topic, agent)
        name = message_id(topic, agent, content)
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + _PUBLISH_PATIENCE_S
        while True:
            try:
                # nats-py writes into the headers it is given, so each attempt has its own.
                headers = {"Nats-Msg-Id": name}
                await self._js.publish(subject, content, timeout=_PUBLISH_TIMEOUT_S, headers=headers)
            except (nats.errors.Error, TimeoutError, OSError) as error:
                if loop.time() >= give_up_s:
                    reason = type(error).__name__
                    raise UnavailableError(f"change of {topic} not confirmed ({reason})") from None
            else:
                return
            raise_if_cancelled()
            await asyncio.sleep(_RETRY_S)

    async def last_sequence(self) -> int:
        """See `ChangeStream.last_sequence`."""
        try:
            last_sequence = int((await self._js.stream_info(self._stream)).state.last_seq)
        except (nats.errors.Error, TimeoutError):
            raise UnavailableError(f"stream {self._stream} does not answer") from None
        raise_if_cancelled()
        return last_sequence

    async def follow(self) -> AsyncGenerator[Sequence[PublishedChange], None]:
        """See `ChangeStream.follow`."""
        after = 0
        while True:
            try:
                async with self._consumer(after) as (pull, _):
                    while True:
                        batch = [_read(*each) for each in await pull.batch()]
                        after = batch[-1].sequence
                        yield batch
            except (nats.errors.Error, UnavailableError, TimeoutError, OSError) as error:
                # Server restart, consumer gone: a new consumer goes on after the last change seen.
                _log.info("following again", stream=self._stream, after=after, error=type(error).__name__)
                await asyncio.sleep(_RETRY_S)

    async def read(self, after: int, limit: int) -> list[PublishedChange]:
        """At most `limit` changes after sequence `after`, in order; none if there are none yet.

        Stops earlier when it has `MAX_CHANGES_PAGE_BYTES`. Leaves no consumer behind.

        Raises:
            UnavailableError: The stream does not answer.
        """
        found: list[PublishedChange] = []
        size_bytes = 0
        try:
            async with self._consumer(after) as (pull, pending_count):
                wanted = min(limit, pending_count)
                while len(found) < wanted and size_bytes < MAX_CHANGES_PAGE_BYTES:
                    batch = [_read(*each) for each in await pull.batch()]
                    found += batch
                    size_bytes += sum(len(change.content) for change in batch)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            reason = type(error).__name__
            raise UnavailableError(f"stream {self._stream} cannot be read ({reason})") from None
        return found[:limit]

    @contextlib.asynccontextmanager
    async def _consumer(self, after: int) -> AsyncGenerator[tuple[Pull, int], None]:
        """A short-lived consumer after sequence `after`, and how much is there for it."""
        # Named by us, so that it can be removed even if we are cancelled while it is being made.
        name = secrets.token_hex(8)
        config = ConsumerConfig(
            name=name,
            ack_policy=AckPolicy.NONE,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=after + 1,
            inactive_threshold=_CONSUMER_IDLE_S,
            mem_storage=True,  # a restarted server need not recover what nobody will ask for again
        )
        try:
            info = await self._js.add_consumer(self._stream, config)
            raise_if_cancelled()
            async with pulling(self._bus, stream=self._stream, consumer=name) as pull:
                yield pull, info.num_pending or 0
        finally:
            # One that cannot be reached now removes itself when it has been idle for a while.
            with contextlib.suppress(nats.errors.Error, TimeoutError):
                await self._js.delete_consumer(self._stream, name)


def _read(sequence: int, delivery: Delivery) -> PublishedChange:
    *_, topic, signer = delivery.subject.split(".")
    return PublishedChange(sequence=sequence, topic=topic, signer=signer, content=delivery.payload)
