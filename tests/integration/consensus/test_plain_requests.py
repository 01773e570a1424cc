"""Consensus by plain tools: JSON in, JSON out, and a code of its own for every kind of bad input."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from consensus.replies import RulesView
from consensus.signing import signed_bytes
from coordination.runtime.bus import NatsBus
from tests.integration.consensus.conftest import Town
from tests.support.voting import ARTIFACT, OTHER_ARTIFACT, signer_of

TERMS = {"title": "Go", "artifact_sha256": ARTIFACT, "electorate": ["ops", "bob"], "signatures": "optional"}
NONCE = "a-nonce-of-some-chars"


class Plain:
    """Asks as ``nats req`` does: a subject, a text, an inbox; no headers."""

    def __init__(self, bus: NatsBus, town: Town) -> None:
        self._bus = bus
        self._subjects = town.subjects

    async def ask(self, verb: str, agent: str = "ops", /, **body: Any) -> dict[str, Any]:
        """The answer, or the refusal."""
        subject = self._subjects.call("consensus", verb, agent)
        answer = await self._bus.request(subject, json.dumps(body).encode(), timeout_s=10)
        found: dict[str, Any] = json.loads(answer.payload)
        assert ("Nats-Service-Error-Code" in answer.headers) == ("code" in found)
        return found

    async def propose(self, **terms: Any) -> str:
        """The id of a proposal."""
        found: str = (await self.ask("propose", **TERMS | terms))["proposal_id"]
        return found

    async def code(self, verb: str, /, **body: Any) -> str:
        """The code of a refusal."""
        refusal = await self.ask(verb, **body)
        assert refusal["message"]
        found: str = refusal["code"]
        return found


@pytest.fixture
async def plain(closed_town: Town) -> Plain:
    """The operator, with nothing but JSON."""
    bus = (await closed_town.caller("ops")).bus
    assert isinstance(bus, NatsBus)
    return Plain(bus, closed_town)


async def test_an_operator_proposes_votes_and_executes_with_json_alone(plain: Plain) -> None:
    proposed = await plain.ask(
        "propose",
        title="Go",
        artifact_sha256=ARTIFACT,
        electorate=["ops"],
        signatures="optional",
        protocol="qualified_majority",
        threshold=">2/3",
        quorum="50%",
    )
    assert proposed["status"] == "active"
    assert proposed["rules"]["threshold"] == {
        "numerator": 2,
        "denominator": 3,
        "inclusive": False,
        "of": "cast",
    }
    proposal_id = proposed["proposal_id"]
    voted = await plain.ask("vote", proposal_id=proposal_id, choice="for", conditions=["at night"])
    assert (voted["sequence"], voted["status"]) == (1, "succeeded")
    tally = await plain.ask("tally", proposal_id=proposal_id)
    assert (tally["tally"]["for_votes"], tally["leading"], tally["standing"]["won"]) == (1, "for", True)
    approval = (await plain.ask("get", proposal_id=proposal_id))["approval"]
    executed = await plain.ask(
        "execute",
        proposal_id=proposal_id,
        execution_id="first",
        artifact_sha256=ARTIFACT,
        conditions_met=["at night"],
        token=approval,
    )
    assert executed["executor"] == "ops"
    assert (await plain.ask("report", proposal_id=proposal_id, success=True))["success"] is True
    trail = await plain.ask("trail", proposal_id=proposal_id)
    assert [each["event"] for each in trail["entries"]] == [
        "ProposalCreated",
        "VotingOpened",
        "VoteCast",
        "ProposalDecided",
        "ProposalExecuted",
        "ExecutionReported",
    ]
    listed = await plain.ask("list", status="executed", newest_first=True)
    assert [each["proposal_id"] for each in listed["proposals"]] == [proposal_id]


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"protocol": "qualified_majority", "threshold": 1.5}, "invalid_threshold"),
        ({"protocol": "qualified_majority", "threshold": "3/2"}, "invalid_threshold"),
        ({"electorate": []}, "empty_electorate"),
        ({"electorate": ["ops", "ops"]}, "duplicate_voter"),
        ({"artifact_sha256": "not a hash"}, "invalid_artifact"),
        ({"quorum": {"numerator": 3, "denominator": 2}}, "invalid_quorum"),
        ({"protocol": "approval"}, "invalid_options"),
        ({"late_quorum_extension_ms": 10**9}, "invalid_rules"),
        ({"electorate": "ops"}, "invalid_request"),
        ({"threshold": "most"}, "invalid_request"),
    ],
)
async def test_a_bad_proposal_gets_the_code_of_its_fault(
    plain: Plain, terms: dict[str, Any], code: str
) -> None:
    assert await plain.code("propose", **TERMS | terms) == code


async def test_a_malformed_proposal_is_told_where(plain: Plain) -> None:
    refusal = await plain.ask("propose", **TERMS | {"electorate": {"agents": ["ops", "Not An Id"]}})
    assert refusal["code"] == "invalid_request"
    assert "electorate.agents.1" in refusal["message"]


async def test_a_bad_vote_gets_the_code_of_its_fault(plain: Plain) -> None:
    proposal_id = await plain.propose()
    vote = {"proposal_id": proposal_id, "choice": "for"}
    assert await plain.code("vote", **vote | {"proposal_id": "nothing"}) == "unknown_proposal"
    assert await plain.code("vote", **vote | {"choice": "maybe"}) == "invalid_choice"
    assert await plain.code("vote", **vote | {"choice": 1}) == "invalid_request"
    assert await plain.code("vote", **vote | {"artifact_sha256": OTHER_ARTIFACT}) == "stale_artifact"
    assert await plain.code("vote", **vote | {"artifact_sha256": "x"}) == "invalid_artifact"
    assert await plain.code("vote", **vote | {"scope": "delegated"}) == "nothing_to_cast"
    assert await plain.code("vote", **vote | {"public_key": "U"}) == "signature_required"
    foreign = await plain.propose(electorate=["bob"])
    assert await plain.code("vote", **vote | {"proposal_id": foreign}) == "not_in_electorate"
    discussed = await plain.propose(voting_delay_ms=60_000)
    assert await plain.code("vote", **vote | {"proposal_id": discussed}) == "not_active"
    strict = await plain.propose(signatures="required")
    assert await plain.code("vote", **vote | {"proposal_id": strict}) == "signature_required"
    assert "code" not in await plain.ask("vote", **vote)
    assert await plain.code("vote", **vote) == "already_voted"
    alone = await plain.propose(electorate=["ops"])
    assert (await plain.ask("vote", proposal_id=alone, choice="against"))["status"] == "defeated"
    assert await plain.code("vote", **vote | {"proposal_id": alone}) == "voting_closed"


async def test_a_signature_must_be_of_this_vote_and_its_nonce_fresh(plain: Plain) -> None:
    proposal_id = await plain.propose(signatures="required", vote_changes=True)
    signer = signer_of("ops")
    view = (await plain.ask("get", proposal_id=proposal_id))["rules"]
    rules = RulesView.model_validate(view).as_rules()

    def signed(choice: str, **claimed: Any) -> dict[str, Any]:
        said: dict[str, Any] = {
            "proposal_id": proposal_id,
            "artifact_sha256": ARTIFACT,
            "rules": rules,
            "voter": "ops",
            "scope": "all",
            "choice": choice,
            "conditions": (),
            "rationale": "",
            "nonce": NONCE,
        } | claimed
        data = signed_bytes(**said)
        proof = {"nonce": NONCE, "public_key": signer.public_key, "signature": signer.sign(data)}
        return {"proposal_id": proposal_id, "choice": "for"} | proof

    for other in (
        {"voter": "bob"},
        {"artifact_sha256": OTHER_ARTIFACT},
        {"rules": replace(rules, guardian="eve")},
        {"proposal_id": "another"},
        {"nonce": "another-nonce-altogether"},
        {"rationale": "because"},
    ):
        assert await plain.code("vote", **signed("for", **other)) == "bad_signature", other
    assert await plain.code("vote", **signed("against")) == "bad_signature"
    assert "code" not in await plain.ask("vote", **signed("for"))
    assert await plain.code("vote", **signed("for")) == "nonce_reused"
    stored = (await plain.ask("votes", proposal_id=proposal_id))["votes"][0]
    assert (stored["nonce"], stored["public_key"]) == (NONCE, signer.public_key)


async def test_a_bad_end_gets_the_code_of_its_fault(plain: Plain) -> None:
    active = await plain.propose(veto_holders=["eve"], guardian="zed")
    assert await plain.code("cancel", proposal_id=active) in ("not_guardian", "not_pending")
    assert await plain.code("veto", proposal_id=active, reason="no") == "not_veto_holder"
    held = await plain.propose(veto_holders=["ops"])
    assert await plain.code("veto", proposal_id=held) == "reason_required"
    assert (await plain.ask("veto", proposal_id=held, reason="no"))["status"] == "vetoed"
    assert await plain.code("veto", proposal_id=held, reason="no") == "already_settled"
    redeem = {"execution_id": "x", "artifact_sha256": ARTIFACT}
    assert await plain.code("execute", proposal_id=active, **redeem) == "not_succeeded"
    won = await plain.propose(electorate=["ops"], timelock_ms=600_000)
    assert (await plain.ask("vote", proposal_id=won, choice="for"))["status"] == "queued"
    assert await plain.code("execute", proposal_id=won, **redeem) == "timelock_pending"
    assert await plain.code("report", proposal_id=won, success=True) == "not_executed"
    assert await plain.code("amend", proposal_id=won, artifact_sha256=OTHER_ARTIFACT) == "not_pending"
    assert await plain.code("discuss", proposal_id=won, text="hm") == "discussion_closed"
