"""The rules of a proposal as sentences that people read. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conclave.commands.durations import duration_text
from consensus.replies import ElectorateView, LevelView, RulesView

BINARY: Final = frozenset({"simple_majority", "qualified_majority", "unanimous", "weighted"})
"""Protocols whose choices are for, against and abstain."""
_PROTOCOLS: Final = {
    "simple_majority": "simple majority: more weight for than against; a tie fails",
    "weighted": "weighted majority: more weight for than against; a tie fails",
    "unanimous": "unanimous: nobody against, and at least one for",
    "approval": "approval: the option that most weight approves of",
    "ranked_choice": "ranked choice (instant runoff): the last one is eliminated until one has a majority",
    "borda": "Borda count: points by place in each ranking",
    "copeland": "Copeland: the option that wins most of the duels with the others",
    "weighted_split": "weighted split: each voter's weight is shared out by its points",
}
_COUNTED: Final = {"for": "for", "for_and_abstain": "for or abstaining", "all": "for, against or abstaining"}
_TIES: Final = {
    "fails": "a tie fails",
    "first_listed": "of tied options the one listed first wins",
    "lot": "a tie is drawn by a hash of the proposal's id",
}


def level_text(level: LevelView) -> str:
    """A level as the option takes it: ``5``, ``1/2``."""
    return str(level.count) if level.count is not None else f"{level.numerator}/{level.denominator}"


def electorate_sentence(electorate: ElectorateView) -> str:
    """Who may vote, and with what weight."""
    if electorate.agents:
        who = f"{len(electorate.agents)} named agents" if len(electorate.agents) > 1 else "one named agent"
    elif electorate.requirement:
        who = f"agents that meet {electorate.requirement!r} when voting opens"
    else:
        who = f"agents with the role {electorate.role} when voting opens"
    match electorate.weights:
        case "given":
            return f"{who}, weights given"
        case "trust":
            return f"{who}, weighed by trust in the topic {electorate.trust_topic}"
        case _:
            return f"{who}, one vote each"


def rule_sentences(rules: RulesView) -> Iterator[tuple[str, str]]:
    """Every rule that says something, as (name, sentence); in the order in which they come to count."""
    yield "protocol", _protocol_sentence(rules)
    yield "quorum", _quorum_sentence(rules)
    if rules.protocol not in BINARY:
        yield "tie", _TIES[rules.tie_rule]
    if rules.fractional:
        yield "fractional", "a voter may split its weight, in several votes; delegations are final"
    yield "ends", _ends_sentence(rules)
    if rules.vote_changes:
        yield "changes", "the last vote of each voter counts"
    if rules.minimum_electorate > 1:
        yield "minimum", f"defeated with fewer than {rules.minimum_electorate} electors"
    if rules.offline_voters == "release":
        yield "offline", "electors that are offline and have not voted do not count until they are back"
    if rules.veto_holders:
        yield "veto", f"{', '.join(rules.veto_holders)} may veto it until it is executed"
    if rules.guardian is not None:
        yield "guardian", f"{rules.guardian} may cancel it until it is executed"
    if rules.timelock_ms is not None:
        yield "timelock", f"{duration_text(rules.timelock_ms)} between success and execution"
    if rules.executors:
        yield "executors", f"{', '.join(rules.executors)} may execute it, and nobody else"
    yield "execution", f"within {duration_text(rules.execution_window_ms)}, then it expires"
    yield "signatures", "every vote is signed" if rules.signatures == "required" else "optional"


def protocol_name(rules: RulesView) -> str:
    """The protocol in a few words: ``simple majority``, ``qualified majority > 2/3``."""
    name = rules.protocol.replace("_", " ")
    if rules.threshold is None:
        return name
    sign = ">=" if rules.threshold.inclusive else ">"
    whole = " of eligible" if rules.threshold.of == "eligible" else ""
    return f"{name} {sign} {rules.threshold.numerator}/{rules.threshold.denominator}{whole}"


def _protocol_sentence(rules: RulesView) -> str:
    if rules.protocol == "quadratic":
        return f"quadratic: n votes cost n² of the {rules.credits} credits of each voter"
    if rules.threshold is None:
        return _PROTOCOLS.get(rules.protocol, protocol_name(rules))
    sign = "at least" if rules.threshold.inclusive else "more than"
    share = f"{rules.threshold.numerator}/{rules.threshold.denominator}"
    whole = "all weight" if rules.threshold.of == "eligible" else "the weight for and against"
    return f"qualified majority: {sign} {share} of {whole} is for"


def _quorum_sentence(rules: RulesView) -> str:
    level = level_text(rules.quorum)
    votes = "vote" if rules.quorum.count == 1 else "votes"
    amount = f"{level} {votes}" if rules.quorum.count is not None else f"{level} of all weight"
    if rules.protocol in BINARY:
        return f"at least {amount} {_COUNTED[rules.quorum_counts]}"
    return f"at least {amount} naming an option{'' if rules.quorum_counts == 'for' else ' or abstaining'}"


def _ends_sentence(rules: RulesView) -> str:
    parts = ["as soon as the result is certain" if rules.early_decision else "at its deadline"]
    if rules.super_quorum is not None:
        parts.append(f"at once with {level_text(rules.super_quorum)} in favour")
    if rules.late_quorum_extension_ms:
        extension = duration_text(rules.late_quorum_extension_ms)
        parts.append(f"not before {extension} after the quorum is reached")
    return "; ".join(parts)
