"""Charters on the wire: what operators ask for, the endpoints, and the part of the client.

Refusals: of ``charter`` ``not_operator``, and those of ``propose`` for what makes no sense; of ``propose``
``charter_unmet``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import Field

from consensus import asking, rules, wire
from consensus.charter import charter_view
from consensus.commands import SetCharter
from consensus.limits import MAX_VETO_HOLDERS
from consensus.model import ConsensusModel
from consensus.terms import electorate_spec, level_of
from coordination.runtime.asking import items, request
from coordination.runtime.client import Caller
from coordination.runtime.names import Id
from coordination.runtime.service import Call, Command, Query
from coordination.runtime.wire import Body, Reply, page

_SERVICE: Final = "consensus"
_MAX_PROTOCOLS: Final = 32
Electors = Iterable[str] | Mapping[str, Any] | wire.Electorate


class CharterTerms(Body):
    """What every new proposal of a kind must satisfy; what is left out is not asked for, but signatures."""

    electorate: wire.AnyElectorate | None = None
    """The proposal's must be this very one."""
    weights: wire.Weights = "equal"
    """Of that electorate, as in ``propose``."""
    protocols: Annotated[tuple[wire.Protocol, ...], Field(max_length=_MAX_PROTOCOLS)] = ()
    """Those that may be chosen; by default all."""
    quorum: wire.AnyLevel | None = None
    """At least this, in the same form; and then no votes against count toward it, and nobody is left out of
    it for being offline."""
    veto_holders: Annotated[tuple[Id, ...], Field(max_length=MAX_VETO_HOLDERS + 1)] = ()
    """Must be among the proposal's."""
    minimum_electorate: wire.Duration = 1
    """The proposal's must be at least this, and so the following two."""
    minimum_voting_period_ms: wire.Duration = 0
    minimum_timelock_ms: wire.Duration = 0
    signatures: wire.Signatures = "required"
    """``optional``: proposals may take votes without a signature."""


class CharterRequest(Body):
    """Set or remove the charter of a kind; allowed to the operator."""

    kind: wire.Kind
    charter: CharterTerms | None
    """None: proposals of the kind need nothing any more."""


class ChartersRequest(Body):
    """Ask for the charters that hold."""

    kind: wire.Kind | None = None
    """By default of all kinds."""


class CharterElectorate(Reply):
    """Who must vote."""

    agents: tuple[Id, ...] = ()
    requirement: str = ""
    role: str = ""
    weights: str
    """``equal``, ``given`` or ``trust``."""
    given: dict[str, int] = Field(default_factory=dict)
    """Agent -> weight, 1 for the others."""
    trust_topic: str = ""


class CharterView(Reply):
    """What new proposals of a kind must satisfy."""

    electorate: CharterElectorate | None
    protocols: tuple[str, ...]
    quorum: str | None
    """``2/3``, or a count."""
    veto_holders: tuple[Id, ...]
    minimum_electorate: int
    minimum_voting_period_ms: int
    minimum_timelock_ms: int
    signatures: str


class CharterReply(Reply):
    """The charter of a kind, who set it and when."""

    kind: str
    charter: CharterView | None
    agent: str
    set_at_ms: int


class ChartersReply(Reply):
    """The charters that hold, by kind."""

    charters: tuple[CharterReply, ...]
    is_complete: bool
    """False if more hold than fit into a message: ask for each kind."""


def endpoints() -> tuple[Command | Query, ...]:
    """Those that concern charters."""
    return (
        Command(
            verb="charter",
            description="Set what new proposals of a kind must satisfy, or nothing; the operator only.",
            request=CharterRequest,
            reply=CharterReply,
            build=_set_charter,
        ),
        Query(
            verb="charters",
            description="What new proposals must satisfy, by kind.",
            request=ChartersRequest,
            reply=ChartersReply,
            answer=_charters,
        ),
    )


def _set_charter(call: Call, request: CharterRequest) -> SetCharter:
    terms = request.charter
    return SetCharter(
        agent=call.caller,
        kind=request.kind,
        charter=None
        if terms is None
        else rules.Charter(
            kind=request.kind,
            electorate=None if terms.electorate is None else electorate_spec(terms.electorate, terms.weights),
            protocols=terms.protocols,
            quorum=None if terms.quorum is None else level_of(terms.quorum),
            veto_holders=terms.veto_holders,
            minimum_electorate=terms.minimum_electorate,
            minimum_voting_period_ms=terms.minimum_voting_period_ms,
            minimum_timelock_ms=terms.minimum_timelock_ms,
            are_signatures_required=terms.signatures == "required",
        ),
    )


def _charters(model: ConsensusModel, _: Call, request: ChartersRequest, now_ms: int) -> ChartersReply:
    del now_ms
    wanted = [each for each in model.charters.in_order() if request.kind in (None, each.kind)]
    shown = page(CharterReply.model_validate(charter_view(each)) for each in wanted)
    return ChartersReply(charters=shown, is_complete=len(shown) == len(wanted))


class CharterClient:
    """What of the client of consensus concerns charters."""

    _caller: Caller

    async def set_charter(
        self,
        kind: wire.Kind,
        *,
        electorate: Electors | None = None,
        weights: str | Mapping[str, int] | Mapping[str, str] = "equal",
        protocols: Iterable[wire.Protocol] = (),
        quorum: int | Fraction | str | rules.Level | wire.Level | None = None,
        veto_holders: Iterable[str] = (),
        minimum_electorate: int = 1,
        minimum_voting_period_ms: int = 0,
        minimum_timelock_ms: int = 0,
        signatures: wire.Signatures = "required",
    ) -> CharterReply:
        """Say what every new proposal of `kind` must satisfy, in place of what was said before.

        Args:
            kind: Of the proposals concerned; those that were made before keep their rules.
            electorate: The proposal's must be this very one; None for any.
            weights: Of that electorate, as in `propose`.
            protocols: Those that may be chosen; none for all.
            quorum: At least this: a fraction with fractions, a count with counts.
            veto_holders: Must be among the proposal's.
            minimum_electorate: The proposal's must be at least this.
            minimum_voting_period_ms: Likewise.
            minimum_timelock_ms: Likewise.
            signatures: ``optional`` lets proposals take votes without a signature.

        Raises:
            UsageError: An argument has no form that the contract knows.
            RejectedError: ``not_operator``, or what is asked for makes no sense.
        """
        charter = request(
            CharterTerms,
            electorate=None if electorate is None else asking.electorate_of(electorate),
            weights=dict(weights) if isinstance(weights, Mapping) else weights,
            protocols=items("protocols", protocols, of="protocols"),
            quorum=None if quorum is None else asking.level_of("quorum", quorum),
            veto_holders=items("veto_holders", veto_holders, of="agent ids"),
            minimum_electorate=minimum_electorate,
            minimum_voting_period_ms=minimum_voting_period_ms,
            minimum_timelock_ms=minimum_timelock_ms,
            signatures=signatures,
        )
        body = request(CharterRequest, kind=kind, charter=charter)
        return await self._caller.command(_SERVICE, "charter", body, CharterReply)

    async def remove_charter(self, kind: wire.Kind) -> CharterReply:
        """Ask nothing of new proposals of `kind` any more; errors as `set_charter`."""
        body = request(CharterRequest, kind=kind, charter=None)
        return await self._caller.command(_SERVICE, "charter", body, CharterReply)

    async def charters(self, kind: wire.Kind | None = None) -> ChartersReply:
        """What new proposals must satisfy: of all kinds, or of one."""
        body = request(ChartersRequest, kind=kind)
        return await self._caller.query(_SERVICE, "charters", body, ChartersReply)
