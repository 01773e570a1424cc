"""A requirement: what an agent must be and what it should be. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from coordination.requirements.checks import Check, check_of, test_of
from coordination.requirements.facts import MAX_TASKS, Facts
from coordination.requirements.reasons import reason
from coordination.requirements.terms import (
    MAX_PLAIN_NAME_CHARS,
    MAX_TERMS,
    MAX_TEXT_CHARS,
    Name,
    Op,
    Preference,
    Term,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether an agent meets a requirement, and how well."""

    matches: bool
    """It meets every hard term."""
    score: float
    """Weight of the preferences that it meets by that of all, 0 to 1; 1 if there are none, 0 if it does
    not match. The double nearest to the exact quotient, so that equal shares are equal scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TermResult:
    """What became of one term."""

    term: str
    """Its canonical text."""
    met: bool
    preferred: bool
    weight: int
    """Of a preference; 0 for a hard term, which has none."""
    reason: str
    """About the agent: ``gpu.memory_gb is 16, needs >= 24``."""


_MISSES: Final = Verdict(matches=False, score=0.0)
_MATCHES: Final = Verdict(matches=True, score=1.0)


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    hard: tuple[Check, ...]
    preferred: tuple[tuple[int, Check], ...]
    total: int
    """Weight of all preferences."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an agent must meet (`hard`) and should meet (`preferred`); at least one term.

    ``str()`` of it is its canonical text: it reads back as an equal requirement, and equal requirements
    have the same text.

    Args:
        hard: Terms all of which an agent must meet.
        preferred: Terms that raise its score.

    Raises:
        ValueError: No terms, more than 32, or a canonical text of more than 2048 characters.
    """

    hard: tuple[Term, ...]
    preferred: tuple[Preference, ...] = ()
    _compiled: _Compiled = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check the bounds and make the terms functions."""
        count = len(self.hard) + len(self.preferred)
        if not 1 <= count <= MAX_TERMS:
            raise ValueError(f"a requirement has 1 to {MAX_TERMS} terms, not {count}")
        text = ", ".join(map(str, (*self.hard, *self.preferred)))
        if len(text) > MAX_TEXT_CHARS:
            raise ValueError(
                f"a requirement has at most {MAX_TEXT_CHARS} characters; with every name written out "
                f"this one has {len(text)}"
            )
        compiled = _Compiled(
            text=text,
            hard=tuple(map(check_of, self.hard)),
            preferred=tuple((each.weight, check_of(each.term)) for each in self.preferred),
            total=sum(each.weight for each in self.preferred),
        )
        object.__setattr__(self, "_compiled", compiled)

    def __str__(self) -> str:
        return self._compiled.text

    def __reduce__(self) -> tuple[Callable[..., Requirement], tuple[object, ...]]:
        """Pickled and copied without its functions, which are made anew."""
        return Requirement, (self.hard, self.preferred)

    @classmethod
    def of_capability(cls, name: str) -> Requirement:
        """The requirement that `name` exists.

        Raises:
            TermError: No capability can have that name.
        """
        return _of_capability(name)

    def evaluate(self, facts: Facts) -> Verdict:
        """Whether an agent meets this requirement, and how well; never fails."""
        compiled = self._compiled
        for check in compiled.hard:
            if not check(facts):
                return _MISSES
        if not compiled.preferred:
            return _MATCHES
        met = sum(weight for weight, check in compiled.preferred if check(facts))
        return Verdict(matches=True, score=met / compiled.total)

    def explain(self, facts: Facts) -> tuple[TermResult, ...]:
        """What became of every term, hard ones first, in order; agrees with `evaluate`."""
        terms = [(term, 0) for term in self.hard]
        terms += [(each.term, each.weight) for each in self.preferred]
        checks = (*self._compiled.hard, *(check for _, check in self._compiled.preferred))
        return tuple(
            TermResult(
                term=str(term),
                met=check(facts),
                preferred=weight > 0,
                weight=weight,
                reason=reason(term, test_of(term), facts),
            )
            for (term, weight), check in zip(terms, checks, strict=True)
        )

    @property
    def alternatives(self) -> tuple[frozenset[str], ...]:
        """Sets of names, of each of which a matching agent has one as a capability or a label.

        One set for every hard term but ``not NAME`` and ``agent.max_tasks``. ``gpu.memory_gb`` is
        either a capability or label of that name, or an attribute of ``gpu``.
        """
        return tuple(map(_owners, self._needed))

    @property
    def required_names(self) -> frozenset[str]:
        """Names that any matching agent must have as a capability or a label: those without a dot."""
        return frozenset(name for names in self.alternatives if len(names) == 1 for name in names)

    @property
    def capabilities(self) -> frozenset[str]:
        """Names of `required_names` that may be capabilities: all but those with ``label:``."""
        owners = [_owners(name) for name in self._needed if name.space != "label"]
        return frozenset(name for names in owners if len(names) == 1 for name in names)

    @property
    def subjects(self) -> tuple[str, ...]:
        """What the hard terms are about, labels named as such apart: each name once, in order."""
        return tuple(dict.fromkeys(name.text for name in self._needed if name.space != "label"))

    @property
    def _needed(self) -> list[Name]:
        """What a matching agent must have registered, in order."""
        return [
            term.name
            for term in self.hard
            if term.op is not Op.ABSENT and (term.name.text != MAX_TASKS or term.name.space == "label")
        ]


@lru_cache(maxsize=512)
def _of_capability(name: str) -> Requirement:
    """Remembered, because tasks are submitted by the same names again and again."""
    return Requirement(hard=(Term(Name(name)),))


def _owners(name: Name) -> frozenset[str]:
    if name.space == "label":
        return frozenset({name.text})
    parts = name.text.split(".")
    names = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return frozenset(each for each in names if 0 < len(each) <= MAX_PLAIN_NAME_CHARS)
