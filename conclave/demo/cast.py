"""The agents of the demo. Each knows only what reaches it over NATS.

An agent hears a request in the dialog, fetches the graph by its SHA-256, looks at what its capability
covers, and says so. It votes by what it found and by what it heard from the others, and only on the very
bytes that it reviewed. The builder translates nothing that was not approved.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from conclave.agent import Agent, Ballot, MessageContext, Reply, TaskContext, TaskFailed
from conclave.approval import Deployer
from conclave.demo.builder import build
from conclave.demo.report import Build
from conclave.demo.review import Remark, Specialist, Weight, review
from conclave.session import Session
from consensus.wire import Choice, ProposalAnnounced
from coordination.approvals.redeeming import execution_of
from coordination.runtime.errors import RejectedError
from dialog.wire import Performative
from nix_gen import Graph, NixGenError, validate

MAX_REMARKS_SAID: Final = 100
"""Remarks carried by one message; the summary counts all."""
MAX_REMARK_CHARS: Final = 400


class ReviewRequest(BaseModel):
    """Content of the message that asks for reviews."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    graph: str
    artifact_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    reviewers: tuple[str, ...]


class SaidRemark(BaseModel):
    """A remark as it travels."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    weight: Weight
    code: str
    place: str
    text: str

    @classmethod
    def of(cls, remark: Remark) -> SaidRemark:
        """The remark, shortened to what one message may carry."""
        text = (
            remark.text if len(remark.text) <= MAX_REMARK_CHARS else remark.text[: MAX_REMARK_CHARS - 1] + "…"
        )
        return cls(weight=remark.weight, code=remark.code, place=remark.place, text=text)


class SaidReview(BaseModel):
    """Content of the message that answers a review request."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    summary: str
    remarks: tuple[SaidRemark, ...]

    @property
    def blocking(self) -> tuple[SaidRemark, ...]:
        """What makes the graph impossible."""
        return tuple(remark for remark in self.remarks if remark.weight is Weight.BLOCKING)


def perform(remarks: Sequence[Remark]) -> Performative:
    """The communicative act of a review: deny, inform, or confirm."""
    if any(remark.weight is Weight.BLOCKING for remark in remarks):
        return "disconfirm"
    return "inform" if remarks else "confirm"


def summarise(remarks: Sequence[Remark]) -> str:
    """One line for people."""
    if not remarks:
        return "finds nothing to object to"
    counts = {weight: sum(remark.weight is weight for remark in remarks) for weight in Weight}
    words = {
        Weight.BLOCKING: ("blocking fault", "blocking faults"),
        Weight.OBJECTION: ("objection", "objections"),
        Weight.ADVICE: ("piece of advice", "pieces of advice"),
    }
    return "has " + ", ".join(f"{n} {words[w][n > 1]}" for w, n in counts.items() if n)


def choose(own: Sequence[Remark], heard: Mapping[str, SaidReview]) -> tuple[Choice, str]:
    """How to vote, and why: against what cannot work, whoever found it, and against own objections.

    Args:
        own: Remarks of the voter.
        heard: Reviews of the others by agent.
    """
    for remark in own:
        if remark.weight is Weight.BLOCKING:
            return "against", f"{remark.place}: {remark.text}"
    for agent, said in heard.items():
        if said.blocking:
            return "against", f"{agent} found {said.blocking[0].place}: {said.blocking[0].text}"
    for remark in own:
        if remark.weight is Weight.OBJECTION:
            return "against", f"{remark.place}: {remark.text}"
    return "for", "with advice, see the review" if own else "nothing found against it"


def _opinion(specialist: Specialist, content: bytes) -> tuple[Remark, ...]:
    graph = Graph.model_validate_json(content)
    return review(specialist, graph, validate(graph))


class Participant:
    """One agent of the demo: its specialism, and what it has seen in this run."""

    def __init__(self, specialist: Specialist, *, out: str) -> None:
        self.specialist = specialist
        self.agent: Agent = Agent(
            specialist.agent, capabilities=[specialist.capability], description=specialist.description
        )
        self.heard: dict[str, SaidReview] = {}
        """Reviews by agent, this one's own included."""
        self.all_heard: asyncio.Event = asyncio.Event()
        """Set when every reviewer that was asked has spoken."""
        self.outcome: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        """The task's result, as pushed to its submitter."""
        self._out = out
        self._asked: ReviewRequest | None = None
        self._remarks: tuple[Remark, ...] = ()
        self.agent.message("request")(self._answer)
        self.agent.message(self._hear)
        self.agent.proposal(self._vote)
        self.agent.on("result")(self._take_result)
        if specialist.capability == "nix.translate":
            self.agent.task(specialist.capability)(self._build)

    async def _hear(self, said: SaidReview, context: MessageContext) -> None:
        if context.message.in_reply_to is not None:
            self._take_review(context.message.sender, said)

    async def _answer(self, asked: ReviewRequest, context: MessageContext) -> Reply | None:
        if self.agent.id not in asked.reviewers:
            return None
        said = await self.look(context.session, asked)
        return Reply(perform(self._remarks), said)

    async def give_review(
        self, session: Session, asked: ReviewRequest, conversation_id: str, *, in_reply_to: int
    ) -> None:
        """Look at the graph and tell everybody what there is to say, without having been asked by message."""
        said = await self.look(session, asked)
        await session.dialog.broadcast(
            conversation_id,
            said.model_dump_json(),
            performative=perform(self._remarks),
            in_reply_to=in_reply_to,
        )

    async def look(self, session: Session, asked: ReviewRequest) -> SaidReview:
        """Fetch the graph that was asked about, and form an opinion of it; returns what there is to say."""
        self._asked = asked
        content = await session.artifacts.get(asked.artifact_sha256)
        # A large graph takes seconds: in a thread, so that heartbeats go on.
        self._remarks = await asyncio.to_thread(_opinion, self.specialist, content)
        said = SaidReview(
            summary=summarise(self._remarks),
            remarks=tuple(SaidRemark.of(remark) for remark in self._remarks[:MAX_REMARKS_SAID]),
        )
        self._take_review(self.agent.id, said)
        return said

    def _take_review(self, agent: str, said: SaidReview) -> None:
        self.heard[agent] = said
        if self._asked is not None and set(self._asked.reviewers) <= self.heard.keys():
            self.all_heard.set()

    async def _vote(self, proposal: ProposalAnnounced) -> Ballot:
        if self._asked is None or proposal.artifact_sha256 != self._asked.artifact_sha256:
            return Ballot("against", "this is not what I reviewed")
        # Proposal and reviews come from different services: the proposal may arrive first.
        await self.all_heard.wait()
        others = {agent: said for agent, said in self.heard.items() if agent != self.agent.id}
        return Ballot(*choose(self._remarks, others))

    async def _take_result(self, result: dict[str, Any]) -> None:
        if not self.outcome.done():
            self.outcome.set_result(result)

    async def _build(self, proposal_id: str, artifact_sha256: str, context: TaskContext) -> Build:
        """Translate exactly what was approved.

        Raises:
            TaskFailed: The approval is not good for this graph, or the flake could not be written.
        """
        session = context.session
        proposal = await session.consensus.get(proposal_id)
        graph = Graph.model_validate_json(await session.artifacts.get(artifact_sha256))
        deployer = Deployer(
            caller=session.caller, client=session.consensus, execution_id=execution_of(context.task_id)
        )
        try:
            return await build(graph, self._out, deployer=deployer, proposal=proposal)
        except (NixGenError, RejectedError) as error:
            raise TaskFailed(str(error), retryable=False) from None
