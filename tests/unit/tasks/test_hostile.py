"""What an agent that means no good asks for: the service neither fails nor lets others wait for it."""

from __future__ import annotations

from typing import Final

from coordination.runtime.framing import EventCodec
from coordination.runtime.limits import MAX_RECORD_BYTES
from coordination.runtime.model import Outcome
from coordination.tasks.commands import FailTask, SetSchedule, SubmitDag
from coordination.tasks.limits import MAX_KEY_CHARS, MAX_MARKS, MAX_REASON_CHARS
from coordination.tasks.schedules import CatchUp, Overlap, Recurrence
from coordination.tasks.spec import Dependency, Nearness, Placement, TaskSpec
from tests.support.allocating import agent
from tests.support.tasking import Tasking

EVE: Final = "eve"
HOUR_MS: Final = 3_600_000


class Recording(Tasking):
    """A task model whose ticks must fit into records, as the kernel insists."""

    def tick(self, now_ms: int) -> None:
        place = len(self.events)
        super().tick(now_ms)
        codec = EventCodec(self.model.event_types, encoders=self.model.encoders)
        size_bytes = sum(len(codec.encode(each)) + 1 for each in self.events[place:])
        assert size_bytes <= MAX_RECORD_BYTES


def test_schedules_of_tasks_with_long_names_that_are_due_together_fire_in_several_records() -> None:
    long = "\U0001f600" * (MAX_KEY_CHARS - 1)
    names = tuple(f"{long}{number}" for number in range(MAX_MARKS))
    placement = Placement(
        marks=names, near=tuple(Nearness(mark=each, is_required=False) for each in names), sticky_key=long
    )
    tasking = Recording()
    for number in range(4):
        command = SetSchedule(
            schedule_id=f"s{number}",
            caller=EVE,
            spec=TaskSpec(requirement="x", capability="x", placement=placement, fairness_key=long),
            recurrence=Recurrence(every_ms=100, max_count=100),
            overlap=Overlap.ALLOW,
            catch_up=CatchUp.ALL,
        )
        tasking.accept(command)
    tasking.now_ms += HOUR_MS
    tasking.advance(tasking.now_ms)
    assert len(tasking.model.state.open) == 400


def test_dags_that_fail_together_for_a_long_reason_do_so_in_several_records() -> None:
    tasking = Recording()
    tasking.roster.put(agent(EVE, "x"))
    tasking.submit("first", submitter=EVE, capability="x")
    tasking.advance(tasking.now_ms)
    for number in range(300):
        dag_id = f"d{number}"
        member = tasking.command(
            f"m{number}",
            submitter=EVE,
            capability="x",
            dag=dag_id,
            name="m",
            after=(Dependency(task_id="first"),),
        )
        tasking.accept(SubmitDag(dag_id=dag_id, submitter=EVE, tasks=(member,)))
    outcome = tasking.send(
        FailTask(
            task_id="first",
            agent=EVE,
            fencing_token=tasking.task("first").fencing_token,
            reason="\x01" * MAX_REASON_CHARS,
            retryable=False,
        )
    )
    assert isinstance(outcome, Outcome)
    tasking.advance(tasking.now_ms)
    assert tasking.model.state.dag_counts.open_dags == 0
