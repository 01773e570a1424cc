"""What an agent of Conclave is told in variables, and that Conclave reads it."""

from typing import get_args

from pydantic import StringConstraints

from conclave.address import URL_VARIABLE
from conclave.agent.environment import CAPABILITIES_VARIABLE, MAX_TASKS_VARIABLE
from coordination.registry.wire import MAX_CAPABILITIES, MAX_TASKS
from coordination.registry.wire import CapabilityName as RegistryCapabilityName
from nix_gen.lower import agents
from nix_gen.nodes.workloads import CAPABILITIES_MAX_COUNT, TASKS_MAX_COUNT, CapabilityName
from tests.support.lowering import Node, options

AGENT: Node = {"kind": "agent", "id": "reviewer", "package": "hello"}


def test_an_agent_is_told_its_capabilities_and_how_many_tasks_it_may_have_unless_it_knows() -> None:
    told = {**AGENT, "capabilities": ["review", "lint"], "max_tasks_count": 4}
    unit = options(told)["systemd"]["services"]["shop-app-reviewer"]
    assert unit["environment"] == {
        "CONCLAVE_CAPABILITIES": '[{"name": "lint"}, {"name": "review"}]',
        "CONCLAVE_MAX_TASKS": "4",
    }
    container = {key: held for key, held in told.items() if key != "package"} | {"image": "reviewer:1"}
    made = options(container)["virtualisation"]["oci-containers"]["containers"]["shop-reviewer"]
    assert made["environment"] == unit["environment"]
    own = {**told, "environment": {"CONCLAVE_MAX_TASKS": "9", "CONCLAVE_CAPABILITIES": "[]"}}
    unit = options(own)["systemd"]["services"]["shop-app-reviewer"]
    assert unit["environment"] == {"CONCLAVE_CAPABILITIES": "[]", "CONCLAVE_MAX_TASKS": "9"}
    assert "environment" not in options(AGENT)["systemd"]["services"]["shop-app-reviewer"]


def test_the_variables_of_an_agent_are_those_that_conclave_reads() -> None:
    assert agents.URL_VARIABLE == URL_VARIABLE
    assert agents.CAPABILITIES_VARIABLE == CAPABILITIES_VARIABLE
    assert agents.MAX_TASKS_VARIABLE == MAX_TASKS_VARIABLE


def test_conclave_takes_every_capability_that_a_graph_may_name() -> None:
    assert CAPABILITIES_MAX_COUNT == MAX_CAPABILITIES
    assert TASKS_MAX_COUNT == MAX_TASKS
    ours, theirs = (
        next(held.pattern for held in get_args(name) if isinstance(held, StringConstraints))
        for name in (CapabilityName, RegistryCapabilityName)
    )
    assert str(ours).removesuffix("$") == str(theirs).removesuffix(r"\z")
