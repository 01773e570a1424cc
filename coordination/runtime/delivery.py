"""One message as it arrived, and who hears it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})


class Delivery:
    """One message as it arrived; treat as immutable.

    Not a frozen dataclass: that takes four times as long to make, and one is made for every message.

    Attributes:
        subject: Where it was sent.
        payload: The body.
        reply_to: Where an answer goes; empty when the sender wants none.
        headers: Names and values.
    """

    __slots__ = ("headers", "payload", "reply_to", "subject")

    def __init__(
        self, *, subject: str, payload: bytes, reply_to: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        self.subject = subject
        self.payload = payload
        self.reply_to = reply_to
        self.headers = headers

    def __repr__(self) -> str:
        # No payload and no header values: they hold secrets, and this ends up in logs.
        return f"Delivery(subject={self.subject!r}, {len(self.payload)} bytes, reply_to={self.reply_to!r})"


Handler = Callable[[Delivery], Awaitable[None]]
Listener = Callable[[Delivery], None]
