"""Put together or not: the same pushes arrive, in the same order on each subject."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from coordination.runtime.bundles import Bundle, bodies_of, bundled
from coordination.runtime.limits import MAX_BUNDLE_BYTES, MAX_BUNDLE_PUSHES
from coordination.runtime.model import Notice, Push
from coordination.runtime.names import Subjects
from coordination.runtime.outbox import subject_of
from coordination.runtime.wire import to_json

_KINDS = frozenset({"task", "result"})
_AGENTS = st.sampled_from(("ada", "bob", "eve"))
_KIND_DRAWN = st.sampled_from(("task", "result", "cancel", "dag"))
_SIZES = st.sampled_from((0, 1, 100, MAX_BUNDLE_BYTES // 3, MAX_BUNDLE_BYTES - 40, MAX_BUNDLE_BYTES + 1))


def _push(agent: str, kind: str, size: int) -> Push:
    return Push(agent=agent, kind=kind, body={"text": "é" * (size // 2)})


_RUNS: st.SearchStrategy[list[Push | Notice]] = st.one_of(
    st.builds(lambda agent, kind, size: [_push(agent, kind, size)], _AGENTS, _KIND_DRAWN, _SIZES),
    st.builds(lambda agent, kind: [_push(agent, kind, 0)] * (MAX_BUNDLE_PUSHES + 3), _AGENTS, _KIND_DRAWN),
    st.builds(lambda event: [Notice(event=event, aggregate="t", body={})], st.sampled_from(("running", "e"))),
)
_MESSAGES = st.lists(_RUNS, max_size=12).map(lambda runs: [message for run in runs for message in run])


def numbered(messages: Sequence[Push | Notice]) -> list[Push | Notice]:
    """The same, each one different from all others."""
    return [
        Push(agent=each.agent, kind=each.kind, body={**each.body, "n": n})
        if isinstance(each, Push)
        else Notice(event=each.event, aggregate=each.aggregate, body={"n": n})
        for n, each in enumerate(messages)
    ]


def payload_of(message: Push | Notice | Bundle) -> bytes:
    return message.payload if isinstance(message, Bundle) else to_json(message.body)


def by_subject(messages: Sequence[Push | Notice | Bundle]) -> dict[str, list[bytes]]:
    """What a listener of each subject finds, in order."""
    heard: dict[str, list[bytes]] = defaultdict(list)
    for each in messages:
        heard[subject_of(each, "tasks", Subjects())] += bodies_of(payload_of(each))
    return heard


@given(_MESSAGES, st.sets(_AGENTS))
def test_the_same_is_heard_on_each_subject_in_the_same_order(
    drawn: list[Push | Notice], takers: set[str]
) -> None:
    messages = numbered(drawn)
    assert by_subject(bundled(messages, kinds=_KINDS, takers=takers)) == by_subject(messages)


@given(_MESSAGES, st.sets(_AGENTS))
def test_only_those_who_take_bundles_get_any_and_none_is_too_large(
    drawn: list[Push | Notice], takers: set[str]
) -> None:
    for sent in bundled(numbered(drawn), kinds=_KINDS, takers=takers):
        body = json.loads(payload_of(sent))
        if isinstance(body, list):
            assert isinstance(sent, Bundle)
            assert sent.agent in takers
            assert sent.kind in _KINDS
            assert 2 <= len(body) <= MAX_BUNDLE_PUSHES
            assert len(sent.payload) == sent.size_bytes <= MAX_BUNDLE_BYTES


@given(_MESSAGES)
def test_nothing_overtakes_what_the_same_agent_is_told_otherwise(drawn: list[Push | Notice]) -> None:
    messages = numbered(drawn)
    for agent in ("ada", "bob", "eve"):
        segments = [
            [0 if kind not in _KINDS else 1 for kind, _ in heard_by(agent, sent)]
            for sent in (messages, bundled(messages, kinds=_KINDS, takers={"ada", "bob", "eve"}))
        ]
        assert segments[0] == segments[1], "as many between any two pushes that are never bundled"


def heard_by(agent: str, messages: Sequence[Push | Notice | Bundle]) -> list[tuple[str, bytes]]:
    """Kind and body of all that one agent is told, in order."""
    return [
        (each.kind, body)
        for each in messages
        if not isinstance(each, Notice) and each.agent == agent
        for body in bodies_of(payload_of(each))
    ]
