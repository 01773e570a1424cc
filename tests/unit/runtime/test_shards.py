"""A sharded service: any process may be asked, and each aggregate lives in one shard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Call, Command, Query, ServiceDefinition
from coordination.runtime.sharding import shard_of
from coordination.runtime.wire import Body
from tests.support.toy import Add, Ledger, LedgerState, stored_events

SHARDS = 3


class AddRequest(Body):
    label: str = ""
    amount: int = 1


class Total(Body):
    total: int


class SeenRequest(Body):
    label: str


class Seen(Body):
    count: int


class Opening(Ledger):
    """Like the toy, but answers with the label, which may be a fresh id."""


def _seen(model: Opening, _: Call, request: SeenRequest, __: int) -> Seen:
    state: LedgerState = model.state
    return Seen(count=state.labels.count(request.label))


DEFINITION = ServiceDefinition(
    name="ledger",
    version="0.1.0",
    description="A ledger in shards.",
    model=Opening,
    endpoints=(
        Command(
            verb="add",
            description="Add to an account.",
            request=AddRequest,
            reply=Total,
            build=lambda _, request: Add(label=request.label, amount=request.amount),
            shard_by=lambda _, request: request.label,
        ),
        Command(
            verb="open",
            description="Open an account under a fresh id.",
            request=AddRequest,
            reply=Total,
            build=lambda call, request: Add(label=call.fresh_id, amount=request.amount),
        ),
        Query(
            verb="seen",
            description="How often an account was added to.",
            request=SeenRequest,
            reply=Seen,
            answer=_seen,
            shard_by=lambda _, request: request.label,
        ),
    ),
)


class Process:
    """One process that runs some of the shards."""

    def __init__(self, exchange: MemoryExchange, streams: Sequence[MemoryStream], runs: set[int]) -> None:
        shell = Shell.of(MemoryBus(exchange, agent="ledger"), service="ledger", subjects=Subjects())
        journals = [
            Journal(MemoryStore(stream, shards=SHARDS)) if shard in runs else None
            for shard, stream in enumerate(streams)
        ]
        self.runner = Runner(DEFINITION, shell=shell, journals=journals)


class Deployment:
    def __init__(self) -> None:
        self.exchange = MemoryExchange()
        self.streams = [MemoryStream(f"ledger.{shard}", shards=SHARDS) for shard in range(SHARDS)]

    @contextlib.asynccontextmanager
    async def running(self, *shares: set[int]) -> AsyncIterator[Caller]:
        processes = [Process(self.exchange, self.streams, share) for share in shares]
        async with asyncio.TaskGroup() as group:
            for process in processes:
                group.create_task(process.runner.run())
                await process.runner.ready.wait()
            try:
                yield Caller(MemoryBus(self.exchange, agent="ada"), agent="ada", patience_s=0)
            finally:
                for process in processes:
                    process.runner.stop()

    def labels(self, shard: int) -> list[str]:
        return [event["label"] for event in stored_events(self.streams[shard].payloads)]


LABELS = [f"account-{index}" for index in range(40)]


@pytest.mark.parametrize("shares", [[{0, 1, 2}], [{0}, {1, 2}], [{0}, {1}, {2}]])
async def test_whoever_is_asked_each_account_is_in_its_own_shard(shares: list[set[int]]) -> None:
    deployment = Deployment()
    async with deployment.running(*shares) as caller:
        for label in LABELS:
            await caller.command("ledger", "add", AddRequest(label=label), Total)
        for label in LABELS:
            assert (await caller.query("ledger", "seen", SeenRequest(label=label), Seen)).count == 1
    for shard in range(SHARDS):
        expected = [label for label in LABELS if shard_of(label, SHARDS) == shard]
        assert deployment.labels(shard) == expected


async def test_what_is_created_gets_an_id_of_the_shard_that_created_it() -> None:
    deployment = Deployment()
    async with deployment.running({0}, {1, 2}) as caller:
        for _ in range(40):
            await caller.command("ledger", "open", AddRequest(), Total)
    created = [deployment.labels(shard) for shard in range(SHARDS)]
    assert sum(map(len, created)) == 40
    for shard, labels in enumerate(created):
        assert labels, "creations are spread"
        assert {shard_of(label, SHARDS) for label in labels} == {shard}


async def test_a_retry_of_a_creation_comes_to_the_shard_that_remembers_it() -> None:
    deployment = Deployment()
    async with deployment.running({0}, {1}, {2}) as caller:
        for index in range(20):
            for _ in range(3):
                await caller.command("ledger", "open", AddRequest(), Total, command_id=f"c{index}")
    assert sum(len(deployment.labels(shard)) for shard in range(SHARDS)) == 20


async def test_a_shard_that_nobody_leads_is_unavailable_and_the_others_answer() -> None:
    async with Deployment().running({0}, {1}) as caller:
        for label in LABELS:
            answer = caller.command("ledger", "add", AddRequest(label=label), Total)
            if shard_of(label, SHARDS) == 2:
                with pytest.raises(RejectedError) as refused:
                    await answer
                assert (refused.value.code, refused.value.retryable) == ("unavailable", True)
            else:
                await answer


async def test_a_refusal_of_another_shard_is_handed_on_whole() -> None:
    async with Deployment().running({0}, {1, 2}) as caller:
        for label in LABELS[:10]:
            with pytest.raises(RejectedError, match="negative: amounts are positive") as refused:
                await caller.command("ledger", "add", AddRequest(label=label, amount=-1), Total)
            assert refused.value.details == {"amount": -1}


async def test_only_services_may_forward() -> None:
    deployment = Deployment()
    async with deployment.running({0, 1, 2}):
        mallory = MemoryBus(deployment.exchange, agent="mallory")
        subject = Subjects().shard("ledger", 0, "add", "ada")
        with pytest.raises(UnavailableError):
            await mallory.request(subject, b'{"label":"a"}', timeout_s=0.05)


async def test_a_service_whose_queries_name_no_aggregate_cannot_be_sharded() -> None:
    query = Query(
        verb="all", description="All.", request=Total, reply=Total, answer=lambda *_: Total(total=0)
    )
    whole = ServiceDefinition(
        name="whole", version="0.1.0", description="Whole.", model=Ledger, endpoints=(query,)
    )
    assert not whole.is_shardable
    assert DEFINITION.is_shardable
    shell = Shell.of(MemoryBus(MemoryExchange(), agent="whole"), service="whole", subjects=Subjects())
    with pytest.raises(AssertionError, match="whole cannot be sharded"):
        Runner(whole, shell=shell, journals=[Journal(MemoryStore(MemoryStream())) for _ in range(2)])
