"""The order of a DAG's tasks, and what is said of one that is none."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.tasks.graph import DagError, ordered
from coordination.tasks.limits import MAX_DAG_TASKS


def test_tasks_come_after_those_they_wait_for_and_else_in_the_order_given() -> None:
    assert ordered({"d": ["b", "c"], "c": ["a"], "b": ["a"], "a": [], "z": []}) == ("a", "c", "b", "d", "z")
    assert ordered({"z": [], "m": [], "a": []}) == ("z", "m", "a")


def test_an_edge_that_is_given_twice_counts_once() -> None:
    assert ordered({"b": ["a", "a"], "a": []}) == ("a", "b")


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b"], "b": ["a"]}, ("a", "b", "a")),
        ({"x": [], "c": ["b", "x"], "b": ["a"], "a": ["c"]}, ("c", "b", "a", "c")),
    ],
)
def test_a_circle_is_named_from_its_first_task_along_what_waits(
    edges: dict[str, list[str]], cycle: tuple[str, ...]
) -> None:
    with pytest.raises(DagError, match=" -> ".join(cycle)) as caught:
        ordered(edges)
    assert caught.value.cycle == cycle


def test_a_name_that_no_task_has_is_named_with_some_that_there_are() -> None:
    names = {f"t{number}": list[str]() for number in range(12)}
    with pytest.raises(
        DagError, match=r"task t3 waits for nobody, .* there are t0, .*t9 and 2 more"
    ) as caught:
        ordered({**names, "t3": ["nobody"]})
    assert caught.value.cycle == ()


def test_a_dag_has_at_least_one_task_and_at_most_as_many_as_fit() -> None:
    with pytest.raises(DagError, match="at least one"):
        ordered({})
    line = {str(number): [str(number - 1)] if number else [] for number in range(MAX_DAG_TASKS)}
    assert ordered(line) == tuple(line)
    with pytest.raises(DagError, match=f"{MAX_DAG_TASKS + 1} tasks are too many"):
        ordered({**line, "one-more": []})


@given(st.data())
def test_every_acyclic_graph_has_an_order_and_every_other_one_a_cycle_of_its_edges(
    data: st.DataObject,
) -> None:
    size = data.draw(st.integers(1, 9))
    names = [f"n{number}" for number in range(size)]
    edges = {name: data.draw(st.lists(st.sampled_from(names), max_size=3)) for name in names}
    found = _order_or_cycle(edges)
    if isinstance(found, DagError):
        cycle = found.cycle
        assert cycle[0] == cycle[-1]
        assert len(set(cycle)) == len(cycle) - 1
        assert all(after in edges[each] for each, after in pairwise(cycle))
    else:
        assert sorted(found) == sorted(names)
        assert all(found.index(each) < found.index(name) for name in names for each in edges[name])


def _order_or_cycle(edges: dict[str, list[str]]) -> tuple[str, ...] | DagError:
    try:
        return ordered(edges)
    except DagError as error:
        return error


def test_importing_the_service_does_not_import_networkx() -> None:
    script = (
        "import sys, coordination.tasks.model, coordination.tasks.graph; sys.exit('networkx' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
