"""Terms as functions of facts. Pure; made once per requirement, called for every agent.

What can be compared with what (anything else is a mismatch, which no operator but ``exists`` matches):

- a capability's version with versions,
- a number with numbers that are written without quotes,
- true and false with true and false that are written without quotes,
- a text with anything: for equality letter by letter, for order and ranges if both are versions.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Final, Protocol

from coordination.requirements.facts import Fact, Facts, Kind
from coordination.requirements.terms import LISTS, ORDERED, Name, Number, Op, Scalar, Term, plain, specifier
from coordination.requirements.versions import Range, compare, npm_range, partial

Check = Callable[[Facts], bool]
_ORDER: Final[dict[Op, Callable[[int | float, int | float], bool]]] = {
    Op.LT: operator.lt,
    Op.LE: operator.le,
    Op.GT: operator.gt,
    Op.GE: operator.ge,
}
# Looked up for every agent: a name of the module costs less than a member of an enumeration.
_VERSION, _NUMBER, _FLAG, _TEXT = Kind.VERSION, Kind.NUMBER, Kind.FLAG, Kind.TEXT


class Test(Protocol):
    """How the fact that a name stands for is tested."""

    def __call__(self, fact: Fact, /) -> bool:
        """Whether the fact meets the term."""

    def compares(self, fact: Fact, /) -> bool:
        """Whether the types allow it to be tested at all; if not, it does not meet the term."""


class Membership:
    """``=``, ``!=``, ``in`` and ``not in``: a fact equals one of the values, or none.

    ``not in`` means ``!=`` each: it is not met by a fact that cannot be compared with all of them.
    """

    __slots__ = ("_all", "_flags", "_negated", "_numbers", "_ranges", "_texts")

    def __init__(self, values: tuple[Scalar, ...], *, negated: bool) -> None:
        numbers = [each.value for each in values if isinstance(each, Number)]
        flags = [each for each in values if isinstance(each, bool)]
        versions = [found for each in values if (found := partial(plain(each))) is not None]
        self._numbers = frozenset(numbers)
        self._flags = frozenset(flags)
        self._texts = frozenset(map(plain, values))
        self._ranges = tuple(compare("=", each) for each in versions)
        self._negated = negated
        self._all = {
            kind
            for kind, count in ((_NUMBER, len(numbers)), (_FLAG, len(flags)), (_VERSION, len(versions)))
            if count == len(values)
        } | {_TEXT}

    def __call__(self, fact: Fact, /) -> bool:
        """Whether the fact is, or is not, one of the values."""
        kind = fact.kind
        if kind is _TEXT:
            within = fact.value in self._texts
        elif kind is _NUMBER:
            within = fact.value in self._numbers
        elif kind is _FLAG:
            within = fact.value in self._flags
        else:
            version = fact.version
            if version is None:
                return False
            within = any(version in each for each in self._ranges)
        return within if not self._negated else not within and kind in self._all

    def compares(self, fact: Fact, /) -> bool:
        """All values have to be comparable for ``not in``, one of them for ``in``."""
        if fact.kind is _VERSION and fact.version is None:
            return False
        some = {_NUMBER: self._numbers, _FLAG: self._flags, _VERSION: self._ranges, _TEXT: self._texts}
        return fact.kind in self._all or (not self._negated and bool(some[fact.kind]))


class Order:
    """``<``, ``<=``, ``>`` and ``>=``: of numbers, or of versions."""

    __slots__ = ("_compare", "_number", "range")

    def __init__(self, op: Op, value: Scalar) -> None:
        self._compare = _ORDER[op]
        self._number = value.value if isinstance(value, Number) else None
        bound = partial(plain(value))
        self.range = compare(op.value, bound) if bound is not None else None

    def __call__(self, fact: Fact, /) -> bool:
        """Whether the fact is on the right side of the value."""
        if fact.kind is _NUMBER:
            number = self._number
            assert not isinstance(fact.value, str)
            return number is not None and self._compare(fact.value, number)
        return fact.version is not None and self.range is not None and fact.version in self.range

    def compares(self, fact: Fact, /) -> bool:
        """A number with a number, a version with a version."""
        if fact.kind is _NUMBER:
            return self._number is not None
        return fact.version is not None and self.range is not None


class Within:
    """``^``, ``~`` and ``semver``: a version is in a range."""

    __slots__ = ("range",)

    def __init__(self, versions: Range) -> None:
        self.range = versions

    def __call__(self, fact: Fact, /) -> bool:
        """Whether the fact is a version in the range."""
        return fact.version is not None and fact.version in self.range

    def compares(self, fact: Fact, /) -> bool:
        """Only versions can be in a range."""
        return fact.version is not None


class Specified:
    """``~=`` and ``pep440``: a PEP 440 specifier takes a version."""

    __slots__ = ("_specifier",)

    def __init__(self, op: Op, text: str) -> None:
        self._specifier = specifier(op, text)

    def _takes(self, fact: Fact) -> bool | None:
        if fact.kind is not _TEXT and fact.version is None:
            return None
        return self._specifier.takes(str(fact.value), is_semver=fact.kind is _VERSION)

    def __call__(self, fact: Fact, /) -> bool:
        """Whether the fact is a version that the specifier takes."""
        return self._takes(fact) is True

    def compares(self, fact: Fact, /) -> bool:
        """Only what PEP 440 knows as a version."""
        return self._takes(fact) is not None


def test_of(term: Term) -> Test | None:
    """How a term tests a fact; None for ``exists`` and ``not exists``."""
    return None if term.value is None else _test_of(term.op, term.value)


def _test_of(op: Op, value: Scalar | tuple[Scalar, ...]) -> Test:
    if isinstance(value, tuple):
        assert op in LISTS
        return Membership(value, negated=op is Op.NOT_IN)
    if op in (Op.EQ, Op.NE):
        return Membership((value,), negated=op is Op.NE)
    if op in ORDERED:
        return Order(op, value)
    assert isinstance(value, str)
    if op is Op.SEMVER:
        return Within(npm_range(value))
    if op in (Op.CARET, Op.TILDE):
        bound = partial(value)
        assert bound is not None
        return Within(compare(op.value, bound))
    return Specified(op, value)


def check_of(term: Term) -> Check:
    """Whether an agent meets a term, as a function of its facts."""
    test = test_of(term)
    if test is None:
        return _presence(term.name, wanted=term.op is Op.EXISTS)
    return _comparison(term.name, test)


def _presence(name: Name, *, wanted: bool) -> Check:
    text = name.text
    if name.space == "label":
        return lambda facts: (text in facts.labelled) is wanted
    if name.space == "capability":
        return lambda facts: (text in facts.capable) is wanted
    return lambda facts: (text in facts.capable or text in facts.labelled) is wanted


def _comparison(name: Name, test: Callable[[Fact], bool]) -> Check:
    """`Facts.get` and the test in one function: this is what is called for every agent."""
    text = name.text
    if name.space == "label":

        def label(facts: Facts) -> bool:
            fact = facts.labelled.get(text)
            return fact is not None and test(fact)

        return label
    if name.space == "capability":

        def capability(facts: Facts) -> bool:
            fact = facts.capable.get(text)
            return fact is not None and test(fact)

        return capability

    def any_of_both(facts: Facts) -> bool:
        fact = facts.capable.get(text) or facts.labelled.get(text)
        return fact is not None and test(fact)

    return any_of_both
