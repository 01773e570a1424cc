"""The seam between an agent and the kinds of things it takes part in.

A new kind is one file: a `Part` that keeps the handlers and subscribes when the agent joins, and a decorator
that fills it through `Agent.part`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from conclave.agent.duty import Duty
from coordination.registry.wire import Capability


class Part(ABC):
    """What an agent does about one kind of push: its handlers, and how they are called.

    A part is made without arguments and filled by decorators. It keeps nothing of a run: the same agent may
    join again, or twice.
    """

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """What the agent can do because of its handlers; registered with it."""
        return ()

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols of others that the agent speaks because of its handlers; registered with it."""
        return ()

    @abstractmethod
    async def begin(self, duty: Duty) -> None:
        """Take part from now on: subscribe through `duty`, and run what comes through it."""
