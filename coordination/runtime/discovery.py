"""``$SRV.PING/INFO/STATS`` (NATS ADR-32), so that ``nats micro ls|info|stats`` shows our services."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from coordination.runtime.adapters import schema_of
from coordination.runtime.bus import Bus, Delivery, Subscription
from coordination.runtime.limits import MAX_REQUEST_BYTES
from coordination.runtime.names import Subjects
from coordination.runtime.service import Command, Endpoint, Query, ServiceDefinition

_VERBS: Final = ("PING", "INFO", "STATS")
_NANOSECONDS: Final = 1_000_000_000


@dataclass(slots=True)
class _Counters:
    requests: int = 0
    errors: int = 0
    processing_ns: int = 0
    last_code: str = ""
    """Code of the last refusal; never its message, which may name what only its caller may know."""


class Discovery:
    """Answers the discovery subjects for one running service and counts its requests."""

    def __init__(
        self, definition: ServiceDefinition, *, bus: Bus, subjects: Subjects, entropy: random.Random
    ) -> None:
        self._definition = definition
        self._bus = bus
        self._subjects = subjects
        self._id = f"{entropy.getrandbits(80):020x}"
        self._started = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._counters = {endpoint.verb: _Counters() for endpoint in definition.endpoints}
        self._subscriptions: list[Subscription] = []
        self._metadata = {endpoint.verb: _metadata(endpoint) for endpoint in definition.endpoints}

    @property
    def _name(self) -> str:
        return f"{self._subjects.prefix}-{self._definition.name}"

    async def start(self) -> None:
        """Listen on the nine discovery subjects of this instance."""
        for verb in _VERBS:
            for tail in ("", f".{self._name}", f".{self._name}.{self._id}"):
                subject = f"$SRV.{verb}{tail}"
                self._subscriptions.append(await self._bus.subscribe(subject, self._answer))

    async def stop(self) -> None:
        """Stop being found."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        self._subscriptions.clear()

    def count(self, verb: str, *, elapsed_s: float, code: str) -> None:
        """Add one served request to the statistics; unknown verbs are not counted.

        Args:
            verb: The endpoint that was asked for.
            elapsed_s: From receiving the request to answering it.
            code: Of the refusal; empty for a request that was done.
        """
        counters = self._counters.get(verb)
        if counters is None:
            return
        counters.requests += 1
        counters.processing_ns += int(elapsed_s * _NANOSECONDS)
        if code:
            counters.errors += 1
            counters.last_code = code

    async def _answer(self, delivery: Delivery) -> None:
        # Only ever into an inbox: anybody may ask, and a reply subject is not checked by the server.
        if not delivery.reply_to.startswith(("_INBOX.", "_INBOX_")):
            return
        verb = delivery.subject.split(".")[1]
        body = {"PING": self._ping, "INFO": self._info, "STATS": self._stats}[verb]()
        await self._bus.publish(delivery.reply_to, json.dumps(body).encode())

    def _identity(self, kind: str) -> dict[str, Any]:
        return {
            "type": f"io.nats.micro.v1.{kind}_response",
            "name": self._name,
            "id": self._id,
            "version": self._definition.version,
            "metadata": {},
        }

    def _ping(self) -> dict[str, Any]:
        return self._identity("ping")

    def _info(self) -> dict[str, Any]:
        return {
            **self._identity("info"),
            "description": self._definition.description,
            "endpoints": [
                {**self._endpoint(endpoint), "metadata": self._metadata[endpoint.verb]}
                for endpoint in self._definition.endpoints
            ],
        }

    def _stats(self) -> dict[str, Any]:
        return {
            **self._identity("stats"),
            "started": self._started,
            "endpoints": [self._measured(endpoint) for endpoint in self._definition.endpoints],
        }

    def _endpoint(self, endpoint: Endpoint) -> dict[str, Any]:
        return {
            "name": endpoint.verb,
            "subject": self._subjects.call(self._definition.name, endpoint.verb, "*"),
            "queue_group": f"conclave-{self._definition.name}",
        }

    def _measured(self, endpoint: Endpoint) -> dict[str, Any]:
        counters = self._counters[endpoint.verb]
        return {
            **self._endpoint(endpoint),
            "num_requests": counters.requests,
            "num_errors": counters.errors,
            "last_error": counters.last_code,
            "processing_time": counters.processing_ns,
            "average_processing_time": counters.processing_ns // max(counters.requests, 1),
        }


def _metadata(endpoint: Endpoint) -> dict[str, str]:
    """What a caller needs to know of an endpoint; ADR-32 takes strings only."""
    match endpoint:
        case Command():
            kind = "command"
        case Query():
            kind = "query"
        case _:
            kind = "action"
    return {
        "description": endpoint.description,
        "kind": kind,
        "max_in_flight": str(endpoint.max_in_flight),
        "max_request_bytes": str(MAX_REQUEST_BYTES),
        "request_schema": schema_of(endpoint.request),
        "reply_schema": schema_of(endpoint.reply),
    }
