"""No agent's permissions reach what belongs to another agent or to a service, however ids are chosen."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from conclave.identity import (
    RESERVED_NAMES,
    SERVICE_NAMES,
    agent_permissions,
    foreign_permissions,
    service_permissions,
)
from conclave.identity.permissions import Permissions
from coordination.runtime.errors import UsageError
from coordination.runtime.memory import subject_matches
from coordination.runtime.names import Subjects, inbox_prefix

IDS = st.from_regex(r"\A[a-z0-9][a-z0-9_-]{0,62}\Z") | st.sampled_from(
    ["call", "inbox", "event", "journal", "shard", "change", "presence", "conclave", "main", "vote", "0"]
)
AGENTS = IDS.filter(lambda name: name not in RESERVED_NAMES)
TOKENS = st.from_regex(r"\A[A-Za-z0-9_-]{1,8}\Z")
SUBJECTS = Subjects()


def publishes(permissions: Permissions, subject: str) -> bool:
    return any(subject_matches(pattern, subject) for pattern in permissions.publish)


def subscribes(permissions: Permissions, subject: str) -> bool:
    """Whether a subscription to a plain subject is allowed (those with wildcards: integration tests)."""
    return any(subject_matches(pattern, subject) for pattern in permissions.subscribe)


@given(agent=AGENTS, other=IDS, service=IDS, verb=TOKENS)
def test_an_agent_speaks_as_itself_and_as_nobody_else(
    agent: str, other: str, service: str, verb: str
) -> None:
    permissions = agent_permissions(agent, SUBJECTS)
    for name in (agent, other):
        allowed = name == agent
        assert publishes(permissions, SUBJECTS.call(service, verb, name)) == allowed
        assert publishes(permissions, SUBJECTS.presence(name)) == allowed
        assert publishes(permissions, f"{inbox_prefix(name)}.{verb}") == allowed


@given(agent=AGENTS, other=IDS, kind=TOKENS)
def test_an_agent_hears_its_own_inboxes_and_no_other(agent: str, other: str, kind: str) -> None:
    permissions = agent_permissions(agent, SUBJECTS)
    for name in (agent, other):
        assert subscribes(permissions, SUBJECTS.inbox(name, kind)) == (name == agent)
        assert subscribes(permissions, f"{inbox_prefix(name)}.{kind}") == (name == agent)
    assert subscribes(permissions, SUBJECTS.event("registry", kind, other))


@given(agent=AGENTS, other=IDS, tail=TOKENS)
def test_an_agent_reaches_no_traffic_of_services(agent: str, other: str, tail: str) -> None:
    permissions = agent_permissions(agent, SUBJECTS)
    for subject in (
        SUBJECTS.event("consensus", tail, agent),
        SUBJECTS.inbox(other, tail),
        SUBJECTS.journal("consensus", 0),
        SUBJECTS.change("main", tail, agent),
        f"conclave.shard.{other}.0.{tail}.{agent}",
        f"$JS.API.STREAM.INFO.{tail}",
        f"$KV.{tail}.{agent}",
        f"$O.{tail}.C.{agent}",
        f"$SRV.PING.{agent}",
    ):
        assert not publishes(permissions, subject)
    for subject in (SUBJECTS.call(other, tail, agent), SUBJECTS.journal(other, 0), "$SRV.PING", "$SRV.INFO"):
        assert not subscribes(permissions, subject)
    assert not permissions.may_answer


@given(service=st.sampled_from(SERVICE_NAMES), other=st.sampled_from(SERVICE_NAMES), agent=AGENTS)
def test_a_service_reaches_nothing_of_another_service_and_is_no_agent(
    service: str, other: str, agent: str
) -> None:
    assume(service != other)
    permissions = service_permissions(service, SUBJECTS)
    for subject in (
        SUBJECTS.call("consensus", "vote", agent),
        SUBJECTS.call("consensus", "vote", other),
        SUBJECTS.presence(agent),
        SUBJECTS.event(other, "closed", "1"),
        SUBJECTS.journal(other, 0),
        f"conclave.shard.{other}.0.vote.{agent}",
        f"{inbox_prefix(agent)}.1",
        f"$JS.API.STREAM.PURGE.{SUBJECTS.journal_stream(other, 0)}",
        f"$JS.API.STREAM.DELETE.{SUBJECTS.journal_stream(service, 0)}",
        f"$JS.API.STREAM.MSG.DELETE.{SUBJECTS.journal_stream(service, 0)}",
        f"$JS.API.STREAM.MSG.GET.{SUBJECTS.journal_stream(other, 0)}",
        f"$O.conclave-snapshots-{other}.C.1",
        f"$KV.conclave-pointers-{other}.0",
    ):
        assert not publishes(permissions, subject), subject
    assert publishes(permissions, SUBJECTS.change("main", "places", agent)) == (service == "knowledge")
    for subject in (SUBJECTS.call(other, "vote", agent), SUBJECTS.inbox(agent, "task")):
        assert not subscribes(permissions, subject)
    for name in SERVICE_NAMES:
        heard = service == name == "registry"
        assert publishes(permissions, SUBJECTS.presence(name)) == heard, "only the registry hears itself"


@given(name=AGENTS, agent=AGENTS, service=st.sampled_from(SERVICE_NAMES))
def test_a_foreign_client_reaches_agents_through_the_gateway_alone(
    name: str, agent: str, service: str
) -> None:
    permissions = foreign_permissions(name, SUBJECTS)
    assert publishes(permissions, f"agents.prompt.conclave.conclave.{agent}")
    assert subscribes(permissions, f"_INBOX.foreign.{name}.1")
    assert subscribes(permissions, "_INBOX.agents.1.2")
    for subject in (
        SUBJECTS.call(service, "list", name),
        SUBJECTS.inbox(agent, "prompt"),
        SUBJECTS.presence(name),
        SUBJECTS.journal(service, 0),
        f"conclave.shard.{service}.0.respond.{agent}",
        f"agents.hb.conclave.conclave.{agent}",
        f"{inbox_prefix(agent)}.1",
        f"{inbox_prefix(service)}.1",
        "_INBOX.agents.1",
        "$SRV.PING",
        "$JS.API.INFO",
    ):
        assert not publishes(permissions, subject), subject
    for subject in (
        SUBJECTS.call(service, "list", agent),
        SUBJECTS.inbox(name, "prompt"),
        SUBJECTS.event(service, "closed", "1"),
        f"conclave.query.gateway.{name}.1",
        f"{inbox_prefix(name)}.1",
        f"{inbox_prefix(agent)}.1",
    ):
        assert not subscribes(permissions, subject), subject
    assert not permissions.may_answer


@given(service=st.sampled_from(SERVICE_NAMES), agent=AGENTS, shard=st.integers(0, 15))
def test_a_service_reaches_what_is_its_own(service: str, agent: str, shard: int) -> None:
    permissions = service_permissions(service, SUBJECTS)
    for subject in (
        SUBJECTS.call("registry", "find", service),
        SUBJECTS.inbox(agent, "task"),
        SUBJECTS.event(service, "closed", "1"),
        SUBJECTS.journal(service, shard),
        f"$JS.API.STREAM.INFO.{SUBJECTS.journal_stream(service, shard)}",
    ):
        assert publishes(permissions, subject), subject
    assert subscribes(permissions, SUBJECTS.call(service, "find", agent))


@given(service=st.sampled_from(SERVICE_NAMES), agent=AGENTS, kind=TOKENS)
def test_a_service_hears_of_changes_of_the_registry_only_what_it_acts_on(
    service: str, agent: str, kind: str
) -> None:
    permissions = service_permissions(service, SUBJECTS)
    acted_on = {"consensus": ("registered", "deregistered", "online", "offline")}
    for each in (kind, "registered", "deregistered", "online", "offline", "suspect", "expired"):
        acts_on_it = service in {"gateway", "tasks"} or each in acted_on.get(service, ())
        assert subscribes(permissions, SUBJECTS.event("registry", each, agent)) == acts_on_it
    assert not subscribes(permissions, SUBJECTS.event("tasks", kind, agent))
    assert subscribes(permissions, SUBJECTS.presence(agent)) == (service in {"registry", "tasks"})


@given(st.text(max_size=8) | st.sampled_from(["x.>", "*", "..", ">", "a b", "a.b", "", "A", "a\n", "é"]))
def test_only_valid_ids_get_permissions(text: str) -> None:
    try:
        permissions = agent_permissions(text, SUBJECTS)
    except UsageError:
        return
    assert text not in RESERVED_NAMES
    assert all(
        len(subject.split(".")) == len(subject.replace(text, "x").split("."))
        for subject in permissions.publish
    )


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_no_agent_may_be_called_like_a_service_or_the_operator(name: str) -> None:
    with pytest.raises(UsageError, match="is reserved"):
        agent_permissions(name, SUBJECTS)


def test_what_is_no_service_gets_no_permissions_of_one() -> None:
    with pytest.raises(UsageError, match="no service 'registrar'"):
        service_permissions("registrar", SUBJECTS)
