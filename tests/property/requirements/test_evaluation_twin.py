"""Evaluation equals that of a twin written as docs/requirements.md says, without a thought of speed."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cmp_to_key
from typing import Any

from hypothesis import given, settings
from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from coordination.requirements import Facts, Name, Number, Op, Requirement, Term
from coordination.requirements.terms import Scalar
from coordination.requirements.versions import npm_range, version_key
from tests.support.requirements import FACTS, requirements

NOTHING = object()
SEMVER = re.compile(r"(\d+)(?:\.(\d+)(?:\.(\d+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?", re.ASCII)


def look_up(name: Name, facts: Facts) -> tuple[str, Any]:
    """(kind, value) of what a name stands for, or NOTHING."""
    text = name.text
    if name.space != "label":
        if text == "agent.max_tasks":
            return "number", facts.max_tasks
        if text in facts.capabilities:
            return "version", facts.capabilities[text].version
        for owner in sorted(facts.capabilities, key=len, reverse=True):
            if text.startswith(owner + "."):
                attributes = facts.capabilities[owner].attributes
                attribute = text[len(owner) + 1 :]
                if attribute in attributes:
                    value = attributes[attribute]
                    kind = (
                        "flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
                    )
                    return kind, value
    if name.space != "capability" and text in facts.labels:
        return "text", facts.labels[text]
    return "nothing", NOTHING


Semver = tuple[list[int], list[str]]


def semver(text: str) -> Semver | None:
    """([numbers given], [identifiers of the prerelease])."""
    found = SEMVER.fullmatch(text)
    if found is None:
        return None
    return [int(each) for each in found.groups()[:3] if each is not None], (found[4] or "").split(
        "."
    ) if found[4] else []


def precedence(one: Semver, other: Semver) -> int:
    """Below, equal or above by SemVer section 11; missing numbers are 0."""
    left, right = (each[0] + [0] * (3 - len(each[0])) for each in (one, other))
    if left != right:
        return -1 if left < right else 1
    if not one[1] or not other[1]:
        return bool(other[1]) - bool(one[1])
    for mine, yours in zip(one[1], other[1], strict=False):
        if mine != yours:
            if mine.isdigit() and yours.isdigit():
                return -1 if int(mine) < int(yours) else 1
            if mine.isdigit() != yours.isdigit():
                return -1 if mine.isdigit() else 1
            return -1 if mine < yours else 1
    return (len(one[1]) > len(other[1])) - (len(one[1]) < len(other[1]))


def named(bound: Semver, version: Semver) -> bool:
    """Whether a partial version names a version, as 1.2 names 1.2.7."""
    if len(bound[0]) == 3:
        return precedence(bound, version) == 0
    return not version[1] and version[0][: len(bound[0])] == bound[0]


def compared(op: str, version: Semver, bound: Semver) -> bool:  # noqa: PLR0911 - one arm per operator
    """npm's comparison of a full version with a possibly partial one."""
    if version[1] and not (bound[1] and bound[0] == version[0]):
        return False
    order = precedence(version, bound)
    match op:
        case "=":
            return named(bound, version)
        case ">=":
            return order >= 0
        case "<":
            return order < 0
        case "<=":
            return order < 0 or named(bound, version)
        case ">":
            return order > 0 and not named(bound, version)
        case "~":
            same = bound[0][: min(len(bound[0]), 2)]
            return order >= 0 and version[0][: len(same)] == same
        case _:
            first = next((place for place, each in enumerate(bound[0]) if each), len(bound[0]) - 1)
            return order >= 0 and version[0][: first + 1] == bound[0][: first + 1]


def padded(text: str) -> Semver | None:
    found = semver(text)
    return None if found is None else (found[0] + [0] * (3 - len(found[0])), found[1])


def written(value: Scalar) -> str:
    return (
        str(value).lower() if isinstance(value, bool) else value.text if isinstance(value, Number) else value
    )


def equal(kind: str, fact: Any, value: Scalar) -> bool | None:
    """None if they cannot be compared."""
    if kind == "text":
        return bool(fact == written(value))
    if kind == "number":
        return Fraction(fact) == Fraction(value.value) if isinstance(value, Number) else None
    if kind == "flag":
        return fact is value if isinstance(value, bool) else None
    version, bound = semver(fact), semver(written(value))
    if version is None or len(version[0]) < 3 or bound is None:
        return None
    return compared("=", version, bound)


def specified(kind: str, fact: Any, specifier: str) -> bool:
    if kind not in ("version", "text"):
        return False
    if kind == "version":
        version = semver(fact)
        if version is None or (version[1] and version[1][0] not in ("rc", "alpha")):
            return False
    try:
        read = Version(fact)
    except InvalidVersion:
        return False
    chosen = SpecifierSet(specifier)
    return chosen.contains(
        read, prereleases=any(Version(each.version.removesuffix(".*")).is_prerelease for each in chosen)
    )


def decided(term: Term, kind: str, fact: Any) -> bool:  # noqa: PLR0911 - as the table has it
    value = term.value
    match term.op:
        case Op.EXISTS:
            return kind != "nothing"
        case Op.ABSENT:
            return kind == "nothing"
        case _ if kind == "nothing":
            return False
        case Op.EQ | Op.IN:
            items = value if isinstance(value, tuple) else (value,)
            return any(equal(kind, fact, each) is True for each in items if each is not None)
        case Op.NE | Op.NOT_IN:
            items = value if isinstance(value, tuple) else (value,)
            return all(equal(kind, fact, each) is False for each in items if each is not None)
        case Op.COMPATIBLE | Op.PEP440:
            return specified(kind, fact, f"~={value}" if term.op is Op.COMPATIBLE else str(value))
    assert isinstance(value, (bool, Number, str))
    if kind == "number":
        return isinstance(value, Number) and ordered(term.op, Fraction(fact) - Fraction(value.value))
    return ranged(term.op, kind, fact, written(value))


def ordered(op: Op, difference: Fraction) -> bool:
    """Whether a number is `op` another; no number is in a range of versions."""
    return {
        Op.LT: difference < 0,
        Op.LE: difference <= 0,
        Op.GT: difference > 0,
        Op.GE: difference >= 0,
    }.get(op, False)


def ranged(op: Op, kind: str, fact: Any, value: str) -> bool:
    version = padded(fact) if kind == "text" else semver(fact) if kind == "version" else None
    if version is None:
        return False
    if op is Op.SEMVER:
        text = ".".join(map(str, version[0])) + (f"-{'.'.join(version[1])}" if version[1] else "")
        key = version_key(text)
        return key is not None and key in npm_range(value)
    bound = semver(value)
    return bound is not None and compared(op.value, version, bound)


def met(term: Term, facts: Facts) -> bool:
    return decided(term, *look_up(term.name, facts))


@settings(max_examples=200)
@given(requirements(), FACTS)
def test_evaluation_equals_that_of_the_naive_twin(requirement: Requirement, facts: Facts) -> None:
    verdict = requirement.evaluate(facts)
    matches = all(met(term, facts) for term in requirement.hard)
    total = sum(each.weight for each in requirement.preferred)
    share = Fraction(sum(each.weight for each in requirement.preferred if met(each.term, facts)), total or 1)
    assert verdict.matches is matches
    assert verdict.score == (float(share if total else 1) if matches else 0.0)


@settings(max_examples=100)
@given(requirements(), FACTS)
def test_explanations_agree_with_evaluation(requirement: Requirement, facts: Facts) -> None:
    verdict, results = requirement.evaluate(facts), requirement.explain(facts)
    assert verdict.matches is all(each.met for each in results if not each.preferred)
    weights = [(each.weight, each.met) for each in results if each.preferred]
    if verdict.matches and weights:
        assert verdict.score == sum(w for w, is_met in weights if is_met) / sum(w for w, _ in weights)
    for each in results:
        assert 0 < len(each.reason) < 400
        assert "\n" not in each.reason
    terms = (*requirement.hard, *(each.term for each in requirement.preferred))
    assert [each.met for each in results] == [met(term, facts) for term in terms]
    assert [each.term for each in results] == [str(term) for term in terms]


@given(requirements(), FACTS)
def test_a_matching_agent_has_the_names_that_the_index_looks_for(
    requirement: Requirement, facts: Facts
) -> None:
    names = facts.capabilities.keys() | facts.labels.keys()
    if requirement.evaluate(facts).matches:
        assert requirement.required_names <= names
        assert all(names & alternative for alternative in requirement.alternatives)


def test_the_twin_orders_versions_as_the_specification_does() -> None:
    ascending = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0"]
    read = [found for each in reversed(ascending) if (found := semver(each)) is not None]
    assert [semver(each) for each in ascending] == sorted(read, key=cmp_to_key(precedence))
