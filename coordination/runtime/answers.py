"""The deduplication window: which commands were answered, and how.

Part of every shard's state and written to its journal, so that a retry gets the first answer even
after a restart. Refusals are not kept: they had no effect, and a retry may be decided anew. Pure.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from coordination.runtime.limits import MAX_ANSWER_BYTES, MAX_ANSWERS


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswered:
    """Journal event: `caller`'s command `command_id` took effect and was answered with `reply`."""

    caller: str
    command_id: str
    fingerprint: str
    """Hash of verb and body: the same id with another request is a mistake, not a retry."""
    reply: str
    """The JSON text of the answer."""


class Answers:
    """Answered commands, oldest first; bounded in number and bytes.

    Invariants: never more than `max_count` entries, nor more than `max_bytes` of replies unless a
    single reply alone is larger.
    """

    def __init__(self, *, max_count: int = MAX_ANSWERS, max_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._max_count = max_count
        self._max_bytes = max_bytes
        self._by_command: OrderedDict[tuple[str, str], CommandAnswered] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._by_command)

    def get(self, caller: str, command_id: str) -> CommandAnswered | None:
        """The answer given to this command, if it is still remembered."""
        return self._by_command.get((caller, command_id))

    def apply(self, answered: CommandAnswered) -> None:
        """Remember an answer, forgetting the oldest ones beyond the bounds."""
        key = (answered.caller, answered.command_id)
        replaced = self._by_command.pop(key, None)
        if replaced is not None:
            self._size_bytes -= _size_bytes(replaced)
        self._by_command[key] = answered
        self._size_bytes += _size_bytes(answered)
        while len(self._by_command) > self._max_count or (
            self._size_bytes > self._max_bytes and len(self._by_command) > 1
        ):
            _, forgotten = self._by_command.popitem(last=False)
            self._size_bytes -= _size_bytes(forgotten)

    def snapshot(self) -> tuple[CommandAnswered, ...]:
        """All remembered answers, oldest first."""
        return tuple(self._by_command.values())


def _size_bytes(answered: CommandAnswered) -> int:
    return len(answered.reply) if answered.reply.isascii() else len(answered.reply.encode())
