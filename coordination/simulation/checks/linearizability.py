"""Is there one order of all operations on a register that explains every answer? Pure.

The search of Wing and Gong (1993) with the memory of Lowe (2017): an operation may come next if it was
invoked before every operation that is still to come has returned; what was tried once with the same
operations done and the same value is not tried again. An operation whose outcome is unknown may take
effect at any time after it was invoked, or never.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

MAX_STATES: Final = 500_000
"""Search states for one register; more means too many operations at once to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterOperation:
    """One operation on one register, as its client saw it."""

    kind: Literal["read", "write", "swap"]
    invoked_s: float
    returned_s: float = math.inf
    """Infinite if no answer came: the outcome is unknown."""
    value: str | None = None
    """Read: what was read. Write and swap: what is to be stored."""
    expected: str | None = None
    """Swap: what must be there."""
    swapped: bool = False
    """Swap: the answer, whether it was there."""

    @property
    def is_known(self) -> bool:
        """Whether it was answered."""
        return self.returned_s < math.inf


class UndecidedError(Exception):
    """The search was given up: too many operations at once."""


def is_linearizable(operations: Sequence[RegisterOperation], *, initial: str | None = None) -> bool:
    """Whether one register, `initial` at first, can have given all these answers.

    Complexity: exponential in the number of operations that overlap, linear in all others.

    Raises:
        UndecidedError: More than `MAX_STATES` states would have to be searched.
    """
    # A read without an answer tells nothing.
    told = [each for each in operations if each.is_known or each.kind != "read"]
    ordered = sorted(told, key=lambda each: (each.invoked_s, each.returned_s))
    known = sum(1 << index for index, each in enumerate(ordered) if each.is_known)
    tried: set[tuple[int, str | None]] = set()
    stack: list[tuple[int, str | None]] = [(0, initial)]
    while stack:
        done, value = stack.pop()
        if done & known == known:
            return True
        if (done, value) in tried:
            continue
        tried.add((done, value))
        if len(tried) > MAX_STATES:
            raise UndecidedError(f"more than {MAX_STATES} states for {len(ordered)} operations")
        for index in reversed(_candidates(ordered, done)):
            stack.extend((done | 1 << index, after) for after in _outcomes(ordered[index], value))
    return False


def _candidates(ordered: Sequence[RegisterOperation], done: int) -> list[int]:
    """What may come next: invoked before any operation that is to come has returned."""
    candidates: list[int] = []
    first_return_s = math.inf
    index = (~done & (done + 1)).bit_length() - 1  # the first that is not done
    while index < len(ordered) and ordered[index].invoked_s <= first_return_s:
        if not done >> index & 1:
            candidates.append(index)
            first_return_s = min(first_return_s, ordered[index].returned_s)
        index += 1
    return candidates


def _outcomes(operation: RegisterOperation, value: str | None) -> list[str | None]:
    """The values after `operation`; none if its answer cannot be right at this place."""
    match operation.kind:
        case "read":
            return [value] if operation.value == value else []
        case "write":
            return [operation.value]
        case "swap":
            is_there = operation.expected == value
            if operation.is_known and operation.swapped != is_there:
                return []
            return [operation.value if is_there else value]
