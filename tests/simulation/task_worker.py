"""An agent that works on tasks, more or less: it hangs, lies, refuses, is late, crashes and comes back."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from coordination.registry import wire as registry_wire
from coordination.registry.membership import Membership, SupersededError
from coordination.runtime.bundles import bodies_of
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, RejectedError
from coordination.simulation.clock import SimulatedClock
from coordination.tasks import wire
from coordination.tasks.client import TasksClient
from tests.simulation.task_sightings import CAPABILITY, SLOTS, Sightings

_KINDS: Final = ("task", "cfp", "cancel")
_MANNERS: Final = {
    "honest": 40,
    "eager": 12,
    "delegate": 12,
    "hang": 6,
    "late": 5,
    "refuse": 7,
    "ignore": 4,
    "fail": 8,
    "give up": 3,
    "lie": 5,
    "steal": 4,
    "crash": 4,
}
"""What an agent does with an offer, by weight."""


class Worker:
    """One agent as a worker.

    Args:
        caller: Its way to the services.
        seen: Where it writes down what came of what it did.
        entropy: Decides what it does.
    """

    def __init__(self, caller: Caller, seen: Sightings, entropy: random.Random) -> None:
        self.is_calm = False
        """Whether it has stopped to do anything but what it should."""
        self._caller = caller
        self._seen = seen
        self._entropy = entropy
        self._client = TasksClient(caller)
        self._heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self._is_up = False
        self._work: dict[str, asyncio.Task[None]] = {}
        """What it works on, by task; none after a crash."""
        self._crashed = asyncio.Event()
        self._children = 0

    async def live(self) -> None:
        """Run one process after another, each a new incarnation, until cancelled."""
        for kind in _KINDS:
            await self._caller.inbox.subscribe(kind, self._hear(kind))
        while True:
            self._crashed.clear()
            stay = asyncio.create_task(self._stay())
            crashed = asyncio.create_task(self._crashed.wait())
            life_s = None if self.is_calm else self._entropy.expovariate(1 / 5)
            try:
                await asyncio.wait((stay, crashed), timeout=life_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # Without a word, and with all it was working on: a process that was killed.
                self._is_up = False
                ended = [stay, crashed, *self._work.values()]
                for task in ended:
                    task.cancel()
                await asyncio.gather(*ended, return_exceptions=True)
                self._work.clear()
                self._seen.met["crashed"] += 1
            await asyncio.sleep(self._entropy.expovariate(1 / 0.7))

    async def finish(self) -> None:
        """Complete, or confirm as stopped, whatever the service says that this agent holds."""
        states: tuple[wire.State, ...] = ("offered", "running", "canceling")
        for state in states:
            for summary in await self._client.list(state=state, limit=1000):
                record = await self._client.get(summary.task_id)
                if record.holder is None or record.holder.agent != self._caller.agent:
                    continue
                if record.state == "canceling":
                    await self._confirm(record.task_id, record.fencing_token)
                elif record.task_id not in self._work:
                    await self._complete(record.task_id, record.fencing_token)

    # --- what it hears

    def _hear(self, kind: str) -> Callable[[Delivery], Awaitable[None]]:
        async def receive(delivery: Delivery) -> None:
            if self._is_up:
                for body in bodies_of(delivery.payload):
                    self._heard.put_nowait((kind, body))

        return receive

    async def _stay(self) -> None:
        request = registry_wire.RegisterRequest(
            capabilities=(registry_wire.Capability(name=CAPABILITY),), max_tasks=SLOTS[self._caller.agent]
        )
        member = Membership(self._caller, request, clock=SimulatedClock(), entropy=self._entropy)
        self._is_up = True
        reading = asyncio.create_task(self._read())
        try:
            with contextlib.suppress(ConclaveError, SupersededError):
                await member.run()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self) -> None:
        while True:
            kind, body = await self._heard.get()
            if kind == "task":
                offer = wire.TaskOffer.model_validate_json(body)
                self._note(offer)
                self._begin(offer.task_id, partial(self._take, offer))
            elif kind == "cfp":
                call = wire.CallForProposals.model_validate_json(body)
                self._begin(f"cfp {call.task_id}", partial(self._bid, call))
            else:
                taken = wire.TaskTakenAway.model_validate_json(body)
                self._begin(taken.task_id, partial(self._stop, taken))

    def _note(self, offer: wire.TaskOffer) -> None:
        seen = self._seen
        seen.offers.append((offer.task_id, offer.fencing_token, self._caller.agent))
        seen.now_ms = max(seen.now_ms, offer.offer_expires_ms - 800)

    def _begin(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do this, and no longer what was done about the same task before."""
        before = self._work.pop(name, None)
        if before is not None:
            before.cancel()
        task = self._work[name] = asyncio.create_task(self._until_refused(work))
        task.add_done_callback(lambda ended: self._over(name, ended))

    def _over(self, name: str, ended: asyncio.Task[None]) -> None:
        if self._work.get(name) is ended:
            del self._work[name]

    @staticmethod
    async def _until_refused(work: Callable[[], Awaitable[None]]) -> None:
        with contextlib.suppress(ConclaveError):
            await work()

    # --- what it does

    async def _take(self, offer: wire.TaskOffer) -> None:
        manner = "honest" if self.is_calm else self._entropy.choices([*_MANNERS], [*_MANNERS.values()])[0]
        self._seen.met[manner] += 1
        task_id, token, client = offer.task_id, offer.fencing_token, self._client
        match manner:
            case "eager":
                await asyncio.sleep(self._entropy.uniform(0, 0.5))
                await self._complete(task_id, token)
            case "refuse":
                await client.refuse(task_id, token, reason="busy")
            case "ignore":
                return
            case "lie":
                await self._complete(task_id, max(token + self._entropy.choice((-3, -1, 1, 2)), 1))
            case "steal":
                stolen, its_token, _ = self._entropy.choice(self._seen.offers)
                await self._complete(stolen, its_token)
            case "late":
                await asyncio.sleep(1.2)
                await self._accept_and_work(offer, pauses=1)
            case "honest":
                await self._accept_and_work(offer, pauses=0 if self.is_calm else self._entropy.randrange(4))
            case _:
                await client.accept(task_id, token)
                await self._misbehave(manner, offer)

    async def _misbehave(self, manner: str, offer: wire.TaskOffer) -> None:
        """What it does with a task that it has accepted, other than to do it."""
        match manner:
            case "crash":
                self._crashed.set()
            case "hang":
                await asyncio.sleep(3.0)
                await self._complete(offer.task_id, offer.fencing_token)
            case "delegate":
                await self._delegate(offer)
            case _:
                is_retryable = manner == "fail"
                await self._client.fail(
                    offer.task_id, offer.fencing_token, reason="it broke", retryable=is_retryable
                )

    async def _accept_and_work(self, offer: wire.TaskOffer, *, pauses: int) -> None:
        await self._client.accept(offer.task_id, offer.fencing_token)
        for done in range(pauses):
            await asyncio.sleep(self._entropy.uniform(0.1, 0.6))
            await self._client.progress(offer.task_id, offer.fencing_token, share=done / pauses)
        await self._complete(offer.task_id, offer.fencing_token)

    async def _delegate(self, offer: wire.TaskOffer) -> None:
        children = []
        for _ in range(self._entropy.randint(1, 2)):
            self._children += 1
            child = await self._client.submit(
                CAPABILITY,
                {"child": self._children},
                task_id=f"{self._caller.agent}-child-{self._children}",
                parent={"task_id": offer.task_id, "fencing_token": offer.fencing_token},
                on_parent_end=self._entropy.choice(("cancel", "cancel", "keep")),
                may_return=self._entropy.random() < 0.5,
                max_attempts=2,
            )
            self._seen.submitted.add(child.task_id)
            children.append(child.task_id)
        self._seen.met["delegated"] += 1
        for _ in range(self._entropy.randrange(5)):
            await asyncio.sleep(0.4)
            await self._client.progress(offer.task_id, offer.fencing_token)
        if self._entropy.random() < 0.2:
            child_id = children[0]
            self._seen.asked_to_cancel.add(child_id)
            await self._client.cancel(child_id, reason="its parent thought better of it")
            self._seen.cancels.add(child_id)
        await self._complete(offer.task_id, offer.fencing_token)

    async def _complete(self, task_id: str, token: int) -> None:
        """Hand in a result that says who hands it in, and under which token."""
        agent = self._caller.agent
        try:
            await self._client.complete(task_id, token, {"by": agent, "token": token})
        except RejectedError as error:
            if not error.retryable:
                self._seen.refused.add((agent, task_id, token))
                self._seen.met[error.code] += 1
            raise
        self._seen.completed.add((agent, task_id, token))

    async def _stop(self, taken: wire.TaskTakenAway) -> None:
        if taken.state != "canceling" or (not self.is_calm and self._entropy.random() < 0.2):
            return
        await asyncio.sleep(self._entropy.uniform(0, 0.4))
        await self._confirm(taken.task_id, taken.fencing_token)

    async def _confirm(self, task_id: str, token: int) -> None:
        await self._client.confirm(task_id, token)
        self._seen.confirmed.add((task_id, token))
        self._seen.met["confirmed"] += 1

    async def _bid(self, call: wire.CallForProposals) -> None:
        drawn = 0.0 if self.is_calm else self._entropy.random()
        if drawn < 0.7:
            await self._client.propose(call.task_id, call.call, cost=self._entropy.randint(1, 9))
            self._seen.met["bid"] += 1
        elif drawn < 0.85:
            await self._client.decline(call.task_id, call.call, reason="too much to do")
        elif drawn < 0.95:
            await self._client.propose(call.task_id, call.call + 1, cost=0)
