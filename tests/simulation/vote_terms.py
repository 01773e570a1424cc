"""What simulated agents propose and choose: every protocol, every rule, by chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

from consensus.rules import BINARY, Rules

ROLE: Final = "voter"
"""Label of the agents that a proposal finds through the registry."""
_BINARY: Final = ("simple_majority", "simple_majority", "qualified_majority", "unanimous", "weighted")
_OPTIONAL: Final = ("approval", "ranked_choice", "borda", "copeland", "quadratic", "weighted_split")
_SIDES: Final = ("for", "for", "against", "abstain")


def artifact(label: str) -> str:
    """The hash of what is called `label`."""
    return sha256(label.encode()).hexdigest()


def draw_terms(entropy: random.Random, agents: Sequence[str]) -> dict[str, Any]:
    """Arguments of `ConsensusClient.propose` but title and artifact, which make sense together."""
    terms = {**_powers(entropy, agents), **_electorate(entropy, agents), **_times(entropy)}
    protocol = entropy.choice(_BINARY if entropy.random() < 0.65 else _OPTIONAL)
    terms |= {
        "protocol": protocol,
        "kind": entropy.choice(("custom", "infrastructure_change")),
        "quorum": entropy.choice(("1/2", "1/3", "1/3", "1/4", 0, 1)),
        "quorum_counts": entropy.choice(("for_and_abstain", "for", "all")),
        "early_decision": entropy.random() < 0.6,
        "vote_changes": entropy.random() < 0.25,
        "offline_voters": entropy.choice(("remain", "release")),
        "minimum_electorate": entropy.choice((1, 1, 2, 3)),
        "signatures": "required" if entropy.random() < 0.75 else "optional",
    }
    if protocol == "qualified_majority":
        terms["threshold"] = entropy.choice(("2/3", ">1/2", ">=1/2 of eligible", ">2/3 of eligible"))
    if protocol not in BINARY:
        terms["options"] = [{"option": each, "artifact_sha256": artifact(each)} for each in "pq"] + ["r"]
        terms["tie_rule"] = entropy.choice(("fails", "first_listed", "lot"))
    elif entropy.random() < 0.2:
        terms |= {"fractional": True, "vote_changes": False}
    if entropy.random() < 0.2:
        terms |= {"super_quorum": "2/3", "quorum": "1/3"}
    return terms


def _electorate(entropy: random.Random, agents: Sequence[str]) -> dict[str, Any]:
    if entropy.random() < 0.25:
        named: Any = {"role": ROLE} if entropy.random() < 0.5 else {"requirement": "work"}
        return {"electorate": named}
    electors = entropy.sample(agents, entropy.randint(max(len(agents) - 2, 2), len(agents)))
    if entropy.random() < 0.35:
        weights = {each: entropy.randint(0, 4) for each in electors}
        return {"electorate": electors, "weights": weights | {electors[0]: entropy.randint(1, 4)}}
    return {"electorate": electors}


def _powers(entropy: random.Random, agents: Sequence[str]) -> dict[str, Any]:
    return {
        "veto_holders": entropy.sample(agents, entropy.choice((0, 0, 1, 2))),
        "guardian": entropy.choice((None, None, entropy.choice(agents))),
        "executors": entropy.sample(agents, entropy.choice((0, 0, 0, 2))),
    }


def _times(entropy: random.Random) -> dict[str, Any]:
    period_ms = entropy.choice((1_000, 2_500, 4_000))
    return {
        "voting_delay_ms": entropy.choice((0, 0, 400, 1_200)),
        "voting_period_ms": period_ms,
        "late_quorum_extension_ms": entropy.choice((0, 0, period_ms // 2, period_ms)),
        "timelock_ms": entropy.choice((None, None, 0, 600)),
        "execution_window_ms": entropy.choice((60_000, 60_000, 300)),
    }


def draw_choice(entropy: random.Random, rules: Rules) -> Any:
    """A choice under these rules, as people write it."""
    if entropy.random() < 0.07:
        return "abstain"
    if rules.is_binary:
        if rules.is_fractional and entropy.random() < 0.7:
            return {entropy.choice(_SIDES): 1, entropy.choice(_SIDES): entropy.randint(1, 2)}
        return entropy.choice(_SIDES)
    ranked = entropy.sample(rules.option_ids, entropy.randint(1, len(rules.option_ids)))
    match rules.protocol:
        case "approval":
            return ranked
        case "quadratic" | "weighted_split":
            return {option: entropy.randint(1, 5) for option in ranked}
        case _:
            return [ranked[:2], *ranked[2:]] if entropy.random() < 0.3 else ranked
