"""Routing laws."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dialog.conversation import SayMessage
from dialog.routing import route

AGENTS = [f"a{index}" for index in range(6)]


@given(
    participants=st.lists(st.sampled_from(AGENTS), min_size=1, unique=True),
    to=st.lists(st.sampled_from(AGENTS), max_size=8),
    position=st.integers(0, 5),
)
def test_a_route_is_what_a_set_computation_says(
    participants: list[str], to: list[str], position: int
) -> None:
    sender = participants[position % len(participants)]
    message = SayMessage(conversation_id="c", sender=sender, performative="inform", content="", to=tuple(to))
    routed = route(message, tuple(participants))
    assert len(set(routed.recipients)) == len(routed.recipients)
    assert set(routed.strangers) == set(to) - set(participants)
    if routed.strangers:
        assert routed.recipients == ()
    elif to:
        assert set(routed.recipients) == set(to)
    else:
        assert set(routed.recipients) == set(participants) - {sender}
