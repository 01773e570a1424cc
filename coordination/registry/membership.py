"""Keeps an agent registered and heard, from joining to leaving: what the SDK stands on."""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from pydantic import JsonValue, ValidationError

from coordination.registry import wire
from coordination.runtime.asking import request as asked
from coordination.runtime.client import Caller
from coordination.runtime.clock import Clock, SystemClock
from coordination.runtime.concurrency import one_error
from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.wire import to_json

LEAVE_TIMEOUT_S: Final = 3.0
"""How long leaving waits for the registry, by default; whoever has not left is found to be silent."""
RECONNECT_SPREAD_S: Final = 0.5
"""Over how long the agents that lost one server together spread their first heartbeats."""
_RETRY_MS: Final = 1_000
"""Between two attempts to find out whether a registration still counts."""
_log = get_logger(__name__)


class SupersededError(ConclaveError):
    """Another process registered under the same agent id; this one does not count any more.

    Attributes:
        agent: The id.
        incarnation: The other one's registration.
    """

    def __init__(self, agent: str, incarnation: int) -> None:
        super().__init__(
            f"another process registered as {agent} (incarnation {incarnation}); "
            "run one process under an id, or give each an id of its own"
        )
        self.agent = agent
        self.incarnation = incarnation


class Membership:
    """One stay of an agent in the registry.

    It registers, beats every interval and at once when a lost connection is back, and registers again when
    the registry has forgotten it. Use it once, either as ``async with membership:``, which has registered
    when the block begins and leaves in good order when it ends, or by `run` and `leave`.

    In both an error ends the stay: `SupersededError`, a refusal of the registration (`RejectedError`), and
    in the beginning `UnavailableError`. Later on a registry that is away is waited for.

    Args:
        caller: The agent's way to the services.
        request: What to register.
        load: What heartbeats report, share of `max_tasks` in use; called once for each, must not block.
        clock: The only source of time.
        entropy: Where jitter comes from.
    """

    def __init__(
        self,
        caller: Caller,
        request: wire.RegisterRequest,
        *,
        load: Callable[[], float] = lambda: 0.0,
        clock: Clock | None = None,
        entropy: random.Random | None = None,
    ) -> None:
        self.incarnation = 0
        """The present registration, carried by heartbeats; 0 before the first one."""
        self.interval_ms = 0
        """How often the registry wants to hear the agent; 0 before the first registration."""
        self._caller = caller
        self._request = request
        self._load = load
        self._clock = clock or SystemClock()
        self._entropy = entropy or random.SystemRandom()
        self._beat_s = 0.0
        """When the next heartbeat is due, by the monotonic clock."""
        self._wake = asyncio.Event()
        self._doubtful = asyncio.Event()
        """Set while we have been told that our registration may not count."""
        self._left = asyncio.Event()
        self._registering = asyncio.Lock()
        self._stay: contextlib.AbstractAsyncContextManager[None] | None = None

    @property
    def agent(self) -> str:
        """Whose stay it is."""
        return self._caller.agent

    @property
    def request(self) -> wire.RegisterRequest:
        """What is registered, with all updates."""
        return self._request

    async def __aenter__(self) -> Self:
        """Register, and be heard until the block ends."""
        self._stay = self._staying()
        await self._stay.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Leave in good order."""
        assert self._stay is not None
        return await self._stay.__aexit__(kind, error, trace)

    @contextlib.asynccontextmanager
    async def _staying(self) -> AsyncIterator[None]:
        with one_error():
            async with asyncio.TaskGroup() as group:
                ready = asyncio.Event()
                group.create_task(self.run(ready))
                await ready.wait()  # if it fails before, the group cancels us and raises why
                try:
                    yield
                finally:
                    await self.leave()

    async def run(self, ready: asyncio.Event | None = None) -> None:
        """Register, then be heard until `leave`; cancelling it ends the heartbeats and leaves nothing.

        Args:
            ready: Set when the agent is registered.

        Raises:
            SupersededError: Another process registered under the same id.
            RejectedError: The registry refuses the registration.
            UnavailableError: The registry cannot be reached in the beginning.
            ClosedError: The bus was closed.
        """
        bus = self._caller.bus
        pushes = await bus.subscribe(self._caller.subjects.inbox(self.agent, "registration"), self._hear_push)
        forget = bus.on_reconnect(self._beat_soon)
        try:
            async with self._registering:
                if self._left.is_set():
                    return  # before it began
                await self._register(self._request)
            self._beat_s = self._clock.monotonic_s() + self._entropy.uniform(0.0, self.interval_ms / 1000)
            if ready is not None:
                ready.set()
            with one_error():
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._beat()), group.create_task(self._settle_doubts())]
                    await self._left.wait()
                    for task in tasks:
                        task.cancel()
        finally:
            forget()
            await pushes.unsubscribe()

    async def leave(self, *, timeout_s: float = LEAVE_TIMEOUT_S) -> bool:
        """End the heartbeats and deregister this incarnation, never a successor's.

        Returns:
            Whether the registry does not count this incarnation any more. If it could not be asked within
            `timeout_s`, that is logged, and it will find the agent silent.
        """
        self._left.set()
        try:
            async with asyncio.timeout(timeout_s), self._registering:
                if self.incarnation:
                    request = wire.DeregisterRequest(incarnation=self.incarnation)
                    await self._caller.command("registry", "deregister", request, wire.DeregisterReply)
        except RejectedError as error:
            if error.code in ("unknown_agent", "superseded"):
                return True
            _log.warning("not deregistered", agent=self.agent, reason=str(error))
            return False
        except (UnavailableError, TimeoutError) as error:
            _log.warning("not deregistered", agent=self.agent, reason=str(error) or "no answer in time")
            return False
        return True

    async def update(
        self,
        *,
        capabilities: tuple[wire.Capability, ...] | None = None,
        labels: Mapping[str, str] | None = None,
        max_tasks: int | None = None,
        description: str | None = None,
        metadata: Mapping[str, JsonValue] | None = None,
        protocols: tuple[str, ...] | None = None,
    ) -> None:
        """Change what is registered, without a new incarnation; what is not given stays.

        Raises:
            UsageError: What is given can never be right.
            SupersededError: Another process registered under the same id.
            RejectedError: The registry refuses the new registration; the old one stays.
            UnavailableError: The registry cannot be reached; the outcome is unknown.
        """
        fields = {
            "capabilities": capabilities,
            "labels": labels,
            "max_tasks": max_tasks,
            "description": description,
            "metadata": metadata,
            "protocols": protocols,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        async with self._registering:
            after = asked(wire.RegisterRequest.model_validate, {**_fields(self._request), **given})
            request = asked(wire.UpdateRequest.model_validate, {"incarnation": self.incarnation, **given})
            try:
                await self._caller.command("registry", "update", request, wire.UpdateReply)
                self._request = after
            except RejectedError as error:
                if error.code == "superseded":
                    raise SupersededError(self.agent, await self._current_incarnation()) from None
                if error.code != "unknown_agent":
                    raise
                await self._register(after)

    # --- being heard

    async def _beat(self) -> None:
        subject = self._caller.subjects.presence(self.agent)
        while True:
            self._wake.clear()
            now_s, interval_s = self._clock.monotonic_s(), self.interval_ms / 1000
            if now_s < self._beat_s:
                await self._clock.wait(self._wake, math.ceil((self._beat_s - now_s) * 1000))
                continue
            body = wire.Heartbeat(incarnation=self.incarnation, load=self._present_load())
            try:
                await self._caller.bus.publish(subject, to_json(body))
            except UnavailableError as error:
                _log.info("heartbeat not sent", agent=self.agent, reason=str(error))
            # In step with the beats before, so that agents stay spread; no burst after a blocked loop.
            self._beat_s = max(self._beat_s + interval_s, now_s + interval_s / 2)

    def _beat_soon(self) -> None:
        spread_s = min(RECONNECT_SPREAD_S, self.interval_ms / 4000)
        soon_s = self._clock.monotonic_s() + self._entropy.uniform(0.0, spread_s)
        self._beat_s = min(self._beat_s, soon_s)
        self._wake.set()

    def _present_load(self) -> float:
        try:
            load = float(self._load())
        except Exception:  # noqa: BLE001 - what the author's function does must not make the agent look dead
            log_failure(_log, "load not known", agent=self.agent)
            return 0.0
        return min(max(load, 0.0), 1.0) if math.isfinite(load) else 0.0

    # --- being registered

    async def _register(self, request: wire.RegisterRequest) -> None:
        reply = await self._caller.command("registry", "register", request, wire.RegisterReply)
        self._request = request
        self.incarnation, self.interval_ms = reply.incarnation, reply.heartbeat_interval_ms
        _log.info("registered", agent=self.agent, incarnation=self.incarnation)

    async def _hear_push(self, delivery: Delivery) -> None:
        try:
            push = wire.RegistrationPush.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("push ignored", agent=self.agent, reason="not about a registration")
            return
        # Our own registration supersedes the one before, and that is said to us as well.
        if push.code != "superseded" or push.incarnation > self.incarnation:
            self._doubtful.set()

    async def _settle_doubts(self) -> None:
        never = asyncio.Event()
        while True:
            await self._doubtful.wait()
            self._doubtful.clear()  # first: what is said while we ask is a doubt of its own
            try:
                async with self._registering:
                    await self._settle()
            except (UnavailableError, RejectedError) as error:
                if isinstance(error, RejectedError) and not error.retryable:
                    raise
                _log.warning("not known whether registered", agent=self.agent, reason=str(error))
                self._doubtful.set()
                await self._clock.wait(never, int(self._entropy.uniform(0.5, 1.5) * _RETRY_MS))

    async def _settle(self) -> None:
        """Register again if the registry does not count us; a push alone may come from a leader of old."""
        current = await self._current_incarnation()
        if current > self.incarnation:
            raise SupersededError(self.agent, current)
        if current < self.incarnation:
            _log.warning("the registry does not know us, registering again", agent=self.agent)
            await self._register(self._request)
            self._beat_soon()

    async def _current_incarnation(self) -> int:
        """The registration of our id that counts; 0 if none does."""
        request = wire.GetRequest(agent=self.agent)
        try:
            record = await self._caller.query("registry", "get", request, wire.Agent)
        except RejectedError as error:
            if error.code != "unknown_agent":
                raise
            return 0
        return record.incarnation


def _fields(request: wire.RegisterRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in type(request).model_fields}
