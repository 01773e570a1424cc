"""The names that authors of agents use: whoever changes them changes what authors have written."""

from __future__ import annotations

import pytest

import conclave
import conclave.agent
from tests.tidy.source import ROOMS, ROOT

IN_CONCLAVE = """
Agent AuthorizationError Ballot Bid BidContext Capability ConclaveError Context DagFailedError DagHandle
DecisionContext File MessageContext NoAnswerError Piece Progress PromptContext ProposalContext PushContext
RejectedError Reply Session SupersededError TaskContext TaskFailed TaskFailedError TaskHandle
TasksRefusedError UnavailableError UsageError WorkCancelledError connect gather
"""
IN_CONCLAVE_AGENT = """
Agent Answer Ballot Bid BidContext Cancellation Context DecisionContext Duty File MessageContext
NoAnswerError Part Piece PromptContext ProposalContext PushContext Reply TaskContext TaskFailed
WorkCancelledError
"""
OF_AN_AGENT = """
bid decision id joined message on part prompt proposal run running serve task
"""
OF_A_SESSION = """
agent artifacts bus caller clock consensus dag dialog entropy knowledge registry replica result signer
subjects submit submit_dag submit_many task tasks work
"""


def test_the_package_exports_exactly_these_names() -> None:
    assert sorted(conclave.__all__) == IN_CONCLAVE.split()
    assert sorted(conclave.agent.__all__) == IN_CONCLAVE_AGENT.split()
    for name in conclave.__all__:
        assert getattr(conclave, name) is not None


async def test_agents_and_sessions_have_exactly_these_attributes() -> None:
    agent = conclave.Agent("ada")
    assert sorted(name for name in dir(agent) if not name.startswith("_")) == OF_AN_AGENT.split()
    session = conclave.Session(None, agent="ada")  # type: ignore[arg-type]  # it is not used
    assert sorted(name for name in dir(session) if not name.startswith("_")) == OF_A_SESSION.split()


@pytest.mark.parametrize("room", ROOMS)
def test_type_checkers_are_told_that_every_package_is_typed(room: str) -> None:
    assert (ROOT / room / "py.typed").is_file()
