"""The deduplication window: which commands were answered, and how.

Part of every shard's state and written to its journal, so that a retry gets the first answer even
after a restart or a failover. Refusals are not kept: they had no effect, and a retry may be decided
anew. The window is bounded; a retry that is older than what was forgotten is refused, because nobody
can know any more whether it took effect. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from pydantic_core import to_json

from coordination.runtime.errors import RejectedError
from coordination.runtime.limits import MAX_ANSWER_BYTES, MAX_ANSWERS, RETRY_SLACK_MS


@dataclass(slots=True)
class CommandKey:
    """Names one command of one caller, so that a retry is recognised.

    Not frozen, like `CommandAnswered`: one of each is made for every command, and a frozen dataclass takes
    four times as long to make.
    """

    caller: str
    command_id: str
    fingerprint: str
    """Hash of the request; the same id with another one is refused."""
    age_ms: int = 0
    """How long ago, by the caller's clock, it was first sent; 0 for a first attempt."""


@dataclass(slots=True)
class CommandAnswered:
    """Journal event: `caller`'s command `command_id` took effect and was answered with `reply`."""

    caller: str
    command_id: str
    fingerprint: str
    """Hash of verb and body: the same id with another request is a mistake, not a retry."""
    reply: str
    """The JSON text of the answer."""


def encode_answered(answered: CommandAnswered) -> bytes:
    """The element of a record's ``events``; one is written for every command, so this way is a short one."""
    return b'{"type":"CommandAnswered","data":%b}' % to_json(
        {
            "caller": answered.caller,
            "command_id": answered.command_id,
            "fingerprint": answered.fingerprint,
            "reply": answered.reply,
        }
    )


class RememberedAnswer(NamedTuple):
    """One answer in the window, and when it was given."""

    caller: str
    command_id: str
    fingerprint: str
    reply: str
    at_ms: int


class Answers:
    """Answered commands, oldest first; bounded in number and bytes.

    Invariants: never more than `max_count` entries, nor more than `max_bytes` of replies unless a
    single reply alone is larger.
    """

    def __init__(self, *, max_count: int = MAX_ANSWERS, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        self.forgotten_at_ms = 0
        """When the newest answer was given that the window has lost; 0 while it has lost none."""
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._by_command: OrderedDict[tuple[str, str], RememberedAnswer] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._by_command)

    def first_answer(self, key: CommandKey, now_ms: int) -> str | None:
        """The answer already given to this command; None if it is new.

        Raises:
            RejectedError: ``command_id_reused``: the id was used for another request.
                ``outcome_unknown``: it was first sent so long ago that its answer may be forgotten.
        """
        known = self._by_command.get((key.caller, key.command_id))
        if known is not None:
            if known.fingerprint != key.fingerprint:
                raise RejectedError(
                    "command_id_reused",
                    f"command id {key.command_id} was already used for another request; use a new id",
                )
            return known.reply
        if not key.age_ms or self.forgotten_at_ms <= 0:
            return None
        if now_ms - key.age_ms - RETRY_SLACK_MS <= self.forgotten_at_ms:
            raise RejectedError(
                "outcome_unknown",
                f"command {key.command_id} was first sent {key.age_ms} ms ago, and answers that old are "
                "forgotten: look whether it took effect, and send it anew under a new id if not",
            )
        return None

    def apply(self, answered: CommandAnswered, at_ms: int) -> None:
        """Remember an answer given at `at_ms`, forgetting the oldest ones beyond the bounds."""
        key = (answered.caller, answered.command_id)
        by_command = self._by_command
        if key in by_command:
            self._size_bytes -= _size_bytes(by_command.pop(key).reply)
        by_command[key] = RememberedAnswer(*key, answered.fingerprint, answered.reply, at_ms)
        self._size_bytes += _size_bytes(answered.reply)
        while len(by_command) > self._max_count or (
            self._size_bytes > self._max_bytes and len(by_command) > 1
        ):
            _, forgotten = by_command.popitem(last=False)
            self._size_bytes -= _size_bytes(forgotten.reply)
            self.forgotten_at_ms = max(self.forgotten_at_ms, forgotten.at_ms)

    def snapshot(self) -> list[RememberedAnswer]:
        """All remembered answers, oldest first."""
        return list(self._by_command.values())


def _size_bytes(reply: str) -> int:
    return len(reply) if reply.isascii() else len(reply.encode())
