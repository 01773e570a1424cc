"""JSON Schema of graph files: what editors complete and check; docs/graph.schema.json is its text.

Pure. The schema knows types, limits, names and kinds. What one part says about another (edges that dangle,
ports that clash) is for `nix_gen.check`.
"""

from __future__ import annotations

import json
from typing import Any

from nix_gen.graph import Graph, GraphAttributes

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def graph_json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a graph file, with every spelling that `Graph` reads."""
    schema = Graph.model_json_schema()
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


def _kinds(listed: dict[str, Any]) -> list[str]:
    """Names of the definitions that a list of nodes or edges is made of."""
    return [name.rpartition("/")[2] for name in listed["items"]["discriminator"]["mapping"].values()]


def graph_schema_text() -> str:
    """The schema as it is published: indented JSON; ends with a line feed."""
    return json.dumps(graph_json_schema(), indent=2, ensure_ascii=False) + "\n"
