"""Small polls for unit tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from consensus.ballot import Ballot, Scope
from consensus.poll import Poll
from consensus.rules import Level, Rules, Verdict

FRACTIONAL = Rules(quorum=Level(numerator=0), is_fractional=True)
TO_V2 = {"v1": "v2", "v4": "v2"}
GOVERNOR = {"v1": 10, "v2": 7, "v3": 5, "v4": 2, "rest": 76}
"""A supply of 100."""
WON = Verdict(is_won=True, reason="majority")


def lost(reason: Any) -> Verdict:
    return Verdict(is_won=False, reason=reason)


def percent(part: int) -> Level:
    return Level(numerator=part, denominator=100)


def poll_of(
    rules: Rules | None = None,
    weights: Mapping[str, int] = GOVERNOR,
    delegations: Mapping[str, str] | None = None,
) -> Poll:
    return Poll(rules or Rules(quorum=percent(10)), weights, delegations or {}, "p")


def ballot(voter: str, choice: Any, scope: Scope = "all") -> Ballot:
    return Ballot(voter=voter, choice=choice, scope=scope)


def sides(poll: Poll) -> tuple[int, int, int]:
    """[against, for, abstain], in Governor's order."""
    tally = poll.tally()
    return tally.against_votes, tally.for_votes, tally.abstain_votes
