"""What a service is to the kernel: a name, endpoints, and the model behind them.

A room's ``service.py`` says which request becomes which command; serving (`coordination.runtime.
server`) is the same for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from coordination.runtime.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Who calls, as authenticated by the subject."""

    caller: str
    """Agent id: the last token of the request's subject."""
    fresh_id: str
    """A new random id; what the pure core uses where it needs one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One verb of a service."""

    verb: str
    description: str
    """One sentence; shown by ``nats micro info``, which skips services without it."""
    request: type[BaseModel]
    reply: type[BaseModel]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Endpoint):
    """Changes state: becomes a command of the model."""

    build: Callable[[Call, Any], Any]
    """(call, request) -> the model's command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Endpoint):
    """Reads state."""

    answer: Callable[[Any, Call, Any, int], Any]
    """(model, call, request, now_ms) -> the reply, or an object with its attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action(Endpoint):
    """Does its work outside a journal model (knowledge replicas)."""

    act: Callable[[Call, Any], Awaitable[Any]]
    """(call, request) -> the reply, or an object with its attributes."""
    changes: bool = False
    """Whether a command id counts: a retry then gets the first answer while this process lives. Beyond
    that, what `act` does must be idempotent by its content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDefinition:
    """A service as the kernel serves it.

    Raises:
        AssertionError: Endpoints need a model that the definition lacks (our mistake).
    """

    name: str
    """One subject token: ``registry``."""
    version: str
    """Semantic version, for ``$SRV`` discovery."""
    description: str
    endpoints: tuple[Endpoint, ...]
    model: Callable[[], Model] | None = None
    """Makes the model in its initial state; None for a service without a journal."""
    companions: tuple[Callable[[Any], Coroutine[Any, Any, None]], ...] = ()
    """Long-running work beside the endpoints (heartbeats, allocation); called with the host."""

    def __post_init__(self) -> None:
        """Refuse endpoints that could never be served."""
        verbs = [endpoint.verb for endpoint in self.endpoints]
        assert len(set(verbs)) == len(verbs), f"{self.name}: two endpoints with one verb"
        journaled = any(isinstance(endpoint, (Command, Query)) for endpoint in self.endpoints)
        assert self.model is not None or not journaled, f"{self.name}: commands need a model"
