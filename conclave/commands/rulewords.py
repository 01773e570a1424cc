"""The rules of a proposal as people write them in options, and as sentences that they read. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from conclave.commands.durations import duration_text
from consensus.rules import ElectorateSpec, Level, Rules, Threshold

_FRACTION: Final = re.compile(r"([0-9]{1,15})\s*/\s*([0-9]{1,15})")
_PERCENT: Final = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,9}))?\s*%")
_COUNT: Final = re.compile(r"[0-9]{1,15}")
_THRESHOLD: Final = re.compile(r"(>=|>|)\s*(.+?)(?:\s+of\s+(cast|eligible))?")
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
_COUNTED: Final = {"for": "for", "for_and_abstain": "for or abstain", "all": "anything"}
_TIES: Final = {
    "fails": "a tie fails",
    "first_listed": "of tied options the one listed first wins",
    "lot": "a tie is drawn by a hash of the proposal's id",
}


class RuleWordsError(ValueError):
    """A text is no such rule; says what is."""


def _fraction(text: str) -> tuple[int, int] | None:
    if match := _FRACTION.fullmatch(text):
        return int(match[1]), int(match[2])
    if match := _PERCENT.fullmatch(text):
        decimals = match[2] or ""
        return int(match[1] + decimals), 100 * 10 ** len(decimals)
    return None


def read_level(text: str) -> Level:
    """An amount of weight: ``5``, ``1/2`` or ``50%`` of the electorate.

    Raises:
        RuleWordsError: It is none.
    """
    text = text.strip()
    if _COUNT.fullmatch(text):
        return Level(numerator=int(text))
    if (fraction := _fraction(text)) is None:
        raise RuleWordsError(f"{text[:40]!r} is neither a number of votes such as 5 nor a share: 1/2, 50%")
    return Level(numerator=fraction[0], denominator=fraction[1])


def read_threshold(text: str) -> Threshold:
    """A share of the votes: ``>2/3``, ``>=60%``, ``>1/2 of eligible``; without a sign it is ``>=``.

    Raises:
        RuleWordsError: It is none.
    """
    match = _THRESHOLD.fullmatch(text.strip())
    fraction = _fraction(match[2]) if match else None
    if match is None or fraction is None:
        raise RuleWordsError(
            f"{text[:40]!r} is no share of the votes such as '>2/3', '>=60%' or '>1/2 of eligible'"
        )
    return Threshold(
        numerator=fraction[0],
        denominator=fraction[1],
        is_inclusive=match[1] != ">",
        of="eligible" if match[3] == "eligible" else "cast",
    )


def level_text(level: Level) -> str:
    """A level as `read_level` reads it."""
    return str(level.numerator) if level.denominator is None else f"{level.numerator}/{level.denominator}"


def electorate_sentence(electorate: ElectorateSpec) -> str:
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


def rule_sentences(rules: Rules) -> Iterator[tuple[str, str]]:
    """Every rule that says something, as (name, sentence); in the order in which they come to count."""
    yield "protocol", _protocol_sentence(rules)
    yield "quorum", _quorum_sentence(rules)
    if not rules.is_binary:
        yield "tie", _TIES[rules.tie_rule]
    if rules.is_fractional:
        yield "fractional", "a voter may split its weight, in several votes; delegations are final"
    yield "ends", _ends_sentence(rules)
    if rules.may_change_vote:
        yield "changes", "the last vote of each voter counts"
    if rules.minimum_electorate > 1:
        yield "electorate", f"defeated with fewer than {rules.minimum_electorate} electors"
    if rules.offline_voters == "release":
        yield "offline", "electors that are offline and have not voted do not count until they are back"
    if rules.veto_holders:
        yield "veto", f"{', '.join(rules.veto_holders)} may veto it until it is executed"
    if rules.guardian is not None:
        yield "guardian", f"{rules.guardian} may cancel it until it is executed"
    if rules.timelock_ms is not None:
        yield "timelock", f"{duration_text(rules.timelock_ms)} between success and execution"
    yield "execution", f"within {duration_text(rules.execution_window_ms)}, then it expires"
    yield "signatures", "every vote is signed" if rules.are_signatures_required else "optional"


def _protocol_sentence(rules: Rules) -> str:
    if rules.protocol == "quadratic":
        return f"quadratic: n votes cost n² of the {rules.credits} credits of each voter"
    if rules.protocol != "qualified_majority":
        return _PROTOCOLS[rules.protocol]
    if rules.threshold is None:
        return "qualified majority"
    sign = "at least" if rules.threshold.is_inclusive else "more than"
    share = f"{rules.threshold.numerator}/{rules.threshold.denominator}"
    whole = "all weight" if rules.threshold.of == "eligible" else "for and against"
    return f"qualified majority: {sign} {share} of {whole} for"


def _quorum_sentence(rules: Rules) -> str:
    level = level_text(rules.quorum)
    amount = f"{level} votes" if rules.quorum.denominator is None else f"{level} of all weight"
    counted = "naming an option, or abstaining" if not rules.is_binary else _COUNTED[rules.quorum_counts]
    if not rules.is_binary and rules.quorum_counts == "for":
        counted = "naming an option"
    return f"{amount}, voting {counted}"


def _ends_sentence(rules: Rules) -> str:
    parts = ["as soon as the result is certain" if rules.is_early_decision else "at its deadline"]
    if rules.super_quorum is not None:
        parts.append(f"at once with {level_text(rules.super_quorum)} in favour")
    if rules.late_quorum_extension_ms:
        parts.append(
            f"not before {duration_text(rules.late_quorum_extension_ms)} after the quorum is reached"
        )
    return "; ".join(parts)
