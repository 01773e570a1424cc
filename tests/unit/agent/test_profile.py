"""An agent is told what is wrong with it where it is written, not when it registers."""

from __future__ import annotations

import math
import sys
import typing
from collections.abc import Mapping
from typing import Any

import pytest

from conclave import Agent, Capability, UsageError
from conclave.identity import RESERVED_NAMES

DEEP: dict[str, Any] = {"1": {"2": {"3": {"4": {"5": {"6": {"7": {"8": {}}}}}}}}}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"drain_s": -1}, r"drain_s is -1; it is a number of seconds from 0"),
        ({"drain_s": math.nan}, r"drain_s is nan; it is a number"),
        ({"drain_s": "10"}, r"drain_s is '10'; it is a number"),
        ({"drain_s": None}, r"drain_s is None; it is a number"),
        ({"labels": ["x"]}, r"labels is \['x'\]; it is a mapping"),
        ({"labels": {"region": 7}}, r"labels.region: "),
        ({"metadata": "x"}, r"metadata is 'x'; it is a mapping"),
        ({"metadata": {"load": [math.nan]}}, r"metadata holds NaN or an infinity"),
        ({"metadata": {"load": -math.inf}}, r"metadata holds NaN or an infinity"),
        ({"metadata": DEEP}, r"metadata is nested deeper than 8 levels"),
        ({"metadata": {"text": "x" * 20_000}}, r"metadata has 20011 bytes as JSON, at most 16384"),
        ({"metadata": {"thing": object()}}, r"metadata"),
        ({"capabilities": "python"}, r"capabilities is 'python'; it is a list of names, of Capability or"),
        ({"capabilities": {"python": "3.0.0"}}, r"capabilities is .*; it is a list of names"),
        ({"capabilities": 7}, r"capabilities is 7; it is a list of names, of Capability or of mappings"),
        ({"capabilities": [7]}, r"capabilities holds 7; each is a name or a Capability"),
        ({"capabilities": [{"nam": "a"}]}, r"capabilities holds {'nam': 'a'}: name: is missing"),
        ({"capabilities": [{"name": "a", "version": "2"}]}, r"capabilities holds .*: version: "),
        ({"capabilities": ["a", {"name": "a"}]}, r"capabilities holds 'a' twice"),
        ({"capabilities": ["a", Capability(name="a", version="2.0.0")]}, r"capabilities holds 'a' twice"),
        ({"capabilities": ["Not Valid"]}, r"capability 'Not Valid': name: use 1 to 63 of a-z, 0-9, '_', "),
        ({"labels": {"Not Valid": "x"}}, r"agent: labels.*: use 1 to 63 of a-z"),
    ],
)
def test_an_argument_that_the_registry_would_not_take_is_refused_in_one_line(
    options: Mapping[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as caught:
        Agent("worker", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "Review", "", 7, "x" * 1000])
def test_the_name_of_a_capability_is_explained_in_words(name: Any) -> None:
    said = r"^capability .{1,80}: name: (use 1 to 63 of a-z|must be a valid string)"
    with pytest.raises(UsageError, match=said) as caught:
        Agent("worker").task(name)(lambda: None)
    assert "^[" not in str(caught.value)


@pytest.mark.parametrize("flag", ["eager", "requires_approval"])
@pytest.mark.parametrize("given", ["yes", 1, None])
def test_a_flag_that_is_no_truth_value_is_refused(flag: str, given: Any) -> None:
    with pytest.raises(UsageError, match=rf"^{flag} is {given!r}; it is True or False"):
        Agent("worker").task("work", **{flag: given})


def test_what_can_be_taken_is_taken() -> None:
    deep = DEEP["1"]
    Agent("worker", capabilities=("a", "b"), labels={"region": "eu"}, metadata=deep, drain_s=0)


@pytest.mark.parametrize("agent_id", [None, 7, b"worker", "", "Not Valid", "a.b"])
def test_an_agent_needs_a_valid_id(agent_id: Any) -> None:
    with pytest.raises(UsageError, match=r"agent id .* is not valid"):
        Agent(agent_id)


@pytest.mark.parametrize("agent_id", sorted(RESERVED_NAMES))
def test_no_agent_is_called_as_a_service_or_the_operator_is(agent_id: str) -> None:
    with pytest.raises(UsageError, match=rf"agent id '{agent_id}' is reserved; choose another"):
        Agent(agent_id)


def test_a_method_without_its_object_is_refused_and_one_with_it_is_not() -> None:
    agent = Agent("worker")
    with pytest.raises(UsageError, match=r"Worker\.work: it takes self, .* decorate the method of an object"):

        class Worker:
            @agent.task("work")
            def work(self, name: str) -> str:
                return name

    class Other:
        def work(self, name: str) -> str:
            return name

    agent.task("work")(Other().work)
    with pytest.raises(UsageError, match="it takes self"):
        agent.message("request")(Other.work)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic takes it from Python 3.12 on")
@pytest.mark.parametrize("is_nested", [False, True])
def test_a_typed_dict_that_pydantic_does_not_take_is_refused_with_the_one_to_take(*, is_nested: bool) -> None:
    Order = typing.TypedDict("Order", {"tea": int})  # noqa: UP013 - the module's own would be the other
    agent = Agent("worker")

    def work(order: Any) -> None: ...

    work.__annotations__["order"] = list[Order] if is_nested else Order
    with pytest.raises(UsageError, match=r"'order' has a TypedDict of typing; .* typing_extensions"):
        agent.task("work")(work)


def test_a_capability_may_be_a_mapping_as_the_registry_takes_it() -> None:
    gpu = {"name": "gpu", "version": "2.1.0", "attributes": {"memory_gb": 24}}
    given = Agent("ada", capabilities=[gpu, "review"])
    typed = Agent("ada", capabilities=[Capability(**gpu), Capability(name="review")])
    assert given._registration() == typed._registration()


def test_an_agent_shows_what_it_would_register_with() -> None:
    agent = Agent("ada", capabilities=[{"name": "gpu", "version": "2.1.0"}], max_tasks=3)
    assert repr(Agent("bob", capabilities=[])) == "<Agent bob: no capabilities; max_tasks=1>"

    @agent.task("sort")
    def sort(items: list[int]) -> list[int]:
        return sorted(items)

    assert repr(agent) == "<Agent ada: gpu 2.1.0, sort 1.0.0; max_tasks=3>"
