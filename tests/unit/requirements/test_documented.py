"""What docs/requirements.md shows is what the language does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from coordination.requirements import Facts, Requirement, from_json, parse
from coordination.requirements.facts import CapabilityFacts
from coordination.requirements.terms import (
    KEYWORDS,
    MAX_ITEMS,
    MAX_TERMS,
    MAX_TEXT_CHARS,
    MAX_VALUE_CHARS,
    Op,
)

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "requirements.md").read_text(encoding="utf-8")
SHOWN = [text.replace("\\|", "|") for text in re.findall(r"^\| `([^`]+)` \| ", DOCUMENT, re.MULTILINE)]

MEETS_ALL = Facts(
    capabilities={
        "docker": CapabilityFacts(),
        "python": CapabilityFacts(version="3.11.9"),
        "node": CapabilityFacts(version="18.2.7"),
        "gpu": CapabilityFacts(attributes={"memory_gb": 80}),
    },
    labels={"region": "eu", "python": "yes", "team": "R&D, Berlin"},
    max_tasks=4,
)
NOT_MET = {"region!=eu", "region not in [eu, us]"}


def test_the_table_is_found() -> None:
    assert len(SHOWN) > 15
    assert set(SHOWN) > NOT_MET


@pytest.mark.parametrize("text", SHOWN)
def test_every_text_shown_reads_and_means_what_it_says(text: str) -> None:
    requirement = parse(text)
    assert parse(str(requirement)) == requirement
    assert requirement.evaluate(MEETS_ALL).matches is (text not in NOT_MET)
    assert requirement.evaluate(MEETS_ALL).score == float(text not in NOT_MET)


@pytest.mark.parametrize(
    "text", [each for each in SHOWN if not each.startswith("prefer") and "max" not in each]
)
def test_an_agent_without_anything_meets_only_what_is_not_to_be_there(text: str) -> None:
    assert parse(text).evaluate(Facts()).matches is (text == "not windows")


def test_the_object_shown_is_a_requirement() -> None:
    shown = re.search(r"^```json\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert shown is not None
    requirement = from_json(json.loads(shown[1]))
    assert str(requirement) == "gpu.memory_gb>=24, docker, python>=3.10, prefer region in [eu, us] weight 3"


def test_every_operator_is_in_the_table() -> None:
    used: set[Op] = set()
    for text in SHOWN:
        requirement: Requirement = parse(text)
        used |= {term.op for term in requirement.hard}
        used |= {each.term.op for each in requirement.preferred}
    assert set(Op) - used == {Op.LE, Op.GT}
    assert "also `>`, `<`, `<=`" in DOCUMENT


def test_limits_and_words_are_the_documented_ones() -> None:
    limits = DOCUMENT.partition("## Limits")[2]
    assert f"At most {MAX_TERMS} terms, {MAX_TEXT_CHARS} characters" in limits
    assert f"{MAX_ITEMS} items in a list, {MAX_VALUE_CHARS} characters in a value" in limits
    words = re.search(r"The words `([^`]+)` are names only within quotes", DOCUMENT)
    assert words is not None
    assert set(words[1].split()) == KEYWORDS
