"""What each specialist of the demo finds, and how it votes for it."""

from __future__ import annotations

from typing import Any

import pytest

from conclave.demo.cast import SaidRemark, SaidReview, choose, perform, summarise
from conclave.demo.review import SPECIALISTS, Remark, Weight, review
from nix_gen import Finding, Graph, Severity, validate
from nix_gen.codes import VALIDATION

DATABASE = {"id": "db", "kind": "database", "engine": "postgresql", "version": "16"}
WEB = {"id": "web", "kind": "service", "image": "example/web:1.0"}
CHECK = {"command": ["true"]}
VOLUME = {"id": "data", "kind": "storage"}
MOUNT = {"source": "db", "target": "data", "kind": "mounts_volume", "path": "/data"}


def graph(*nodes: dict[str, Any], edges: tuple[dict[str, Any], ...] = ()) -> Graph:
    return Graph.model_validate({"nodes": list(nodes), "edges": list(edges)})


def found(subject: Graph, *findings: Finding) -> set[tuple[str, str, str]]:
    """(agent, code, place) of every remark of every specialist."""
    return {
        (specialist.agent, remark.code, remark.place)
        for specialist in SPECIALISTS
        for remark in review(specialist, subject, findings)
    }


CASES: dict[str, tuple[Graph, tuple[str, str, str]]] = {
    "published store in a container": (
        graph({**WEB, "ports": [{"port": 6379, "published": 16379}]}),
        ("security", "exposed-store", "web"),
    ),
    "container engine socket": (
        graph({**WEB, "mounts": [{"source": "/var/run/docker.sock", "target": "/sock"}]}),
        ("security", "control-socket", "web"),
    ),
    "service beside its balancer": (
        graph(
            {**WEB, "ports": [{"port": 80, "published": 8080}]},
            {"id": "lb", "kind": "load_balancer"},
            edges=({"source": "lb", "target": "web", "kind": "load_balances"},),
        ),
        ("security", "bypassed-balancer", "web"),
    ),
    "database without replica": (graph(DATABASE), ("keeper", "lone-database", "db")),
    "database without version": (
        graph({**DATABASE, "version": "latest"}),
        ("keeper", "unversioned-database", "db"),
    ),
    "start order by hope": (
        graph(
            WEB,
            {**DATABASE, "health_check": CHECK},
            edges=({"source": "web", "target": "db", "kind": "depends_on"},),
        ),
        ("reliability", "hopeful-start-order", "web -depends_on-> db"),
    ),
    "no restart": (graph({**WEB, "restart": "no"}), ("reliability", "no-restart", "web")),
    "image without version": (
        graph({**WEB, "image": "registry.example:5000/web"}),
        ("builder", "unpinned-image", "web"),
    ),
    "image to build": (
        graph({"id": "web", "kind": "service", "build": {"context": "./web"}}),
        ("builder", "image-to-build", "web"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_fault_is_found_by_whom_it_concerns(case: str) -> None:
    subject, expected = CASES[case]
    assert expected in found(subject)


def test_a_good_graph_gives_no_cause_for_more_than_a_word() -> None:
    subject = graph(
        {**DATABASE, "health_check": CHECK},
        {**WEB, "health_check": CHECK, "restart": "always"},
        VOLUME,
        edges=(MOUNT, {"source": "web", "target": "db", "kind": "depends_on", "condition": "healthy"}),
    )
    assert found(subject) == {("keeper", "lone-database", "db")}


@pytest.mark.parametrize("address", [None, "0.0.0.0", "::"])
def test_security_objects_to_a_database_that_every_network_reaches(address: str | None) -> None:
    port = {"port": 5432, "published": 5432, **({"address": address} if address else {})}
    subject = graph({**DATABASE, "ports": [port]})
    (specialist,) = [each for each in SPECIALISTS if each.agent == "security"]
    remarks = review(specialist, subject, validate(subject))
    assert ("exposed-database", Weight.OBJECTION) in {(each.code, each.weight) for each in remarks}


def test_a_database_on_loopback_is_no_cause_for_objection() -> None:
    subject = graph({**DATABASE, "ports": [{"port": 5432, "published": 5432, "address": "127.0.0.1"}]})
    assert "exposed-database" not in {code for _, code, _ in found(subject, *validate(subject))}


def test_reliability_speaks_of_missing_health_checks() -> None:
    subject = graph(WEB)
    assert ("reliability", "missing-health-check", "web") in found(subject, *validate(subject))


def test_specialists_speak_only_of_codes_that_exist_and_never_two_of_one() -> None:
    codes = [code for specialist in SPECIALISTS for code in specialist.codes]
    assert len(set(codes)) == len(codes)
    assert set(codes) <= VALIDATION.keys()


def finding(severity: Severity, code: str) -> Finding:
    return Finding(code=code, severity=severity, place="a", message="a -> b -> a", mend="cut it")


def test_every_error_of_the_validator_is_spoken_of_by_exactly_one_agent() -> None:
    for code in ("dependency-cycle", "never-heard-of"):
        speakers = [
            agent for agent, said, _ in found(graph(WEB), finding(Severity.ERROR, code)) if said == code
        ]
        assert speakers == ["architect"]


def remark(weight: Weight) -> Remark:
    return Remark(weight=weight, code="c", place="db", text="is open")


def said(*weights: Weight) -> SaidReview:
    return SaidReview(summary="", remarks=tuple(SaidRemark.of(remark(weight)) for weight in weights))


VOTES = [
    ([], {}, "for"),
    ([remark(Weight.ADVICE)], {}, "for"),
    ([remark(Weight.OBJECTION)], {}, "against"),
    ([remark(Weight.BLOCKING)], {}, "against"),
    ([], {"architect": said(Weight.BLOCKING)}, "against"),
    ([], {"security": said(Weight.OBJECTION, Weight.ADVICE)}, "for"),
]


@pytest.mark.parametrize(("own", "heard", "choice"), VOTES)
def test_vote_follows_from_what_was_found_and_heard(
    own: list[Remark], heard: dict[str, SaidReview], choice: str
) -> None:
    assert choose(own, heard)[0] == choice


def test_who_votes_against_a_blocking_fault_names_it_and_its_finder() -> None:
    assert choose([], {"architect": said(Weight.BLOCKING)})[1] == "architect found db: is open"


def test_performative_says_what_the_review_means() -> None:
    assert perform([]) == "confirm"
    assert perform([remark(Weight.ADVICE)]) == "inform"
    assert perform([remark(Weight.ADVICE), remark(Weight.BLOCKING)]) == "disconfirm"


def test_summary_counts_in_words() -> None:
    assert summarise([]) == "finds nothing to object to"
    remarks = [remark(Weight.OBJECTION), remark(Weight.ADVICE), remark(Weight.ADVICE)]
    assert summarise(remarks) == "has 1 objection, 2 pieces of advice"


def test_a_long_remark_is_shortened_to_what_a_message_carries() -> None:
    long = Remark(weight=Weight.ADVICE, code="c", place="p", text="x" * 1000)
    assert len(SaidRemark.of(long).text) == 400
