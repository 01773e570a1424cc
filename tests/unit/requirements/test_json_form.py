"""Requirements as data: both forms are read, errors name the part, fields of models take and give them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from coordination.requirements import (
    Op,
    Requirement,
    RequirementField,
    RequirementFormError,
    from_json,
    parse,
    to_json,
)


class Wanted(BaseModel):
    """A wire contract with a requirement in it."""

    requirement: RequirementField | None = None


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("a>=3 , b", "a>=3, b"),
        ({"hard": [{"name": "a"}]}, "a"),
        ({"hard": [{"name": "a", "op": "not exists"}]}, "not a"),
        ({"hard": [{"name": "a", "op": "exists", "value": None}]}, "a"),
        ({"hard": [{"name": "a", "op": "==", "value": "eu"}]}, "a=eu"),
        ({"hard": [{"name": "a", "op": ">=", "value": 24}]}, "a>=24"),
        ({"hard": [{"name": "a", "op": ">=", "value": 0.5}]}, "a>=0.5"),
        ({"hard": [{"name": "a", "op": ">=", "value": 1e22}]}, "a>=1e+22"),
        ({"hard": [{"name": "a", "op": ">=", "value": "3.10"}]}, 'a>="3.10"'),
        ({"hard": [{"name": "a", "op": "=", "value": True}]}, "a=true"),
        ({"hard": [{"name": "a", "op": "=", "value": "true"}]}, 'a="true"'),
        ({"hard": [{"name": "a", "op": "in", "value": ["eu", 1, False]}]}, "a in [eu, 1, false]"),
        ({"hard": [{"name": "a", "op": "^", "value": "1.2"}]}, "a^1.2"),
        ({"hard": [{"name": "a", "op": "semver", "value": "1.x"}]}, 'a semver "1.x"'),
        ({"hard": [{"name": "capability:in"}, {"name": "in"}]}, 'capability:in, "in"'),
        ({"hard": ["a>=3.10", "not b"]}, "a>=3.10, not b"),
        (
            {"preferred": [{"name": "a"}, {"name": "b", "weight": 3}, "c weight 4"]},
            "prefer a, prefer b weight 3, prefer c weight 4",
        ),
    ],
)
def test_a_form_is_read_and_given_back(form: Any, text: str) -> None:
    requirement = from_json(form)
    assert str(requirement) == text
    assert from_json(json.loads(json.dumps(to_json(requirement)))) == requirement


def test_a_number_that_json_would_change_is_given_as_text() -> None:
    requirement = parse("a>=3.10, b in [1, 2], prefer c=1.50 weight 2, prefer d=2.0")
    assert to_json(requirement) == {
        "hard": ["a>=3.10", {"name": "b", "op": "in", "value": [1, 2]}],
        "preferred": ["c=1.50 weight 2", {"name": "d", "op": "=", "value": 2.0, "weight": 1}],
    }


A: dict[str, Any] = {"name": "a"}
WEIGHT = "a weight is a whole number from 1 to 1000"
SCALAR = "is a string, true, false, or a number of at most 256 digits"
WRONG: list[tuple[Any, str, str]] = [
    (None, "", "a requirement is a string or an object, not null"),
    (3, "", "a requirement is a string or an object, not a number"),
    ([A], "", "a requirement is a string or an object, not a list"),
    ({}, "", "a requirement has 1 to 32 terms, not 0"),
    ({"hard": [], "preferred": []}, "", "a requirement has 1 to 32 terms, not 0"),
    ("a=>3", "", "'=>' is no operator; write >= (character 1, at \"=>3\")"),
    ("a,", "", "a term must follow ',' (character 2, at the end)"),
    ({"soft": []}, "soft", "is unknown; there are hard, preferred"),
    ({"hard": A}, "hard", "is a list of terms"),
    ({"hard": "a"}, "hard", "is a list of terms"),
    ({"hard": [A] * 33}, "hard", "a requirement has at most 32 terms, not 33"),
    ({"hard": [A] * 20, "preferred": [A] * 20}, "", "a requirement has 1 to 32 terms, not 40"),
    ({"hard": [A, 3]}, "hard[1]", "a term is a string or an object, not a number"),
    ({"hard": [A, [A]]}, "hard[1]", "a term is a string or an object, not a list"),
    ({"hard": ["a="]}, "hard[0]", "a value must follow '=', not the end (character 2, at the end)"),
    (
        {"hard": ["a, b"]},
        "hard[0]",
        'this is one term; another one is an item of its own (character 3, at "b")',
    ),
    ({"hard": ["a weight 2"]}, "hard[0]", "only what is preferred has a weight"),
    ({"hard": [{"op": "="}]}, "hard[0].name", "is missing; name a capability or a label"),
    ({"hard": [{"name": 3}]}, "hard[0].name", "is a string"),
    (
        {"hard": [{"name": "gpus:x"}]},
        "hard[0].name",
        '"gpus" is no kind of name; write capability:x or label:x',
    ),
    (
        {"hard": [A, {"name": "A"}]},
        "hard[1].name",
        "\"A\" is not a name; use up to 127 of a-z, 0-9, '_', '-' and '.', beginning with a letter or digit",
    ),
    (
        {"hard": [A, {"name": "a", "op": "=>", "value": 3}]},
        "hard[1].op",
        f'"=>" is no operator; there are {", ".join(Op)}',
    ),
    ({"hard": [{"name": "a", "op": "=", "value": {}}]}, "hard[0].value", SCALAR),
    ({"hard": [{"name": "a", "op": "=", "value": float("nan")}]}, "hard[0].value", SCALAR),
    ({"hard": [{"name": "a", "op": "=", "value": 10**256}]}, "hard[0].value", SCALAR),
    ({"hard": [{"name": "a", "op": "=", "value": 10**5000}]}, "hard[0].value", SCALAR),
    ({"hard": [{"name": "a", "op": "=", "value": -(10**400)}]}, "hard[0].value", SCALAR),
    ({"hard": [{"name": "a", "op": "in", "value": ["x", ["y"]]}]}, "hard[0].value[1]", SCALAR),
    ({"hard": [{"name": "a", "op": "in", "value": ["x", None]}]}, "hard[0].value[1]", SCALAR),
    (
        {"hard": [{"name": "a", "op": "in", "value": ["x", "y" * 257]}]},
        "hard[0].value[1]",
        "a text has at most 256 characters, not 257",
    ),
    (
        {"hard": [{"name": "a", "op": "in", "value": ["x"] * 65}]},
        "hard[0].value",
        "a list has 1 to 64 items, not 65",
    ),
    ({"hard": [{"name": "a", "op": "="}]}, "hard[0].value", "'=' takes one value"),
    ({"hard": [{"name": "a", "value": 1}]}, "hard[0].value", "'exists' takes no value"),
    (
        {"hard": [{"name": "a", "op": "^", "value": 1.2}]},
        "hard[0].value",
        "'^' takes a version as text: 3.10 as a number would be 3.1",
    ),
    ({"hard": [{"name": "a", "weight": 2}]}, "hard[0].weight", "is unknown; there are name, op, value"),
    ({"preferred": [A, {"name": "a", "weight": 0}]}, "preferred[1].weight", WEIGHT),
    ({"preferred": [{"name": "a", "weight": True}]}, "preferred[0].weight", WEIGHT),
    ({"preferred": [{"name": "a", "weight": "2"}]}, "preferred[0].weight", WEIGHT),
    (
        {"preferred": [{"name": "a", "wait": 2}]},
        "preferred[0].wait",
        "is unknown; there are name, op, value, weight",
    ),
]


@pytest.mark.parametrize(
    ("form", "path", "message"), WRONG, ids=[f"{place}-{path}" for place, (_, path, _) in enumerate(WRONG)]
)
def test_an_error_names_the_part_that_is_wrong(form: Any, path: str, message: str) -> None:
    with pytest.raises(RequirementFormError) as caught:
        from_json(form)
    assert (caught.value.path, caught.value.message) == (path, message)
    assert str(caught.value) == (f"{path}: {message}" if path else message)


def test_a_field_takes_both_forms_and_gives_the_canonical_text() -> None:
    from_text = Wanted.model_validate_json('{"requirement": "a >= 3.10 ,b"}')
    assert from_text.requirement == parse("a>=3.10, b")
    assert from_text.model_dump_json() == '{"requirement":"a>=3.10, b"}'
    assert from_text.model_dump() == {"requirement": "a>=3.10, b"}
    from_object = Wanted.model_validate({"requirement": {"hard": [{"name": "a", "op": "<", "value": 3}]}})
    assert from_object.requirement == parse("a<3")
    assert Wanted(requirement=parse("a<3")) == from_object
    assert Wanted.model_validate({"requirement": None}).requirement is None


def test_a_field_says_where_and_what_is_wrong() -> None:
    with pytest.raises(ValidationError) as caught:
        Wanted.model_validate({"requirement": {"hard": [{"name": "a", "op": "{reason}"}]}})
    (error,) = caught.value.errors()
    assert error["loc"] == ("requirement",)
    assert error["type"] == "requirement"
    assert error["msg"].startswith('hard[0].op: "{reason}" is no operator; there are =, !=')


def test_the_schema_describes_both_forms_to_who_asks_and_one_to_who_reads() -> None:
    asked = Wanted.model_json_schema()["properties"]["requirement"]["anyOf"]
    text, form, null = asked[0]["anyOf"] + asked[1:] if "anyOf" in asked[0] else asked
    assert (text["type"], text["minLength"], text["maxLength"]) == ("string", 1, 2048)
    assert isinstance(parse(text["examples"][0]), Requirement)
    assert form["type"] == "object"
    assert set(form["properties"]) == {"hard", "preferred"}
    assert form["properties"]["hard"]["items"]["anyOf"][1]["properties"]["op"]["enum"][0] == "="
    assert null == {"type": "null"}
    read = Wanted.model_json_schema(mode="serialization")["properties"]["requirement"]["anyOf"]
    assert [each["type"] for each in read] == ["string", "null"]
