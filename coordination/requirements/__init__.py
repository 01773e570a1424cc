"""The language of requirements: what an agent must be and what it should be. Pure.

Knows neither the registry nor any other service; `coordination.requirements.wire` is the one file that
knows pydantic. The language is described in docs/requirements.md.
"""

from coordination.requirements.facts import CapabilityFacts, Facts
from coordination.requirements.grammar import parse
from coordination.requirements.jsonform import RequirementFormError, from_json, to_json
from coordination.requirements.requirement import Requirement, TermResult, Verdict
from coordination.requirements.terms import Name, Number, Op, Preference, Term, TermError
from coordination.requirements.tokens import RequirementSyntaxError
from coordination.requirements.wire import RequirementField

__all__ = [
    "CapabilityFacts",
    "Facts",
    "Name",
    "Number",
    "Op",
    "Preference",
    "Requirement",
    "RequirementField",
    "RequirementFormError",
    "RequirementSyntaxError",
    "Term",
    "TermError",
    "TermResult",
    "Verdict",
    "from_json",
    "parse",
    "to_json",
]
