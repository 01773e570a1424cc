"""Who may redeem the approval of a proposal. Pure.

An approval is good once, so whoever redeems it and does nothing takes it from all others.
"""

from __future__ import annotations

from typing import Final

from consensus.record import Proposal

CONSUMERS: Final = ("tasks", "knowledge")
"""Services that act on approvals in their own name: each computes what it is about to do, redeems the
approval of exactly that and does it, whoever presents the token. No agent can be called so."""


def may_execute(record: Proposal, agent: str) -> bool:
    """Whether `agent` may redeem the approval of the proposal, once there is one.

    The same from the opening of the vote on: rules and electorate are fixed then.
    """
    rules = record.rules
    if rules.executors:
        return agent in rules.executors
    if agent in (record.created.proposer, rules.guardian, *CONSUMERS):
        return True
    return agent in (record.created.electorate.agents if record.opened is None else record.weights)


def executors_text(record: Proposal) -> str:
    """Who may redeem it, in words; as short for a large electorate."""
    rules = record.rules
    if rules.executors:
        return ", ".join(rules.executors)
    guardian = "" if rules.guardian is None else f"its guardian {rules.guardian}, "
    services = " and ".join(CONSUMERS)
    return f"its proposer {record.created.proposer}, its electors, {guardian}the services {services}"
