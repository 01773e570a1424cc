"""Imports the package's public names when they are first used (PEP 562).

Importing the SDK with all its services takes most of a second; ``conclave --help`` and the TAB key need none
of it.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

PLACES: Final = {
    "Agent": "conclave.agent",
    "AuthorizationError": "coordination.runtime.errors",
    "Ballot": "conclave.agent",
    "Capability": "coordination.registry.wire",
    "ConclaveError": "coordination.runtime.errors",
    "Context": "conclave.agent",
    "DecisionContext": "conclave.agent",
    "File": "conclave.agent",
    "MessageContext": "conclave.agent",
    "NoAnswerError": "conclave.agent",
    "Piece": "conclave.agent",
    "PromptContext": "conclave.agent",
    "ProposalContext": "conclave.agent",
    "PushContext": "conclave.agent",
    "RejectedError": "coordination.runtime.errors",
    "Reply": "conclave.agent",
    "Session": "conclave.session",
    "SupersededError": "coordination.registry.membership",
    "TaskContext": "conclave.agent",
    "TaskFailed": "conclave.agent",
    "UnavailableError": "coordination.runtime.errors",
    "UsageError": "coordination.runtime.errors",
    "WorkCancelledError": "conclave.agent",
    "connect": "conclave.session",
}
"""Public name -> the module that has it."""


def __getattr__(name: str) -> Any:
    """The public name `name` of the package `conclave`, imported now and kept there.

    Raises:
        AttributeError: There is no such name.
    """
    place = PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'conclave' has no attribute {name!r}")
    value = getattr(importlib.import_module(place), name)
    setattr(sys.modules["conclave"], name, value)
    return value


def __dir__() -> list[str]:
    """What the package has to offer, used already or not."""
    return sorted({*vars(sys.modules["conclave"]), *PLACES})
