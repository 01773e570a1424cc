"""Votes on record as sentences that people read. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from conclave.commands.choicewords import choice_text
from conclave.commands.tables import printable
from consensus.replies import Proposal, Vote

_MAX_NAMED: Final = 3
"""Agents that are named before the others are only counted."""


def scope_text(scope: str, voter: str, delegations: Mapping[str, str]) -> str:
    """Which weight a vote casts, if not all that its voter has: ``for what ada and bob delegated``.

    Args:
        scope: Of the vote.
        voter: Whose vote it is.
        delegations: Agent -> who stands in for it, as fixed when voting opened.
    """
    match scope:
        case "own":
            return "its own weight only"
        case "delegated":
            return f"for what {_listed(_represented(voter, delegations)) or 'others'} delegated"
        case _:
            return ""


def vote_text(vote: Vote, proposal: Proposal) -> str:
    """A vote in one line, without its voter: choice, scope, weight, rationale, conditions."""
    text = choice_text(vote.choice, proposal.rules.protocol)
    if scope := scope_text(vote.scope, vote.voter, proposal.delegations):
        text += f", {scope}"
    parts = [text, str(vote.weight)]
    if vote.rationale:
        parts.append(printable(vote.rationale))
    parts += (f"if {printable(condition)}" for condition in vote.conditions)
    return "  ".join(parts)


def _represented(voter: str, delegations: Mapping[str, str]) -> list[str]:
    """Whose weight `voter` may cast: those that delegated to it, and those that delegated to them."""
    by_delegate: dict[str, list[str]] = {}
    for agent, delegate in delegations.items():
        by_delegate.setdefault(delegate, []).append(agent)

    def walk() -> Iterator[str]:
        waiting = [voter]
        while waiting:
            found = by_delegate.get(waiting.pop(), ())
            yield from found
            waiting += found

    return sorted(walk())


def _listed(agents: list[str]) -> str:
    if len(agents) > _MAX_NAMED:
        return f"{', '.join(agents[:_MAX_NAMED])} and {len(agents) - _MAX_NAMED} more"
    return " and ".join(filter(None, (", ".join(agents[:-1]), *agents[-1:])))
