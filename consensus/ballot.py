"""What one voter says: a choice in its one canonical form. Pure.

People and programs write choices as they come (``"for"``, ``["b", "a"]``, ``{"a": 3}``); `normalised` brings
them into the form that is counted, signed and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from consensus.rules import Rules

Choice = str | tuple[tuple[str, ...], ...] | Mapping[str, int]
"""``for``, ``against`` or ``abstain``; groups of equally ranked options, best first (an approval is one
group); or points by option (of a fractional vote: weight by ``for``, ``against``, ``abstain``)."""
Scope = Literal["all", "own", "delegated"]
"""Which weight a vote casts: all that the voter has at hand; its own only, which overrides its delegate; or
only what others delegated to it."""
NOMINAL: Final = ("for", "against", "abstain")
MAX_SPLIT_POINTS: Final = 1_000
"""Of one ballot of a weighted split. Its weight is divided by their sum; bounded sums keep the common
denominator of exact scores below 440 digits however many vote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """A vote as it is counted."""

    voter: str
    choice: Choice
    scope: Scope = "all"


class ChoiceError(ValueError):
    """A choice that the protocol of the proposal does not know; says what it takes."""


def normalised(rules: Rules, choice: Any) -> Choice:
    """The one form of `choice` under `rules`.

    Raises:
        ChoiceError: It is no choice under these rules; the message says what is.
    """
    if choice == "abstain":
        return "abstain"
    if rules.is_binary:
        return _binary(rules, choice)
    match rules.protocol:
        case "approval":
            return (tuple(sorted(_chosen(rules, choice))),)
        case "quadratic" | "weighted_split":
            return _points(rules, choice)
        case _:
            return _ranking(rules, choice)


def _binary(rules: Rules, choice: Any) -> Choice:
    if isinstance(choice, str) and choice in NOMINAL:
        return choice
    if not rules.is_fractional:
        raise ChoiceError(f"a choice is one of {', '.join(NOMINAL)}, not {choice!r:.80}")
    if not isinstance(choice, Mapping) or not choice or not set(choice) <= set(NOMINAL):
        raise ChoiceError(
            'a fractional vote is for, against or abstain, or weight by these: {"for": 2, "abstain": 1}'
        )
    return _amounts(choice)


def _chosen(rules: Rules, choice: Any) -> set[str]:
    """The options of an approval."""
    if isinstance(choice, str):
        choice = [choice]
    if not isinstance(choice, Sequence) or not choice:
        raise ChoiceError('an approval is a list of options, ["a", "b"], or abstain')
    groups = [_group(each) for each in choice]
    return set(_known(rules, _named(groups)))


def _ranking(rules: Rules, choice: Any) -> Choice:
    if isinstance(choice, str):
        choice = [choice]
    if not isinstance(choice, Sequence) or not choice:
        raise ChoiceError('a ranking is a list of options, best first; equals in a list: ["a", ["b", "c"]]')
    groups = [_group(each) for each in choice]
    _known(rules, _named(groups))
    return tuple(tuple(sorted(group)) for group in groups if group)


def _group(entry: Any) -> list[str]:
    entries = [entry] if isinstance(entry, str) else entry
    if not isinstance(entries, Sequence) or not all(isinstance(each, str) for each in entries):
        raise ChoiceError(f"an entry of the list is an option or a list of equal ones, not {entry!r:.80}")
    return list(entries)


def _named(groups: Sequence[Sequence[str]]) -> list[str]:
    """The options in any of the groups; a ballot that names none would count as in favour for the quorum."""
    options = [option for group in groups for option in group]
    if not options:
        raise ChoiceError("no option is named; to take no side, abstain")
    return options


def _points(rules: Rules, choice: Any) -> Choice:
    if isinstance(choice, str):
        choice = {choice: 1}
    if not isinstance(choice, Mapping) or not choice:
        raise ChoiceError('the choice is points by option: {"a": 3, "b": 1}, or abstain')
    _known(rules, list(choice))
    amounts = _amounts(choice)
    if rules.protocol == "quadratic":
        spent = sum(each * each for each in amounts.values())
        if spent > rules.credits:
            raise ChoiceError(
                f"the votes cost {spent} credits, their squares added up; a ballot has {rules.credits}"
            )
    if rules.protocol == "weighted_split" and sum(amounts.values()) > MAX_SPLIT_POINTS:
        raise ChoiceError(
            f"the points add up to {sum(amounts.values())}; a ballot has at most {MAX_SPLIT_POINTS}"
        )
    return amounts


def _amounts(choice: Mapping[Any, Any]) -> dict[str, int]:
    for key, amount in choice.items():
        if not isinstance(amount, int) or isinstance(amount, bool) or not 0 <= amount < 2**53:
            raise ChoiceError(f"{key!r:.80}: an amount is a whole number from 0 on, not {amount!r:.40}")
    amounts = {str(key): choice[key] for key in sorted(choice) if choice[key]}
    if not amounts:
        raise ChoiceError("at least one amount is above 0; to take no side, abstain")
    return amounts


def _known(rules: Rules, options: Sequence[Any]) -> list[str]:
    known = rules.option_ids
    for option in options:
        if option not in known:
            raise ChoiceError(f"no option {option!r:.80}; there are: {', '.join(known)[:400]}")
    if len(set(options)) != len(options):
        twice = next(each for each in options if list(options).count(each) > 1)
        raise ChoiceError(f"option {twice} is named twice")
    return list(options)
