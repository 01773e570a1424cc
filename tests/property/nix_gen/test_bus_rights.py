"""What a NATS client may do is what its edges say, judged by a second, naive matcher of subjects."""

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from nix_gen.bus_clients import clients
from nix_gen.graph import Graph
from nix_gen.lower.bus_rights import permissions
from tests.support.nats_users import new_credentials

KEY = new_credentials().public_key
WORDS = ("a", "b", "$JS", "$SYS")
CANDIDATES = [".".join(words) for length in (1, 2, 3) for words in itertools.product(WORDS, repeat=length)]
TOKENS = st.sampled_from(["a", "b", "*"])
SUBJECTS = st.lists(
    st.builds(
        lambda words, tail: ".".join([*words, *tail]) or ">",
        st.lists(TOKENS, max_size=3),
        st.sampled_from([[], [">"]]),
    ),
    max_size=3,
)
EDGES = st.lists(
    st.tuples(st.sampled_from(["publishes_to", "subscribes_to"]), SUBJECTS), min_size=1, max_size=4
)


def matches(pattern: str, subject: str) -> bool:
    """A pattern as a regular expression: the server has a trie, so the two share nothing."""
    words = {"*": r"[^.]+", ">": r".+"}
    return (
        re.fullmatch(r"\.".join(words.get(word, re.escape(word)) for word in pattern.split(".")), subject)
        is not None
    )


def _graph(edges: list[tuple[str, list[str]]], kind: str) -> Graph:
    node = {"kind": kind, "id": "me", "package": "hello", "nkey": KEY}
    said = [{"kind": kind, "source": "me", "target": "bus", "subjects": subjects} for kind, subjects in edges]
    bus = {"kind": "message_bus", "id": "bus", "jetstream": True}
    return Graph.model_validate({"nodes": [node, bus], "edges": said})


def _may(side: dict[str, list[str]], subject: str) -> bool:
    """As the server decides: nothing that is denied, and of the rest what is allowed, where anything is."""
    allowed = any(matches(pattern, subject) for pattern in side["allow"]) if "allow" in side else True
    return allowed and not any(matches(pattern, subject) for pattern in side.get("deny", []))


@given(EDGES)
def test_a_service_may_do_on_every_subject_what_its_edges_say_and_nothing_else(
    edges: list[tuple[str, list[str]]],
) -> None:
    graph = _graph(edges, "service")
    (user,) = permissions(graph, graph.bus_members("bus"))
    for kind, side in (("publishes_to", "publish"), ("subscribes_to", "subscribe")):
        wanted = [pattern for said, subjects in edges if said == kind for pattern in subjects or [">"]]
        for subject in CANDIDATES:
            meant = any(matches(pattern, subject) for pattern in wanted)
            servers_own = subject.startswith(("$JS.", "$SYS."))
            assert _may(user["permissions"][side], subject) == (meant and not servers_own), subject
    assert "allow_responses" not in user["permissions"]


@given(EDGES)
def test_an_agent_speaks_as_nobody_else_unless_an_edge_says_so(edges: list[tuple[str, list[str]]]) -> None:
    graph = _graph([(kind, [each for each in subjects if each != ">"]) for kind, subjects in edges], "agent")
    (user,) = permissions(graph, graph.bus_members("bus"))
    said = user["permissions"]["publish"]
    named = [p for kind, subjects in edges if kind == "publishes_to" for p in subjects if p != ">"]
    for subject in ("conclave.call.tasks.submit.other", "conclave.presence.other", "_INBOX_other.x", "x"):
        assert _may(said, subject) == any(matches(pattern, subject) for pattern in named)
    assert _may(said, "conclave.call.tasks.submit.me")


@given(EDGES)
def test_nobody_hears_answers_to_others_without_asking_for_everything(
    edges: list[tuple[str, list[str]]],
) -> None:
    graph = _graph(edges, "service")
    (client,) = clients(graph, graph.bus_members("bus"))
    (user,) = permissions(graph, graph.bus_members("bus"))
    heard = user["permissions"]["subscribe"]
    assert _may(heard, "_INBOX_me.1")
    sweeping = any(matches(p, "_INBOX_you.1") for edge in client.subscribes for p in edge.subjects or [">"])
    assert _may(heard, "_INBOX_you.1") == sweeping
    assert not _may(heard, "_INBOX.1")
