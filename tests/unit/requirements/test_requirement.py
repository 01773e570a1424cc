"""Names lead to one fact, scores are exact shares, and what a requirement needs can be looked up."""

from __future__ import annotations

import pytest

from coordination.requirements import (
    CapabilityFacts,
    Facts,
    Name,
    Number,
    Op,
    Preference,
    Requirement,
    Term,
    TermError,
    parse,
)

NESTED = Facts(
    capabilities={
        "a": CapabilityFacts(version="1.0.0", attributes={"b.c": 1, "b.d": 1, "x": 1}),
        "a.b": CapabilityFacts(version="2.0.0", attributes={"c": 2}),
        "a.x": CapabilityFacts(version="3.0.0"),
        "agent": CapabilityFacts(attributes={"max_tasks": 99, "other": 7}),
    },
    labels={"a": "label", "a.b.c": "label", "only": "label", "agent.max_tasks": "label"},
    max_tasks=2,
)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a", "a is 1.0.0"),
        ("a.b", "a.b is 2.0.0"),
        ("a.x", "a.x is 3.0.0"),  # the capability, not the attribute x of a
        ("a.b.c", "a.b.c is 2"),  # of a.b, the longer of the two
        ("a.b.d", "a.b.d is 1"),  # of a, because a.b has none
        ("only", 'only is "label"'),
        ("agent.max_tasks", "agent.max_tasks is 2"),
        ("capability:agent.max_tasks", "agent.max_tasks is 2"),
        ("agent.other", "agent.other is 7"),
        ("label:agent.max_tasks", 'agent.max_tasks is "label"'),
        ("label:a", 'a is "label"'),
        ("label:a.b.c", 'a.b.c is "label"'),
        ("capability:only", "has no capability 'only'"),
        ("capability:a.b.c", "a.b.c is 2"),
    ],
)
def test_a_name_leads_to_one_fact(name: str, reason: str) -> None:
    (result,) = parse(name).explain(NESTED)
    assert result.reason == reason


def test_the_order_of_capabilities_does_not_matter() -> None:
    backwards = Facts(
        capabilities=dict(reversed(list(NESTED.capabilities.items()))), labels=NESTED.labels, max_tasks=2
    )
    assert backwards.capable == NESTED.capable
    assert backwards == NESTED


@pytest.mark.parametrize(
    ("text", "matches", "score"),
    [
        ("only", True, 1.0),
        ("missing", False, 0.0),
        ("missing, prefer only", False, 0.0),
        ("only, prefer only", True, 1.0),
        ("prefer missing", True, 0.0),
        ("prefer only, prefer missing", True, 0.5),
        ("prefer only weight 2, prefer missing", True, 2 / 3),
        ("prefer only weight 999, prefer missing weight 1", True, 0.999),
        ("prefer only weight 1, prefer a weight 1, prefer missing weight 1", True, 2 / 3),
    ],
)
def test_the_score_is_the_share_of_met_weight(text: str, *, matches: bool, score: float) -> None:
    verdict = parse(text).evaluate(NESTED)
    assert (verdict.matches, verdict.score) == (matches, score)


def test_equal_shares_are_equal_scores_however_they_are_put_together() -> None:
    tenths = parse(", ".join(["prefer only"] * 3 + ["prefer missing"] * 7))
    assert (
        tenths.evaluate(NESTED).score
        == parse("prefer only weight 3, prefer missing weight 7").evaluate(NESTED).score
    )


def test_explain_keeps_the_order_and_says_what_is_preferred() -> None:
    results = parse("only, prefer a>=2 weight 3, a").explain(NESTED)
    assert [(each.term, each.met, each.preferred, each.weight) for each in results] == [
        ("only", True, False, 0),
        ("a", True, False, 0),
        ("a>=2", False, True, 3),
    ]


def test_a_capability_is_a_requirement() -> None:
    requirement = Requirement.of_capability("python")
    assert requirement == parse("python")
    assert str(requirement) == "python"
    assert str(Requirement.of_capability("in")) == '"in"'
    with pytest.raises(TermError, match='"Python" is not a name'):
        Requirement.of_capability("Python")


@pytest.mark.parametrize(
    ("text", "alternatives", "required", "capabilities"),
    [
        ("a, label:b, capability:c", [{"a"}, {"b"}, {"c"}], {"a", "b", "c"}, {"a", "c"}),
        ("a.b.c>=1", [{"a", "a.b", "a.b.c"}], set(), set()),
        ("label:a.b", [{"a.b"}], {"a.b"}, set()),
        ("a!=1, a not in [1]", [{"a"}, {"a"}], {"a"}, {"a"}),
        ("not a, agent.max_tasks>=1, prefer b", [], set(), set()),
        ("label:agent.max_tasks", [{"agent.max_tasks"}], {"agent.max_tasks"}, set()),
        (f"{'a' * 63}.{'b' * 63}", [{"a" * 63}], {"a" * 63}, {"a" * 63}),
    ],
)
def test_an_index_learns_what_a_match_must_have(
    text: str, alternatives: list[set[str]], required: set[str], capabilities: set[str]
) -> None:
    requirement = parse(text)
    assert list(requirement.alternatives) == alternatives
    assert requirement.required_names == required
    assert requirement.capabilities == capabilities


@pytest.mark.parametrize(
    ("text", "subjects"),
    [
        ("python>=3.11, <4, label:region=eu, not windows", ("python",)),
        ("b, a.b, capability:b, prefer c, agent.max_tasks>=2", ("b", "a.b")),
        ("prefer c", ()),
    ],
)
def test_a_requirement_knows_what_it_is_about(text: str, subjects: tuple[str, ...]) -> None:
    assert parse(text).subjects == subjects


TERM = Term(Name("a"))


@pytest.mark.parametrize(
    ("hard", "preferred", "message"),
    [
        ((), (), "a requirement has 1 to 32 terms, not 0"),
        ((TERM,) * 30, (Preference(TERM),) * 3, "a requirement has 1 to 32 terms, not 33"),
        (
            (Term(Name("a"), Op.EQ, "x" * 256),) * 9,
            (),
            "a requirement has at most 2048 characters; with every name written out this one has 2338",
        ),
    ],
)
def test_a_requirement_has_bounds(
    hard: tuple[Term, ...], preferred: tuple[Preference, ...], message: str
) -> None:
    with pytest.raises(ValueError, match="a requirement has") as caught:
        Requirement(hard, preferred)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("op", "value", "message"),
    [
        (Op.EXISTS, "x", "'exists' takes no value"),
        (Op.ABSENT, "x", "'not exists' takes no value"),
        (Op.EQ, None, "'=' takes one value"),
        (Op.EQ, ("x",), "'=' takes one value; a list goes with 'in'"),
        (Op.IN, "x", "'in' takes a list, such as [eu, us]"),
        (Op.IN, (), "a list has 1 to 64 items, not 0"),
        (Op.NOT_IN, ("x",) * 65, "a list has 1 to 64 items, not 65"),
        (Op.EQ, "\ud800", "half a surrogate pair is no character"),
        (Op.CARET, Number("1.2"), "'^' takes a version as text: 3.10 as a number would be 3.1"),
        (Op.LT, False, "false has no order; write =false"),
    ],
)
def test_a_term_that_means_nothing_cannot_be_made(op: Op, value: object, message: str) -> None:
    with pytest.raises(TermError) as caught:
        Term(Name("a"), op, value)  # type: ignore[arg-type]
    assert (caught.value.part, caught.value.message) == ("value", message)


@pytest.mark.parametrize("weight", [0, 1001, -1, True, 1.0, "1"])
def test_a_weight_is_a_whole_number_within_bounds(weight: object) -> None:
    with pytest.raises(TermError, match="a weight is a whole number from 1 to 1000"):
        Preference(TERM, weight)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "1.", ".5", "01", "+1", "1e", "0x1", "1_0", "٣", "1" * 257, "nan"])
def test_a_number_is_written_as_in_json(text: str) -> None:
    with pytest.raises(ValueError, match="is no number"):
        Number(text)
