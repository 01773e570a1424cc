"""Several pushes to one agent in one message: who takes that, and what goes together. Pure.

A message costs more than most of what is in it: the server routes each one, and wakes its reader for it. A
record that offers sixty tasks to an agent, or ends sixty of its tasks, says so in one message, if the agent
has said with its last request that it takes that (header ``Conclave-Takes``).
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from pydantic_core import from_json

from coordination.runtime.limits import MAX_BUNDLE_BYTES, MAX_BUNDLE_PUSHES
from coordination.runtime.model import Notice, Push
from coordination.runtime.wire import to_json

_BRACKETS_BYTES: Final = 2


class Bundle:
    """Pushes of one kind to one agent, in order.

    Args:
        agent: Whose inbox.
        kind: Of all of them.
        body: The first one's, as JSON.
    """

    __slots__ = ("agent", "bodies", "kind", "size_bytes")

    def __init__(self, agent: str, kind: str, body: bytes) -> None:
        self.agent = agent
        self.kind = kind
        self.bodies = [body]
        self.size_bytes = _BRACKETS_BYTES + len(body)
        """Of the payload."""

    def add(self, body: bytes) -> bool:
        """Whether there was room for one more."""
        size_bytes = self.size_bytes + 1 + len(body)
        if size_bytes > MAX_BUNDLE_BYTES or len(self.bodies) >= MAX_BUNDLE_PUSHES:
            return False
        self.bodies.append(body)
        self.size_bytes = size_bytes
        return True

    @property
    def payload(self) -> bytes:
        """A JSON array, or the only body as it is."""
        return self.bodies[0] if len(self.bodies) == 1 else b"[%b]" % b",".join(self.bodies)


def bundled(
    messages: Sequence[Push | Notice], *, kinds: Container[str], takers: Container[str]
) -> list[Push | Notice | Bundle]:
    """`messages` with those put together that may go together, each in the place of the first of them.

    Ordering: on each subject as in `messages`. Nor does a push overtake one of a kind that is never bundled
    to the same agent: a worker hears that a task was taken back before it is offered that task again.

    Args:
        messages: What is to be sent, in order.
        kinds: Kinds of push that may be bundled.
        takers: Agents that take bundles.
    """
    sent: list[Push | Notice | Bundle] = []
    filling: dict[str, dict[str, Bundle]] = {}
    for message in messages:
        if isinstance(message, Notice) or message.agent not in takers:
            sent.append(message)
            continue
        agent, kind = message.agent, message.kind
        body = _json_of(message) if kind in kinds else None
        if body is None:
            filling.pop(agent, None)  # what comes later stays behind it
            sent.append(message)
            continue
        of_agent = filling.setdefault(agent, {})
        bundle = of_agent.get(kind)
        if bundle is None or not bundle.add(body):
            sent.append(bundle := Bundle(agent, kind, body))
            of_agent[kind] = bundle
    return sent


def _json_of(push: Push) -> bytes | None:
    """Its body; None if there is no writing it, which whoever sends it by itself will find again, and say."""
    try:
        return to_json(push.body)
    except ValueError:  # what pydantic raises for every such fault
        return None


def bodies_of(payload: bytes) -> list[bytes]:
    """The bodies in a push: of a bundle one after another; anything else is one body.

    For listeners to a kind that its service bundles, where the body is an object.
    """
    if not payload.startswith(b"["):
        return [payload]
    try:
        return [to_json(body) for body in from_json(payload)]
    except ValueError:
        return [payload]  # no JSON: whoever reads it says so
