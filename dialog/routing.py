"""Who gets a message. Pure: the same message and participants give the same recipients.

Two ways so far: to the named agents (direct), or to all participants but the sender (broadcast).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol


class Addressed(Protocol):
    """What routing needs to know of a message."""

    @property
    def sender(self) -> str:
        """Agent id of who says it."""

    @property
    def to(self) -> tuple[str, ...]:
        """Agents it is addressed to; empty means all participants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a message goes."""

    recipients: tuple[str, ...]
    """Without repetition; order of `to`, or of the participants."""
    strangers: tuple[str, ...] = ()
    """Addressed agents that do not participate; a message with any goes nowhere."""


def route(message: Addressed, participants: Collection[str]) -> Route:
    """Decide who gets `message`.

    A direct message goes exactly to the agents it names, the sender included if named; one without
    addressees goes to everybody but its sender.

    Args:
        message: What is said, by a participant.
        participants: Agent ids in a fixed order.
    """
    if not message.to:
        return Route(recipients=tuple(agent for agent in participants if agent != message.sender))
    addressed = tuple(dict.fromkeys(message.to))
    strangers = tuple(agent for agent in addressed if agent not in participants)
    return Route(recipients=() if strangers else addressed, strangers=strangers)
