"""The front door: SDK, CLI, embedded host and demo.

A name is imported when it is first used: the command line is in this package, too, and must not wait for the
SDK. A new name goes into `conclave.lazy.PLACES` as well.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conclave.agent import (
        Agent,
        Ballot,
        Bid,
        BidContext,
        Context,
        DecisionContext,
        File,
        MessageContext,
        NoAnswerError,
        Piece,
        PromptContext,
        ProposalContext,
        PushContext,
        Reply,
        TaskContext,
        TaskFailed,
        WorkCancelledError,
    )
    from conclave.session import Session, connect
    from conclave.work import (
        DagFailedError,
        DagHandle,
        Progress,
        TaskFailedError,
        TaskHandle,
        TasksRefusedError,
        gather,
    )
    from coordination.registry.membership import SupersededError
    from coordination.registry.wire import Capability
    from coordination.runtime.errors import (
        AuthorizationError,
        ConclaveError,
        RejectedError,
        UnavailableError,
        UsageError,
    )
else:
    from conclave.lazy import __dir__ as __dir__
    from conclave.lazy import __getattr__ as __getattr__

__all__ = [
    "Agent",
    "AuthorizationError",
    "Ballot",
    "Bid",
    "BidContext",
    "Capability",
    "ConclaveError",
    "Context",
    "DagFailedError",
    "DagHandle",
    "DecisionContext",
    "File",
    "MessageContext",
    "NoAnswerError",
    "Piece",
    "Progress",
    "PromptContext",
    "ProposalContext",
    "PushContext",
    "RejectedError",
    "Reply",
    "Session",
    "SupersededError",
    "TaskContext",
    "TaskFailed",
    "TaskFailedError",
    "TaskHandle",
    "TasksRefusedError",
    "UnavailableError",
    "UsageError",
    "WorkCancelledError",
    "connect",
    "gather",
]
