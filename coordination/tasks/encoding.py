"""How the events that are written most are encoded: what has its default is left out. Pure.

Reading is pydantic's, as of every event: the defaults are filled in again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from operator import attrgetter
from typing import Any, Final

from pydantic_core import to_json

from coordination.tasks.events import OfferAccepted, TaskCompleted, TaskOffered, TaskSubmitted
from coordination.tasks.spec import TaskSpec


class _Lean:
    """Gives the fields of a dataclass that do not have their default."""

    def __init__(self, kind: type) -> None:
        self._names = tuple(each.name for each in fields(kind))
        self._defaults = tuple(
            each.default if each.default_factory is MISSING else each.default_factory()
            for each in fields(kind)
        )
        self._values: Callable[[Any], tuple[Any, ...]] = attrgetter(*self._names)

    def of(self, value: Any) -> dict[str, Any]:
        """Values by name."""
        return {
            name: each
            for name, each, default in zip(self._names, self._values(value), self._defaults, strict=True)
            if each is not default and each != default
        }


_SPEC: Final = _Lean(TaskSpec)
_SUBMITTED: Final = _Lean(TaskSubmitted)


def _encode_submitted(event: TaskSubmitted) -> bytes:
    data = _SUBMITTED.of(event)
    data["spec"] = _SPEC.of(event.spec)
    return b'{"type":"TaskSubmitted","data":%b}' % to_json(data)


def _lean_encoder(kind: type) -> Callable[[Any], bytes]:
    lean, head = _Lean(kind), b'{"type":"%b","data":' % kind.__name__.encode()

    def encode(event: Any) -> bytes:
        return head + to_json(lean.of(event)) + b"}"

    return encode


ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    TaskSubmitted: _encode_submitted,
    TaskOffered: _lean_encoder(TaskOffered),
    OfferAccepted: _lean_encoder(OfferAccepted),
    TaskCompleted: _lean_encoder(TaskCompleted),
}
"""For `coordination.runtime.framing.EventCodec`."""
