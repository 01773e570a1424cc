"""Clients of the ledger and the registers, and what they may rightly see."""

from __future__ import annotations

import asyncio
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.lease import Lease
from coordination.simulation import toys
from coordination.simulation.checks.ledger import LedgerOperation, broken_alarms, broken_promises
from coordination.simulation.checks.linearizability import (
    RegisterOperation,
    UndecidedError,
    is_linearizable,
)
from coordination.simulation.cluster import Cluster, ClusterPlan, Parts, ServicePlan
from coordination.simulation.scenario import pause

SHORT_LEASE: Final = Lease(length_ms=400, renew_ms=130, margin_ms=40)
"""Leadership changes often."""
_MAX_OPERATIONS: Final = 80
"""Of one client; bounds what a run costs."""
_BURST: Final = 250
"""Commands at once: enough for a host to send records while others are in flight."""
_KEYS: Final = ("k0", "k1")


class ToyScenario:
    """Each client adds to the ledger, sets alarms, and reads, writes and swaps registers."""

    def __init__(self) -> None:
        self.clients = 4
        self._ledger: list[LedgerOperation] = []
        self._registers: dict[str, list[RegisterOperation]] = defaultdict(list)
        self._count = 0
        self._shards = 1
        self._bursts = 0
        """How many more there may be."""

    def plan(self, entropy: random.Random, parts: Parts) -> ClusterPlan:
        """See `Scenario.plan`."""
        self._shards = entropy.choice((1, 1, 2))
        self.clients = entropy.randint(3, 6)
        self._bursts = entropy.choice((0, 0, 0, 2))
        return ClusterPlan(
            services=(
                ServicePlan(name=toys.LEDGER, define=toys.define_ledger),
                ServicePlan(name=toys.REGISTERS, define=toys.define_registers, shards=self._shards),
            ),
            nodes=entropy.choice((2, 2, 3)),
            lease=entropy.choice((Lease(), SHORT_LEASE, SHORT_LEASE)),
            snapshot_records=entropy.choice((3, 10, 40, 1_000)),
            parts=parts,
        )

    async def work(self, caller: Caller, entropy: random.Random, stop: asyncio.Event) -> None:
        """See `Scenario.work`."""
        pace_s = entropy.choice((0.02, 0.1, 0.3))
        # Whoever only reads is not held up by a leader that can store nothing, and must not be misled by it.
        only_reads = entropy.random() < 0.3
        for _ in range(_MAX_OPERATIONS):
            if stop.is_set():
                return
            self._count += 1
            label = f"{caller.agent}-{self._count}"
            match 9 if only_reads else entropy.randrange(10):
                case 0 | 1:
                    await self._add(caller, label, entropy.choice((-1, 1, 1, 2, 3)))
                case 2 if self._bursts:
                    self._bursts -= 1
                    await asyncio.gather(*(self._add(caller, f"{label}.{n}", 1) for n in range(_BURST)))
                case 2:
                    await self._set_alarm(caller, label, entropy.randrange(3_000))
                case _:
                    await self._use_register(caller, entropy, label, only_reads=only_reads)
            await pause(stop, entropy.expovariate(1 / pace_s))

    async def probe(self, caller: Caller) -> None:
        """See `Scenario.probe`."""
        await self._call_add(caller, "probe", 1)
        for number in range(8):  # enough keys for every shard
            request = toys.KeyRequest(key=f"probe-{number}")
            await caller.query(toys.REGISTERS, "read", request, toys.ValueReply)

    def violations(self, cluster: Cluster) -> Iterator[str]:
        """See `Scenario.violations`."""
        ledger = [entry.payload for entry in cluster.stream(cluster.plan.services[0], 0).archive]
        yield from broken_promises(self._ledger, ledger)
        yield from broken_alarms(ledger, until_ms=0)
        for key, operations in sorted(self._registers.items()):
            try:
                if not is_linearizable(operations):
                    shown = "\n  ".join(map(_shown, sorted(operations, key=lambda each: each.invoked_s)))
                    yield f"register {key} is not linearizable:\n  {shown}"
            except UndecidedError as error:
                yield f"register {key}: {error}"

    async def _add(self, caller: Caller, label: str, amount: int) -> None:
        try:
            total = await self._call_add(caller, label, amount)
        except UnavailableError:
            self._ledger.append(LedgerOperation(label=label, amount=amount))
        except RejectedError as refusal:
            self._ledger.append(LedgerOperation(label=label, amount=amount, is_refused=not refusal.retryable))
        else:
            self._ledger.append(LedgerOperation(label=label, amount=amount, total=total))

    async def _call_add(self, caller: Caller, label: str, amount: int) -> int:
        request = toys.AddRequest(label=label, amount=amount)
        return (await caller.command(toys.LEDGER, "add", request, toys.TotalReply)).total

    async def _set_alarm(self, caller: Caller, label: str, in_ms: int) -> None:
        request = toys.AlarmRequest(label=label, in_ms=in_ms)
        try:
            await caller.command(toys.LEDGER, "set_alarm", request, toys.AlarmReply)
        except (UnavailableError, RejectedError):
            return

    async def _use_register(
        self, caller: Caller, entropy: random.Random, value: str, *, only_reads: bool
    ) -> None:
        key = entropy.choice(_KEYS)
        operations = self._registers[key]
        seen = [each.value for each in operations[-5:]]
        time_s = asyncio.get_running_loop().time
        invoked_s = time_s()
        match "read" if only_reads else entropy.choice(("read", "write", "swap")):
            case "read":
                try:
                    read = await caller.query(
                        toys.REGISTERS, "read", toys.KeyRequest(key=key), toys.ValueReply
                    )
                except (UnavailableError, RejectedError):
                    return
                operations.append(
                    RegisterOperation(kind="read", value=read.value, invoked_s=invoked_s, returned_s=time_s())
                )
            case "write":
                operation = await self._write(caller, key, value, invoked_s)
                operations.append(operation)
            case _:
                expected = entropy.choice(seen) if seen else None
                operations.append(await self._swap(caller, key, expected, value, invoked_s))

    async def _write(self, caller: Caller, key: str, value: str, invoked_s: float) -> RegisterOperation:
        request = toys.WriteRequest(key=key, value=value)
        try:
            await caller.command(toys.REGISTERS, "write", request, toys.ValueReply)
            returned_s = asyncio.get_running_loop().time()
        except (UnavailableError, RejectedError):
            returned_s = math.inf
        return RegisterOperation(kind="write", value=value, invoked_s=invoked_s, returned_s=returned_s)

    async def _swap(
        self, caller: Caller, key: str, expected: str | None, value: str, invoked_s: float
    ) -> RegisterOperation:
        request = toys.SwapRequest(key=key, expected=expected, value=value)
        swapped = False
        try:
            swapped = (await caller.command(toys.REGISTERS, "swap", request, toys.SwapReply)).swapped
            returned_s = asyncio.get_running_loop().time()
        except (UnavailableError, RejectedError):
            returned_s = math.inf
        return RegisterOperation(
            kind="swap",
            expected=expected,
            value=value,
            swapped=swapped,
            invoked_s=invoked_s,
            returned_s=returned_s,
        )


def _shown(operation: RegisterOperation) -> str:
    what = f"{operation.kind} {operation.value}"
    if operation.kind == "swap":
        what += f" for {operation.expected}: {operation.swapped}"
    return f"{operation.invoked_s:.4f} to {operation.returned_s:.4f} {what}"
