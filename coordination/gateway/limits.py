"""Every bound of the gateway, with units as the last word of the name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coordination.runtime.limits import MAX_REPLY_BYTES, MAX_REQUEST_BYTES

MAX_ENVELOPE_BYTES: Final = 512 * 1024
"""Largest prompt or answer taken from a foreign client, attachments included; what ``max_payload`` says."""
MAX_PUSH_BYTES: Final = MAX_REPLY_BYTES
"""Largest push to an agent: one message. Escaping makes some prompts longer than they came."""
MAX_CHUNK_CHARS: Final = 32 * 1024
"""Longest text that our client sends as one chunk; as JSON a character takes up to six bytes. What a chunk
may hold at most follows from the size of a request (256 KiB)."""
MAX_CHUNK_FILES_BYTES: Final = 160 * 1024
"""Content of the attachments, before base64, that our client sends as one chunk, without text."""
MAX_ATTACHMENTS: Final = 16
"""Attachments of one envelope or chunk."""
MAX_FILENAME_CHARS: Final = 255
MAX_STATUS_CHARS: Final = 64
MAX_MESSAGE_CHARS: Final = 200
"""An error's description; it travels in a header."""
MAX_PROMPTS: Final = 1024
"""Prompts in flight in one gateway; one more is answered 429."""
MAX_AGENT_PROMPTS: Final = 16
"""Prompts in flight in one gateway for one agent; one more is answered 429."""
MAX_OPEN_QUERIES: Final = 4
"""Questions of one prompt that wait for their answer."""
MAX_KEPT_QUERIES: Final = 16
"""Questions of one prompt that are remembered, so that their answers can be fetched; the oldest go first."""
MAX_QUERY_WAIT_MS: Final = 600_000
"""How long an agent may wait for an answer: as long as the client's stream lives by default."""
ANSWER_POLL_S: Final = 1.5
"""How long one call of ``answer`` waits; below the first timeout of a caller."""
FORWARD_TIMEOUT_S: Final = 2.0
"""How long another gateway may take with a call that is its own."""
MAX_DISCOVERIES: Final = 16
"""Discovery requests answered at a time; one more goes unanswered, as one with many agents is long."""
MAX_REPORTS: Final = 64
"""Status requests worked on at a time; one more goes unanswered."""
MAX_ROSTER_AGENTS: Final = 20_000
"""Agents that the gateway speaks for: as many as the registry takes."""
MAX_INFO_CHARS: Final = 1024
"""A value in an agent's discovery record."""
MAX_INFO_CAPABILITIES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a deployment (or a test) may tune."""

    heartbeat_ms: int = 30_000
    """Between two heartbeats of an agent in the foreign protocol; its clients call an agent offline after
    three. At least 1000: the protocol counts in seconds."""
    accept_ms: int = 10_000
    """How long an agent may take to show that it has a prompt. Pushes may be lost; this is how one knows."""
    silence_ms: int = 60_000
    """How long an agent may be silent while it works on a prompt. Its SDK speaks four times as often."""
    keepalive_ms: int = 20_000
    """After how long without a chunk the client is told that the stream lives: a third of the inactivity
    that ends a stream in the protocol (60 s), so that one lost message does no harm."""
    total_ms: int = 3_600_000
    """How long one prompt may take; the protocol has no way to tell that its client has gone."""
    roster_ms: int = 5_000
    """After how long without a notice the registry is asked for changes."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        assert self.heartbeat_ms >= 1000, "heartbeats are announced in whole seconds"
        assert 0 < self.keepalive_ms < 60_000, "clients take a stream for dead after 60 s"
        assert 0 < self.accept_ms <= self.total_ms
        assert 0 < self.silence_ms <= self.total_ms
        assert self.roster_ms > 0


assert MAX_OPEN_QUERIES < MAX_KEPT_QUERIES
assert MAX_ENVELOPE_BYTES < MAX_PUSH_BYTES
assert MAX_CHUNK_CHARS * 6 < MAX_REQUEST_BYTES - 1024
_NAMES_BYTES: Final = MAX_ATTACHMENTS * (MAX_FILENAME_CHARS * 6 + 64)
assert MAX_CHUNK_FILES_BYTES * 4 // 3 + _NAMES_BYTES < MAX_REQUEST_BYTES - 1024
