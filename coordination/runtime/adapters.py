"""What pydantic works out about a type, once for each: that takes a millisecond or more for each time.

A standby that takes over, and one that begins again from a snapshot, must not spend its time on it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

_MAX_TYPES: Final = 1024
"""More than all services together have."""


@lru_cache(maxsize=_MAX_TYPES)
def adapter_of(described: type) -> TypeAdapter[Any]:
    """Reads and writes instances of `described`."""
    return TypeAdapter(described)


@lru_cache(maxsize=_MAX_TYPES)
def schema_of(body: type[BaseModel]) -> str:
    """The JSON Schema of `body`, as JSON."""
    return json.dumps(body.model_json_schema())
