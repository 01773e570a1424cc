"""The agenda beside a sorted dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.agenda import Agenda

ITEMS = st.sampled_from([f"i{index}" for index in range(12)])
STEPS = st.lists(st.tuples(ITEMS, st.none() | st.integers(0, 6)), max_size=300)


@given(STEPS)
def test_an_agenda_is_a_sorted_dictionary(steps: list[tuple[str, int | None]]) -> None:
    agenda = Agenda()
    twin: dict[str, int] = {}
    for item, key in steps:
        if key is None:
            agenda.drop(item)
            twin.pop(item, None)
        else:
            agenda.put(item, (key,))
            twin[item] = key
        expected = sorted(((key,), item) for item, key in twin.items())
        assert agenda.first() == (expected[0] if expected else None)
        assert len(agenda) == len(twin)
        assert list(agenda.in_order()) == expected
        assert len(agenda._heap) <= 2 * len(twin) + 64
