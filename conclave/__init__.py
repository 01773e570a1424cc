"""The front door: SDK, CLI, embedded host and demo."""

from conclave.agent import Agent
from conclave.session import Session, connect
from coordination.registry.wire import Capability
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError, UsageError

__all__ = [
    "Agent",
    "Capability",
    "ConclaveError",
    "RejectedError",
    "Session",
    "UnavailableError",
    "UsageError",
    "connect",
]
