"""The parts of an agent that decide with others: proposals in, votes out, and how they ended."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from conclave.agent.containment import contained
from conclave.agent.context import DecisionContext, ProposalContext
from conclave.agent.duty import Duty, Lanes
from conclave.agent.handler import Handler
from conclave.agent.part import Part
from consensus.limits import MAX_RATIONALE_CHARS
from consensus.wire import Choice, Decision, ProposalAnnounced
from coordination.runtime.errors import ConclaveError, UsageError
from coordination.runtime.failures import log_failure

Stage = Literal["pending", "active"]
"""When a proposal handler is called: when discussion begins, or when voting opens."""
MAX_AT_ONCE: Final = 16
"""Proposals that an agent thinks about at the same time."""
_MAX_REMEMBERED: Final = 1024
"""Announcements remembered, because pushes may come twice."""
_CHOICES: Final = get_args(Choice)


@dataclass(frozen=True, slots=True)
class Ballot:
    """Returned by a proposal handler: a choice, and why.

    Raises:
        UsageError: There is no such choice.
    """

    choice: Choice
    """``for``, ``against`` or ``abstain``."""
    rationale: str = ""
    """Why; what is longer than 2048 characters is cut."""

    def __post_init__(self) -> None:
        """Refuse a choice that nobody has."""
        _require_choice(self.choice, "Ballot")


def _require_choice(choice: object, what: str) -> None:
    if not isinstance(choice, str) or choice not in _CHOICES:
        raise UsageError(f"{what}: no choice {choice!r:.66}; there are: {', '.join(_CHOICES)}")


def _taking(handler: Handler, body: type) -> str | None:
    """The name of the handler's parameter for `body`; None if it takes only the context, or nothing.

    Raises:
        UsageError: It takes several things, or something else.
    """
    parameter = handler.signature.only_parameter()
    if parameter is None:
        return None
    if parameter.annotation not in (body, Any, inspect.Parameter.empty):
        raise UsageError(
            f"handler {handler.name}: parameter {parameter.name!r} gets a {body.__name__}; annotate it so"
        )
    return parameter.name


@dataclass(frozen=True, slots=True)
class _Taker:
    """A handler and the name of its one parameter."""

    handler: Handler
    parameter: str | None

    def arguments(self, body: Any, context: Any) -> dict[str, Any]:
        arguments: dict[str, Any] = dict.fromkeys(self.handler.signature.contexts, context)
        if self.parameter is not None:
            arguments[self.parameter] = body
        return arguments


class _Seen:
    """What was announced before; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._keys: OrderedDict[tuple[str, str], None] = OrderedDict()

    def is_new(self, proposal_id: str, status: str) -> bool:
        """Whether this is the first time; it is not the next time."""
        key = (proposal_id, status)
        if key in self._keys:
            return False
        self._keys[key] = None
        if len(self._keys) > _MAX_REMEMBERED:
            self._keys.popitem(last=False)
        return True


class Proposals(Part):
    """The proposal handlers of an agent: for the discussion, and for the vote."""

    def __init__(self) -> None:
        self.takers: dict[Stage, _Taker] = {}

    def add(self, handler: Handler, stage: Stage) -> None:
        """Have `handler` told of proposals at `stage`.

        Raises:
            UsageError: There is no such stage, or a handler for it already.
        """
        if stage not in get_args(Stage):
            raise UsageError(f"handler {handler.name}: a proposal is 'pending' or 'active', not {stage!r}")
        if stage in self.takers:
            known = self.takers[stage].handler.name
            raise UsageError(f"handler {handler.name}: {known} is told of {stage} proposals already")
        self.takers[stage] = _Taker(handler, _taking(handler, ProposalAnnounced))

    async def begin(self, duty: Duty) -> None:
        """See `Part.begin`."""
        booth = _Booth(duty, self.takers)
        lanes = Lanes(duty, booth.handle, max_at_once=MAX_AT_ONCE)
        duty.keep(
            await duty.session.consensus.on_proposal(
                lambda announced: lanes.put(announced.proposal_id, announced)
            )
        )


class _Booth:
    """Hears of proposals, and votes."""

    def __init__(self, duty: Duty, takers: Mapping[Any, _Taker]) -> None:
        self._duty = duty
        self._takers = takers
        self._seen = _Seen()

    async def handle(self, announced: ProposalAnnounced) -> None:
        taker = self._takers.get(announced.status)
        if taker is None or not self._seen.is_new(announced.proposal_id, announced.status):
            return
        with self._duty.scope("", proposal=announced.proposal_id) as (trace, log):
            context = ProposalContext(self._duty.session, log=log, trace=trace, proposal=announced)
            try:
                said = await taker.handler.call(taker.arguments(announced, context), self._duty.run_sync)
                with contained():
                    ballot = None if said is None else _ballot(said)
            except Exception:  # noqa: BLE001 - whatever it is, the agent has no opinion
                log_failure(log.bind(handler=taker.handler.name), "no vote: the handler failed")
                return
            if ballot is not None:
                await self._vote(ballot, context)

    async def _vote(self, ballot: Ballot, context: ProposalContext) -> None:
        """Cast the ballot, if it can be cast now."""
        if context.proposal.status != "active":
            context.log.warning("no vote: voting has not opened")
            return
        try:
            await context.vote(ballot.choice, rationale=ballot.rationale)
        except ConclaveError as error:
            context.log.warning("vote not counted", error=str(error))


def _ballot(said: Any) -> Ballot:
    """A choice, or anything with a choice and a rationale, as a ballot.

    Raises:
        UsageError: It is neither, or there is no such choice.
    """
    choice: Any = said if isinstance(said, str) else getattr(said, "choice", said)
    _require_choice(choice, "the handler returned no vote")
    rationale = str(getattr(said, "rationale", "") or "")
    if len(rationale) > MAX_RATIONALE_CHARS:
        rationale = f"{rationale[: MAX_RATIONALE_CHARS - 1]}…"
    return Ballot(choice, rationale)


class Decisions(Part):
    """The decision handler of an agent."""

    def __init__(self) -> None:
        self._taker: _Taker | None = None

    def add(self, handler: Handler) -> None:
        """Have `handler` told how proposals ended.

        Raises:
            UsageError: There is one already.
        """
        if self._taker is not None:
            raise UsageError(
                f"handler {handler.name}: {self._taker.handler.name} is told of decisions already"
            )
        self._taker = _Taker(handler, _taking(handler, Decision))

    async def begin(self, duty: Duty) -> None:
        """See `Part.begin`."""
        taker = self._taker
        assert taker is not None, "a part is made by the decorator that fills it"

        seen = _Seen()

        async def handle(decision: Decision) -> None:
            if not seen.is_new(decision.proposal_id, decision.status):
                return
            with duty.scope("", proposal=decision.proposal_id) as (trace, log):
                context = DecisionContext(duty.session, log=log, trace=trace, decision=decision)
                await taker.handler.call(taker.arguments(decision, context), duty.run_sync)

        lanes = Lanes(duty, handle, max_at_once=MAX_AT_ONCE)
        duty.keep(
            await duty.session.consensus.on_decision(
                lambda decision: lanes.put(decision.proposal_id, decision)
            )
        )
