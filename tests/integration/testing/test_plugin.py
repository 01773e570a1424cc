"""The pytest plugin in projects of other people: with every plugin for async tests, and without any."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import asyncio
import contextlib

import pytest

from conclave import Agent

{marks}

hello = Agent("hello")
loops = []


@hello.task("greeting")
async def greet(name: str) -> str:
    return f"Hello, {{name}}!"


@{fixture}
async def worker(memory_mesh):
    # What is entered before the yield is left after it, in the same task.
    async with asyncio.timeout(100), memory_mesh.join(hello) as session:
        loops.append(asyncio.get_running_loop())
        yield session
        await asyncio.sleep(1)


@{fixture}
async def capability():
    await asyncio.sleep(0)
    return "greeting"


async def test_a_task_is_done_in_memory(capability, worker, memory_mesh):
    await asyncio.sleep(60)
    assert loops == [asyncio.get_running_loop()]
    assert (await memory_mesh.run_task(capability, {{"name": "Ada"}}))["result"] == "Hello, Ada!"


class TestInAClass:
    @{fixture}
    async def me(self, memory_mesh):
        return self

    async def test_a_method_gets_what_its_fixtures_made(self, me, memory_mesh):
        assert me is self
        assert memory_mesh.clock.now_ms() < 1_700_000_100_000


@pytest.fixture(params=["memory_mesh", "server_mesh"])
def mesh(request):
    return request.getfixturevalue(request.param)


async def test_one_test_runs_on_both(mesh):
    async with mesh.join(hello):
        assert (await mesh.run_task("greeting", {{"name": "Bob"}}))["result"] == "Hello, Bob!"


def test_plain_tests_are_left_alone():
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        pytest.fail("a loop is running")
"""
PASSED = 5
STRICTLY = ("-p", "no:cacheprovider", "-o", "filterwarnings=error", "--strict-markers")
WITHOUT_ASYNCIO = (*STRICTLY, "-p", "no:asyncio")
WITH_ASYNCIO = (*STRICTLY, "-p", "no:anyio", "-o", "asyncio_default_fixture_loop_scope=function")
SETTINGS = {
    "no other plugin": ("", (*WITHOUT_ASYNCIO, "-p", "no:anyio")),
    "pytest-asyncio, strict": ("", WITH_ASYNCIO),
    "pytest-asyncio, auto": ("", (*WITH_ASYNCIO, "-o", "asyncio_mode=auto")),
    "anyio": ("pytestmark = pytest.mark.anyio", WITHOUT_ASYNCIO),
    "distributed": ("", (*WITHOUT_ASYNCIO, "-n", "2")),
}
STRICT = """
import pytest_asyncio

pytestmark = pytest.mark.asyncio
"""
ELSEWHERE = """

@pytest_asyncio.fixture
async def other():
    return asyncio.get_running_loop()


async def test_others_keep_their_own_loop(other):
    assert asyncio.get_running_loop() is other
    assert type(other).__name__ != "MeshLoop"
"""


@pytest.mark.parametrize("setting", SETTINGS)
def test_tests_pass_in_every_setting(setting: str, pytester: pytest.Pytester) -> None:
    marks, options = SETTINGS[setting]
    pytester.makepyfile(SUITE.format(marks=marks, fixture="pytest.fixture"))
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=PASSED)


def test_marks_of_pytest_asyncio_do_no_harm(pytester: pytest.Pytester) -> None:
    suite = SUITE.format(marks=STRICT, fixture="pytest_asyncio.fixture")
    asynchronous, _, _ = suite.partition("def test_plain_tests")
    pytester.makepyfile(asynchronous + ELSEWHERE)
    pytester.runpytest_subprocess(*WITH_ASYNCIO).assert_outcomes(passed=PASSED)


FAILING = """
import asyncio

import pytest

from conclave import Agent

hello = Agent("hello")


@hello.on("hint")
async def hear(body: dict) -> None:
    raise LookupError("nobody taught me that")


async def hint(mesh):
    async with mesh.join(hello) as session:
        await session.bus.publish("conclave.inbox.hello.hint", b"{}")
        await asyncio.sleep(1)


async def test_a_handler_fails(memory_mesh):
    await hint(memory_mesh)


@pytest.mark.conclave(raise_failures=False)
async def test_a_handler_may_fail(memory_mesh):
    await hint(memory_mesh)


@pytest.mark.conclave(limit_s=20, seed=3)
async def test_a_test_hangs(memory_mesh):
    await asyncio.Event().wait()


async def test_the_test_fails(memory_mesh):
    async with memory_mesh.connect("guide") as guide:
        await guide.tasks.submit("flying")
        assert await guide.tasks.list() == ()


@pytest.mark.conclave(sed=3)
async def test_a_marker_is_misspelt(memory_mesh):
    pass


async def test_both_meshes_are_asked_for(memory_mesh, server_mesh):
    pass


@pytest.mark.conclave(seed=5)
async def test_seeds(memory_mesh):
    assert memory_mesh.seed == 11
"""


def test_failures_are_explained(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FAILING)
    ran = pytester.runpytest_subprocess(*WITHOUT_ASYNCIO, "--conclave-seed=11")
    ran.assert_outcomes(passed=2, failed=3, errors=2)
    text = ran.stdout.str()
    for shown in (
        "HandlersFailedError: an exception was raised beside the test:",
        "LookupError: nobody taught me that",
        "too much virtual time has passed",
        " in test_a_test_hangs: await asyncio.Event().wait()",
        "MemoryMesh with seed 11",
        "conclave.call.tasks.submit.guide",
        "@pytest.mark.conclave takes limit_s, raise_failures, seed by name, not: sed",
        "a test uses memory_mesh or server_mesh, not both",
    ):
        assert shown in text, shown
    assert "INTERNALERROR" not in text


def test_async_tests_without_a_mesh_are_none_of_our_business(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("async def test_nothing_runs_this():\n    pass\n")
    ran = pytester.runpytest_subprocess(*WITHOUT_ASYNCIO)
    ran.assert_outcomes(failed=1)
    ran.stdout.fnmatch_lines(["*async def functions are not natively supported*"])
