"""A queue that is served straight on is served as if every task had been looked at by itself."""

from __future__ import annotations

from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from coordination.requirements import CapabilityFacts, Facts
from coordination.runtime.model import Outcome
from coordination.tasks.commands import SubmitTask
from coordination.tasks.model import TasksModel
from coordination.tasks.passes import Pass
from coordination.tasks.roster import AgentView, Roster
from coordination.tasks.spec import Placement, Strategy, TaskSpec

specs = st.builds(
    lambda capability, **fields: TaskSpec(requirement=capability, capability=capability, **fields),
    st.sampled_from(["ocr", "ocr", "web"]),
    queue=st.sampled_from(["default", "default", "default", "slow"]),
    priority=st.sampled_from([0, 0, 0, 1, 9]),
    fairness_key=st.sampled_from(["", "", "x", "y"]),
    fairness_weight=st.none() | st.integers(1, 3),
    strategy=st.sampled_from([None, None, None, *Strategy]),
    placement=st.sampled_from([Placement(), Placement(), Placement(marks=("m",)), Placement(sticky_key="k")]),
)
agents = st.tuples(st.sets(st.sampled_from(["ocr", "web"]), min_size=1), st.integers(1, 6))


def served(found: list[tuple[set[str], int]], waiting: list[TaskSpec]) -> Outcome:
    """What one pass does about all that waits."""
    roster = Roster()
    for number, (names, max_tasks) in enumerate(found):
        facts = Facts(capabilities={name: CapabilityFacts() for name in names})
        view = AgentView(agent=f"a{number}", incarnation=1, max_tasks=max_tasks, status="online", facts=facts)
        roster.put(view)
    model = TasksModel(None, roster)
    for number, spec in enumerate(waiting):
        outcome = model.decide(SubmitTask(task_id=f"t{number}", submitter="ada", spec=spec), 1_000)
        for event in outcome.events:
            model.apply(event)
    return model.tick(1_000)


@given(found=st.lists(agents, min_size=1, max_size=3), waiting=st.lists(specs, max_size=20))
def test_serving_straight_on_is_looking_at_every_task(
    found: list[tuple[set[str], int]], waiting: list[TaskSpec]
) -> None:
    outcome = served(found, waiting)
    with patch.object(Pass, "_serve_plainly", lambda *_: None):
        assert served(found, waiting) == outcome
