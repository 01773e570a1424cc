"""Hypothesis strategies for requirements and for what agents offer, chosen so that they often meet."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from coordination.requirements import CapabilityFacts, Facts, Name, Number, Op, Preference, Requirement, Term
from coordination.requirements.terms import LISTS, ORDERED, PRESENCE, VERSIONED, Value

PLAIN_NAMES = st.sampled_from(["a", "b", "a.b", "a.b.c", "in", "not", "prefer", "weight", "3.1", "x-y_z."])
NAMES = st.builds(
    Name,
    PLAIN_NAMES | st.sampled_from(["agent.max_tasks", "a.a", "b.a.b"]),
    st.sampled_from(["any", "capability", "label"]),
)
VERSIONS = st.sampled_from(
    [
        "0.9.0",
        "1.0.0",
        "1.2.0",
        "1.2.3-rc.1",
        "1.2.3-rc.2",
        "1.2.3-1",
        "1.2.3",
        "1.3.0",
        "2.0.0-alpha",
        "2.0.0",
    ]
)
PARTIALS = VERSIONS | st.sampled_from(["0", "1", "1.2", "2", "0.0.3", "1.2.3+build"])
TEXTS = (
    st.sampled_from(["eu", "us", "true", "1", "1.0", "12.4", "", "x y", '"', "latest", "1.2.3.post1"])
    | VERSIONS
)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
NUMBERS = (
    st.sampled_from(["0", "1", "1.0", "2", "16", "0.5", "1e3", "-1", "3.10", "3.1", "9007199254740993"])
    | st.integers(-(10**30), 10**30).map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
).map(Number)
SCALARS = st.booleans() | NUMBERS | TEXTS | ANY_TEXT
RANGES = st.sampled_from(["*", ">=1.2 <2 || 3.x", "1.2 - 2", "^1.2.3-rc.1", "~1.2", "<1"])
SPECIFIERS = st.sampled_from([">=1,!=1.2.3", "==1.2.*", "~=1.2", ">=1.2.3rc2", "<2"])


def values(op: Op) -> SearchStrategy[Value]:
    """What an operator takes."""
    if op in PRESENCE:
        return st.none()
    if op in LISTS:
        return st.lists(SCALARS, min_size=1, max_size=4).map(tuple)
    if op in ORDERED:
        return NUMBERS | PARTIALS
    if op not in VERSIONED:
        return SCALARS
    special = {
        Op.SEMVER: RANGES,
        Op.PEP440: SPECIFIERS,
        Op.COMPATIBLE: st.sampled_from(["1.2", "1.2.3", "0.9"]),
    }
    return special.get(op, PARTIALS)


TERMS: SearchStrategy[Term] = st.sampled_from(list(Op)).flatmap(
    lambda op: st.builds(Term, NAMES, st.just(op), values(op))
)
PREFERENCES = st.builds(Preference, TERMS, st.integers(1, 1000) | st.just(1))


@st.composite
def requirements(draw: st.DrawFn) -> Requirement:
    """Any requirement of up to eight terms."""
    hard = draw(st.lists(TERMS, max_size=4))
    preferred = draw(st.lists(PREFERENCES, min_size=0 if hard else 1, max_size=4))
    return Requirement(tuple(hard), tuple(preferred))


ATTRIBUTES = (
    st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.sampled_from([0, 1, 16, 1.0, 0.5, 3.1, 1000.0, 9007199254740993, 9007199254740992.0])
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
CAPABILITIES = st.builds(
    CapabilityFacts,
    version=VERSIONS | st.just("latest"),
    attributes=st.dictionaries(PLAIN_NAMES, ATTRIBUTES, max_size=3),
)
FACTS = st.builds(
    Facts,
    capabilities=st.dictionaries(PLAIN_NAMES, CAPABILITIES, max_size=4),
    labels=st.dictionaries(PLAIN_NAMES | st.just("agent.max_tasks"), TEXTS, max_size=4),
    max_tasks=st.integers(0, 1000),
)
