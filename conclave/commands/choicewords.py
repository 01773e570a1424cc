"""Choices as people write them behind ``conclave vote``, and as they read them. Pure.

``for``; ``a b c`` or ``'a>b=c'`` for a ranking, best first, equals joined by ``=``; ``a b`` for an approval;
``a:3 b:1`` for points, and for the weights of a fractional vote.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

_SIGNS: Final = re.compile(r"\s*([>=:])\s*")


class ChoiceWordsError(ValueError):
    """Words are no choice, whatever the protocol; says why."""


def read_choice(words: Sequence[str], options: Collection[str] = ()) -> Any:
    """The choice that `words` say, as the wire has it; whether the proposal takes it is the service's to say.

    Args:
        words: As on the command line.
        options: Of the proposal: a word that is one of them means it, whatever signs are in it.

    Raises:
        ChoiceWordsError: They say none.
    """
    if words and all(word in options for word in words):
        return words[0] if len(words) == 1 else list(words)
    joined = _SIGNS.sub(r"\1", " ".join(words).replace(",", " "))
    parts = joined.split()
    if not parts:
        raise ChoiceWordsError("say what you choose: for, against, abstain, or options of the proposal")
    if any(":" in part for part in parts):
        return _points(parts)
    groups = [group.split("=") for part in parts for group in part.split(">")]
    if any(not option for group in groups for option in group):
        raise ChoiceWordsError(
            f"{' '.join(parts)[:80]!r}: a ranking is options best first, a b c, equals joined by '=': a b=c"
        )
    ranking = [group[0] if len(group) == 1 else group for group in groups]
    return ranking[0] if len(ranking) == 1 and isinstance(ranking[0], str) else ranking


def _points(parts: Sequence[str]) -> dict[str, int]:
    points: dict[str, int] = {}
    for part in parts:
        option, separator, amount = part.rpartition(":")
        if not (separator and option and amount.isascii() and amount.isdigit() and len(amount) <= 16):
            raise ChoiceWordsError(f"{part[:80]!r}: points are OPTION:NUMBER, for example a:3 b:1")
        if option in points:
            raise ChoiceWordsError(f"{option[:80]!r} gets points twice")
        points[option] = int(amount)
    return points


def choice_text(choice: Any, protocol: str) -> str:
    """A choice as the wire has it, in words: ``for``, ``a > b = c``, ``a 3, b 1``; an approval ``a, b``."""
    if isinstance(choice, str):
        return choice
    if isinstance(choice, Mapping):
        return ", ".join(f"{option} {amount}" for option, amount in choice.items())
    if protocol == "approval":
        groups = ((entry,) if isinstance(entry, str) else entry for entry in choice)
        return ", ".join(option for group in groups for option in group)
    return " > ".join(entry if isinstance(entry, str) else " = ".join(entry) for entry in choice)
