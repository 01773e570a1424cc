"""The package's public names, imported when they are first used.

Importing the SDK with all its services takes most of a second; ``conclave --help`` and the TAB key need none
of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from conclave.deferred import deferred

PLACES: Final = {
    "Agent": "conclave.agent",
    "AuthorizationError": "coordination.runtime.errors",
    "Ballot": "conclave.agent",
    "Bid": "conclave.agent",
    "BidContext": "conclave.agent",
    "Capability": "coordination.registry.wire",
    "ConclaveError": "coordination.runtime.errors",
    "Context": "conclave.agent",
    "DagFailedError": "conclave.work",
    "DagHandle": "conclave.work",
    "DecisionContext": "conclave.agent",
    "File": "conclave.agent",
    "MessageContext": "conclave.agent",
    "NoAnswerError": "conclave.agent",
    "Piece": "conclave.agent",
    "Progress": "conclave.work",
    "PromptContext": "conclave.agent",
    "ProposalContext": "conclave.agent",
    "PushContext": "conclave.agent",
    "RejectedError": "coordination.runtime.errors",
    "Reply": "conclave.agent",
    "Session": "conclave.session",
    "SupersededError": "coordination.registry.membership",
    "TaskContext": "conclave.agent",
    "TaskFailed": "conclave.agent",
    "TaskFailedError": "conclave.work",
    "TaskHandle": "conclave.work",
    "TasksRefusedError": "conclave.work",
    "UnavailableError": "coordination.runtime.errors",
    "UsageError": "coordination.runtime.errors",
    "WorkCancelledError": "conclave.agent",
    "connect": "conclave.session",
    "gather": "conclave.work",
}
"""Public name -> the module that has it."""

__getattr__: Callable[[str], Any]
__dir__: Callable[[], list[str]]
__getattr__, __dir__ = deferred("conclave", PLACES)
