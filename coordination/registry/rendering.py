"""The JSON of agents in replies of many: what lasts is written once, what does not is added."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pydantic import TypeAdapter

from coordination.registry import wire
from coordination.registry.record import Record

MAX_KEPT_CHARS: Final = 32 * 1024 * 1024
"""Of JSON that is kept for the next reply."""
_AGENT: Final = TypeAdapter(wire.Agent)
_VOLATILE: Final = frozenset({"load", "last_heard_ms"})


class Rendering:
    """Writes agents as `wire.Agent` or `wire.FoundAgent`.

    Making a hundred objects only to write them takes 2 ms, in which nobody else is answered.

    Args:
        max_chars: How much is kept.
    """

    def __init__(self, *, max_chars: int = MAX_KEPT_CHARS) -> None:
        self._max_chars = max_chars
        self._kept: dict[str, tuple[Record, str]] = {}
        self._chars = 0

    @property
    def kept_chars(self) -> int:
        """How much JSON is kept."""
        return self._chars

    def agent(self, record: Record, body: Callable[[], dict[str, Any]], **volatile: float) -> str:
        """The JSON of one agent.

        Args:
            record: What lasts; records are never changed in place.
            body: Tells what the world is told of it, as `wire.Agent` takes it.
            volatile: Fields that it does not have, with their finite values.
        """
        known, lasting = self._kept.get(record.agent, (None, ""))
        if known is not record:
            lasting = self._write(record, body(), replaces=len(lasting))
        # The `repr` of a finite number is JSON, and costs a tenth of what `json.dumps` does.
        return lasting + "".join([f',"{name}":{value!r}' for name, value in volatile.items()]) + "}"

    def _write(self, record: Record, body: dict[str, Any], *, replaces: int) -> str:
        agent = _AGENT.validate_python(body)
        lasting = _AGENT.dump_json(agent, exclude=set(_VOLATILE)).decode().removesuffix("}")
        if self._chars + len(lasting) - replaces > self._max_chars:
            self._kept.clear()  # rare; those who are asked for come back soon
            self._chars = replaces = 0
        self._kept[record.agent] = (record, lasting)
        self._chars += len(lasting) - replaces
        return lasting
