"""Why an agent meets a term or does not, in one sentence about the agent. Pure."""

from __future__ import annotations

from typing import Final

from coordination.requirements.checks import Order, Test, Within
from coordination.requirements.facts import Fact, Facts, Kind
from coordination.requirements.terms import Name, Op, Term, quoted

_MAX_SHOWN_CHARS: Final = 80
_MAX_SHOWN_BITS: Final = 256
"""Larger numbers are not written out: that would cost more than linear time."""
_KINDS: Final = {
    Kind.VERSION: "capability of version",
    Kind.NUMBER: "number",
    Kind.FLAG: "flag",
    Kind.TEXT: "text",
}


def reason(term: Term, test: Test | None, facts: Facts) -> str:
    """Why `facts` meet a term or not, such as ``gpu.memory_gb is 16, needs >= 24``.

    Args:
        term: What is asked.
        test: How it is tested; None for ``exists`` and ``not exists``.
        facts: What the agent offers.
    """
    name, fact = term.name.text, facts.get(term.name)
    if fact is None:
        return absence(term.name, facts)
    if test is None:
        return f"{name} is {_value(fact)}" + (", must not exist" if term.op is Op.ABSENT else "")
    if not test.compares(fact):
        what = f"{name} is the {_KINDS[fact.kind]} {_value(fact)}"
        return f"{what}, which cannot be compared; needs {_needed(term)}"
    if test(fact):
        return f"{name} is {_value(fact)}"
    hint = ""
    if isinstance(test, (Order, Within)) and test.range is not None and fact.version is not None:
        kept_out = fact.kind is not Kind.NUMBER and test.range.but_for_prerelease(fact.version)
        hint = " and no prerelease" if kept_out else ""
    return f"{name} is {_value(fact)}, needs {_needed(term)}{hint}"


def absence(name: Name, facts: Facts) -> str:
    """What the agent lacks."""
    text = name.text
    if name.space == "label":
        return f"has no label '{text}'"
    owners = [each for each in facts.capabilities if text.startswith(f"{each}.")]
    if owners:
        owner = max(owners, key=len)
        lacking = f"has capability '{owner}' without attribute '{text[len(owner) + 1 :]}'"
        return lacking if name.space == "capability" else f"{lacking}, and no label '{text}'"
    what = "capability or attribute" if "." in text else "capability"
    if name.space == "any":
        what = "capability, attribute or label" if "." in text else "capability or label"
    return f"has no {what} '{text}'"


def _needed(term: Term) -> str:
    text = term.condition
    return text if len(text) <= _MAX_SHOWN_CHARS else f"{text[: _MAX_SHOWN_CHARS - 1]}…"


def _value(fact: Fact) -> str:
    value = fact.value
    match value:
        case bool():
            return "true" if value else "false"
        case int() if value.bit_length() > _MAX_SHOWN_BITS:
            return f"a number of {value.bit_length()} bits"
        case str() if fact.kind is Kind.TEXT:
            return quoted(value if len(value) <= _MAX_SHOWN_CHARS else f"{value[: _MAX_SHOWN_CHARS - 1]}…")
        case _:
            return str(value)
