"""Handlers for tasks and for calls for proposals, with the binding of their payload."""

from __future__ import annotations

from conclave.agent.binding import Binding
from conclave.agent.handler import Handler


class TaskHandler:
    """A handler for tasks.

    Args:
        handler: The function.
        requires_approval: It refuses what no vote has approved.
        is_eager: It begins on the offer, before the lease is confirmed.
    """

    def __init__(self, handler: Handler, *, requires_approval: bool = False, is_eager: bool = False) -> None:
        self.handler = handler
        self.requires_approval = requires_approval
        self.is_eager = is_eager
        self.binding: Binding = Binding(handler.signature)
        self.takes_context: bool = bool(handler.signature.contexts)


class BidHandler:
    """A handler for calls for proposals; it may do with a part of the payload."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.binding: Binding = Binding(handler.signature, takes_all=False)
