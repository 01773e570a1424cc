"""Short forms that people write for a threshold, a quorum, weights or options, brought into one. Pure.

Only the form is judged here: whether a share of three halves makes sense is for the model to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from coordination.runtime.names import is_id

_SHARE: Final = r"(?P<share>-?[0-9]{1,16}(?:/[0-9]{1,16}|(?:\.[0-9]{1,12})?\s*%?))"
_THRESHOLD: Final = re.compile(rf"\s*(?P<sign>>=|>)?\s*{_SHARE}(?:\s+of\s+(?P<of>cast|eligible))?\s*")
_LEVEL: Final = re.compile(rf"\s*{_SHARE}\s*")
_MAX_WEIGHT: Final = 2**53 - 1
_MAX_CHOICE_DEPTH: Final = 2
"""A ranking is a list of lists; nothing that can be chosen is deeper."""


@dataclass(frozen=True, slots=True, eq=False)
class ShortForm:
    """Has a field of a contract take a short form, too.

    Args:
        lengthen: Gives the full form of a short one, and anything else back as it is. A ValueError says
            what is wrong.
        schema: JSON Schema of the short form.
    """

    lengthen: Callable[[Any], Any]
    schema: JsonSchemaValue

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Lengthen, then read as usual."""
        return core_schema.no_info_before_validator_function(self.lengthen, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Either form; a reply has the full one only."""
        full = handler(schema)
        return full if handler.mode == "serialization" else {"anyOf": [self.schema, full]}


@dataclass(frozen=True, slots=True, eq=False)
class PlainForm:
    """Has a field of a contract read by a function.

    Args:
        check: Gives the value; a ValueError says what is wrong.
        schema: JSON Schema of what it takes.
    """

    check: Callable[[Any], Any]
    schema: JsonSchemaValue

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check, and nothing else."""
        return core_schema.no_info_plain_validator_function(self.check)

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """As described."""
        return self.schema


def threshold_form(value: Any) -> Any:
    """``2/3``, ``>2/3``, ``>1/2 of eligible``, ``66.7%`` or a number, as an object."""
    if isinstance(value, str):
        found = _THRESHOLD.fullmatch(value)
        if found is None:
            raise ValueError('a threshold is written as "2/3" or ">2/3", with "of eligible" if need be')
        numerator, denominator = _terms(found["share"])
        return {
            "numerator": numerator,
            "denominator": denominator,
            "inclusive": found["sign"] != ">",
            "of": found["of"] or "cast",
        }
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        numerator, denominator = _terms(_decimal(value))
        return {"numerator": numerator, "denominator": denominator}
    return value


def level_form(value: Any) -> Any:
    """``1/2``, ``10%``, ``0.5``, or a whole number, which is a count; as an object."""
    if isinstance(value, str):
        found = _LEVEL.fullmatch(value)
        if found is None:
            raise ValueError('a level is written as "1/2", or as a count')
        if found["share"].lstrip("-").isdecimal():
            return {"count": int(found["share"])}
        numerator, denominator = _terms(found["share"])
        return {"numerator": numerator, "denominator": denominator}
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return value
    if isinstance(value, int) or value.is_integer():
        return {"count": int(value)}
    numerator, denominator = _terms(_decimal(value))
    return {"numerator": numerator, "denominator": denominator}


def electorate_form(value: Any) -> Any:
    """A bare list of agents, as an object."""
    return {"agents": value} if isinstance(value, (list, tuple)) else value


def option_form(value: Any) -> Any:
    """A bare id, as an object."""
    return {"option": value} if isinstance(value, str) else value


def list_form(value: Any) -> Any:
    """One text, as a list of it; None as an empty one."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def weights_form(value: Any) -> str | dict[str, int] | dict[str, str]:
    """``equal``, agents with their weights, or the topic of knowledge that weights come from."""
    if value == "equal":
        return "equal"
    if not isinstance(value, Mapping) or not value:
        raise ValueError('weights are "equal", {"AGENT": 2} or {"trust": "TOPIC"}')
    if len(value) == 1 and isinstance(value.get("trust"), str):
        if not is_id(value["trust"]):
            raise ValueError("the topic that trust comes from is named as topics are: a-z, 0-9, '_' and '-'")
        return {"trust": value["trust"]}
    for agent, weight in value.items():
        if not isinstance(agent, str) or not is_id(agent):
            raise ValueError("weights go by agent id")
        if not isinstance(weight, int) or isinstance(weight, bool) or abs(weight) > _MAX_WEIGHT:
            raise ValueError("a weight is a whole number")
    return dict(value)


def choice_form(value: Any) -> Any:
    """A choice as JSON; the model says whether there is such a choice."""
    if not isinstance(value, (str, list, tuple, Mapping)) or not _is_flat(value, _MAX_CHOICE_DEPTH):
        raise ValueError('a choice is "for", a list such as ["a", ["b", "c"]], or points such as {"a": 3}')
    return value


def _is_flat(value: Any, depth: int) -> bool:
    """Whether objects and lists are within each other at most `depth` deep."""
    if not isinstance(value, (list, tuple, Mapping)):
        return True
    inner = value.values() if isinstance(value, Mapping) else value
    return depth > 0 and all(_is_flat(each, depth - 1) for each in inner)


def _decimal(value: float) -> str:
    """A number as it was written, as far as JSON readers keep that."""
    if not abs(value) <= _MAX_WEIGHT:  # so that NaN is none either
        raise ValueError("this number is not finite, or too large")
    return str(Fraction(str(value)).limit_denominator(10**12))


def _terms(share: str) -> tuple[int, int]:
    """Numerator and denominator, which may be 0: what cannot be is for the model to say."""
    numerator, slash, denominator = share.partition("/")
    if slash:
        return int(numerator), int(denominator)
    is_percent = share.endswith("%")
    exact = Fraction(share.rstrip("% ")) / (100 if is_percent else 1)
    return exact.numerator, exact.denominator
