"""JSON Schema of graph files: what editors complete and check; docs/graph.schema.json is its text.

Pure. The schema knows types, limits, names and kinds. What one part says about another (edges that dangle,
ports that clash) is for `nix_gen.check`.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from nix_gen.graph import Graph, GraphAttributes
from nix_gen.scalars import Part

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def graph_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a graph file, with every spelling that `Graph` reads."""
    schema = Graph.model_json_schema(schema_generator=_Described)
    properties = schema["properties"]
    properties["nodes"]["minItems"] = 1
    properties["links"] = {
        **properties["edges"],
        "description": "Another name of `edges`, as networkx 3.4 writes it.",
    }
    attributes = schema["$defs"][GraphAttributes.__name__]["properties"]
    properties["name"] = {**attributes["name"], "description": "Another place for `graph.name`."}
    for key in ("nodes", "edges"):
        for name in _kinds(properties[key]):
            definition = schema["$defs"][name]
            definition["required"] = sorted({*definition.get("required", ()), "kind"})
            if key == "edges":
                note = "Number of a parallel edge, as networkx writes it; ignored."
                definition["properties"]["key"] = {"description": note}
    return {"$schema": DIALECT, **schema, "title": "Deployment graph of Conclave"}


class _Described(GenerateJsonSchema):
    """Takes what is said of a field from the text below it.

    pydantic can (`use_attribute_docstrings`), but does it on import, by reading the source of every model.
    """

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        described = super().model_schema(schema)
        for name, text in _texts(schema["cls"]).items():
            if name in described["properties"]:
                described["properties"][name].setdefault("description", text)
        return described


def _texts(model: type[Any]) -> dict[str, str]:
    """The texts below the fields of a model, by field; a field stated anew has its text anew, or none."""
    texts: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if not issubclass(part, Part):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(part))).body[0]
        assert isinstance(body, ast.ClassDef), "a model is a class"
        for stated, below in zip(body.body, [*body.body[1:], ast.Pass()], strict=True):
            if isinstance(stated, ast.AnnAssign) and isinstance(stated.target, ast.Name):
                texts.pop(stated.target.id, None)
                if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                    texts[stated.target.id] = inspect.cleandoc(str(below.value.value))
    return texts


def _kinds(listed: dict[str, Any]) -> list[str]:
    """Names of the definitions that a list of nodes or edges is made of."""
    return [name.rpartition("/")[2] for name in listed["items"]["discriminator"]["mapping"].values()]


def graph_schema_text() -> str:
    """The schema as it is published: indented JSON; ends with a line feed."""
    return json.dumps(graph_json_schema(), indent=2, ensure_ascii=False) + "\n"
