"""The parts of an agent that decide with others: proposals in, votes out, and how they ended."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from conclave.agent.containment import contained
from conclave.agent.context import DecisionContext, ProposalContext
from conclave.agent.duty import Duty, Lanes
from conclave.agent.handler import Handler
from conclave.agent.part import Part
from consensus.ballot import normalised
from consensus.forms import choice_form
from consensus.limits import MAX_RATIONALE_CHARS
from consensus.wire import Decision, ProposalAnnounced, Scope
from coordination.runtime.asking import items
from coordination.runtime.errors import ConclaveError, RejectedError, UsageError
from coordination.runtime.failures import log_failure

Stage = Literal["pending", "active"]
"""When a proposal handler is called: when discussion begins, or when voting opens."""
MAX_AT_ONCE: Final = 16
"""Proposals that an agent thinks about at the same time."""
_MAX_REMEMBERED: Final = 1024
"""Announcements remembered, because pushes may come twice."""


@dataclass(frozen=True, slots=True)
class Ballot:
    """Returned by a proposal handler: a choice, and what goes with it.

    Raises:
        UsageError: It is no choice, whatever the protocol, or another field is not what it must be.
    """

    choice: Any
    """``"for"``, ``"against"``, ``"abstain"``; of options ``["a", ["b", "c"]]``, best first and equals
    together, or points ``{"a": 3}``."""
    rationale: str = ""
    """Why; what is longer than 2048 characters is cut."""
    conditions: Iterable[str] = ()
    """Of a vote in favour: what must be met before the decision is executed."""
    scope: Scope = "all"
    """Which weight it casts: all at hand, ``own`` only (overrides one's delegate), or only what others
    have ``delegated``."""

    def __post_init__(self) -> None:
        """Refuse what no proposal takes."""
        try:
            choice_form(self.choice)
        except ValueError as error:
            raise UsageError(f"Ballot: no choice {self.choice!r:.66}; {error}") from None
        if self.scope not in get_args(Scope):
            raise UsageError(f"Ballot: scope is {', '.join(get_args(Scope))}, not {self.scope!r:.66}")
        object.__setattr__(self, "conditions", items("conditions", self.conditions, of="texts"))


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
        self._keys: OrderedDict[tuple[str, ...], None] = OrderedDict()

    def is_new(self, *key: str) -> bool:
        """Whether this is the first time; it is not the next time."""
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
        if taker is None:
            return
        # An amendment begins the discussion anew, perhaps of another artifact: it is thought about again.
        about = (announced.artifact_sha256, str(announced.snapshot_ms))
        if not self._seen.is_new(announced.proposal_id, announced.status, *about):
            return
        with self._duty.scope("", proposal=announced.proposal_id) as (trace, log):
            context = ProposalContext(self._duty.session, log=log, trace=trace, proposal=announced)
            try:
                said = await taker.handler.call(taker.arguments(announced, context), self._duty.run_sync)
                with contained():
                    ballot = None if said is None else _ballot(said, announced)
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
            await context.vote(
                ballot.choice,
                rationale=ballot.rationale,
                conditions=ballot.conditions,
                scope=ballot.scope,
            )
        except ConclaveError as error:
            code = error.code if isinstance(error, RejectedError) else ""
            context.log.warning("vote not counted", error=str(error), code=code)


def _ballot(said: Any, announced: ProposalAnnounced) -> Ballot:
    """A choice, or anything with a choice and perhaps more of a ballot's fields, as a ballot.

    Raises:
        UsageError: It is neither, or no choice under the rules of the proposal.
    """
    choice = said if isinstance(said, (str, list, tuple, Mapping)) else getattr(said, "choice", said)
    try:
        normalised(announced.rules.as_rules(), choice_form(choice))
    except ValueError as error:  # a ChoiceError is one, too
        raise UsageError(f"the handler returned no vote: no choice {choice!r:.66}; {error}") from None
    rationale = str(getattr(said, "rationale", "") or "")
    if len(rationale) > MAX_RATIONALE_CHARS:
        rationale = f"{rationale[: MAX_RATIONALE_CHARS - 1]}…"
    return Ballot(
        choice,
        rationale,
        conditions=getattr(said, "conditions", ()) or (),
        scope=getattr(said, "scope", "all") or "all",
    )


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
