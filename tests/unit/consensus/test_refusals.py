"""Every way in which consensus refuses: its code, its exact words, and that nothing changes by it."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consensus.commands import CastVote, OpenVoting, SetDelegate
from consensus.refusals import REFUSALS, refused
from consensus.rules import ElectorateSpec
from coordination.runtime.model import Rejected
from tests.support.proposals import (
    ARTIFACT,
    ENDS_MS,
    OTHER_ARTIFACT,
    House,
    key_of,
    proposal,
    proposed,
    signed,
    vote,
    voting,
)
from tests.support.refusal_cases import (
    AMEND,
    CANCEL,
    CHARTERING,
    DISCUSSING,
    EXECUTE,
    PROPOSING,
    REPORT,
    SIGNED,
    VETO,
    Case,
    after,
    comment,
    succeeded,
)

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "consensus.md"
SERVICES = "the services tasks and knowledge"


def unknown(command: Any) -> Case:
    return Case(code="unknown_proposal", message="there is no proposal p", command=command)


def voted(code: str, message: str, command: Any, *before: Any, **changes: Any) -> Case:
    return Case(code=code, message=message, house=lambda: after(voting(**changes), *before), command=command)


def forged(house: House) -> CastVote:
    return replace(signed(vote("bob"), house.record()), public_key=key_of("cy").public_key)


VOTING = (
    *(unknown(each) for each in (comment(), AMEND, vote("bob"), CANCEL, VETO, EXECUTE, REPORT)),
    unknown(OpenVoting(proposal_id="p", weights={})),
    Case(
        code="not_active",
        message="voting opens after 1010 (Unix ms)",
        house=proposed,
        command=vote("bob"),
    ),
    Case(
        code="not_active",
        message="voting opens as soon as it is known who votes; try again",
        house=lambda: voting(electorate=ElectorateSpec(role="reviewer")),
        command=vote("bob"),
        is_retryable=True,
    ),
    voted(
        "voting_closed",
        "proposal p is succeeded; no more votes are taken",
        vote("dan"),
        *map(vote, ("bob", "cy")),
    ),
    voted("not_in_electorate", "ada does not vote on this proposal", vote("ada")),
    voted(
        "invalid_artifact",
        "artifact_sha256 is a SHA-256 in 64 digits of lower-case hex, not 'latest'",
        vote("bob", artifact_sha256="latest"),
    ),
    voted(
        "stale_artifact",
        f"the vote is about {OTHER_ARTIFACT}, the proposal by now about {ARTIFACT}",
        vote("bob", artifact_sha256=OTHER_ARTIFACT),
    ),
    voted(
        "invalid_choice",
        "choice: a choice is one of for, against, abstain, not 'maybe'",
        vote("bob", "maybe"),
    ),
    voted(
        "invalid_conditions",
        "conditions: only a vote in favour has any; say it in `rationale`",
        vote("bob", "against", conditions=("tested",)),
    ),
    voted(
        "invalid_conditions",
        "conditions: each has 1 to 512 characters, not '  '",
        vote("bob", conditions=("  ",)),
    ),
    voted(
        "invalid_conditions",
        "conditions: a vote names at most 16, not 17",
        vote("bob", conditions=tuple(map(str, range(17)))),
    ),
    *(
        replace(
            voted(
                "invalid_conditions",
                f"conditions: votes on one proposal name at most {counted} different ones, {size} bytes in "
                "all; repeat the words of others, or vote against",
                vote("cy", conditions=("b",)),
                vote("bob", conditions=("a",)),
            ),
            limits={
                "consensus.balloting.MAX_PROPOSAL_CONDITIONS": counted,
                "consensus.balloting.MAX_PROPOSAL_CONDITIONS_BYTES": size,
            },
        )
        for counted, size in ((1, 9), (2, 8))
    ),
    voted(
        "signature_required",
        "the vote is to be signed; missing: public_key, signature, nonce",
        vote("bob"),
        **SIGNED,
    ),
    voted(
        "signature_required",
        "the vote is to be signed; missing: signature, nonce",
        vote("bob", public_key="U"),
    ),
    voted(
        "nonce_reused",
        "nonce: bob used n1 before; draw a fresh one for each vote",
        lambda house: signed(vote("bob", "against"), house.record(), nonce="n1"),
        lambda house: signed(vote("bob"), house.record(), nonce="n1"),
        may_change_vote=True,
    ),
    voted(
        "bad_signature",
        "signature: it is not that of public_key over this vote; sign exactly what is sent",
        forged,
        **SIGNED,
    ),
    voted("already_voted", "bob has cast all its weight already", vote("bob"), vote("bob")),
    voted("nothing_to_cast", "bob has no weight in this vote", vote("bob"), weights={"bob": 0, "cy": 1}),
    voted(
        "overspent",
        "the vote spends 2, but bob has only 1 left",
        vote("bob", {"for": 2}),
        is_fractional=True,
    ),
    Case(
        code="delegated_away",
        message="bob has delegated its weight to cy, for good in this vote",
        house=lambda: after(
            House(),
            SetDelegate(agent="bob", delegate="cy"),
            proposal(voting_delay_ms=0, is_fractional=True),
        ),
        command=vote("bob"),
    ),
    replace(
        voted(
            "too_many_votes",
            "bob has voted 1 times on this proposal; that stands",
            vote("bob"),
            vote("bob"),
            may_change_vote=True,
        ),
        limits={"consensus.balloting.MAX_VOTES_PER_VOTER": 1},
    ),
    *(
        Case(
            code="delegation_cycle",
            message=f"{delegate} is bob itself, or delegates to it in the end; choose somebody else",
            house=lambda: after(
                House(), SetDelegate(agent="cy", delegate="dan"), SetDelegate(agent="dan", delegate="bob")
            ),
            command=SetDelegate(agent="bob", delegate=delegate, kind=kind),
        )
        for delegate, kind in (("bob", ""), ("cy", ""), ("cy", "custom"))
    ),
    Case(
        code="too_many_delegations",
        message="there are 1 delegations; no more are taken",
        house=lambda: after(House(), SetDelegate(agent="cy", delegate="dan")),
        command=SetDelegate(agent="bob", delegate="dan"),
        limits={"consensus.model.MAX_DELEGATIONS": 1},
        is_retryable=True,
    ),
)


def ended(code: str, message: str, command: Any, *before: Any, **changes: Any) -> Case:
    return Case(
        code=code, message=message, house=lambda: after(succeeded(**changes), *before), command=command
    )


def much_later(**changes: Any) -> House:
    house = succeeded(**changes)
    house.now_ms = ENDS_MS + 1_000  # the tick that expires it is late
    return house


def guarded() -> House:
    return succeeded(guardian="gus")


def taken() -> House:
    """Somebody who may has executed it already."""
    return after(succeeded(executors=("ops", "tasks")), replace(EXECUTE, executor="ops"))


ENDING = (
    Case(
        code="not_proposer",
        message="only ada, who proposed it, may cancel, while it is pending",
        house=proposed,
        command=replace(CANCEL, agent="bob"),
    ),
    ended("not_pending", "it is succeeded: its proposer may cancel it only before voting opens", CANCEL),
    ended(
        "not_guardian",
        "only its guardian gus, or while it is pending its proposer ada, may cancel",
        replace(CANCEL, agent="bob"),
        guardian="gus",
    ),
    ended("not_veto_holder", "vi holds no veto here; who does: nobody", VETO),
    ended(
        "reason_required",
        "reason: a veto says why, so that another proposal can do better",
        replace(VETO, reason=" \n"),
        veto_holders=("vi",),
    ),
    *(
        ended(
            "already_settled",
            "proposal p is executed already; nothing can stop it any more",
            command,
            EXECUTE,
            veto_holders=("vi",),
            guardian="gus",
        )
        for command in (VETO, CANCEL, replace(CANCEL, agent="gus"))
    ),
    *(
        Case(
            code="may_not_execute",
            message=f"eve may not execute it; who may: {names}",
            house=house,
            command=replace(EXECUTE, executor="eve"),
        )
        for names, house in {
            f"its proposer ada, its electors, {SERVICES}": proposed,
            f"its proposer ada, its electors, its guardian gus, {SERVICES}": guarded,
            "ops, tasks": taken,
        }.items()
    ),
    ended("may_not_execute", "dan may not execute it; who may: ops", EXECUTE, executors=("ops",)),
    Case(
        code="not_succeeded",
        message="proposal p is active; only what succeeded may be executed",
        house=voting,
        command=EXECUTE,
    ),
    ended(
        "timelock_pending",
        "it is queued; it may be executed from 1005 (Unix ms) on",
        EXECUTE,
        timelock_ms=5,
    ),
    Case(
        code="approval_expired",
        message="its approval expired at 1007 (Unix ms); propose anew",
        house=lambda: much_later(execution_window_ms=7),
        command=EXECUTE,
    ),
    ended(
        "already_executed",
        "dan executed it at 1000 (Unix ms); an approval is good for one execution",
        replace(EXECUTE, execution_id="2"),
        EXECUTE,
    ),
    ended(
        "invalid_artifact",
        "artifact_sha256 is a SHA-256 in 64 digits of lower-case hex, not ''",
        replace(EXECUTE, artifact_sha256=""),
    ),
    ended(
        "wrong_artifact",
        f"approved is {ARTIFACT}, not {OTHER_ARTIFACT}",
        replace(EXECUTE, artifact_sha256=OTHER_ARTIFACT),
    ),
    *(
        ended(
            "token_mismatch",
            f"token: {name} is not that of the approval; present the token unchanged",
            replace(EXECUTE, token={"proposal_id": "p", name: value}),
        )
        for name, value in {"trail_hash": "0" * 64, "not_before_ms": 1000.0, "extra": 1}.items()
    ),
    Case(
        code="conditions_unmet",
        message="1 of 2 conditions are not confirmed; the first is: tested",
        house=lambda: after(voting(), vote("bob", conditions=("tested", "backed up")), vote("cy")),
        command=replace(EXECUTE, conditions_met=("backed up",)),
    ),
    ended("not_executed", "proposal p is succeeded; report once it was executed", REPORT),
    ended("not_executor", "only dan, who executed it, reports", replace(REPORT, executor="bob"), EXECUTE),
    ended(
        "already_reported",
        "there is a receipt of 1000 (Unix ms); the first one stands",
        REPORT,
        EXECUTE,
        REPORT,
    ),
    ended(
        "invalid_artifact",
        "result_sha256 is a SHA-256 in 64 digits of lower-case hex, not 'x'",
        replace(REPORT, result_sha256="x"),
        EXECUTE,
    ),
)
CASES = (*PROPOSING, *CHARTERING, *DISCUSSING, *VOTING, *ENDING)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.code)
def test_a_refusal_has_its_code_and_words_and_changes_nothing(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in case.limits.items():
        monkeypatch.setattr(name, value)
    house = case.house()
    command = case.command(house) if callable(case.command) else case.command
    refusal = house.refusal(command)
    assert (refusal.code, refusal.message, refusal.retryable) == (case.code, case.message, case.is_retryable)


def test_every_documented_code_has_a_case() -> None:
    assert {case.code for case in CASES} == set(REFUSALS)


def codes_in(path: Path) -> set[str]:
    """What looks like a code where a module refuses: in `refused`, `Rejected`, or a pair that is returned."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        given: list[ast.expr] = []
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("refused", "Rejected"):
            given = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "code")]
        elif isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            given = node.value.elts[:1]
        found |= {
            each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)
        }
    return {code for code in found if re.fullmatch(r"[a-z]+(_[a-z]+)*", code)}


def test_every_code_that_is_given_is_documented_and_the_other_way_round() -> None:
    given = set().union(*(codes_in(path) for path in (ROOT / "consensus").glob("*.py")))
    assert given == set(REFUSALS)


def test_the_docs_list_exactly_the_codes(*, rewrite: bool) -> None:
    rows = [f"| `{code}` | {facts.meaning} | {facts.mend} |" for code, facts in REFUSALS.items()]
    before, _, rest = DOCS.read_text(encoding="utf-8").partition("\n## Refusals\n")
    section, *after_it = rest.split("\n## ", maxsplit=1)
    listed = [line for line in section.splitlines() if line.startswith("| `")]
    if rewrite:
        prose, _, behind = section.partition("\n".join(listed))
        rest = "\n## ".join([prose + "\n".join(rows) + behind, *after_it])
        DOCS.write_text(f"{before}\n## Refusals\n{rest}", encoding="utf-8")
        listed = rows
    assert listed == rows


def test_a_code_of_no_table_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="nonsense is not documented"):
        refused("nonsense", "?")


def test_refusals_of_time_say_when_to_come_back() -> None:
    early = proposed().refusal(vote("bob"))
    locked = succeeded(timelock_ms=5).refusal(EXECUTE)
    assert (early.details, locked.details) == ({"snapshot_ms": 1_010}, {"eta_ms": 1_005})
    assert isinstance(early, Rejected)


def test_every_moment_in_a_message_is_also_in_its_details() -> None:
    for case in CASES:
        told = re.findall(r"([0-9]+) \(Unix ms\)", case.message)
        if told:
            house = case.house()
            details = house.refusal(case.command).details
            assert set(map(int, told)) <= {each for name, each in details.items() if name.endswith("_ms")}
