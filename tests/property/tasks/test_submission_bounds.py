"""Of several tasks at once as much is taken as of each of them alone, one after another."""

from __future__ import annotations

from typing import Final
from unittest import mock

from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.model import Outcome
from coordination.tasks import submitting
from coordination.tasks.commands import SubmitTask, SubmitTasks
from coordination.tasks.limits import Policy
from coordination.tasks.model import TasksModel
from coordination.tasks.shares import FREE_BYTES, FREE_COUNT, is_too_much, room
from coordination.tasks.spec import TaskSpec

NOW_MS: Final = 1_000
BOUNDS: Final = st.integers(1, 60)
SUBMITTERS: Final = st.sampled_from(("ada", "bob", "eve"))
SPECS: Final = st.builds(
    TaskSpec,
    requirement=st.sampled_from("abcdefgh"),
    payload_bytes=st.sampled_from((2, 2, 1_000, FREE_BYTES // 3, FREE_BYTES)),
    idempotency_key=st.sampled_from(("", "", "k1", "k2", "k3")),
    deadline_ms=st.sampled_from((None, None, None, NOW_MS, NOW_MS + 1)),
)


def _submit(model: TasksModel, command: SubmitTask | SubmitTasks) -> Outcome | None:
    """What a command leads to, which happens; None if it is refused."""
    decided = model.decide(command, NOW_MS)
    if not isinstance(decided, Outcome):
        return None
    for event in decided.events:
        model.apply(event)
    return decided


@given(
    own=st.integers(0, 100),
    others=st.integers(0, 100),
    bound=st.integers(0, 250),
    free=st.sampled_from((0, 7, FREE_COUNT)),
)
def test_room_ends_where_it_begins_to_be_too_much(own: int, others: int, bound: int, free: int) -> None:
    used = own + others
    count = room(own, used, bound, free=free)
    assert is_too_much(own + count, used + count, bound, free=free)
    assert not any(is_too_much(own + more, used + more, bound, free=free) for more in range(count))


@given(
    max_open_tasks=BOUNDS,
    max_open_bytes=st.integers(1_000, 8 * FREE_BYTES),
    before=st.lists(st.tuples(SUBMITTERS, SPECS), max_size=50),
    submitter=SUBMITTERS,
    specs=st.lists(SPECS, min_size=1, max_size=60),
)
def test_of_several_tasks_each_is_taken_or_refused_as_if_it_came_alone(
    max_open_tasks: int,
    max_open_bytes: int,
    before: list[tuple[str, TaskSpec]],
    submitter: str,
    specs: list[TaskSpec],
) -> None:
    policy = Policy(max_open_tasks=max_open_tasks, max_open_bytes=max_open_bytes)
    with (
        mock.patch.object(submitting, "MAX_WAITING_REQUIREMENTS", 5),
        mock.patch.object(submitting, "MAX_IDEMPOTENCY_KEYS", 2),
    ):
        together, alone = TasksModel(policy), TasksModel(policy)
        for model in (together, alone):
            for number, (who, spec) in enumerate(before):
                _submit(model, SubmitTask(task_id=f"b{number}", submitter=who, spec=spec))
        commands = [
            SubmitTask(task_id=f"t{number}", submitter=submitter, spec=spec)
            for number, spec in enumerate(specs)
        ]
        answered = _submit(together, SubmitTasks(tasks=tuple(commands)))
        assert answered is not None
        for command, answer in zip(commands, answered.reply.tasks, strict=True):
            decided = alone.decide(command, NOW_MS)
            if isinstance(decided, Outcome):
                assert decided.reply == answer
                for event in decided.events:
                    alone.apply(event)
            else:
                assert (decided.code, decided.message) == (answer.code, answer.message)
        assert together.state == alone.state
