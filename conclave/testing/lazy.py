"""Imports the package's public names when they are first used (PEP 562).

pytest imports the plugin in this package whenever it starts, wherever Conclave is installed; the services and
the server must cost nothing until a test wants them.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

_PACKAGE: Final = "conclave.testing"
PLACES: Final = {
    "Failure": "conclave.testing.errors",
    "HandlersFailedError": "conclave.testing.errors",
    "MemoryMesh": "conclave.testing.memory",
    "Mesh": "conclave.testing.mesh",
    "NotFulfilledError": "conclave.testing.errors",
    "Record": "conclave.testing.record",
    "Said": "conclave.testing.record",
    "ServerMesh": "conclave.testing.server",
    "StalledError": "conclave.testing.errors",
    "TaskFailedError": "conclave.testing.errors",
    "run_in_memory": "conclave.testing.running",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    """The public name `name` of the package, imported now and kept there.

    Raises:
        AttributeError: There is no such name.
    """
    place = PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(place), name)
    setattr(sys.modules[_PACKAGE], name, value)
    return value


def __dir__() -> list[str]:
    """What the package has to offer, used already or not."""
    return sorted({*vars(sys.modules[_PACKAGE]), *PLACES})
