"""Requirements as fields of wire contracts. The only file here that knows pydantic."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from coordination.requirements.jsonform import RequirementFormError, from_json
from coordination.requirements.requirement import Requirement
from coordination.requirements.terms import (
    MAX_ITEMS,
    MAX_NAME_CHARS,
    MAX_TERMS,
    MAX_TEXT_CHARS,
    MAX_VALUE_CHARS,
    MAX_WEIGHT,
    Op,
)

_SCALAR: Final[JsonSchemaValue] = {
    "anyOf": [
        {"type": "string", "maxLength": MAX_VALUE_CHARS},
        {"type": "number"},
        {"type": "boolean"},
    ]
}


class _AsRequirement:
    """Tells pydantic how a `Requirement` is read, written and described."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read either form, write the canonical text."""
        return core_schema.no_info_plain_validator_function(
            _validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A string or an object; as a reply always a string."""
        text: JsonSchemaValue = {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_TEXT_CHARS,
            "description": (
                "Terms separated by commas: hard ones, all of which an agent must meet, and those after "
                "'prefer', which raise its score."
            ),
            "examples": ["python>=3.11, gpu.memory_gb>=24, region in [eu, us], prefer region=eu weight 3"],
        }
        if handler.mode == "serialization":
            return text
        return {"anyOf": [text, _object_schema()]}


RequirementField = Annotated[Requirement, _AsRequirement]
"""A requirement in a pydantic model: takes the text or the JSON form, gives the canonical text."""


def _validate(value: Any) -> Requirement:
    if isinstance(value, Requirement):
        return value
    try:
        return from_json(value)
    except RequirementFormError as error:
        # As context, not as part of the template: the message may hold braces.
        raise PydanticCustomError("requirement", "{reason}", {"reason": str(error)}) from None


def _object_schema() -> JsonSchemaValue:
    weight = {"type": "integer", "minimum": 1, "maximum": MAX_WEIGHT, "default": 1}
    return {
        "type": "object",
        "description": "The same as data. An item is the text of one term, or an object.",
        "properties": {
            "hard": {
                "description": "Terms all of which an agent must meet.",
                "type": "array",
                "maxItems": MAX_TERMS,
                "items": {"anyOf": [{"type": "string"}, _term_schema({})]},
            },
            "preferred": {
                "description": "Terms that raise an agent's score by their weight.",
                "type": "array",
                "maxItems": MAX_TERMS,
                "items": {"anyOf": [{"type": "string"}, _term_schema({"weight": weight})]},
            },
        },
        "additionalProperties": False,
    }


def _term_schema(more: JsonSchemaValue) -> JsonSchemaValue:
    return {
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "maxLength": len("capability:") + MAX_NAME_CHARS,
                "description": (
                    "A capability, an attribute as capability.attribute, a label, or agent.max_tasks; "
                    "capability:NAME and label:NAME say which."
                ),
            },
            "op": {"enum": [op.value for op in Op], "default": Op.EXISTS.value},
            "value": {
                "description": "One value, a list for in and not in, a version or range for the others.",
                "anyOf": [
                    *_SCALAR["anyOf"],
                    {"type": "array", "items": _SCALAR, "minItems": 1, "maxItems": MAX_ITEMS},
                ],
            },
            **more,
        },
        "required": ["name"],
        "additionalProperties": False,
    }
