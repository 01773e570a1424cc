"""How far agents trust one another, from what they said of each other in one topic. Pure.

A rating is a fact: subject the rated agent, predicate ``trust``, object ``{"positive": 8, "negative": 1}``,
which says how often the rater found the agent right and wrong. Ratings of several raters are fused
cumulatively, which for evidence is addition (A. Jøsang, *Subjective Logic*, Springer 2016: cumulative belief
fusion, section 12.3; the mapping between opinions and Beta evidence with the non-informative prior weight
``W = 2`` and the base rate ``a = 1/2``, section 3.3). With ``r`` positive and ``s`` negative the expected
probability is ``(r + W * a) / (r + s + W)``, so an agent that nobody rated has one half.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from knowledge.facts import Fact
from knowledge.limits import MAX_TRUST_EVIDENCE

PREDICATE: Final = "trust"
SCALE: Final = 1000
"""What a weight of full trust would be; no evidence is enough for it."""
PRIOR_WEIGHT: Final = 2
"""``W``: how much evidence the prior counts for."""
BASE_RATE: Final = Fraction(1, 2)
"""``a``: expected of an agent of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """How often an agent was found right and wrong."""

    positive: int = 0
    """0 to `MAX_TRUST_EVIDENCE` from one rater."""
    negative: int = 0
    """0 to `MAX_TRUST_EVIDENCE` from one rater."""

    def __add__(self, other: Evidence) -> Evidence:
        """Cumulative fusion: evidence of independent raters adds up."""
        return Evidence(self.positive + other.positive, self.negative + other.negative)

    @property
    def expectation(self) -> Fraction:
        """Expected probability that the agent is right, between 0 and 1, exactly."""
        counted = self.positive + PRIOR_WEIGHT * BASE_RATE
        return counted / (self.positive + self.negative + PRIOR_WEIGHT)

    @property
    def weight(self) -> int:
        """`expectation` in thousandths, rounded down: 0 to 999."""
        return int(SCALE * self.expectation)


def trust(facts: Iterable[Fact], agents: Iterable[str]) -> dict[str, Evidence]:
    """The fused evidence for each of `agents`; for one that nobody rated it is empty.

    Of each rater the latest rating of an agent counts (by the rater's own clock, then by fact id), so the
    order of `facts` does not matter. Nobody rates itself, and what is no rating says nothing.
    """
    wanted = dict.fromkeys(agents)
    latest: dict[tuple[str, str], tuple[tuple[int, str], Evidence]] = {}
    for fact in facts:
        if fact.predicate != PREDICATE or fact.subject not in wanted or fact.source == fact.subject:
            continue
        rating = _rating(fact.object)
        if rating is None:
            continue
        age, pair = (fact.asserted_at_ms, fact.fact_id), (fact.source, fact.subject)
        if pair not in latest or latest[pair][0] < age:
            latest[pair] = (age, rating)
    fused = dict.fromkeys(wanted, Evidence())
    for (_, subject), (_, rating) in latest.items():
        fused[subject] += rating
    return fused


def ignored(facts: Iterable[Fact], agents: Iterable[str]) -> dict[str, int]:
    """Of whom how many ratings of `agents` count for nothing, because they are malformed.

    Whoever has rated the agent properly since then is not reproached with it. By number, then by name.
    """
    wanted = frozenset(agents)
    latest: dict[tuple[str, str], tuple[int, str]] = {}
    malformed: list[tuple[tuple[str, str], tuple[int, str]]] = []
    for fact in facts:
        if fact.predicate != PREDICATE or fact.subject not in wanted or fact.source == fact.subject:
            continue
        age, pair = (fact.asserted_at_ms, fact.fact_id), (fact.source, fact.subject)
        if _rating(fact.object) is None:
            malformed.append((pair, age))
        else:
            latest[pair] = max(age, latest.get(pair, age))
    found: dict[str, int] = {}
    for pair, age in malformed:
        if pair not in latest or latest[pair] < age:
            found[pair[0]] = found.get(pair[0], 0) + 1
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def _rating(value: object) -> Evidence | None:
    """The evidence in a fact's object; None if it is none."""
    if not isinstance(value, Mapping) or value.keys() != {"positive", "negative"}:
        return None
    positive, negative = value["positive"], value["negative"]
    if not (_is_count(positive) and _is_count(negative)):
        return None
    return Evidence(positive, negative)


def _is_count(value: object) -> bool:
    # type() and not isinstance(): True is an int to Python.
    return type(value) is int and 0 <= value <= MAX_TRUST_EVIDENCE
