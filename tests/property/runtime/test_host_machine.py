"""A host under faults: commands, retries, crashes, lost connections, a rival, and a slow journal.

The checker reads the journal's bytes and nothing else. It holds that
- what was acknowledged is in the journal, and was so at the moment of the acknowledgement;
- no command id took effect twice;
- an acknowledgement says what the journal says;
- a query shows nothing that is not in the journal;
- alarms ring once, and those that are due have rung when everything is quiet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from coordination.runtime.errors import ClosedError, NotLeaderError, RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.model import Notice, Push
from tests.support.clock import ManualClock
from tests.support.stores import Fault, HeldStore, vacate
from tests.support.toy import Add, Ledger, SetAlarm, labels_seen, ledger_host, send, stored_events
from tests.support.waiting import settle

COMMAND_IDS = st.sampled_from([f"c{index}" for index in range(8)])
AMOUNTS = st.integers(1, 3)


@dataclass(frozen=True, slots=True)
class Running:
    """A host and the way it reaches the journal."""

    host: Host[Ledger]
    journal: HeldStore
    serving: asyncio.Task[None]


class HostMachine(RuleBasedStateMachine):
    """One journal, and hosts on it that take it from one another."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store = MemoryStream()
        self.clock = ManualClock()
        self.hosts: list[Running] = []
        """Oldest first."""
        self.requests: set[asyncio.Task[None]] = set()
        self.faults: list[str] = []
        self.acknowledged: dict[str, tuple[int, int]] = {}
        """Command id -> (amount, total) of its first acknowledgement."""

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run_until_complete(work)

    def require(self, condition: object, fault: str) -> None:
        """Note a fault; the invariant reports it, because assertions in tasks go unheard."""
        if not condition:
            self.faults.append(fault)

    def effects(self) -> list[dict[str, Any]]:
        return stored_events(self.store.payloads)

    @initialize()
    def start(self) -> None:
        journal = HeldStore(self.store)
        host = ledger_host(journal, clock=self.clock, deliver=self.deliver)
        self.hosts.append(Running(host, journal, self.loop.create_task(host.run())))
        for _ in range(len(self.hosts)):  # one whose connection breaks may win the claim, and end with it
            if self.store.records:
                vacate(self.store)
            self.run(settle(100))
            if self.leader.host.leading.is_set():
                return
        raise AssertionError("nobody leads")

    @property
    def leader(self) -> Running:
        """Whoever leads; older ones may not know yet that they do not."""
        return max(self.hosts, key=lambda each: (each.host.leading.is_set(), each.host.epoch))

    async def deliver(self, messages: Sequence[Push | Notice]) -> None:
        stored = [event["label"] for event in self.effects()]
        for message in messages:
            assert isinstance(message, Notice)
            self.require(message.aggregate in stored, f"{message.aggregate} announced before it was durable")

    # --- what clients do

    @rule(command_id=COMMAND_IDS, amount=AMOUNTS, stale=st.booleans())
    def send_or_retry(self, command_id: str, amount: int, stale: bool) -> None:  # noqa: FBT001
        host = (self.hosts[0] if stale else self.leader).host
        self.requests.add(self.loop.create_task(self._add(host, command_id, amount)))

    @rule(command_ids=st.lists(COMMAND_IDS, min_size=2, max_size=6), amount=AMOUNTS)
    def send_many_at_once(self, command_ids: list[str], amount: int) -> None:
        for command_id in command_ids:
            self.send_or_retry(command_id, amount, stale=False)

    @rule(stale=st.booleans())
    def ask(self, stale: bool) -> None:  # noqa: FBT001
        host = (self.hosts[0] if stale else self.leader).host
        self.requests.add(self.loop.create_task(self._query(host)))

    @rule(label=st.sampled_from(["a1", "a2", "a3"]), in_ms=st.integers(1, 50))
    def set_alarm(self, label: str, in_ms: int) -> None:
        command = SetAlarm(label=label, at_ms=self.clock.now_ms() + in_ms)
        self.requests.add(self.loop.create_task(self._tolerant(send(self.leader.host, command))))

    @precondition(lambda self: self.requests)
    @rule(data=st.data())
    def give_up_waiting(self, data: st.DataObject) -> None:
        self.run(settle(2))
        waiting = sorted(
            (task for task in self.requests if not task.done()), key=lambda task: task.get_name()
        )
        if waiting:
            data.draw(st.sampled_from(waiting)).cancel()

    # --- what happens to the host

    @rule()
    def let_everything_happen(self) -> None:
        for running in self.hosts:
            running.journal.release()
        self.run(settle())

    @rule(turns=st.integers(1, 4))
    def let_a_little_happen(self, turns: int) -> None:
        self.run(settle(turns))

    @rule(by_ms=st.integers(-20, 60))
    def time_passes(self, by_ms: int) -> None:
        self.clock.advance(by_ms)

    @rule()
    def journal_gets_slow(self) -> None:
        self.leader.journal.hold()

    @rule(fault=st.sampled_from(["lost before", "lost after"]))
    def connection_gets_lost(self, fault: Fault) -> None:
        self.leader.journal.fault = fault

    @rule()
    def rival_takes_over(self) -> None:
        """The older hosts do not know yet, and clients still talk to them."""
        self.start()

    @rule()
    def restart(self) -> None:
        self.run(self._end_hosts())
        self.start()

    # --- checks

    @invariant()
    def nothing_wrong_was_seen(self) -> None:
        assert self.faults == []

    @invariant()
    def nothing_took_effect_twice(self) -> None:
        labels = [event["label"] for event in self.effects()]
        assert len(labels) == len(set(labels))
        rang = [event["label"] for event in stored_events(self.store.payloads, "AlarmRang")]
        set_ = [event["label"] for event in stored_events(self.store.payloads, "AlarmSet")]
        assert all(rang.count(label) <= set_.count(label) for label in set(rang))

    @invariant()
    def time_never_runs_backwards(self) -> None:
        times = [json.loads(record)["at_ms"] for record in self.store.payloads]
        assert times == sorted(times)

    @invariant()
    def nothing_acknowledged_is_lost(self) -> None:
        totals: dict[str, tuple[int, int]] = {}
        total = 0
        for event in self.effects():
            total += event["amount"]
            totals[event["label"]] = (event["amount"], total)
        for command_id, acknowledged in self.acknowledged.items():
            assert totals[command_id] == acknowledged

    def teardown(self) -> None:
        try:
            self.restart()
            self.run(self._answers_after_restart())
            self.nothing_wrong_was_seen()
            self.nothing_acknowledged_is_lost()
        finally:
            self.run(self._end_hosts())
            self.loop.close()

    async def _answers_after_restart(self) -> None:
        assert await labels_seen(self.leader.host) == [event["label"] for event in self.effects()]
        self.clock.advance(1_000)
        await settle()
        assert self.leader.host.model.state.alarms == {}, "a due alarm did not ring"
        assert self.requests == set(), "a request waits for ever"

    async def _end_hosts(self) -> None:
        """Whatever way they end, nobody may be left waiting."""
        for running in self.hosts:
            running.serving.cancel()
            with contextlib.suppress(asyncio.CancelledError, NotLeaderError, ClosedError):
                await running.serving
        self.hosts.clear()
        await settle(5)
        self.require(not self.requests, "requests outlived their host")

    async def _add(self, host: Host[Ledger], command_id: str, amount: int) -> None:
        async def first_answer() -> None:
            reply = await send(host, Add(label=command_id, amount=amount), command_id=command_id)
            stored = {event["label"]: event["amount"] for event in self.effects()}
            self.require(command_id in stored, f"{command_id} acknowledged before it was durable")
            self.require(
                stored.get(command_id) == amount, f"{command_id}: the answer belongs to another body"
            )
            first = self.acknowledged.setdefault(command_id, (amount, reply["total"]))
            self.require(first == (amount, reply["total"]), f"{command_id} was answered in two ways")

        await self._tolerant(first_answer())

    async def _query(self, host: Host[Ledger]) -> None:
        async def look() -> None:
            seen = await labels_seen(host)
            stored = [event["label"] for event in self.effects()]
            self.require(seen == stored[: len(seen)], f"a query showed {seen}, the journal has {stored}")

        await self._tolerant(look())

    async def _tolerant(self, request: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await request
        except UnavailableError:
            pass  # the outcome is unknown, which is allowed at any time
        except RejectedError as error:
            self.require(error.code == "command_id_reused", f"refused: {error}")
        finally:
            self.requests.discard(task)


TestHost = HostMachine.TestCase
TestHost.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
