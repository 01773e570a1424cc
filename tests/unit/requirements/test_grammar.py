"""Texts are read as terms, and every mistake is named with its place and its mending."""

from __future__ import annotations

import copy
import pickle

import pytest

from coordination.requirements import (
    Name,
    Number,
    Op,
    Preference,
    Requirement,
    RequirementSyntaxError,
    Term,
    parse,
)
from coordination.requirements.grammar import parse_term

A = Name("a")


def number(text: str) -> Number:
    return Number(text)


READ: list[tuple[str, Term]] = [
    ("a", Term(A)),
    ("a exists", Term(A)),
    ("not a", Term(A, Op.ABSENT)),
    ("a not exists", Term(A, Op.ABSENT)),
    ("a=eu", Term(A, Op.EQ, "eu")),
    ("a == eu", Term(A, Op.EQ, "eu")),
    ("a!=eu", Term(A, Op.NE, "eu")),
    ("a<1", Term(A, Op.LT, number("1"))),
    ("a<=-1.50", Term(A, Op.LE, number("-1.50"))),
    ("a>1e3", Term(A, Op.GT, number("1e3"))),
    ("a>=1.2.3-rc.1+b", Term(A, Op.GE, "1.2.3-rc.1+b")),
    ('a>="3.10"', Term(A, Op.GE, "3.10")),
    ("a=true", Term(A, Op.EQ, value=True)),
    ("a=True", Term(A, Op.EQ, "True")),
    ('a="true"', Term(A, Op.EQ, "true")),
    ("a=007", Term(A, Op.EQ, "007")),
    ("a=in", Term(A, Op.EQ, "in")),
    ("a=nixos/nix:2.3@x", Term(A, Op.EQ, "nixos/nix:2.3@x")),
    (r'a="\"\\\n\r\té\u0007"', Term(A, Op.EQ, '"\\\n\r\té\x07')),
    ('a=""', Term(A, Op.EQ, "")),
    ('a in [x, 1, true, "x y"]', Term(A, Op.IN, ("x", number("1"), True, "x y"))),
    ("a not\tin[x]", Term(A, Op.NOT_IN, ("x",))),
    ("a~=3.11", Term(A, Op.COMPATIBLE, "3.11")),
    ('a~="1!3.11"', Term(A, Op.COMPATIBLE, "1!3.11")),
    ("a^1.2", Term(A, Op.CARET, "1.2")),
    ("a~1", Term(A, Op.TILDE, "1")),
    ('a semver ">=1.2 <2"', Term(A, Op.SEMVER, ">=1.2 <2")),
    ("a semver 1.x", Term(A, Op.SEMVER, "1.x")),
    ('a pep440 ">=3.11,<4"', Term(A, Op.PEP440, ">=3.11,<4")),
    ("capability:in", Term(Name("in", "capability"))),
    ("label:a.b-c_d", Term(Name("a.b-c_d", "label"))),
    ('"in" in [in]', Term(Name("in"), Op.IN, ("in",))),
    ("not not-a", Term(Name("not-a"), Op.ABSENT)),
    ('not "not"', Term(Name("not"), Op.ABSENT)),
    ("weight>=3", Term(Name("weight"), Op.GE, number("3"))),
    ("3.11", Term(Name("3.11"))),
]


@pytest.mark.parametrize(("text", "term"), READ, ids=[text for text, _ in READ])
def test_a_term_is_read_and_written_so_that_it_reads_back(text: str, term: Term) -> None:
    assert parse(text) == Requirement((term,))
    assert parse(str(term)) == Requirement((term,))
    assert parse_term(text) == (term, None)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        (" a >= 3 ,\n< 4, not in [ 7,8 ] ", "a>=3, a<4, a not in [7, 8]"),
        ("a==x, b exists, b not exists", "a=x, b, not b"),
        ("prefer a weight 1, b, prefer c=x weight 03", "b, prefer a, prefer c=x weight 3"),
        ("prefer weight weight 2", "prefer weight weight 2"),
        ('"prefer", "a">=1, <2', '"prefer", a>=1, a<2'),
        ('a="eu", b="1", c="a b", d="true"', 'a=eu, b="1", c="a b", d="true"'),
        ('a^"1.2", a~="3.11", a semver 1.x', 'a^1.2, a~=3.11, a semver "1.x"'),
        ('a~="1!3.11"', 'a~="1!3.11"'),
        ('a="\u2028"', 'a="\\u2028"'),
    ],
)
def test_the_canonical_text_is_short_regular_and_reads_back(text: str, canonical: str) -> None:
    requirement = parse(text)
    assert str(requirement) == canonical
    assert parse(canonical) == requirement
    assert hash(parse(canonical)) == hash(requirement)


def test_preferences_stand_apart_from_hard_terms() -> None:
    requirement = parse("prefer a=x weight 1000, b, prefer c")
    assert requirement.hard == (Term(Name("b")),)
    assert requirement.preferred == (
        Preference(Term(A, Op.EQ, "x"), 1000),
        Preference(Term(Name("c"))),
    )


FOLLOWS = "expected an operator after 'a', such as = or >=, or ',', not"
WORDS = "is a word of the language; as a name it is written"
NOT_NAME = "is not a name; use up to 127 of a-z, 0-9, '_', '-' and '.', beginning with a letter or digit"
WEIGHT = "a weight is a whole number from 1 to 1000, not"
ESCAPES = 'unknown escape; there are \\", \\\\, \\n, \\r, \\t and \\u with four hexadecimal digits'
ORDER = "is neither a number nor a version, and '>' orders only those; write 24, 3.11 or 1.2.0-rc.1"
WRONG: list[tuple[str, int, str]] = [
    ("", 0, "a requirement has at least one term, such as the name of a capability"),
    (" \n", 2, "a requirement has at least one term, such as the name of a capability"),
    ("a,", 2, "a term must follow ','"),
    ("a,,b", 2, "a term must follow ','"),
    (",a", 0, "expected the name of a capability or label, not ','"),
    ("a b", 2, f"{FOLLOWS} 'b'"),
    ('a "b"', 2, f"{FOLLOWS} 'b'"),
    ("a not", 2, f"{FOLLOWS} 'not'"),
    ("a 3.11", 2, f"{FOLLOWS} '3.11'"),
    ("a and b", 2, "'and' is no part of the language; separate terms by ','"),
    ("a=1 or b", 4, "'or' is no part of the language; separate terms by ','"),
    ("a=1 b", 4, "expected ',' or the end, not 'b'"),
    ("a [b]", 2, "expected ',' or the end, not '['"),
    ("a=1]", 3, "expected ',' or the end, not ']'"),
    ("not a>=3", 5, "expected ',' or the end, not '>='"),
    (">=3", 0, "a name must come before '>='"),
    ("not in [a]", 0, "a name must come before 'not'"),
    ("in [a]", 0, "a name must come before 'in'"),
    (
        "prefer a>=3, <4",
        13,
        "a name must come before '<'; it goes without saying only when the term before is a hard one",
    ),
    (
        "prefer >=3",
        7,
        "a name must come before '>='; it goes without saying only when the term before is a hard one",
    ),
    ("prefer", 6, "expected the name of a capability or label, not the end"),
    ("not", 3, "expected the name of a capability or label, not the end"),
    ("[a]", 0, "expected the name of a capability or label, not '['"),
    ("not prefer", 4, f"'prefer' {WORDS} \"prefer\""),
    ("prefer prefer a", 7, f"'prefer' {WORDS} \"prefer\""),
    ("Python", 0, f'"Python" {NOT_NAME}'),
    ("a,_b>=1", 2, f'"_b" {NOT_NAME}'),
    ('a, "x y"=1', 3, f'"x y" {NOT_NAME}'),
    ("capability:", 0, f'"" {NOT_NAME}'),
    ("a" * 128, 0, f'"{"a" * 59}…" {NOT_NAME}'),
    ("label:" + "a" * 64, 0, f'"{"a" * 59}…" {NOT_NAME.replace("127", "63")}'),
    ("labels:x", 0, '"labels" is no kind of name; write capability:x or label:x'),
    ("a=", 2, "a value must follow '=', not the end"),
    ("a>=,b", 3, "a value must follow '>=', not ','"),
    ("a=[x]", 2, "a value must follow '=', not '['; lists go with 'in'"),
    ("a semver >=1", 9, "a value must follow 'semver' in quotes, such as \">=1.2 <2\", not '>='"),
    ("a pep440 >=1", 9, "a value must follow 'pep440' in quotes, such as \">=3.11\", not '>='"),
    ("a=>3", 1, "'=>' is no operator; write >="),
    ("a=<3", 1, "'=<' is no operator; write <="),
    ("a<>3", 1, "'<>' is no operator; write !="),
    ("a===3", 1, "'===' is no operator; write ="),
    ("a=~3", 1, "'=~' is no operator; write ~="),
    ("a>>3", 1, "'>>' is no operator; write >"),
    ("a<<3", 1, "'<<' is no operator; write <"),
    ("a= =3", 3, "a value must follow '=', not '='"),
    ("a in", 4, "a list must follow 'in', such as [eu, us], not the end"),
    ("a not in x", 9, "a list must follow 'not in', such as [eu, us], not 'x'"),
    ("a in []", 6, "a list has at least one item"),
    ("a in [x", 7, "expected ',' or ']' in the list, not the end"),
    ("a in [x y]", 8, "expected ',' or ']' in the list, not 'y'"),
    ("a in [x,]", 8, "expected an item of the list, not ']'"),
    ("a in [[x]]", 6, "expected an item of the list, not '['"),
    (f"a in [{'x,' * 64}x]", 134, "a list has at most 64 items"),
    ("a=1e999", 2, "1e999 is beyond the range of numbers"),
    ("a in [1, 1e999]", 9, "1e999 is beyond the range of numbers"),
    ("a<true", 2, "true has no order; write =true"),
    ("a>b", 2, f'"b" {ORDER}'),
    ("a>1.x", 2, f'"1.x" {ORDER}'),
    ("a^b", 2, '"b" is no version; write ^1, ^1.2, ^1.2.3 or ^1.2.3-rc.1'),
    ("a~1.x", 2, '"1.x" is no version; write ~1, ~1.2, ~1.2.3 or ~1.2.3-rc.1'),
    ("a~=3", 3, '"3" is no version of two or more parts; write ~=3.11 or ~=3.11.4'),
    ('a~="3.11,<4"', 3, '"3.11,<4" is no version of two or more parts; write ~=3.11 or ~=3.11.4'),
    ('a semver "1.2.3-"', 9, "'1.2.3-' is no version; write 1, 1.2, 1.2.3, 1.2.3-rc.1 or 1.x"),
    ('a pep440 "3.11"', 9, "'3.11' is no PEP 440 specifier; write >=3.11,!=3.11.4"),
    (f"a={'x' * 257}", 2, "a text has at most 256 characters, not 257"),
    (f'a in [b, "{"x" * 257}"]', 9, "a text has at most 256 characters, not 257"),
    ("a weight 3", 2, "only a preference has a weight; write 'prefer' before the term"),
    ("a=1 weight 3", 4, "only a preference has a weight; write 'prefer' before the term"),
    ("prefer a weight", 15, f"{WEIGHT} the end"),
    ("prefer a weight 0", 16, f"{WEIGHT} '0'"),
    ("prefer a weight 1001", 16, f"{WEIGHT} '1001'"),
    ("prefer a weight 1.5", 16, f"{WEIGHT} '1.5'"),
    ("prefer a weight -1", 16, f"{WEIGHT} '-1'"),
    (f"prefer a weight {'9' * 50}", 16, f"{WEIGHT} '{'9' * 39}…'"),
    ("a='x'", 2, "''' has no meaning here; put text into double quotes, such as \"two words\""),
    ("a;b", 1, "';' has no meaning here; separate terms by ','"),
    ("a && b", 2, "'&' has no meaning here; separate terms by ','; all of them must be met"),
    ("a | b", 2, "'|' has no meaning here; alternatives of a value are a list, such as region in [eu, us]"),
    ("!a", 0, "'!' has no meaning here; write != or not in [...]"),
    ("a in (x)", 5, "'(' has no meaning here; a list stands in brackets, such as region in [eu, us]"),
    ("{}", 0, "'{' has no meaning here; the JSON form is not text; hand it over as an object"),
    ("a=3.*", 4, "'*' has no meaning here; a version range with * is quoted, such as python semver \"3.*\""),
    ("a=é", 2, "'é' has no meaning here; text with such characters stands in double quotes"),
    ("a\x00", 1, "'\\u0000' has no meaning here; text with such characters stands in double quotes"),
    ('a="x', 2, "the closing '\"' is missing"),
    ('a="x\\"', 2, "the closing '\"' is missing"),
    ('a="x\ny"', 4, "a control character within quotes is written as \\n, \\r, \\t or \\u0000"),
    ('a="\\x"', 3, ESCAPES),
    ('a="\\u12"', 3, ESCAPES),
    ('a="\\', 3, ESCAPES),
    ('a="\\ud83d"', 3, "half a surrogate pair is no character; write the character itself"),
    ('a="\ud83d"', 3, "half a surrogate pair is no character"),
    (", ".join(["a"] * 33), 96, "a requirement has at most 32 terms"),
    ("a" * 2049, 2048, "a requirement has at most 2048 characters, not 2049"),
    (
        "a" * 127 + ">=1" + ",<2" * 17,
        181,
        "a requirement has at most 2048 characters; with every name written out this one has 2357",
    ),
]


@pytest.mark.parametrize(("text", "offset", "message"), WRONG, ids=[text[:30] for text, _, _ in WRONG])
def test_a_mistake_is_named_with_its_place(text: str, offset: int, message: str) -> None:
    with pytest.raises(RequirementSyntaxError) as caught:
        parse(text)
    assert (caught.value.message, caught.value.offset, caught.value.text) == (message, offset, text)


def test_the_error_shows_the_text_with_a_caret_under_the_place() -> None:
    with pytest.raises(RequirementSyntaxError) as caught:
        parse("docker,\npython=>3.11")
    assert str(caught.value).splitlines() == [
        "'=>' is no operator; write >=",
        "  docker, python=>3.11",
        "                ^",
    ]


def test_a_text_may_be_as_long_as_the_limit_says() -> None:
    text = ", ".join([f"a={'x' * 254}"] * 7)
    text += f", b={'x' * (2048 - len(text) - 4)}"
    assert len(text) == 2048
    assert str(parse(text)) == text


def test_the_error_shows_only_the_surroundings_in_a_long_text() -> None:
    text = f"{'a, ' * 30}b c, d, {'e' * 100}"
    with pytest.raises(RequirementSyntaxError) as caught:
        parse(text)
    _, shown, caret = str(caught.value).splitlines()
    assert shown.startswith("  …")
    assert shown.endswith("…")
    assert len(shown) == 2 + 1 + 60 + 60 + 1
    assert shown[caret.index("^")] == text[caught.value.offset] == "c"


@pytest.mark.parametrize(
    ("text", "offset", "message"),
    [
        ("prefer a", 0, "what is preferred stands in 'preferred', without the word 'prefer'"),
        ("a, b", 3, "this is one term; another one is an item of its own"),
    ],
)
def test_a_lone_term_is_one_term(text: str, offset: int, message: str) -> None:
    with pytest.raises(RequirementSyntaxError) as caught:
        parse_term(text)
    assert (caught.value.message, caught.value.offset) == (message, offset)


def test_a_lone_term_may_have_a_weight() -> None:
    assert parse_term("a>=3 weight 7") == (Term(A, Op.GE, Number("3")), 7)


def test_requirements_and_errors_survive_pickling_and_copying() -> None:
    requirement = parse("a>=3, prefer b weight 2")
    assert pickle.loads(pickle.dumps(requirement)) == requirement
    assert copy.deepcopy(requirement) == requirement
    with pytest.raises(RequirementSyntaxError) as caught:
        parse("a b")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
