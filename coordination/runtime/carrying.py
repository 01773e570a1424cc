"""A push that is carried by the record it rests on: which one, and how it is written. Pure.

Nothing leaves before what it rests on is durable. The store is the first to know that it is, so a record may
take a push along, and JetStream, when it has stored the record, hands the push to the agent
(``republish``, of the headers alone: the record stays the service's). The agent hears of it while the
service hears that its record is stored, and not after that.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Final

from coordination.runtime.delivery import Delivery
from coordination.runtime.model import Notice, Push

HEADER_PUSH: Final = "Conclave-Push"
"""Of a record that carries a push: its kind, a space, its body."""


def carriable(
    messages: Sequence[Push | Notice], *, kinds: Container[str], takers: Container[str]
) -> Push | None:
    """What of `messages` the record that leads to them may carry: one push, or None for nothing.

    Only what is the one push to its agent, so that nothing is overtaken; several go better in one message.

    Args:
        messages: Those of one record, in order.
        kinds: Kinds of push that may be carried.
        takers: Agents that hear what is carried.
    """
    pushes = [each for each in messages if isinstance(each, Push)]
    agents = [each.agent for each in pushes]
    for push in pushes:
        if push.kind in kinds and push.agent in takers and agents.count(push.agent) == 1:
            return push
    return None


def written_push(kind: str, body: bytes) -> str:
    """The header's value. JSON as we write it is one line."""
    return f"{kind} {body.decode()}"


def as_if_alone(delivery: Delivery) -> Delivery:
    """What came on the subject of carried pushes, as if it had come alone on that of its kind.

    Total: who reads the body says what is wrong with it, and one without a push is of no kind.
    """
    kind, _, body = delivery.headers.get(HEADER_PUSH, "").partition(" ")
    subject = f"{delivery.subject.rpartition('.')[0]}.{kind}"
    return Delivery(subject=subject, payload=body.encode(), headers=delivery.headers)
