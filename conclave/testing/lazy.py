"""The package's public names, imported when they are first used.

pytest imports the plugin in this package whenever it starts, wherever Conclave is installed; the services and
the server must cost nothing until a test wants them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from conclave.deferred import deferred

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

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = deferred("conclave.testing", PLACES)
