"""Sends what a service has to say once it is durable: pushes to agents, notices to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from coordination.runtime.bundles import Bundle, bundled
from coordination.runtime.bus import Bus
from coordination.runtime.carrying import carriable
from coordination.runtime.errors import UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.limits import CARRIED_TAKER_S, MAX_CARRIED_BYTES, TAKER_S
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Notice, Push
from coordination.runtime.names import Subjects
from coordination.runtime.store import Carried
from coordination.runtime.takers import Takers
from coordination.runtime.wire import to_json

_log = get_logger(__name__)


class Outbox:
    """The messages of one service.

    Args:
        service: Whose notices.
        bus: Where they go.
        subjects: The deployment's subjects.
        compact_kinds: Kinds of push of which several may go in one message, or one with its record, to agents
            that take every form.
    """

    def __init__(
        self, service: str, *, bus: Bus, subjects: Subjects, compact_kinds: frozenset[str] = frozenset()
    ) -> None:
        self.takers = Takers()
        """The agents that get several of those pushes in one message."""
        self._service = service
        self._bus = bus
        self._subjects = subjects
        self._kinds = compact_kinds

    def prepared(self, messages: Sequence[Push | Notice]) -> list[tuple[str, bytes]]:
        """Subject and payload of what is to be sent of the messages of one record, in order.

        One that cannot be written is logged, and the others go.
        """
        given: Sequence[Push | Notice | Bundle] = messages
        if len(messages) > 1 and self.takers:
            self.takers.forget(asyncio.get_running_loop().time() - TAKER_S)
            given = bundled(messages, kinds=self._kinds, takers=self.takers)
        written: list[tuple[str, bytes]] = []
        for message in given:
            try:
                subject = subject_of(message, self._service, self._subjects)
                payload = message.payload if isinstance(message, Bundle) else to_json(message.body)
                written.append((subject, payload))
            except Exception:  # noqa: BLE001 - what it rests on becomes durable: the others must hear of it
                log_failure(_log, "push failed", service=self._service)
        return written

    def carried(self, messages: Sequence[Push | Notice]) -> tuple[Push, Carried] | None:
        """What of the messages of one record that record may carry, and how; None for nothing."""
        if not self.takers:
            return None
        push = carriable(messages, kinds=self._kinds, takers=self.takers)
        since_s = asyncio.get_running_loop().time() - CARRIED_TAKER_S
        if push is None or not self.takers.said_since(push.agent, since_s):
            return None
        try:
            body = to_json(push.body)
        except ValueError:
            return None  # whoever sends it by itself says so
        return (push, Carried(push.agent, push.kind, body)) if len(body) <= MAX_CARRIED_BYTES else None

    async def send(self, written: Sequence[tuple[str, bytes]]) -> None:
        """Send what was prepared; what cannot be sent is logged, and the others go."""
        for subject, payload in written:
            try:
                await self._bus.publish(subject, payload)
            except UnavailableError as error:
                _log.warning("push not sent", service=self._service, error=str(error))
            except Exception:  # noqa: BLE001 - as above
                log_failure(_log, "push failed", service=self._service)


def subject_of(message: Push | Notice | Bundle, service: str, subjects: Subjects) -> str:
    """Where a message of `service` goes."""
    if isinstance(message, Notice):
        return subjects.event(service, message.event, message.aggregate)
    return subjects.inbox(message.agent, message.kind)
