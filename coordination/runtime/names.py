"""Agent ids and subjects: the one place that knows how traffic is addressed (DESIGN section 3).

The second token of a subject is the kind of traffic, and every permission names it, so that no agent
id, however chosen, can reach another kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Final

from pydantic import StringConstraints

from coordination.runtime.errors import UsageError

ID_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
_ID = re.compile(ID_PATTERN.replace("$", r"\Z"))

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\z")]
"""An agent id, or any other id that becomes one token of a subject."""


def is_id(text: str) -> bool:
    """Whether `text` is a valid agent id (and so a valid subject token)."""
    return _ID.match(text) is not None


def require_id(text: str, *, what: str = "agent id") -> str:
    """Return `text` if it is a valid id.

    Raises:
        UsageError: It is not; the message says what an id may look like.
    """
    if not is_id(text):
        raise UsageError(
            f"{what} {text[:80]!r} is not valid: use 1 to 63 of a-z, 0-9, '_' and '-', "
            "beginning with a letter or digit",
        )
    return text


CARRIED: Final = "carried"
"""No kind of push, but the last token of where pushes of any kind arrive that a record has carried."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """Builds every subject of one deployment."""

    prefix: str = "conclave"
    """First token of all subjects; a deployment may choose another."""

    def __post_init__(self) -> None:
        """Refuse a prefix that is not one valid token."""
        require_id(self.prefix, what="subject prefix")

    def call(self, service: str, verb: str, caller: str) -> str:
        """Subject of a command or query; `caller` and `verb` may be ``*``."""
        return f"{self.prefix}.call.{service}.{verb}.{caller}"

    def shard(self, service: str, shard: int | str, verb: str, caller: str) -> str:
        """Subject under which the leader of one shard takes requests that others forward to it.

        Services only. `shard`, `verb` and `caller` may be ``*``.
        """
        return f"{self.prefix}.shard.{service}.{shard}.{verb}.{caller}"

    def inbox(self, agent: str, kind: str) -> str:
        """Subject of pushes to one agent; `kind` may be ``*``."""
        return f"{self.prefix}.inbox.{agent}.{kind}"

    def carried(self, agent: str) -> str:
        """Subject of pushes to one agent that a record has carried (`coordination.runtime.carrying`)."""
        return self.inbox(agent, CARRIED)

    def presence(self, agent: str) -> str:
        """Subject of an agent's heartbeats; `agent` may be ``*``."""
        return f"{self.prefix}.presence.{agent}"

    def event(self, service: str, event: str, aggregate: str) -> str:
        """Subject of notifications after commit."""
        return f"{self.prefix}.event.{service}.{event}.{aggregate}"

    def change(self, space: str, topic: str, agent: str) -> str:
        """Subject of knowledge changes written by `agent`."""
        return f"{self.prefix}.change.{space}.{topic}.{agent}"

    def journal(self, service: str, shard: int | str) -> str:
        """Subject of one shard's journal; `shard` may be ``*``. Services only."""
        return f"{self.prefix}.journal.{service}.{shard}"

    def journal_for(self, service: str, shard: int | str, agent: str, sequence: int | str) -> str:
        """Subject of the record of this `sequence`, which carries a push to `agent`. Services only.

        All but `service` may be ``*``. No other record has this subject: before the server hands over a push,
        it looks for the last message on its subject, and reads up to 8 MiB if that is not in memory.
        """
        return f"{self.prefix}.journal.{service}.{shard}.{agent}.{sequence}"

    def journal_stream(self, service: str, shard: int) -> str:
        """Name of the stream behind `journal` (stream names have no dots)."""
        return f"{self.prefix}-journal-{service}-{shard}"


def inbox_prefix(agent: str) -> str:
    """Reply-subject prefix of one agent: a service answers only into it.

    The server does not check the reply subject against permissions, so an agent could otherwise
    make a service speak on a subject that the agent itself may not publish to.
    """
    return f"_INBOX_{agent}"
