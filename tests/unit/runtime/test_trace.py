"""Trace context as W3C defines it, and that calls carry it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.service import Call
from coordination.runtime.trace import CURRENT_TRACE, TraceContext, continued, header_of_command, valid_header

SPEC_EXAMPLE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Empty(BaseModel):
    """Any request or reply."""


def test_the_example_of_the_standard_is_read_and_written() -> None:
    trace = TraceContext.parse(SPEC_EXAMPLE)
    assert trace == TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", is_sampled=True)
    assert str(trace) == SPEC_EXAMPLE


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        SPEC_EXAMPLE.upper(),
        SPEC_EXAMPLE[:-1],
        f"{SPEC_EXAMPLE}-more",
        f"{SPEC_EXAMPLE}\n",
        f"ff{SPEC_EXAMPLE[2:]}",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01",
    ],
)
def test_what_the_standard_forbids_is_no_trace(header: str | None) -> None:
    assert TraceContext.parse(header) is None


def test_a_later_version_counts_by_its_first_fields() -> None:
    trace = TraceContext.parse(f"cc{SPEC_EXAMPLE[2:]}-what-comes")
    assert str(trace) == SPEC_EXAMPLE


@given(st.integers(), st.booleans())
def test_every_span_survives_its_text_form(seed: int, sampled: bool) -> None:  # noqa: FBT001
    first = TraceContext.begin(random.Random(seed))
    trace = TraceContext(first.trace_id, first.span_id, is_sampled=sampled)
    assert TraceContext.parse(str(trace)) == trace
    child = trace.child(random.Random(seed + 1))
    assert (child.trace_id, child.is_sampled) == (trace.trace_id, sampled)
    assert child.span_id != trace.span_id


def test_entropy_of_zeros_makes_no_forbidden_id() -> None:
    class Zeros:
        def getrandbits(self, k: int, /) -> int:  # noqa: ARG002
            return 0

    assert TraceContext.parse(str(TraceContext.begin(Zeros()))) is not None


def test_work_continues_the_trace_it_was_asked_for_or_begins_one() -> None:
    entropy = random.Random(1)
    assert continued(SPEC_EXAMPLE, entropy).trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert continued("garbage", entropy).trace_id != continued("", entropy).trace_id


class CountedEntropy:
    """Says how often it was asked."""

    def __init__(self) -> None:
        self.draws = 0
        self._source = random.Random(3)

    def getrandbits(self, k: int, /) -> int:
        self.draws += 1
        return self._source.getrandbits(k)


def test_a_span_is_drawn_when_somebody_asks_for_it_and_stays() -> None:
    entropy = CountedEntropy()
    span = continued(SPEC_EXAMPLE, entropy)
    assert (span.trace_id, span.is_sampled) == ("4bf92f3577b34da6a3ce929d0e0e4736", True)
    assert entropy.draws == 0, "the trace is that of its parent"
    drawn = span.span_id
    assert drawn != "00f067aa0ba902b7"
    assert span.header == f"00-{span.trace_id}-{drawn}-01"
    assert (span.span_id, entropy.draws) == (drawn, 1)
    assert span.child(entropy).trace_id == span.trace_id


@pytest.mark.parametrize("header", ["", "garbage", f"00-{'0' * 32}-00f067aa0ba902b7-01"])
def test_a_trace_that_work_begins_is_drawn_once(header: str) -> None:
    entropy = CountedEntropy()
    span = continued(header, entropy)
    assert entropy.draws == 0
    first = span.header
    assert (span.header, span.trace_id) == (first, first[3:35])
    assert TraceContext.parse(first) == span


def test_a_span_of_a_trace_that_is_not_sampled_is_not_either() -> None:
    span = continued(f"{SPEC_EXAMPLE[:-2]}00", random.Random(1))
    assert not span.is_sampled
    assert span.header.endswith("-00")


def test_threads_that_ask_for_a_span_at_the_same_time_get_the_same() -> None:
    with ThreadPoolExecutor(8) as threads:
        for seed in range(50):
            span = continued("", random.Random(seed))
            assert len(set(threads.map(TraceContext.__str__, [span] * 16))) == 1


def test_a_call_gives_its_trace_only_if_it_is_one() -> None:
    assert Call(caller="ada", draw_id=str, traceparent=SPEC_EXAMPLE).traceparent == SPEC_EXAMPLE
    assert Call(caller="ada", draw_id=str, traceparent="x" * 200).traceparent == ""
    assert (
        Call(caller="ada", draw_id=str, traceparent=f"cc{SPEC_EXAMPLE[2:]}-more").traceparent == SPEC_EXAMPLE
    )
    assert Call(caller="ada", draw_id=str).trace is None


async def traces_of_a_call(*, is_command: bool, attempts: int = 1) -> list[str | None]:
    """The ``traceparent`` of each attempt of one call."""
    exchange = MemoryExchange()
    service, agent = MemoryBus(exchange, agent="toy"), MemoryBus(exchange, agent="ada")
    seen: list[str | None] = []

    async def answer(delivery: Delivery) -> None:
        seen.append(delivery.headers.get("traceparent"))
        retry = b'{"code":"overloaded","message":"","retryable":true}'
        if len(seen) < attempts:
            await service.publish(delivery.reply_to, retry, headers={"Nats-Service-Error-Code": "overloaded"})
        else:
            await service.publish(delivery.reply_to, b"{}")

    await service.subscribe("conclave.call.toy.do.ada", answer)
    caller = Caller(agent, agent="ada", entropy=random.Random(7))
    call = caller.command if is_command else caller.query
    await call("toy", "do", Empty(), Empty)
    await service.close()
    await agent.close()
    return seen


@pytest.mark.parametrize("is_command", [True, False])
async def test_calls_carry_the_span_they_are_made_from(is_command: bool) -> None:  # noqa: FBT001
    trace = TraceContext.parse(SPEC_EXAMPLE)
    token = CURRENT_TRACE.set(trace)
    try:
        assert await traces_of_a_call(is_command=is_command) == [SPEC_EXAMPLE]
    finally:
        CURRENT_TRACE.reset(token)


@given(st.text(min_size=1, max_size=128))
def test_a_command_whatever_its_id_begins_a_trace_that_is_its_own(command_id: str) -> None:
    header = header_of_command(command_id, is_drawn=False)
    assert TraceContext.parse(header) is not None
    assert header == header_of_command(command_id, is_drawn=False)
    assert header != header_of_command(f"{command_id}x", is_drawn=False)


@given(
    st.text(max_size=70)
    | st.just(SPEC_EXAMPLE)
    | st.from_regex(r"0[0-2]-[01]{32}-[01]{16}-0[0-3]", fullmatch=True)
)
def test_what_passes_as_a_header_is_what_parses(header: str) -> None:
    trace = TraceContext.parse(header)
    passed = valid_header(header)
    assert TraceContext.parse(passed) == trace
    assert bool(passed) is (trace is not None)


async def test_a_command_outside_any_trace_begins_one_and_keeps_it_at_each_retry() -> None:
    first, second = await traces_of_a_call(is_command=True, attempts=2)
    assert first == second
    assert TraceContext.parse(first) is not None


async def test_a_query_outside_any_trace_carries_none() -> None:
    assert await traces_of_a_call(is_command=False) == [None]
