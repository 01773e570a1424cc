"""How an agent of ours looks in the foreign protocol: its discovery records and its heartbeat. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

from coordination.gateway import foreign
from coordination.gateway.limits import MAX_ENVELOPE_BYTES, MAX_INFO_CAPABILITIES, MAX_INFO_CHARS

VERSION: Final = "0.1.0"
"""Of the harness (section 3.2): ours, not the agent's."""
Status = Literal["online", "suspect", "offline"]
_ID_CHARS: Final = 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the gateway knows of an agent that speaks the foreign protocol."""

    agent: str
    incarnation: int
    status: Status
    description: str = ""
    capabilities: tuple[str, ...] = ()
    """``name@version`` each."""
    max_tasks: int = 0
    registered_at_ms: int = 0
    takes_attachments: bool = True

    @property
    def is_reachable(self) -> bool:
        """Whether it is found and prompted: also while it is only suspected to be gone."""
        return self.status != "offline"


@dataclass(slots=True)
class Counters:
    """Prompts to one agent that this gateway has dealt with."""

    requests: int = 0
    errors: int = 0
    last_error: str = ""
    processing_ms: int = 0


@dataclass(frozen=True, slots=True)
class Face:
    """An agent as the micro service that clients of the foreign protocol look for (section 3)."""

    profile: Profile
    prefix: str
    """Of the deployment; the owner of all its agents."""
    instance_id: str = field(init=False)
    """The same in every gateway, another one for each incarnation."""

    def __post_init__(self) -> None:
        """Work the id out; no two deployments on one server have a common one."""
        text = f"{self.prefix} {self.profile.agent} {self.profile.incarnation}"
        digest = hashlib.sha256(text.encode()).hexdigest()
        object.__setattr__(self, "instance_id", digest[:_ID_CHARS])

    def ping(self) -> dict[str, Any]:
        """The reply to ``$SRV.PING``."""
        return self._identity("ping")

    def info(self) -> dict[str, Any]:
        """The reply to ``$SRV.INFO`` (section 4.3)."""
        return {
            **self._identity("info"),
            "description": self.profile.description or f"Conclave agent {self.profile.agent}",
            "endpoints": [
                {**self._endpoint("prompt"), "metadata": self._prompt_metadata()},
                {**self._endpoint("status"), "metadata": {}},
            ],
        }

    def stats(self, counters: Counters) -> dict[str, Any]:
        """The reply to ``$SRV.STATS``: what this gateway has counted."""
        nanoseconds = counters.processing_ms * 1_000_000
        return {
            **self._identity("stats"),
            "started": _instant(self.profile.registered_at_ms),
            "endpoints": [
                {
                    **self._endpoint("prompt"),
                    "num_requests": counters.requests,
                    "num_errors": counters.errors,
                    "last_error": counters.last_error,
                    "processing_time": nanoseconds,
                    "average_processing_time": nanoseconds // max(counters.requests, 1),
                }
            ],
        }

    def heartbeat(self, *, now_ms: int, interval_ms: int, load: float | None = None) -> dict[str, Any]:
        """A heartbeat, which is also the reply to a status request (sections 8.3 and 8.7).

        Args:
            now_ms: Milliseconds since the Unix epoch.
            interval_ms: Until the next one.
            load: Share of the agent's task slots in use, if it is known; a field of ours.
        """
        prompt = {"subject": self._subject("prompt"), "metadata": self._prompt_metadata()}
        body = {
            "agent": foreign.AGENT,
            "owner": self.prefix,
            "session": self.profile.agent,
            "instance_id": self.instance_id,
            "ts": _instant(now_ms),
            "interval_s": max(interval_ms // 1000, 1),
            "protocol_version": foreign.PROTOCOL_VERSION,
            "endpoints": {"prompt": prompt},
            "status": self.profile.status,
        }
        return body if load is None else {**body, "load": load}

    def _identity(self, kind: str) -> dict[str, Any]:
        return {
            "type": f"io.nats.micro.v1.{kind}_response",
            "name": foreign.SERVICE,
            "id": self.instance_id,
            "version": VERSION,
            "metadata": {
                "agent": foreign.AGENT,
                "owner": self.prefix,
                "session": self.profile.agent,
                "protocol_version": foreign.PROTOCOL_VERSION,
                "capabilities": _listed(self.profile.capabilities),
                "max_tasks": str(self.profile.max_tasks),
            },
        }

    def _endpoint(self, name: Literal["prompt", "status"]) -> dict[str, Any]:
        return {"name": name, "subject": self._subject(name), "queue_group": foreign.SERVICE}

    def _subject(self, verb: foreign.Verb) -> str:
        return foreign.subject(verb, self.prefix, self.profile.agent)

    def _prompt_metadata(self) -> dict[str, str]:
        return {
            "max_payload": f"{MAX_ENVELOPE_BYTES // 1024}KB",
            "attachments_ok": "true" if self.profile.takes_attachments else "false",
        }


VIEWS: Final[dict[str, Callable[[Face, Counters], dict[str, Any]]]] = {
    "PING": lambda face, _: face.ping(),
    "INFO": lambda face, _: face.info(),
    "STATS": lambda face, counters: face.stats(counters),
}
"""What answers which discovery verb (NATS ADR-32)."""


def _listed(capabilities: tuple[str, ...]) -> str:
    text = ", ".join(capabilities[:MAX_INFO_CAPABILITIES])
    is_whole = len(capabilities) <= MAX_INFO_CAPABILITIES and len(text) <= MAX_INFO_CHARS
    return text if is_whole else f"{text[: MAX_INFO_CHARS - 5]}, ..."


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
