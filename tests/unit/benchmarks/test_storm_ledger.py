"""The judge of a storm finds what is wrong: each story but the first one holds a mistake of the service."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.storming.faults import plan
from benchmarks.storming.ledger import Ledger

Story = list[tuple[str, dict[str, Any], int]]


def submitted(number: int = 0) -> tuple[str, dict[str, Any], int]:
    return "TaskSubmitted", {"task_id": f"t-{number}", "spec": {"payload": {"n": number}}, "at_ms": 1}, 1


def offered(token: int, agent: str = "bob", at_ms: int = 2) -> tuple[str, dict[str, Any], int]:
    told = {"task_id": "t-0", "agent": agent, "fencing_token": token, "expires_ms": at_ms + 100}
    return "TaskOffered", told, at_ms


def accepted(at_ms: int = 3) -> tuple[str, dict[str, Any], int]:
    return "OfferAccepted", {"task_id": "t-0", "lease_expires_ms": at_ms + 100}, at_ms


def completed(token: int, by: str = "bob", n: int = 0, at_ms: int = 4) -> tuple[str, dict[str, Any], int]:
    result = {"n": n, "by": by, "token": token}
    return "TaskCompleted", {"task_id": "t-0", "fencing_token": token, "result": result}, at_ms


def happened(kind: str, at_ms: int) -> tuple[str, dict[str, Any], int]:
    return kind, {"task_id": "t-0"}, at_ms


def judged(story: Story, acknowledged: set[str] | None = None) -> list[str]:
    ledger = Ledger()
    for kind, data, at_ms in story:
        ledger.hear(kind, data, at_ms)
    return ledger.judge({"t-0"} if acknowledged is None else acknowledged)


GOOD: Story = [
    submitted(),
    offered(1),
    happened("OfferTimedOut", 102),
    offered(2, at_ms=103),
    accepted(104),
    ("ServiceResumed", {"until_ms": 500}, 300),
    happened("LeaseExpired", 500),
    offered(3, "cy", 501),
    completed(3, "cy", at_ms=502),
]


def test_a_good_story_has_no_problems_and_is_counted() -> None:
    ledger = Ledger()
    for kind, data, at_ms in GOOD:
        ledger.hear(kind, data, at_ms)
    assert ledger.judge({"t-0"}) == []
    assert (ledger.ended, ledger.retried, ledger.longest_ms) == (1, 1, 501)
    assert ledger.counts["leases lost"] == ledger.counts["offers unanswered"] == 1


@pytest.mark.parametrize(
    ("story", "problem"),
    [
        ([submitted(), offered(1)], "its end is none"),
        ([submitted(), offered(1), happened("TaskDeadLettered", 4)], "its end is TaskDeadLettered"),
        ([submitted(), submitted(), offered(1), completed(1)], "submitted twice"),
        ([submitted(), offered(1), completed(1), completed(1, at_ms=5)], "after TaskCompleted"),
        ([submitted(), offered(1), offered(2, "cy"), completed(2, "cy")], "while bob held it"),
        ([submitted(), offered(2), happened("OfferRefused", 3), offered(2), completed(2)], "after 2"),
        ([submitted(), offered(1), accepted(), completed(1, at_ms=103)], "time of bob was over"),
        ([submitted(), offered(1), completed(1, "cy")], "was completed by"),
        ([submitted(), offered(1), completed(1, n=7)], "was completed by"),
        ([submitted(), offered(2), completed(1)], "was completed by"),
        ([submitted(), completed(1)], "which nobody held"),
        (
            [submitted(), offered(1), happened("LeaseExpired", 50), offered(2), completed(2)],
            "before the time",
        ),
        ([submitted(), offered(1), completed(1), submitted(5)], "t-5 was never acknowledged"),
    ],
)
def test_what_cannot_be_is_found(story: Story, problem: str) -> None:
    assert any(problem in each for each in judged(story)), judged(story)


def test_a_task_that_was_acknowledged_and_never_stored_is_found() -> None:
    assert judged(GOOD, {"t-0", "t-1"}) == ["t-1 was acknowledged, and is not in the journal"]


def test_faults_come_in_order_and_are_the_same_for_the_same_seed() -> None:
    asked = {"tasks": 1000, "crews": 3, "crew_kills": 4, "pauses": 2, "leader_kills": 1, "server_kills": 1}
    faults = plan(1, **asked)
    assert faults == plan(1, **asked) != plan(2, **asked)
    assert len(faults) == 8
    assert [each.after for each in faults] == sorted(each.after for each in faults)
    assert all(0 < each.after < 1000 and each.crew < 3 for each in faults)
