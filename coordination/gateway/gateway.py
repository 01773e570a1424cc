"""One running gateway: what it hears, and the parts that deal with it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from coordination.gateway import foreign
from coordination.gateway.announcing import Announcer
from coordination.gateway.limits import Timing
from coordination.gateway.peers import NAME, Handlers, Peers
from coordination.gateway.profile import VIEWS
from coordination.gateway.relay import Relay, answers
from coordination.gateway.roster import Roster, follow
from coordination.gateway.wire import AnswerReply, AnswerRequest, RespondReply, RespondRequest
from coordination.runtime.bus import Delivery, Handler, Subscription
from coordination.runtime.concurrency import one_error
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.runner import Shell

_log = get_logger(__name__)


class Gateway:
    """Speaks the foreign protocol for the agents of one deployment.

    Args:
        shell: The outside world.
        timing: How long what may take.
    """

    def __init__(self, shell: Shell, timing: Timing) -> None:
        self._shell = shell
        self._timing = timing
        self._id = f"{shell.entropy.getrandbits(64):016x}"
        self._roster = Roster(shell.subjects.prefix)
        self._relay = Relay(shell, self._roster, timing, gateway=self._id)
        self._announcer = Announcer(shell, self._roster, self._relay, timing)
        handlers: Handlers = {
            "respond": (RespondRequest, self._relay.respond),
            "answer": (AnswerRequest, self._relay.answer),
        }
        self._peers = Peers(shell, gateway=self._id, handlers=handlers)
        self._group: asyncio.TaskGroup | None = None

    # --- what agents call

    async def respond(self, agent: str, request: RespondRequest) -> RespondReply:
        """Hand the agent's next chunk on; see `Relay.respond`."""
        if request.gateway == self._id:
            return await self._relay.respond(agent, request)
        return await self._peers.forward("respond", agent, request.gateway, request, RespondReply)

    async def answer(self, agent: str, request: AnswerRequest) -> AnswerReply:
        """Wait a little for an answer; see `Relay.answer`."""
        if request.gateway == self._id:
            return await self._relay.answer(agent, request)
        return await self._peers.forward("answer", agent, request.gateway, request, AnswerReply)

    # --- everything else

    async def run(self, _: object = None) -> None:
        """Be found and prompted, until cancelled; then end what is in flight."""
        subscriptions: list[Subscription] = []
        with one_error():
            async with asyncio.TaskGroup() as group:
                self._group = group
                loaded = asyncio.Event()
                group.create_task(
                    follow(self._roster, self._shell, self._timing, changed=self._look_after, loaded=loaded)
                )
                try:
                    await loaded.wait()
                    await self._listen(subscriptions)
                    group.create_task(self._announcer.beat())
                    await asyncio.Event().wait()
                finally:
                    self._group = None
                    for subscription in subscriptions:
                        await subscription.unsubscribe()
                    await self._relay.end_all()

    async def _listen(self, subscriptions: list[Subscription]) -> None:
        prefix = self._shell.subjects.prefix
        ours = f"{prefix}-{NAME}"
        heard: list[tuple[str, str, Handler]] = [
            (foreign.subject("prompt", prefix, "*"), foreign.SERVICE, self._take_prompt),
            (foreign.subject("status", prefix, "*"), foreign.SERVICE, self._report),
            (f"{answers(prefix, self._id)}.*.*", "", self._relay.take_answer),
        ]
        # Not ``$SRV.PING`` alone: this connection answers there as `conclave-gateway` already, and a user who
        # hears a request twice has used up its one answer by that (nats-server 2.15).
        tails = ("", ".*")
        heard += [
            (f"$SRV.{verb}.{foreign.SERVICE}{tail}", ours, self._discover) for verb in VIEWS for tail in tails
        ]
        subscriptions.append(await self._peers.listen(self._spawn))
        for subject, queue, handler in heard:
            subscriptions.append(await self._shell.bus.subscribe(subject, handler, queue=queue))

    async def _take_prompt(self, delivery: Delivery) -> None:
        await self._relay.take_prompt(delivery, self._spawn)

    async def _report(self, delivery: Delivery) -> None:
        await self._announcer.report(delivery, self._spawn)

    async def _discover(self, delivery: Delivery) -> None:
        await self._announcer.discover(delivery, self._spawn)

    async def _look_after(self, agents: Iterable[str]) -> None:
        concerned = tuple(agents)
        await self._relay.look_after(concerned)
        await self._announcer.beat_first(concerned)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` beside everything else; it is cancelled when the gateway stops.

        Whoever spawns bounds how much of it there is at a time.
        """
        if self._group is None:
            work.close()
        else:
            self._group.create_task(_logged(work))


async def _logged(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`; a mistake of ours in it must not end the gateway, and with it everybody's streams."""
    try:
        await work
    except Exception:  # noqa: BLE001 - whatever it is
        log_failure(_log, "request not dealt with")
