"""Mistakes in what a client is given: each is a UsageError that says where, and nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import hypothesis
import pytest
from hypothesis import strategies as st

from conclave.session import Session
from coordination.registry.wire import Capability
from coordination.runtime.asking import NO_NUMBER, items, payload_of, request
from coordination.runtime.errors import UsageError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.wire import Body

NAN, INFINITY = float("nan"), float("inf")
SHA256 = "0" * 64


class Parcel(Body):
    count: int = 0
    tags: tuple[int, ...] = ()
    content: Any = None
    share: float = 0.0
    inner: Parcel | None = None


def session() -> Session:
    """On a bus where nobody serves; what is sent waits in vain."""
    return Session(MemoryBus(MemoryExchange(), agent="ada"), agent="ada", patience_s=0.0)


Call = Callable[[Any], Awaitable[Any]]


def nested(levels: int, inner: Any = 0) -> Any:
    """`inner` in so many lists."""
    for _ in range(levels):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda s: s.registry.register("travel"),
            'capabilities is a list of capabilities, not one text; write ["travel"]',
        ),
        (lambda s: s.registry.update(incarnation=1, protocols="http"), "protocols is a list of names"),
        (
            lambda s: s.dialog.open("x", "bob"),
            'participants is a list of agent ids, not one text; write ["bob"]',
        ),
        (
            lambda s: s.dialog.say("c", "x", to="bob"),
            'to is a list of agent ids, not one text; write ["bob"]',
        ),
        (
            lambda s: s.consensus.propose("x", artifact_sha256=SHA256, electorate="alice"),
            'electorate is a list of agent ids, not one text; write ["alice"]',
        ),
        (lambda s: s.dialog.open("x", 5), "participants is a list of agent ids, not of type int"),
        (lambda s: s.dialog.open("x", {"bob": 1}), "participants is a list of agent ids, not of type dict"),
        (lambda s: s.tasks.submit("opt", ["list"]), "payload is a JSON object (a dict), not of type list"),
        (lambda s: s.registry.register(labels="x"), "labels is a JSON object (a dict), not of type str"),
        (lambda s: s.tasks.submit(5), "requirement is a text or a Requirement, not of type int"),
        (lambda s: s.dialog.broadcast("c", "x", performative="blah"), "performative: must be"),
        (
            lambda s: s.dialog.open("x", ["bob", "A B"]),
            "participants.1: use 1 to 63 of a-z, 0-9, '_' and '-'",
        ),
        (lambda s: s.registry.register(["ok"] * 10_000), "capabilities: must have at most 64 items"),
        (lambda s: s.registry.register(["ok", "A B"]), "capabilities.1.name: use 1 to 63 of a-z"),
        (
            lambda s: s.registry.register([{"name": "gpu", "attributes": {"n": []}}]),
            "capabilities.0.attributes.n: must be true or false, a whole number, a number or a text",
        ),
        (lambda s: s.registry.get("A B"), "agent: use 1 to 63 of"),
        (
            lambda s: s.consensus.propose("x", artifact_sha256=bytes(32).hex() * 3, electorate=["bob"]),
            "artifact_sha256: must have at most 128 characters",
        ),
        (
            lambda s: s.consensus.propose("x", artifact_sha256=SHA256, electorate=["bob"], quorum=NAN),
            "quorum is a number of votes or a Fraction of the electorate: Fraction(1, 2)",
        ),
        (
            lambda s: s.consensus.propose("x", artifact_sha256=SHA256, electorate=["bob"], executors="tasks"),
            'executors is a list of names, not one text; write ["tasks"]',
        ),
        (lambda s: s.tasks.submit("opt", {"x": {"y": [1, NAN]}}), "payload.x.y.1: JSON has no NaN"),
        (lambda s: s.registry.register(metadata={"x": INFINITY}), "metadata.x: JSON has no NaN"),
        (lambda s: s.tasks.complete("t", 1, {"x": object()}), "this cannot be sent as JSON"),
        (lambda s: s.tasks.complete("t", 1, "\ud800"), "result: half a surrogate pair"),
        (
            lambda s: s.tasks.submit("opt", {"x": INFINITY}),
            f"payload.x: {NO_NUMBER}",
        ),
        (lambda s: s.tasks.submit("opt", {"x": [0, "\ud800"]}), "payload.x.1: half a surrogate pair"),
        (lambda s: s.tasks.submit("opt", {"\ud800": 1}), "payload.?: this name: half a surrogate pair"),
        (lambda s: s.tasks.submit("opt", {"x": nested(300)}), "payload.x.0.0"),
        (lambda s: s.knowledge.query("x" * 10_000), "topic: "),
    ],
)
async def test_a_mistake_in_an_argument_is_a_short_usage_error(call: Call, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        await call(session())
    text = str(refused.value)
    assert text.startswith(message)
    assert "http" not in text.replace('["http"]', "")
    assert len(text) < 700
    assert "input_value" not in text


@pytest.mark.parametrize("verb", ["find", "explain", "submit"])
async def test_a_text_that_is_no_requirement_is_a_usage_error_with_its_caret(verb: str) -> None:
    here = session()
    call: Call = here.tasks.submit if verb == "submit" else getattr(here.registry, verb)
    with pytest.raises(UsageError, match=r"\n  python=>3.11\n        \^"):
        await call("python=>3.11")


async def test_metadata_without_end_is_refused_in_few_words() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    with pytest.raises(UsageError) as refused:
        await session().registry.register(metadata=deep)
    assert str(refused.value).startswith("metadata.a")
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("levels", [260, 300, 100_000])
async def test_what_is_nested_too_deep_is_named_and_cut(levels: int) -> None:
    with pytest.raises(UsageError, match=r"^result\.a\.0\.0[.0]{20,80}…: it is nested too deep") as refused:
        await session().tasks.complete("t", 1, {"a": nested(levels)})
    assert len(str(refused.value)) < 250


def test_what_is_not_too_deep_to_be_written_is_searched_to_its_end() -> None:
    assert payload_of(Parcel(content=[None, nested(220)])).startswith(b'{"content":[null,[[')
    with pytest.raises(UsageError, match="JSON has no NaN"):
        payload_of(Parcel(content=nested(220, NAN)))


def test_a_sign_for_what_is_no_character_is_one() -> None:
    assert payload_of(Parcel(content={"\ufffd": "\ufffd"})) == '{"content":{"\ufffd":"\ufffd"}}'.encode()


def test_no_more_than_three_places_are_named() -> None:
    with pytest.raises(UsageError) as refused:
        request(Parcel, tags=cast("tuple[int, ...]", ("a", "b", "c", "d", "e")))
    places = [part.partition(":")[0] for part in str(refused.value).split("; ")]
    assert places == ["tags.0", "tags.1", "tags.2", "and 2 more"]


@pytest.mark.parametrize("given", [["b", "a"], ("b", "a"), {"b": 1, "a": 2}.keys(), (x for x in "ba")])
def test_a_list_may_come_from_any_iterable(given: Any) -> None:
    assert items("to", given, of="agent ids") == ("b", "a")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@hypothesis.given(JSON)
def test_what_is_sent_reads_back_as_it_was_or_is_refused(content: Any) -> None:
    is_plain = "NaN" not in (text := json.dumps(content)) and "Infinity" not in text
    has_words = any(word in json.dumps(_texts(content)) for word in ("NaN", "Infinity"))
    body = Parcel(content=content)
    if is_plain:
        assert json.loads(payload_of(body)).get("content") == content
    elif not has_words:
        with pytest.raises(UsageError, match=r"content.*JSON has no NaN and no infinity"):
            payload_of(body)


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, dict):
        return [*content, *(text for each in content.values() for text in _texts(each))]
    return [text for each in content for text in _texts(each)] if isinstance(content, list) else []


def test_a_number_that_is_none_is_found_in_nested_bodies_too() -> None:
    with pytest.raises(UsageError, match=r"^inner\.share: "):
        payload_of(Parcel(inner=Parcel(share=NAN)))
    assert payload_of(Parcel(content=[None, "null"])) == b'{"content":[null,"null"]}'


def test_one_value_that_may_be_of_several_kinds_is_one_problem() -> None:
    with pytest.raises(UsageError) as refused:
        request(Capability, name="gpu", attributes=cast("Any", {"n": []}))
    assert "more" not in str(refused.value)
