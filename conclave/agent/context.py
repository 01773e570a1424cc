"""What handlers get beside the content: who they are, what they work on, and how to speak."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from conclave.agent.binding import HandlerContext
from conclave.agent.results import message_content
from conclave.session import Session
from consensus.wire import Comment, Decision, ProposalAnnounced, Scope, VoteReply
from coordination.runtime.errors import UsageError
from coordination.runtime.trace import TraceContext
from dialog.limits import MAX_CONTENT_BYTES
from dialog.wire import Conversation, Message, Performative, SayReply

T = TypeVar("T")


class Context(HandlerContext):
    """What every handler may have: annotate a parameter with this class, or with one below it.

    Attributes:
        session: The agent's clients for every service.
        trace: The span that this work is; calls made from the handler carry it.
    """

    def __init__(self, session: Session, *, log: Any, trace: TraceContext) -> None:
        self.session = session
        self.trace = trace
        self._log = log
        self._loop = asyncio.get_running_loop()

    @property
    def log(self) -> Any:
        """A structlog logger that knows the agent, the trace, and what is worked on."""
        return self._log

    @property
    def agent(self) -> str:
        """Id of the agent."""
        return self.session.agent

    def run_async(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, for sync handlers, which cannot await.

        ``context.run_async(context.session.tasks.get(task_id))``

        Raises:
            UsageError: Called on the event loop, which would wait for itself; await it there.
        """
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is self._loop:
            work.close()
            raise UsageError("run_async is for sync handlers in threads; here, await it")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


class MessageContext(Context):
    """A message being handled.

    Attributes:
        message: The message, with its content as text.
    """

    def __init__(self, session: Session, *, log: Any, trace: TraceContext, message: Message) -> None:
        super().__init__(session, log=log, trace=trace)
        self.message = message

    async def reply(
        self,
        content: Any = "",
        *,
        performative: Performative = "inform",
        to: Iterable[str] | None = None,
        reply_by_ms: int | None = None,
    ) -> SayReply:
        """Answer the message.

        Args:
            content: Text as it is; anything else as JSON.
            performative: The communicative act.
            to: Who hears it; by default the sender alone if the message was to named agents, else everybody.
            reply_by_ms: Unix time in ms up to which answers to the answer are taken.

        Raises:
            ResultError: `content` cannot become JSON, or is too large.
            RejectedError, UnavailableError: As for every call.
        """
        if to is None:
            to = (self.message.sender,) if self.message.to else ()
        return await self.session.dialog.say(
            self.message.conversation_id,
            message_content(content, max_bytes=MAX_CONTENT_BYTES),
            performative=performative,
            to=to,
            in_reply_to=self.message.sequence,
            reply_by_ms=reply_by_ms,
        )


class ProposalContext(Context):
    """A proposal on which the agent may vote.

    Attributes:
        proposal: The proposal as it was announced.
    """

    def __init__(
        self, session: Session, *, log: Any, trace: TraceContext, proposal: ProposalAnnounced
    ) -> None:
        super().__init__(session, log=log, trace=trace)
        self.proposal = proposal

    async def vote(
        self,
        choice: Any,
        *,
        rationale: str = "",
        conditions: Iterable[str] = (),
        scope: Scope = "all",
    ) -> VoteReply:
        """Vote; instead of returning the choice from the handler.

        The vote is about the artifact that was announced: if the proposal has been amended since, it is
        refused as ``stale_artifact``, and the handler is called with the new one. Errors as for every call.
        """
        return await self.session.consensus.vote(
            self.proposal.proposal_id,
            choice,
            scope=scope,
            conditions=conditions,
            rationale=rationale,
            proposal=self.proposal,
        )

    async def artifact(self) -> bytes:
        """The bytes that the proposal is about, if they are stored. Errors as for every call."""
        return await self.session.artifacts.get(self.proposal.artifact_sha256)

    async def discuss(self, text: str) -> Comment:
        """Comment on the proposal. Errors as for every call."""
        return await self.session.consensus.discuss(self.proposal.proposal_id, text)

    async def conversation(self) -> Conversation | None:
        """The dialog in which the proposal is discussed; None if there is none. Errors as for every call."""
        identity = self.proposal.conversation_id
        return None if identity is None else await self.session.dialog.get(identity)


class DecisionContext(Context):
    """How a proposal ended.

    Attributes:
        decision: The decision.
    """

    def __init__(self, session: Session, *, log: Any, trace: TraceContext, decision: Decision) -> None:
        super().__init__(session, log=log, trace=trace)
        self.decision = decision


class PushContext(Context):
    """Any other push.

    Attributes:
        kind: What kind it is: the last token of its subject.
    """

    def __init__(self, session: Session, *, log: Any, trace: TraceContext, kind: str) -> None:
        super().__init__(session, log=log, trace=trace)
        self.kind = kind
