"""The pytest plugin: fixtures ``memory_mesh`` and ``server_mesh``, and what runs async tests on them.

An async test that uses a mesh runs on the mesh's own loop, with its async fixtures, whichever plugin for
async tests is there, or none: the loop *is* what the mesh in memory is about. Everything else is left alone.

pytest imports this module whenever it starts, in every project that has Conclave installed: nothing else of
Conclave may be imported before a fixture is used.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

if TYPE_CHECKING:
    from conclave.testing import MemoryMesh, Mesh, ServerMesh
    from conclave.testing.running import LoopRunner, RealRunner, VirtualRunner

M = TypeVar("M", bound="Mesh")
R = TypeVar("R", bound="LoopRunner")
MARKER: Final = "conclave"
SEED_OPTION: Final = "--conclave-seed"
_SETTINGS: Final = frozenset({"seed", "limit_s", "raise_failures"})
_RUNNERS: Final = {"memory_mesh": "_conclave_virtual_runner", "server_mesh": "_conclave_real_runner"}
"""Fixture of a mesh -> fixture of what runs the tests on it."""
_RUNNER: Final = pytest.StashKey["LoopRunner"]()
_MESH: Final = pytest.StashKey["Mesh"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option for the seed."""
    parser.getgroup("conclave", "Conclave").addoption(
        SEED_OPTION,
        type=int,
        default=None,
        metavar="N",
        help="seed of every memory_mesh, also where a marker gives one",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*, seed=0, limit_s=600, raise_failures=True): how a test uses memory_mesh or server_mesh: "
        "the seed and the virtual seconds it may take in memory; whether it fails when a handler raises",
    )


# --- fixtures


@pytest.fixture
def memory_mesh(
    request: pytest.FixtureRequest, _conclave_virtual_runner: VirtualRunner
) -> Iterator[MemoryMesh]:
    """A Conclave in memory and virtual time; an async test that uses it runs on its loop."""
    from conclave.testing import MemoryMesh  # noqa: PLC0415 - not before it is needed

    seed = request.config.getoption(SEED_OPTION)
    mesh = MemoryMesh(seed=_setting(request.node, "seed", 0) if seed is None else seed)
    yield from _running(request, mesh, _conclave_virtual_runner)


@pytest.fixture
def server_mesh(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    _conclave_real_runner: RealRunner,
) -> Iterator[ServerMesh]:
    """A Conclave on a secured nats-server of the test's own, in real time."""
    from conclave.testing import ServerMesh  # noqa: PLC0415 - not before it is needed

    mesh = ServerMesh(store=tmp_path_factory.mktemp("conclave"))
    yield from _running(request, mesh, _conclave_real_runner)


@pytest.fixture
def _conclave_virtual_runner(request: pytest.FixtureRequest) -> Iterator[VirtualRunner]:
    from conclave.testing.running import LIMIT_S, VirtualRunner  # noqa: PLC0415 - not before it is needed

    runner = VirtualRunner(limit_s=_setting(request.node, "limit_s", LIMIT_S))
    yield from _closing(request, runner)


@pytest.fixture
def _conclave_real_runner(request: pytest.FixtureRequest) -> Iterator[RealRunner]:
    from conclave.testing.running import RealRunner  # noqa: PLC0415 - not before it is needed

    yield from _closing(request, RealRunner())


def _closing(request: pytest.FixtureRequest, runner: R) -> Iterator[R]:
    stash = request.node.stash
    if _RUNNER in stash:
        pytest.fail("a test uses memory_mesh or server_mesh, not both: each has a loop", pytrace=False)
    stash[_RUNNER] = runner
    try:
        yield runner
    finally:
        del stash[_RUNNER]
        runner.close()


def _running(request: pytest.FixtureRequest, mesh: M, runner: LoopRunner) -> Iterator[M]:
    async def start() -> None:
        await mesh.__aenter__()

    async def stop() -> None:
        await mesh.__aexit__(None, None, None)

    runner.run(start(), name="start of the mesh")
    request.node.stash[_MESH] = mesh
    try:
        yield mesh
    finally:
        runner.run(stop(), name="end of the mesh")


def _setting(node: pytest.Item, name: str, default: Any) -> Any:
    """What the closest marker that names it says of `name`."""
    found = default
    for marker in reversed(list(node.iter_markers(MARKER))):
        unknown = sorted(set(marker.kwargs) - _SETTINGS)
        if unknown or marker.args:
            given = ", ".join((*unknown, *map(repr, marker.args)))
            message = f"@pytest.mark.{MARKER} takes {', '.join(sorted(_SETTINGS))} by name, not: {given}"
            pytest.fail(message, pytrace=False)
        found = marker.kwargs.get(name, found)
    return found


# --- async fixtures and tests


def _is_async(function: object) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Run the async fixtures of a test on a mesh on the loop of the test."""
    names = [runner for mesh, runner in _RUNNERS.items() if mesh in request.fixturenames]
    if not names or fixturedef.scope != "function" or not _is_async(fixturedef.func):
        return (yield)
    runner = request.getfixturevalue(names[0])
    # Outermost of all wrappers: other plugins for async fixtures see a plain function, and leave it alone.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fixturedef, "func", _plain_fixture(fixturedef.func, runner, request))
        return (yield)


def _plain_fixture(
    function: Callable[..., Any], runner: LoopRunner, request: pytest.FixtureRequest
) -> Callable[..., Any]:
    """A plain function that does on `runner` what the async fixture `function` does."""
    from conclave.testing.running import GeneratorLife  # noqa: PLC0415 - not before it is needed

    instance = request.instance
    if instance is not None and inspect.ismethod(function) and isinstance(instance, type(function.__self__)):
        function = function.__func__.__get__(instance)  # that of the test, not the one it was found on
    name = f"fixture {request.fixturename}"

    def run(**arguments: Any) -> Any:
        return runner.run(function(**arguments), name=name)

    def run_generator(**arguments: Any) -> Iterator[Any]:
        life = GeneratorLife(function(**arguments))
        yield runner.run(life.enter(), name=name)
        runner.run(life.leave(), name=f"end of {name}")

    return run_generator if inspect.isasyncgenfunction(function) else run


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Run an async test on a mesh on the loop of the mesh, instead of what else would run it."""
    __tracebackhide__ = True
    runner = item.stash.get(_RUNNER, None)
    if runner is None or not isinstance(item, pytest.Function) or not _is_async(item.obj):
        return (yield)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item, "runtest", functools.partial(_run_test, item, runner))
        return (yield)


def _run_test(item: pytest.Function, runner: LoopRunner) -> None:
    __tracebackhide__ = True
    function = item.obj
    if inspect.isasyncgenfunction(function):
        pytest.fail("a test does not yield", pytrace=False)
    wanted = inspect.signature(function).parameters
    arguments = {name: value for name, value in item.funcargs.items() if name in wanted}
    mesh = item.stash.get(_MESH, None)

    from conclave.testing.errors import StalledError  # noqa: PLC0415 - not before it is needed

    try:
        runner.run(function(**arguments), name=item.name)
    except StalledError as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None
    if mesh is not None and _setting(item, "raise_failures", default=True):
        mesh.raise_failures()


# --- what a failure shows


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show how the mesh stood when its test failed."""
    report = yield
    mesh = item.stash.get(_MESH, None)
    if mesh is not None and report.failed:
        report.sections.append(("Conclave mesh", mesh.report()))
    return report
