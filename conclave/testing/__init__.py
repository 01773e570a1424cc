"""For tests of agents: a whole Conclave in memory and virtual time, or on a real server.

With pytest the fixtures ``memory_mesh`` and ``server_mesh`` are there without any configuration. A name is
imported when it is first used; a new one goes into `conclave.testing.lazy.PLACES` as well.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conclave.testing.errors import (
        Failure,
        HandlersFailedError,
        NotFulfilledError,
        StalledError,
        TaskFailedError,
    )
    from conclave.testing.memory import MemoryMesh
    from conclave.testing.mesh import Mesh
    from conclave.testing.record import Record, Said
    from conclave.testing.running import run_in_memory
    from conclave.testing.server import ServerMesh
else:
    from conclave.testing.lazy import __dir__, __getattr__  # noqa: F401 - Python asks the package for them

__all__ = [
    "Failure",
    "HandlersFailedError",
    "MemoryMesh",
    "Mesh",
    "NotFulfilledError",
    "Record",
    "Said",
    "ServerMesh",
    "StalledError",
    "TaskFailedError",
    "run_in_memory",
]
