"""An agent's discovery records and heartbeats, as the foreign client library reads them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synadia_ai.agents.discovery import build_agent_info
from synadia_ai.agents.heartbeat import HeartbeatPayload

from coordination.gateway.limits import MAX_ENVELOPE_BYTES
from coordination.gateway.profile import VIEWS, Counters, Face, Profile

ADA = Profile(
    agent="ada",
    incarnation=3,
    status="online",
    description="Answers questions.",
    capabilities=("answers@1.0.0", "python@3.11.4"),
    max_tasks=2,
    registered_at_ms=1_700_000_000_000,
)


def test_their_library_finds_in_the_record_what_it_needs() -> None:
    info = build_agent_info(Face(ADA, "plant").info())
    assert info is not None
    assert (info.agent, info.owner, info.session_name) == ("conclave", "plant", "ada")
    assert (info.protocol_version, info.description) == ("0.3", "Answers questions.")
    assert info.metadata["session"] == "ada"
    assert info.metadata["capabilities"] == "answers@1.0.0, python@3.11.4"
    assert info.metadata["max_tasks"] == "2"
    prompt = info.prompt_endpoint
    assert (prompt.subject, prompt.queue_group) == ("agents.prompt.conclave.plant.ada", "agents")
    assert (prompt.max_payload_bytes, prompt.attachments_ok) == (MAX_ENVELOPE_BYTES, True)
    assert [each.subject for each in info.endpoints] == [prompt.subject, "agents.status.conclave.plant.ada"]
    assert not info.supports_sender_identity


def test_an_agent_may_take_no_attachments() -> None:
    info = build_agent_info(Face(replace(ADA, takes_attachments=False), "plant").info())
    assert info is not None
    assert info.prompt_endpoint.attachments_ok is False


def test_a_record_always_has_a_description() -> None:
    """Without one, ``nats micro`` skips the service."""
    assert Face(replace(ADA, description=""), "plant").info()["description"]


def test_metadata_stays_short_and_says_that_something_is_missing() -> None:
    many = tuple(f"capability-{number}@1.0.0" for number in range(200))
    listed = Face(replace(ADA, capabilities=many), "plant").info()["metadata"]["capabilities"]
    assert len(listed) <= 1024
    assert listed.endswith(", ...")


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (Face(replace(ADA, status="suspect", description="New."), "plant"), True),
        (Face(replace(ADA, incarnation=4), "plant"), False),
        (Face(replace(ADA, agent="bob"), "plant"), False),
        (Face(ADA, "lab"), False),
    ],
)
def test_an_instance_is_one_incarnation_of_one_agent_of_one_deployment(other: Face, is_same: bool) -> None:  # noqa: FBT001
    assert (other.instance_id == Face(ADA, "plant").instance_id) == is_same


def test_every_view_names_the_same_instance() -> None:
    face = Face(ADA, "plant")
    for verb, view in VIEWS.items():
        body = view(face, Counters())
        assert body["type"] == f"io.nats.micro.v1.{verb.lower()}_response"
        assert (body["name"], body["id"]) == ("agents", face.instance_id)


def test_statistics_are_those_counted() -> None:
    counters = Counters(requests=4, errors=1, last_error="500", processing_ms=20)
    (prompt,) = Face(ADA, "plant").stats(counters)["endpoints"]
    assert (prompt["num_requests"], prompt["num_errors"], prompt["last_error"]) == (4, 1, "500")
    assert prompt["average_processing_time"] == 5_000_000


@pytest.mark.parametrize("load", [None, 0.5])
def test_their_library_reads_our_heartbeat(load: float | None) -> None:
    face = Face(ADA, "plant")
    body = face.heartbeat(now_ms=1_700_000_000_000, interval_ms=30_000, load=load)
    beat = HeartbeatPayload.model_validate(body)
    assert (beat.agent, beat.owner, beat.session) == ("conclave", "plant", "ada")
    assert (beat.instance_id, beat.interval_s) == (face.instance_id, 30)
    assert beat.ts == "2023-11-14T22:13:20Z"
    assert beat.protocol_version == "0.3"
    assert beat.endpoints is not None
    assert beat.endpoints["prompt"].subject == "agents.prompt.conclave.plant.ada"
    assert beat.extras.get("load") == load
