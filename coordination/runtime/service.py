"""What a service is to the kernel: a name, endpoints, and the model behind them.

A room's ``service.py`` says which request becomes which command; serving (`coordination.runtime.
server`) is the same for all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from coordination.runtime.limits import MAX_ENDPOINT_REQUESTS
from coordination.runtime.model import Model
from coordination.runtime.trace import TraceContext, valid_header


class Call:
    """Who calls, as authenticated by the subject.

    Args:
        caller: Agent id: the last token of the request's subject.
        draw_id: Makes a new random id.
        traceparent: The request's header of that name.
    """

    __slots__ = ("_draw_id", "_traceparent", "caller")

    def __init__(self, *, caller: str, draw_id: Callable[[], str], traceparent: str | None = None) -> None:
        self.caller = caller
        self._draw_id = draw_id
        self._traceparent = traceparent

    @property
    def trace(self) -> TraceContext | None:
        """The span that the call was made from; None if the caller named none, or none that is valid.

        Read at each look, because most endpoints never look.
        """
        return TraceContext.parse(self._traceparent)

    @property
    def traceparent(self) -> str:
        """`trace` as text, for records and pushes; empty for None."""
        return valid_header(self._traceparent)

    @property
    def fresh_id(self) -> str:
        """A new random id at each look; what the pure core uses where it needs one.

        In a sharded service it belongs to the shard that decides this call.
        """
        return self._draw_id()


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One verb of a service."""

    verb: str
    description: str
    """One sentence; shown by ``nats micro info``, which skips services without it."""
    request: type[BaseModel]
    reply: type[BaseModel]
    usual_request: type[BaseModel] | None = None
    """What most bodies are, for `build` as good as `request` and read in less time: it is tried first. It
    takes nothing that `request` does not take as the same."""
    max_in_flight: int = MAX_ENDPOINT_REQUESTS
    """Requests that one process works on at a time; one more is refused as ``overloaded``."""
    shard_by: Callable[[Call, Any], str] | None = None
    """(call, request) -> id of the aggregate concerned, which decides the shard. Without it a command
    creates an aggregate of its own (on the shard of its command id), and a query is not shardable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Endpoint):
    """Changes state: becomes a command of the model."""

    build: Callable[[Call, Any], Any]
    """(call, request) -> the model's command."""
    prepare: Callable[[Any, Call, Any], Coroutine[Any, Any, None] | None] | None = None
    """(host, call, request) -> what must succeed elsewhere before the command is built and decided, such as
    redeeming an approval; None if this request needs nothing. It must be idempotent: it runs anew for every
    attempt, and a process may be killed after it. What it raises is the answer."""
    write: Callable[[Any], str] | None = None
    """(the model's reply) -> JSON of `reply`, where making an object of that type would take too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Endpoint):
    """Reads state."""

    answer: Callable[[Any, Call, Any, int], Any]
    """(model, call, request, now_ms) -> the reply, an object with its attributes, or `ReadyJson`."""


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
    """Long-running work beside the endpoints (heartbeats, allocation); called with the host each time
    it begins to lead (with None where there is no model), cancelled when it no longer does."""
    background: tuple[Callable[[tuple[Any, ...]], Coroutine[Any, Any, None]], ...] = ()
    """Work that goes on as long as this process serves, leading or not (listening to heartbeats, so that a
    standby knows what the leader knows); called with the hosts of this process before they begin, cancelled
    after the companions and before the hosts end."""
    compact_kinds: frozenset[str] = frozenset()
    """Kinds of push of which several go in one message to agents that take that; their bodies are objects.
    Only while the service has one shard (see `Runner`)."""

    def __post_init__(self) -> None:
        """Refuse endpoints that could never be served."""
        verbs = [endpoint.verb for endpoint in self.endpoints]
        assert len(set(verbs)) == len(verbs), f"{self.name}: two endpoints with one verb"
        journaled = any(isinstance(endpoint, (Command, Query)) for endpoint in self.endpoints)
        assert self.model is not None or not journaled, f"{self.name}: commands need a model"

    @property
    def is_shardable(self) -> bool:
        """Whether every request says to which aggregate it belongs."""
        return self.model is not None and not any(
            isinstance(endpoint, Action) or (isinstance(endpoint, Query) and endpoint.shard_by is None)
            for endpoint in self.endpoints
        )
