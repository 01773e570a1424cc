"""What is written most is written without its defaults, and read as it was; copies leave nothing out."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.framing import EventCodec
from coordination.tasks.editing import edit, sealed
from coordination.tasks.events import OfferAccepted, TaskCompleted, TaskOffered, TaskSubmitted
from coordination.tasks.lifecycle import State
from coordination.tasks.model import TasksModel
from coordination.tasks.record import Task
from coordination.tasks.spec import (
    Backoff,
    Bidding,
    Budget,
    Compensation,
    Criterion,
    Dependency,
    Nearness,
    OnFailure,
    OnParentEnd,
    Placement,
    Reference,
    Strategy,
    TaskSpec,
)
from tests.support.tasking import Tasking

CODEC = EventCodec(TasksModel.event_types, encoders=TasksModel.encoders)
PLAIN = EventCodec(TasksModel.event_types)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 2**53)
jsons: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | counts | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(texts, jsons, max_size=3)
references = st.builds(Reference, sha256=texts, size_bytes=counts)
floats = st.floats(0, 10)
usual_specs = st.builds(
    TaskSpec,
    requirement=texts,
    capability=texts,
    payload=objects,
    payload_bytes=st.just(2) | counts,
    traceparent=texts,
)
rare_specs = st.builds(
    TaskSpec,
    requirement=texts,
    capability=texts,
    payload=objects,
    payload_bytes=counts,
    payload_reference=st.none() | references,
    queue=texts,
    strategy=st.none() | st.sampled_from(Strategy),
    priority=st.integers(0, 9),
    deadline_ms=st.none() | counts,
    backoff=st.builds(Backoff, first_ms=counts, factor=floats, jitter=floats),
    placement=st.builds(
        Placement,
        marks=st.lists(texts, max_size=2).map(tuple),
        near=st.lists(st.builds(Nearness, mark=texts, is_apart=st.booleans()), max_size=2).map(tuple),
        sticky_key=texts,
    ),
    bidding=st.builds(Bidding, criterion=st.sampled_from(Criterion)),
    after=st.lists(
        st.builds(Dependency, task_id=texts, on_failure=st.sampled_from(OnFailure)), max_size=2
    ).map(tuple),
    parent=texts,
    on_parent_end=st.sampled_from(OnParentEnd),
    budget=st.none() | st.builds(Budget, tasks=st.none() | counts, cost=st.none() | counts),
    may_return=st.booleans(),
    compensation=st.none() | st.builds(Compensation, requirement=texts, payload=objects),
    traceparent=texts,
)
ids = st.lists(texts, max_size=2).map(tuple)


def read(raw: bytes) -> Any:
    """The event behind its bytes."""
    return CODEC.decode(json.loads(raw))


@given(
    event=st.builds(
        TaskSubmitted,
        task_id=texts,
        submitter=texts,
        spec=usual_specs | rare_specs,
        seed=counts,
        at_ms=counts,
        waits_for=ids,
        chain=st.just(()),
    )
)
def test_a_submission_is_read_as_it_was_written(event: TaskSubmitted) -> None:
    assert read(CODEC.encode(event)) == event
    with_chain = replace(event, chain=("a", "b"), parent_attempt=3)
    assert read(CODEC.encode(with_chain)) == with_chain
    written = json.loads(CODEC.encode(event))["data"]["spec"]
    everything = json.loads(PLAIN.encode(event))["data"]["spec"]
    defaults = json.loads(PLAIN.encode(replace(event, spec=TaskSpec(requirement=""))))["data"]["spec"]
    del defaults["requirement"]
    said = [name for name, value in everything.items() if name not in defaults or value != defaults[name]]
    assert list(written) == said


@given(
    event=st.builds(
        TaskCompleted,
        task_id=texts,
        fencing_token=counts,
        result=jsons,
        result_bytes=counts,
        at_ms=counts,
        result_reference=st.none() | references,
        spent=st.none() | counts,
    )
    | st.builds(
        TaskOffered,
        task_id=texts,
        agent=texts,
        incarnation=counts,
        fencing_token=counts,
        at_ms=counts,
        expires_ms=counts,
        new_round=st.booleans(),
        counts_round=st.booleans(),
        why=texts,
    )
    | st.builds(OfferAccepted, task_id=texts, at_ms=counts, lease_expires_ms=counts)
)
def test_offers_and_results_are_read_as_they_were_written(event: Any) -> None:
    assert read(CODEC.encode(event)) == event == read(PLAIN.encode(event))


def test_a_plain_submission_is_written_in_a_few_bytes() -> None:
    command = Tasking().command()
    event = TaskSubmitted(task_id="t", submitter="ada", spec=command.spec, seed=7, at_ms=1_000)
    assert CODEC.encode(event) == (
        b'{"type":"TaskSubmitted","data":{"task_id":"t","submitter":"ada","spec":{"requirement":"python",'
        b'"capability":"python","payload":{"do":"t"},"payload_bytes":10},"seed":7,"at_ms":1000}}'
    )
    assert len(PLAIN.encode(event)) > 5 * len(CODEC.encode(event))


def test_no_field_of_a_record_is_left_out_of_a_copy() -> None:
    named = {each.name: f"value of {each.name}" for each in fields(Task)}
    task = Task(**named)  # type: ignore[arg-type]  # only that they are carried over is looked at
    copy = sealed(edit(task))
    assert copy == task
    assert type(copy) is Task
    assert copy is not task


def test_a_copy_is_as_frozen_as_any_record() -> None:
    task = Tasking().bring_to(State.RUNNING)
    new = edit(task)
    new.note = "changed"
    changed = sealed(new)
    assert (changed.note, task.note) == ("changed", "")
    assert changed == replace(task, note="changed")
    assert hash(type(changed)) == hash(Task)
