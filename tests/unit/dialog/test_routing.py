"""Who gets a message."""

from __future__ import annotations

import pytest

from dialog.conversation import SayMessage
from dialog.routing import Route, route

ALL = ("ada", "bob", "cy")


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ((), Route(recipients=("bob", "cy"))),
        (("cy",), Route(recipients=("cy",))),
        (("cy", "bob"), Route(recipients=("cy", "bob"))),
        (("cy", "cy", "bob", "cy"), Route(recipients=("cy", "bob"))),
        (("ada",), Route(recipients=("ada",))),
        (("cy", "dan"), Route(recipients=(), strangers=("dan",))),
        (("dan", "eve", "dan"), Route(recipients=(), strangers=("dan", "eve"))),
    ],
    ids=["broadcast", "one", "order kept", "repetitions", "to oneself", "one stranger", "strangers only"],
)
def test_a_message_goes_where_it_is_addressed(to: tuple[str, ...], expected: Route) -> None:
    message = SayMessage(conversation_id="c", sender="ada", performative="inform", content="", to=to)
    assert route(message, ALL) == expected


def test_a_broadcast_of_the_only_participant_goes_to_nobody() -> None:
    message = SayMessage(conversation_id="c", sender="ada", performative="inform", content="")
    assert route(message, ("ada",)) == Route(recipients=())
