"""What a body may have at some place of it, read from the schema that checks it: names for messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, TypeAdapter

Shape: TypeAlias = TypeAdapter[Any] | type[BaseModel]
"""What a body is checked by."""
Place: TypeAlias = tuple[int | str, ...]
"""As pydantic tells where something is wrong: names of fields, keys, indices, tags of a tagged union."""
_Schema: TypeAlias = Mapping[str, Any]


def fields_at(shape: Shape, place: Place) -> tuple[str, ...]:
    """The fields that the object at `place` may have, as they are called in JSON; empty if none is known."""
    found = _at(shape, place)
    if found is None or found["type"] != "model":
        return ()
    return tuple(_called(name, field) for name, field in _fields(found).items())


def required_at(shape: Shape, place: Place) -> tuple[str, ...]:
    """Those of `fields_at` that must be given."""
    found = _at(shape, place)
    if found is None or found["type"] != "model":
        return ()
    fields = _fields(found).items()
    return tuple(_called(name, field) for name, field in fields if field["schema"]["type"] != "default")


def tags_at(shape: Shape, place: Place) -> tuple[str, ...]:
    """What the discriminator of the object at `place` may say; empty if it has none."""
    found = _at(shape, place)
    return tuple(map(str, found["choices"])) if found is not None and found["type"] == "tagged-union" else ()


def _at(shape: Shape, place: Place) -> _Schema | None:
    definitions: dict[str, _Schema] = {}
    schema = shape.core_schema if isinstance(shape, TypeAdapter) else shape.__pydantic_core_schema__
    found: _Schema | None = _bare(schema, definitions)
    for part in place:
        if found is None:
            return None
        inner = _below(found, part)
        found = None if inner is None else _bare(inner, definitions)
    return found


def _bare(schema: _Schema, definitions: dict[str, _Schema]) -> _Schema:
    """A schema without what surrounds it: defaults, null, validators. Collects definitions on the way."""
    while schema["type"] != "model":
        if schema["type"] == "definitions":
            definitions.update({each["ref"]: each for each in schema["definitions"]})
        if schema["type"] == "definition-ref":
            schema = definitions[schema["schema_ref"]]
        elif "schema" in schema:
            schema = schema["schema"]
        else:
            break
    return schema


def _below(schema: _Schema, part: int | str) -> _Schema | None:
    """The schema of one part of what `schema` checks; None if that cannot be told."""
    inner: _Schema | None = None
    if schema["type"] == "model":
        fields = {_called(name, field): field["schema"] for name, field in _fields(schema).items()}
        inner = fields.get(str(part))
    elif schema["type"] == "tagged-union":
        inner = schema["choices"].get(part)
    elif schema["type"] == "dict":
        inner = schema.get("values_schema")
    elif schema["type"] == "list":
        inner = schema.get("items_schema")
    elif schema["type"] == "tuple" and isinstance(part, int):
        kinds = schema["items_schema"]
        inner = kinds[min(part, schema.get("variadic_item_index", part), len(kinds) - 1)]
    return inner


def _fields(model: _Schema) -> Mapping[str, _Schema]:
    fields: Mapping[str, _Schema] = _bare(model["schema"], {}).get("fields", {})
    return fields


def _called(name: str, field: _Schema) -> str:
    """The name of a field in JSON."""
    alias = field.get("validation_alias", name)
    return alias if isinstance(alias, str) else name
