"""A page of a reply is bounded in bytes."""

from __future__ import annotations

from coordination.runtime.wire import Body, page


class Line(Body):
    text: str


LINES = tuple(Line(text=str(index) * 10) for index in range(5))
LINE_BYTES = len(LINES[0].model_dump_json()) + 1


def test_everything_fits_when_there_is_room() -> None:
    assert page(LINES) == LINES


def test_a_page_ends_before_it_would_be_too_large() -> None:
    assert page(LINES, max_bytes=3 * LINE_BYTES) == LINES[:3]
    assert page(LINES, max_bytes=3 * LINE_BYTES - 1) == LINES[:2]


def test_one_item_larger_than_a_page_is_still_returned() -> None:
    assert page(LINES, max_bytes=1) == LINES[:1]


def test_no_items_are_an_empty_page() -> None:
    assert page(()) == ()


def test_no_more_is_read_than_the_page_needs() -> None:
    source = iter(LINES)
    page(source, max_bytes=LINE_BYTES)
    assert list(source) == list(LINES[2:])
