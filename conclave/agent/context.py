"""What handlers get beside the content: who they are, what they work on, and how to speak."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from conclave.agent.binding import HandlerContext
from conclave.agent.cancellation import Cancellation
from conclave.agent.results import message_content
from conclave.session import Session
from consensus.wire import Comment, Decision, ProposalAnnounced, Scope, VoteReply
from coordination.runtime.errors import UsageError
from coordination.runtime.trace import TraceContext
from coordination.tasks.wire import TaskOffer
from dialog.limits import MAX_CONTENT_BYTES
from dialog.wire import Conversation, Message, Performative, SayReply

T = TypeVar("T")
Tell = Callable[[float | None, str], Awaitable[None]]
"""(share, note) -> told; reports progress."""


class Context(HandlerContext):
    """What every handler may have: annotate a parameter with this class, or with one below it.

    Attributes:
        session: The agent's clients for every service.
        log: A structlog logger that knows the agent, the trace, and what is worked on.
        trace: The span that this work is; calls made from the handler carry it.
    """

    def __init__(self, session: Session, *, log: Any, trace: TraceContext) -> None:
        self.session = session
        self.log = log
        self.trace = trace
        self._loop = asyncio.get_running_loop()

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


class TaskContext(Context):
    """A task at work.

    Attributes:
        offer: The task as it was offered.
        cancelled: Set when the work is not wanted any more: the task was cancelled or has expired, its lease
            was lost, or the agent stops. Async handlers are cancelled besides.
    """

    def __init__(
        self,
        session: Session,
        *,
        log: Any,
        trace: TraceContext,
        offer: TaskOffer,
        tell: Tell,
        tell_soon: Callable[[float | None, str], None],
    ) -> None:
        super().__init__(session, log=log, trace=trace)
        self.offer = offer
        self.cancelled: Cancellation = Cancellation()
        self._tell = tell
        self._tell_soon = tell_soon

    @property
    def task_id(self) -> str:
        """Id of the task."""
        return self.offer.task_id

    @property
    def capability(self) -> str:
        """The capability that the task asks for."""
        return self.offer.capability

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1."""
        return self.offer.attempt

    @property
    def deadline(self) -> datetime | None:
        """When the task expires; None for never."""
        at_ms = self.offer.deadline_ms
        return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)

    @property
    def remaining_s(self) -> float | None:
        """Seconds until the task expires, not below 0; None for never."""
        at_ms = self.offer.deadline_ms
        return None if at_ms is None else max(at_ms - self.session.clock.now_ms(), 0) / 1000

    async def progress(self, share: float | None = None, note: str = "") -> None:
        """Say how far the work is, durably.

        The lease is renewed with or without it. What cannot be told now, because the service is away, is told
        with the next renewal.

        Args:
            share: Of the work done, 0 to 1.
            note: One line of at most 256 characters.

        Raises:
            UsageError: `share` or `note` is out of bounds.
            WorkCancelledError: The task is not this agent's any more.
        """
        await self._tell(share, note)

    def progress_soon(self, share: float | None = None, note: str = "") -> None:
        """As `progress`, without waiting; from any thread. Of several in a row only the last may be told."""
        self._tell_soon(share, note)


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
