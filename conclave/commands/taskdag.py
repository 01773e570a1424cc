"""Reads a file of tasks that wait for one another. Pure.

Its fields are those of the wire contract. People may also write lengths of time and moments as on the command
line, in fields without ``_ms``: ``timeout: 10m``, ``deadline: 2h``.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, Final

import yaml

from conclave.commands.durations import DurationError, read_duration_ms
from conclave.commands.taskmoments import MomentError, read_moment_ms
from coordination.runtime.errors import UsageError
from coordination.tasks.wire import DagTask

_DURATIONS: Final = {"timeout": "timeout_ms", "lease": "lease_ms"}
_MOMENTS: Final = {"deadline": "deadline_ms", "start_by": "start_by_ms", "run_at": "run_at_ms"}
_RENAMED: Final = {"attempts": "max_attempts", "rounds": "max_rounds"}
_FIELDS: Final = frozenset(DagTask.model_fields)
_KNOWN: Final = _FIELDS | _DURATIONS.keys() | _MOMENTS.keys() | _RENAMED.keys()
_TOP: Final = frozenset({"tasks", "dag_id"})


def read_dag(content: bytes, where: str, *, now_ms: int) -> tuple[list[dict[str, Any]], str | None]:
    """The tasks in a file of JSON or YAML, and the id that it gives their DAG.

    Args:
        content: An object with ``tasks``: a list of tasks with names, or an object of tasks by name.
        where: What the file is called.
        now_ms: What ``deadline: 2h`` counts from.

    Raises:
        UsageError: It is none; says which task, which field, and what was meant, perhaps.
    """
    try:
        document = yaml.safe_load(content)  # JSON is YAML
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        raise UsageError(f"{where}{place}: {error.problem or 'is no YAML'}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError):
        raise UsageError(f"{where} is neither JSON nor YAML") from None
    if not isinstance(document, dict) or "tasks" not in document:
        raise UsageError(
            f"{where}: write an object with tasks: {{NAME: {{requirement: ..., after: [NAME]}}}}"
        )
    _refuse_unknown(document, _TOP, where)
    listed = [_task(name, task, where, now_ms) for name, task in _named(document["tasks"], where)]
    if not listed:
        raise UsageError(f"{where}: tasks is empty; name at least one task")
    return listed, document.get("dag_id")


def _named(tasks: object, where: str) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(tasks, dict):
        entries = list(tasks.items())
    elif isinstance(tasks, list):
        entries = [(each.get("name") if isinstance(each, dict) else None, each) for each in tasks]
    else:
        raise UsageError(f"{where}: tasks is an object of tasks by name, or a list of tasks with names")
    for place, (name, task) in enumerate(entries, start=1):
        if not isinstance(task, dict):
            raise UsageError(f"{where}: task {name or place} is no object with a requirement")
        if not isinstance(name, str):
            raise UsageError(f"{where}: task {place} has no name")
    return entries


def _task(name: str, task: Mapping[str, Any], where: str, now_ms: int) -> dict[str, Any]:
    place = f"{where}: task {name}"
    _refuse_unknown(task, _KNOWN, place)
    fields: dict[str, Any] = {"name": name}
    for field, value in task.items():
        wire_field, read = _reading(field, value, place, now_ms)
        if wire_field in fields and wire_field != "name":
            raise UsageError(f"{place}: {field} is given twice")
        fields[wire_field] = read
    if fields["name"] != name:
        raise UsageError(f"{place}: has another name inside, {fields['name']!r:.80}")
    return fields


def _reading(field: str, value: Any, place: str, now_ms: int) -> tuple[str, Any]:
    """The field of the wire, and its value."""
    try:
        if field in _DURATIONS:
            return _DURATIONS[field], read_duration_ms(str(value))
        if field in _MOMENTS:
            return _MOMENTS[field], read_moment_ms(str(value), now_ms=now_ms)
        if field == "backoff" and isinstance(value, dict):
            return field, {
                (f"{key}_ms" if key in ("first", "last") else key): (
                    read_duration_ms(str(each)) if key in ("first", "last") else each
                )
                for key, each in value.items()
            }
    except (DurationError, MomentError) as error:
        raise UsageError(f"{place}: {field}: {error}") from None
    return _RENAMED.get(field, field), value


def _refuse_unknown(given: Mapping[Any, Any], known: frozenset[str], place: str) -> None:
    for field in given:
        if field not in known:
            near = difflib.get_close_matches(str(field), sorted(known), n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known))}"
            raise UsageError(f"{place}: {str(field)[:80]!r} is no field{hint}")
