"""How the events that are written most are encoded: what has its default is left out. Pure.

Reading is pydantic's, as of every event: the defaults are filled in again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from json.encoder import encode_basestring
from operator import attrgetter
from typing import Any, Final

from pydantic_core import to_json

from coordination.tasks.events import OfferAccepted, TaskCompleted, TaskOffered, TaskSubmitted
from coordination.tasks.spec import TaskSpec

_NAMES: Final = tuple(each.name for each in fields(TaskSpec))
_DEFAULTS: Final = tuple(
    each.default if each.default_factory is MISSING else each.default_factory() for each in fields(TaskSpec)
)
_values: Final[Callable[[TaskSpec], tuple[Any, ...]]] = attrgetter(*_NAMES)
_USUAL: Final = ("requirement", "capability", "payload", "payload_bytes", "traceparent")
"""All that most specs say, in the order of the fields."""
_RARE: Final = tuple(place for place, name in enumerate(_NAMES) if name not in _USUAL)
_RARE_DEFAULTS: Final = tuple(_DEFAULTS[place] for place in _RARE)
_rare_values: Final[Callable[[TaskSpec], tuple[Any, ...]]] = attrgetter(*(_NAMES[place] for place in _RARE))
_EMPTY_BYTES: Final = _DEFAULTS[_NAMES.index("payload_bytes")]


def _said(spec: TaskSpec) -> dict[str, Any]:
    """What the submitter said: the fields that do not have their default."""
    if _rare_values(spec) != _RARE_DEFAULTS:
        return {
            name: value
            for name, value, default in zip(_NAMES, _values(spec), _DEFAULTS, strict=True)
            if value is not default and value != default
        }
    said: dict[str, Any] = {"requirement": spec.requirement}
    if spec.capability:
        said["capability"] = spec.capability
    if spec.payload:
        said["payload"] = spec.payload
    if spec.payload_bytes != _EMPTY_BYTES:
        said["payload_bytes"] = spec.payload_bytes
    if spec.traceparent:
        said["traceparent"] = spec.traceparent
    return said


def _encode_submitted(event: TaskSubmitted) -> bytes:
    data = {
        "task_id": event.task_id,
        "submitter": event.submitter,
        "spec": _said(event.spec),
        "seed": event.seed,
        "at_ms": event.at_ms,
    }
    if event.waits_for:
        data["waits_for"] = event.waits_for
    if event.chain:
        data |= {"chain": event.chain, "parent_attempt": event.parent_attempt}
    return b'{"type":"TaskSubmitted","data":%b}' % to_json(data)


def _encode_offered(event: TaskOffered) -> bytes:
    # Texts and numbers are quickly written by hand.
    new_round = "true" if event.new_round else "false"
    counts_round = "" if event.counts_round else ',"counts_round":false'
    return (
        f'{{"type":"TaskOffered","data":{{"task_id":{encode_basestring(event.task_id)},'
        f'"agent":{encode_basestring(event.agent)},"incarnation":{event.incarnation:d},'
        f'"fencing_token":{event.fencing_token:d},"at_ms":{event.at_ms:d},"expires_ms":{event.expires_ms:d},'
        f'"new_round":{new_round},"why":{encode_basestring(event.why)}{counts_round}}}}}'
    ).encode()


def _encode_accepted(event: OfferAccepted) -> bytes:
    return (
        f'{{"type":"OfferAccepted","data":{{"task_id":{encode_basestring(event.task_id)},'
        f'"at_ms":{event.at_ms:d},"lease_expires_ms":{event.lease_expires_ms:d}}}}}'
    ).encode()


def _encode_completed(event: TaskCompleted) -> bytes:
    data = {
        "task_id": event.task_id,
        "fencing_token": event.fencing_token,
        "result": event.result,
        "result_bytes": event.result_bytes,
        "at_ms": event.at_ms,
    }
    if event.result_reference is not None:
        data["result_reference"] = event.result_reference
    if event.spent is not None:
        data["spent"] = event.spent
    return b'{"type":"TaskCompleted","data":%b}' % to_json(data)


ENCODERS: Final[dict[type, Callable[[Any], bytes]]] = {
    TaskSubmitted: _encode_submitted,
    TaskOffered: _encode_offered,
    OfferAccepted: _encode_accepted,
    TaskCompleted: _encode_completed,
}
"""For `coordination.runtime.framing.EventCodec`."""
