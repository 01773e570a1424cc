"""Charters: what every new proposal of one kind must satisfy, because the operator says so. Pure.

A proposal says itself who votes and by what rules. So an approval proves what was approved, and only a
charter that the right ones were asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from consensus.commands import Propose, SetCharter
from consensus.events import CharterSet
from consensus.judging import problem_of
from consensus.refusals import refused
from consensus.rules import Charter, ElectorateSpec, Level, Rules, Threshold
from coordination.runtime.model import Outcome, Rejected

OPERATOR: Final = "operator"
"""The only caller that sets charters; no agent can be called so."""
_ANYBODY: Final = ElectorateSpec(role="anybody")
_NO_QUORUM: Final = Level(numerator=0)


@dataclass(slots=True)
class Charters:
    """The charters that hold, at most one for each kind."""

    by_kind: dict[str, CharterSet] = field(default_factory=dict)

    def set(self, event: CharterSet) -> None:
        """Take over what the operator said last of a kind."""
        self.by_kind.pop(event.kind, None)
        if event.charter is not None:
            self.by_kind[event.kind] = event

    def problem_of(self, command: Propose) -> Rejected | None:
        """What the charter of its kind, if there is one, misses in a new proposal."""
        event = self.by_kind.get(command.kind)
        return None if event is None or event.charter is None else problem_of_charter(event.charter, command)

    def decide(self, command: SetCharter, now_ms: int) -> Outcome | Rejected:
        """Set or remove a charter; the same again changes nothing."""
        kind, charter = command.kind, command.charter
        if command.agent != OPERATOR:
            message = f"charters are set by {OPERATOR}, not by {command.agent}; ask whoever runs this server"
            return refused("not_operator", message)
        refusal = None if charter is None else _problem_of_terms(charter)
        if refusal is not None:
            return refusal
        event = CharterSet(kind=kind, charter=charter, agent=command.agent, set_at_ms=now_ms)
        present = self.by_kind.get(kind)
        if charter == (None if present is None else present.charter):
            return Outcome(reply=charter_view(present or event))
        return Outcome(events=(event,), reply=charter_view(event))

    def in_order(self) -> list[CharterSet]:
        """All that hold, by kind."""
        return [self.by_kind[kind] for kind in sorted(self.by_kind)]


def problem_of_charter(charter: Charter, command: Propose) -> Rejected | None:
    """What `charter` asks for and a new proposal of its kind does not have: the first fault, or None."""
    rules, electorate = command.rules, charter.electorate
    if electorate is not None and _who_votes(command.electorate) != _who_votes(electorate):
        return _unmet(charter, "electorate", f"exactly {_electorate_text(electorate)}", "name that one")
    if charter.protocols and rules.protocol not in charter.protocols:
        asked = " or ".join(charter.protocols)
        return _unmet(charter, "protocol", asked, f"choose it instead of {rules.protocol}")
    return _problem_of_count(charter, rules) or _problem_of_bounds(charter, command)


def _problem_of_bounds(charter: Charter, command: Propose) -> Rejected | None:
    """Whether there is as much of everything as the charter asks for."""
    rules = command.rules
    missing = ", ".join(sorted(set(charter.veto_holders) - set(rules.veto_holders)))
    if missing:
        return _unmet(charter, "veto_holders", ", ".join(charter.veto_holders), f"add {missing}")
    least = {
        "minimum_electorate": (charter.minimum_electorate, rules.minimum_electorate),
        "voting_period_ms": (charter.minimum_voting_period_ms, command.voting_period_ms),
        "timelock_ms": (charter.minimum_timelock_ms, rules.timelock_ms or 0),
    }
    for name, (asked_for, given) in least.items():
        if given < asked_for:
            return _unmet(charter, name, f"at least {asked_for}", f"raise it from {given}")
    if charter.are_signatures_required and not rules.are_signatures_required:
        return _unmet(charter, "signatures", "required", "do not make them optional")
    return None


def charter_view(event: CharterSet) -> dict[str, Any]:
    """A charter as a reply."""
    charter = event.charter
    view: dict[str, Any] = {"kind": event.kind, "agent": event.agent, "set_at_ms": event.set_at_ms}
    if charter is None:
        return {**view, "charter": None}
    electorate, quorum = charter.electorate, charter.quorum
    shown = {
        "electorate": None
        if electorate is None
        else {
            "agents": electorate.agents,
            "requirement": electorate.requirement,
            "role": electorate.role,
            "weights": electorate.weights,
            "given": dict(electorate.given),
            "trust_topic": electorate.trust_topic,
        },
        "protocols": charter.protocols,
        "quorum": None if quorum is None else _level_text(quorum),
        "veto_holders": charter.veto_holders,
        "minimum_electorate": charter.minimum_electorate,
        "minimum_voting_period_ms": charter.minimum_voting_period_ms,
        "minimum_timelock_ms": charter.minimum_timelock_ms,
        "signatures": "required" if charter.are_signatures_required else "optional",
    }
    return {**view, "charter": shown}


def _problem_of_terms(charter: Charter) -> Rejected | None:
    """A charter is sound if the least proposal that satisfies it is."""
    electorate = charter.electorate
    least = Rules(
        quorum=charter.quorum or _NO_QUORUM,
        veto_holders=charter.veto_holders,
        minimum_electorate=charter.minimum_electorate,
        timelock_ms=charter.minimum_timelock_ms,
    )
    refusal = problem_of(least, electorate or _ANYBODY, 0, max(1, charter.minimum_voting_period_ms))
    if refusal is None and electorate is not None and electorate.agents:
        known = len(electorate.agents)
        if charter.minimum_electorate > known:
            message = f"minimum_electorate: at most {known}, the electorate, not {charter.minimum_electorate}"
            return refused("invalid_rules", message)
    return refusal


def _problem_of_count(charter: Charter, rules: Rules) -> Rejected | None:
    """Whether the votes count for as much as the charter means them to."""
    if rules.threshold is not None and not _is_majority(rules.threshold):
        # Else everybody could vote against, and it would be approved.
        share = f"{rules.threshold.numerator}/{rules.threshold.denominator}"
        return _unmet(charter, "threshold", "more than 1/2", f"raise it from {share}")
    quorum = charter.quorum
    if quorum is None:
        return None
    if not _is_at_least(rules.quorum, quorum):
        form = "count" if quorum.denominator is None else "fraction"
        mend = f"raise it from {_level_text(rules.quorum)}, as a {form}"
        return _unmet(charter, "quorum", f"at least {_level_text(quorum)}", mend)
    if rules.quorum_counts == "all":
        return _unmet(charter, "quorum_counts", "for or for_and_abstain", "leave votes against out of it")
    if rules.offline_voters == "release":
        # The quorum would be of those who happen to be there.
        return _unmet(charter, "offline_voters", "remain", "do not release them")
    return None


def _is_majority(threshold: Threshold) -> bool:
    twice, whole = 2 * threshold.numerator, threshold.denominator
    return twice > whole or (twice == whole and not threshold.is_inclusive)


def _is_at_least(level: Level, least: Level) -> bool:
    """A count is not compared with a fraction: what it is of may not be known yet."""
    if level.denominator is None or least.denominator is None:
        return level.denominator is least.denominator and level.numerator >= least.numerator
    return level.numerator * least.denominator >= least.numerator * level.denominator


def _who_votes(electorate: ElectorateSpec) -> tuple[Any, ...]:
    """Alike for two electorates exactly if the same agents vote with the same weights."""
    weights = {agent: weight for agent, weight in electorate.given.items() if weight != 1}
    agents = frozenset(electorate.agents)
    return agents, electorate.requirement, electorate.role, electorate.trust_topic, weights


def _electorate_text(electorate: ElectorateSpec) -> str:
    """Who votes, in words; cut where it is long."""
    who = f"{', '.join(electorate.agents):.400}"
    if electorate.requirement:
        who = f"whoever meets {electorate.requirement:.400}"
    elif electorate.role:
        who = f"the role {electorate.role}"
    if electorate.trust_topic:
        return f"{who}, weighed by trust in {electorate.trust_topic}"
    weights = ", ".join(f"{agent}={weight}" for agent, weight in sorted(electorate.given.items()))
    return f"{who}, with weights {weights:.400}" if weights else f"{who}, with equal weights"


def _level_text(level: Level) -> str:
    return str(level.numerator) if level.denominator is None else f"{level.numerator}/{level.denominator}"


def _unmet(charter: Charter, name: str, asked: str, mend: str) -> Rejected:
    message = f"{name}: the charter of {charter.kind} asks for {asked}; {mend}"
    return refused("charter_unmet", message, details={"field": name, "kind": charter.kind})
