"""Rules of CONTRIBUTING that no linter knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.tidy.source import OURS, ROOMS, ROOT, Function, files, functions, place, tree

SPAWNERS = ("create_task", "ensure_future")
MIN_NAME_WORDS = 2
"""After ``test_``. Shorter ones name a thing instead of saying what holds."""


def is_docstring(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def is_all(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets)


def is_import(node: ast.stmt) -> bool:
    """An import, or a choice of imports between the type checker and the rest."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return all(is_import(each) for each in (*node.body, *node.orelse))
    return isinstance(node, (ast.Import, ast.ImportFrom))


def test_init_files_hold_imports_and_all_and_nothing_else() -> None:
    found = [
        place(path, node)
        for path in files(*ROOMS)
        if path.name == "__init__.py"
        for node in tree(path).body
        if not (is_import(node) or is_docstring(node) or is_all(node))
    ]
    assert not found


def test_every_room_says_what_it_is_and_is_typed() -> None:
    for room in ROOMS:
        assert ast.get_docstring(tree(ROOT / room / "__init__.py")), room
        assert (ROOT / room / "py.typed").is_file(), room


def dropped_tasks(module: ast.Module) -> Iterator[ast.Expr]:
    """Tasks made and forgotten: nobody awaits them, and the event loop may drop them half way.

    A `TaskGroup` owns its tasks; by convention its name ends in ``group``.
    """
    for node in ast.walk(module):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
            continue
        function = node.value.func
        if not (isinstance(function, ast.Attribute) and function.attr in SPAWNERS):
            continue
        if not ast.unparse(function.value).endswith("group"):
            yield node


def test_no_task_is_started_and_forgotten() -> None:
    assert not [place(path, node) for path in files(*OURS) for node in dropped_tasks(tree(path))]


def test_the_check_for_forgotten_tasks_finds_them() -> None:
    lines = (
        "asyncio.create_task(f())",
        "group.create_task(f())",
        "self._group.create_task(f())",
        "kept = asyncio.create_task(f())",
        "loop.ensure_future(f())",
    )
    assert [node.lineno for node in dropped_tasks(ast.parse("\n".join(lines)))] == [1, 5]


def checks(path: Path) -> Iterator[Function]:
    return (function for function in functions(path) if function.name.startswith("test"))


def test_every_test_name_is_a_sentence() -> None:
    short = [
        place(path, function)
        for path in files("tests")
        if path.name.startswith("test_")
        for function in checks(path)
        if len(function.name.split("_")) - 1 < MIN_NAME_WORDS
    ]
    assert not short


def test_every_test_module_says_what_it_shows() -> None:
    assert not [
        place(path)
        for path in files("tests")
        if path.name.startswith("test_") and not ast.get_docstring(tree(path))
    ]


def test_every_test_module_has_tests() -> None:
    """A module whose tests were renamed away would pass for ever."""
    empty = []
    for path in files("tests"):
        stateful = any(
            isinstance(node, ast.Assign)
            and any(ast.unparse(each).startswith("Test") for each in node.targets)
            for node in tree(path).body
        )
        if path.name.startswith("test_") and not stateful and not any(checks(path)):
            empty.append(place(path))
    assert not empty


def test_tests_wait_for_conditions_and_not_for_time() -> None:
    slept = [
        place(path, node)
        for path in files("tests")
        if path.name.startswith("test_") and "simulation" not in path.parts  # there, time is virtual
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("time.sleep", "asyncio.sleep")
        and ast.unparse(node.args[0]) != "0"
    ]
    assert not slept
