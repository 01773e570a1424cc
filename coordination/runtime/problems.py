"""What is wrong with a body, in words for whoever wrote it: the same at the client and at the service."""

from __future__ import annotations

from typing import Final, NamedTuple

from pydantic import ValidationError

_MAX_PLACE_CHARS: Final = 80
_MAX_TEXT_CHARS: Final = 200


class Problem(NamedTuple):
    """One thing that is wrong."""

    place: str
    """Where in the body: ``participants.0``; empty for the body as a whole. Cut, because the names in it
    are the caller's and may be of any length and number."""
    text: str
    """What is wrong there; never what stands there."""

    def __str__(self) -> str:
        """Place and text."""
        return f"{self.place}: {self.text}" if self.place else self.text


def problems_of(error: ValidationError, *, most: int) -> list[Problem]:
    """The first `most` problems."""
    found = error.errors(include_url=False, include_input=False, include_context=False)[:most]
    return [Problem(_place(each["loc"]), each["msg"][:_MAX_TEXT_CHARS]) for each in found]


def _place(location: tuple[int | str, ...]) -> str:
    place = ""
    for part in location:
        place += f".{part}" if place else str(part)
        if len(place) > _MAX_PLACE_CHARS:
            return f"{place[:_MAX_PLACE_CHARS]}…"
    return place
