"""Agents: handlers by decorator, and everything that keeps them in the deployment."""

from conclave.agent.agent import Agent
from conclave.agent.bidding import Bid, BidContext
from conclave.agent.cancellation import Cancellation
from conclave.agent.context import (
    Context,
    DecisionContext,
    MessageContext,
    ProposalContext,
    PushContext,
)
from conclave.agent.duty import Duty
from conclave.agent.errors import TaskFailed, WorkCancelledError
from conclave.agent.messages import Reply
from conclave.agent.part import Part
from conclave.agent.prompting import Answer, File, NoAnswerError, Piece, PromptContext
from conclave.agent.proposals import Ballot
from conclave.agent.taskcontext import TaskContext

__all__ = [
    "Agent",
    "Answer",
    "Ballot",
    "Bid",
    "BidContext",
    "Cancellation",
    "Context",
    "DecisionContext",
    "Duty",
    "File",
    "MessageContext",
    "NoAnswerError",
    "Part",
    "Piece",
    "PromptContext",
    "ProposalContext",
    "PushContext",
    "Reply",
    "TaskContext",
    "TaskFailed",
    "WorkCancelledError",
]
