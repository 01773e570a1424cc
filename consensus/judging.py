"""Whether the rules of a new proposal make sense: each fault with its code, its place and a way out. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from consensus.ballot import NOMINAL
from consensus.limits import (
    MAX_AMENDMENT_PUSHES,
    MAX_AMENDMENTS,
    MAX_ELECTORATE,
    MAX_EXECUTION_WINDOW_MS,
    MAX_EXECUTORS,
    MAX_OPTION_CHARS,
    MAX_OPTIONS,
    MAX_QUORUM_TERM,
    MAX_TIMELOCK_MS,
    MAX_TOPIC_CHARS,
    MAX_VETO_HOLDERS,
    MAX_VOTING_DELAY_MS,
    MAX_VOTING_PERIOD_MS,
    MAX_WEIGHT,
)
from consensus.refusals import refused
from consensus.rules import ElectorateSpec, Level, Option, Rules, Threshold
from coordination.runtime.model import Rejected
from coordination.runtime.names import is_id

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def problem_of(
    rules: Rules, electorate: ElectorateSpec, voting_delay_ms: int, voting_period_ms: int
) -> Rejected | None:
    """What is wrong with the terms of a new proposal: the first fault found, or None.

    Args:
        rules: As proposed.
        electorate: As proposed; looked at first, since quorums are judged against its weight.
        voting_delay_ms: Length of the discussion.
        voting_period_ms: Length of the vote.
    """
    return (
        _problem_of_electorate(electorate)
        or _problem_of_weights(electorate)
        or _problem_of_options(rules)
        or _problem_of_threshold(rules)
        or _problem_of_quorums(rules, _known_votes(electorate))
        or _problem_of_times(rules, voting_delay_ms, voting_period_ms)
        or _problem_of_counting(rules)
        or _problem_of_powers(rules)
    )


def most_amendments(elector_count: int) -> int:
    """How often a proposal may be amended, if each time so many electors are told."""
    return min(MAX_AMENDMENTS, max(1, MAX_AMENDMENT_PUSHES // max(1, elector_count)))


def problem_of_artifact(name: str, sha256: str) -> Rejected | None:
    """Whether `sha256`, the value of the field `name`, is no hash as we write it."""
    if _SHA256.fullmatch(sha256):
        return None
    message = f"{name} is a SHA-256 in 64 digits of lower-case hex, not {sha256!r:.80}"
    return refused("invalid_artifact", message)


def problem_of_amended(options: tuple[Option, ...], before: tuple[Option, ...]) -> Rejected | None:
    """What is wrong with options that take the place of those `before`: their ids must stay."""
    if [each.option for each in options] != [each.option for each in before]:
        known = ", ".join(each.option for each in before) or "there are none"
        return refused(
            "invalid_options", f"an amendment keeps ids and order of the options ({known:.400}); propose anew"
        )
    return _problem_of_option_artifacts(options)


def _problem_of_electorate(electorate: ElectorateSpec) -> Rejected | None:
    given = [bool(electorate.agents), bool(electorate.requirement), bool(electorate.role)]
    if sum(given) > 1:
        return refused("invalid_rules", "electorate: give one of agents, requirement and role, not several")
    if not any(given):
        return refused("empty_electorate", "electorate: name at least one agent that may vote")
    agents = electorate.agents
    if len(agents) > MAX_ELECTORATE:
        message = f"electorate: {len(agents)} agents; at most {MAX_ELECTORATE} may vote on one proposal"
        return refused("electorate_too_large", message)
    if len(set(agents)) != len(agents):
        return refused("duplicate_voter", f"electorate: {_twice(agents)} is named twice")
    return _problem_of_ids("electorate", agents)


def _problem_of_weights(electorate: ElectorateSpec) -> Rejected | None:
    given, trust_topic = electorate.given, electorate.trust_topic
    problem: str | None = None
    if bool(given) != (electorate.weights == "given"):
        problem = "name weights if they are given, and only then"
    elif bool(trust_topic) != (electorate.weights == "trust") or len(trust_topic) > MAX_TOPIC_CHARS:
        problem = f"trust comes from a topic of at most {MAX_TOPIC_CHARS} characters, nothing else does"
    elif len(given) > MAX_ELECTORATE:
        problem = f"{len(given)} are given; at most {MAX_ELECTORATE} may be"
    elif (negative := next((agent for agent, weight in given.items() if weight < 0), None)) is not None:
        problem = f"that of {negative:.80} is {given[negative]}; it must be at least 0"
    elif sum(given.values()) + MAX_ELECTORATE > MAX_WEIGHT:
        problem = f"their sum must stay below {MAX_WEIGHT - MAX_ELECTORATE}"
    elif electorate.agents and (strangers := given.keys() - set(electorate.agents)):
        problem = f"{min(strangers):.80} has a weight, but is no elector"
    if problem is not None:
        return refused("invalid_rules", f"weights: {problem}")
    return _problem_of_ids("weights", given)


def _problem_of_options(rules: Rules) -> Rejected | None:
    options = rules.option_ids
    if rules.is_binary:
        if not options:
            return None
        return refused(
            "invalid_options", f"options: {rules.protocol} is a vote for or against; leave the options out"
        )
    if not 2 <= len(options) <= MAX_OPTIONS:
        message = f"options: {rules.protocol} needs 2 to {MAX_OPTIONS} options, not {len(options)}"
        return refused("invalid_options", message)
    problem = next(filter(None, map(_problem_of_option_id, options)), None)
    if problem is None and len(set(options)) != len(options):
        problem = f"{_twice(options)} is listed twice"
    if problem is not None:
        return refused("invalid_options", f"options: {problem}")
    return _problem_of_option_artifacts(rules.options)


def _problem_of_option_id(option: str) -> str | None:
    if option in NOMINAL:
        return f"{option} is a word of its own; choose another id"
    if not 1 <= len(option) <= MAX_OPTION_CHARS or not option.isprintable() or option != option.strip():
        return f"an id has 1 to {MAX_OPTION_CHARS} printable characters, not {option!r:.80}"
    return None


def _problem_of_option_artifacts(options: tuple[Option, ...]) -> Rejected | None:
    for each in options:
        if each.artifact_sha256:
            refusal = problem_of_artifact(f"options: artifact_sha256 of {each.option}", each.artifact_sha256)
            if refusal is not None:
                return refusal
    return None


def _problem_of_threshold(rules: Rules) -> Rejected | None:
    threshold = rules.threshold
    if rules.protocol != "qualified_majority":
        if threshold is None:
            return None
        message = f"threshold: only qualified_majority has one, not {rules.protocol}; leave it out"
        return refused("invalid_threshold", message)
    if threshold is None:
        return refused("invalid_threshold", "threshold: qualified_majority needs one, such as 2/3")
    if not _is_possible(threshold):
        share = f"{'>=' if threshold.is_inclusive else '>'}{threshold.numerator}/{threshold.denominator}"
        message = (
            f"threshold: {share} can never be met or means nothing; give a share from 0 to 1, such as 2/3"
        )
        return refused("invalid_threshold", message)
    return None


def _is_possible(threshold: Threshold) -> bool:
    numerator, denominator = threshold.numerator, threshold.denominator
    highest = denominator if threshold.is_inclusive else denominator - 1
    return 1 <= denominator <= MAX_QUORUM_TERM and 0 <= numerator <= highest


def _problem_of_quorums(rules: Rules, known_votes: int | None) -> Rejected | None:
    refusal = _problem_of_level("quorum", rules.quorum, known_votes)
    if refusal is not None or rules.super_quorum is None:
        return refusal
    refusal = _problem_of_level("super_quorum", rules.super_quorum, known_votes)
    if refusal is None and _is_below(rules.super_quorum, rules.quorum, known_votes):
        return refused("invalid_quorum", "super_quorum: it is below the quorum; raise it at least to that")
    return refusal


def _problem_of_level(name: str, level: Level, known_votes: int | None) -> Rejected | None:
    numerator, denominator = level.numerator, level.denominator
    if denominator is None:
        highest = known_votes if known_votes is not None else MAX_QUORUM_TERM
        if 0 <= numerator <= highest:
            return None
        message = f"{name}: a count from 0 to {highest}, the weight there is, not {numerator}"
        return refused("invalid_quorum", message)
    if 1 <= denominator <= MAX_QUORUM_TERM and 0 <= numerator <= denominator:
        return None
    message = f"{name}: a fraction from 0 to 1, such as 1/2, not {numerator}/{denominator}"
    return refused("invalid_quorum", message)


def _is_below(level: Level, other: Level, known_votes: int | None) -> bool:
    """As far as that can be said: a count and a fraction of an unknown weight are not compared."""
    if level.denominator is not None and other.denominator is not None:
        return level.numerator * other.denominator < other.numerator * level.denominator
    if level.denominator is None and other.denominator is None:
        return level.numerator < other.numerator
    return known_votes is not None and level.votes(known_votes) < other.votes(known_votes)


def _known_votes(electorate: ElectorateSpec) -> int | None:
    """The weight of the whole electorate, where it needs no look at other services."""
    if not electorate.is_known:
        return None
    return sum(electorate.given.get(agent, 1) for agent in electorate.agents)


def _problem_of_times(rules: Rules, voting_delay_ms: int, voting_period_ms: int) -> Rejected | None:
    spans = {
        "voting_delay_ms": (0, voting_delay_ms, MAX_VOTING_DELAY_MS),
        "voting_period_ms": (1, voting_period_ms, MAX_VOTING_PERIOD_MS),
        "late_quorum_extension_ms": (0, rules.late_quorum_extension_ms, max(voting_period_ms, 0)),
        "timelock_ms": (0, rules.timelock_ms or 0, MAX_TIMELOCK_MS),
        "execution_window_ms": (1, rules.execution_window_ms, MAX_EXECUTION_WINDOW_MS),
    }
    for name, (lowest, span_ms, highest) in spans.items():
        if not lowest <= span_ms <= highest:
            bound = "the voting period" if name == "late_quorum_extension_ms" else str(highest)
            return refused("invalid_rules", f"{name}: from {lowest} to {bound}, not {span_ms}")
    return None


def _problem_of_counting(rules: Rules) -> Rejected | None:
    if rules.is_fractional and not rules.is_binary:
        message = f"fractional: weight is split over for, against and abstain; {rules.protocol} has options"
        return refused("invalid_rules", message)
    if rules.is_fractional and rules.may_change_vote:
        message = (
            "fractional: a split vote adds to the one before, so votes cannot be changed too; choose one"
        )
        return refused("invalid_rules", message)
    if not 1 <= rules.credits <= MAX_QUORUM_TERM:
        return refused("invalid_rules", f"credits: from 1 to {MAX_QUORUM_TERM}, not {rules.credits}")
    if not 0 <= rules.minimum_electorate <= MAX_ELECTORATE:
        message = f"minimum_electorate: from 0 to {MAX_ELECTORATE}, not {rules.minimum_electorate}"
        return refused("invalid_rules", message)
    return None


def _problem_of_powers(rules: Rules) -> Rejected | None:
    guardian = () if rules.guardian is None else (rules.guardian,)
    return (
        _problem_of_holders("veto_holders", rules.veto_holders, MAX_VETO_HOLDERS)
        or _problem_of_ids("guardian", guardian)
        or _problem_of_holders("executors", rules.executors, MAX_EXECUTORS)
    )


def _problem_of_holders(name: str, holders: tuple[str, ...], highest: int) -> Rejected | None:
    if len(holders) > highest:
        return refused("invalid_rules", f"{name}: at most {highest}, not {len(holders)}")
    if len(set(holders)) != len(holders):
        return refused("invalid_rules", f"{name}: {_twice(holders)} is named twice")
    return _problem_of_ids(name, holders)


def _problem_of_ids(name: str, agents: Iterable[str]) -> Rejected | None:
    for agent in agents:
        if not is_id(agent):
            return refused("invalid_rules", f"{name}: {agent!r:.80} is no agent id")
    return None


def _twice(names: Iterable[str]) -> str:
    """The first of `names` that is there more than once."""
    return next(name for name, count in Counter(names).items() if count > 1)
