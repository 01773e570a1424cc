"""Keeps one agent connected to NATS: one client after another, with everything restored.

There is one way back from everything (the server restarts, the network breaks, a credential expires,
nats-py goes deaf): throw the client away, connect a new one with jittered backoff, subscribe anew, send
what was published meanwhile. What was in flight when the connection was lost may be lost: the bus is at
most once.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import secrets
from collections import deque
from functools import partial
from typing import Any, Final

import nats.errors

from coordination.runtime.addresses import without_secrets
from coordination.runtime.concurrency import raise_if_cancelled
from coordination.runtime.credentials import Credentials
from coordination.runtime.delivery import Delivery, Handler, Listener
from coordination.runtime.errors import (
    AuthorizationError,
    BufferFullError,
    ClosedError,
    ConclaveError,
    PermissionDeniedError,
    UnavailableError,
)
from coordination.runtime.failures import log_failure
from coordination.runtime.interest import Interest
from coordination.runtime.limits import MAX_OUTBOUND_BYTES
from coordination.runtime.logs import get_logger
from coordination.runtime.names import inbox_prefix
from coordination.runtime.nats_client import MendedClient
from coordination.runtime.nats_protocol import STATUS, encode_publish, require_pattern
from coordination.runtime.questions import Answered, Question, Questions, settle
from coordination.runtime.reconnection import Reconnections

PING_INTERVAL_S: Final = 5
"""nats-py's default of two minutes leaves a dead peer unnoticed for as long."""
ALIVE_INTERVAL_S: Final = 2.0
"""How often, and how long at most, a message to ourselves travels."""
MAX_SILENCES: Final = 2
"""Messages to ourselves that may stay away while nothing else comes either."""
MAX_DELAYS: Final = 5
"""The same while other messages do come: they may stand before ours."""
CONNECT_TIMEOUT_S: Final = 3
_RECONNECT_FIRST_S: Final = 0.1
_RECONNECT_LAST_S: Final = 2.0
_FIRST_TOLD: Final = 4
"""Failed attempts to connect again before the first is worth a line: a restart takes fewer."""
_TOLD_EVERY: Final = 512
_MAX_DENIALS: Final = 256
"""Refused subjects remembered, so that each is logged once."""
_MAX_SERVERS: Final = 32
"""Servers of the cluster remembered: those we were told first, then those the cluster tells."""
_ALIVE: Final = "alive"
_UNWANTED: Final = ("authorization", "authentication", "account")
"""Words in the server's errors that say it will not let us in."""
_log = get_logger(__name__)


class DeafError(ConclaveError):
    """The client calls itself connected and hears nothing, not even us."""


class Connection:
    """Everything between a `NatsBus` and the clients it goes through.

    Args:
        servers: URLs of servers of one cluster.
        agent: Who we are; answers arrive below ``_INBOX_<agent>.``.
        credentials: How we prove it; none for a server that lets everybody in.
        entropy: For jitter.
    """

    def __init__(
        self,
        servers: list[str],
        *,
        agent: str,
        credentials: Credentials | None,
        entropy: random.Random,
    ) -> None:
        self.agent = agent
        self.is_closed = False
        self._servers = servers
        self._credentials = credentials
        self._entropy = entropy
        self._interests: dict[int, Interest] = {}
        self._readers: set[asyncio.Task[None]] = set()
        self._outbound: deque[bytes] = deque()
        self._outbound_bytes = 0
        self._questions = Questions()
        self._last_token = 0
        self._inbox = ""
        """Where answers arrive; another one for each client, so that no answer comes too late."""
        self._echo: asyncio.Future[None] | None = None
        self._denials: dict[tuple[str, str], None] = {}
        self._is_foreign = False
        """The server took us for somebody else."""
        self._up = asyncio.Event()
        self.reconnections = Reconnections()
        self._supervisor: asyncio.Task[None] | None = None
        self.client = MendedClient()
        """The present client; while the server is away, the last one."""

    @property
    def is_up(self) -> bool:
        """Whether there is a server to talk to, as far as we know."""
        return self._up.is_set() and not self.client.lost.done()

    async def open(self) -> None:
        """Connect for the first time.

        Raises:
            AuthorizationError: The server does not let us in, or only as somebody else.
            UnavailableError: No server answers.
        """
        self._adopt(await self._connect())
        try:
            await self._require_own_inbox()
        except BaseException:
            await self.close()
            raise
        self._supervisor = asyncio.create_task(self._supervise(), name=f"connection of {self.agent}")

    async def close(self) -> None:
        """End everything; idempotent."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        for interest in tuple(self._interests.values()):
            interest.end()
        self._interests.clear()
        self._end_requests(ClosedError("the NATS connection is closed"))
        await self.client.close()
        self._up.set()  # whoever waits for the server learns that it is over
        readers = self._readers - {asyncio.current_task()}
        if readers:
            await asyncio.wait(readers, timeout=CONNECT_TIMEOUT_S)

    # Sending

    async def unclog(self) -> None:
        """Wait while the server has not taken what was sent; publishers must not run ahead of it."""
        while self.client.is_clogged and not self.client.lost.done():
            await self.client.unclog()

    def publish(self, subject: str, payload: bytes, reply_to: str, headers: Any) -> None:
        """Send, or keep until the server is back; errors as in `Bus.publish`."""
        client = self.client
        command = encode_publish(subject, payload, reply_to, headers, limit_bytes=client.max_payload)
        if self.is_up:
            client.send(command)
        else:
            self._hold(command)

    def _hold(self, command: bytes) -> None:
        if self.is_closed:
            raise ClosedError("the NATS connection is closed")
        if self._outbound_bytes + len(command) > MAX_OUTBOUND_BYTES:
            raise BufferFullError("the NATS connection is down and its buffer is full; try again later")
        self._outbound.append(command)
        self._outbound_bytes += len(command)

    async def request(self, subject: str, payload: bytes, headers: Any, timeout_s: float) -> Delivery:
        """Ask and wait for the first answer; errors as in `Bus.request`."""
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()
        question = self.ask(subject, payload, headers, timeout_s, partial(settle, answer))
        try:
            return await answer
        finally:
            question.cancel()

    def ask(
        self, subject: str, payload: bytes, headers: Any, timeout_s: float, on_answer: Answered
    ) -> Question:
        """Ask; `on_answer` is called, after this has returned, with the first answer or why there is none.

        Raises:
            ClosedError, UnavailableError, UsageError: As in `Bus.request`; it was not sent.
        """
        if self.is_closed:
            raise ClosedError("the NATS connection is closed")
        self._last_token += 1
        token = str(self._last_token)
        client = self.client
        command = encode_publish(
            subject, payload, self._inbox + token, headers, limit_bytes=client.max_payload
        )
        if not self.is_up:
            raise UnavailableError(f"no answer on {subject}: the NATS server is away")
        # What is asked alone is written at once: it saves a turn of the loop. While something is asked,
        # more may follow, and goes with it.
        is_alone = self._questions.is_empty
        question = self._questions.add(token, subject, timeout_s, on_answer)
        client.send(command, at_once=is_alone)
        return question

    def _receive_answer(self, delivery: Delivery) -> None:
        token = delivery.subject[len(self._inbox) :]
        question = self._questions.answered(token)
        if question is not None:
            if not delivery.payload and delivery.headers.get(STATUS) == "503":
                question.on_answer(UnavailableError(f"nobody serves {question.subject}"))
            else:
                question.on_answer(delivery)
        elif token == _ALIVE:
            self._hear_ourselves()

    def _hear_ourselves(self) -> None:
        if self._echo is not None and not self._echo.done():
            self._echo.set_result(None)

    def _end_requests(self, error: ConclaveError | None) -> None:
        """The answers cannot come any more; without `error`, say that the connection was lost."""
        self._questions.end(lambda each: error or _lost(each))

    # Subscribing

    def subscribe(
        self, subject: str, queue: str, *, handler: Handler | None = None, listener: Listener | None = None
    ) -> Interest:
        """Hear `subject` from now on, on this client and all later ones; errors as in `Bus.subscribe`."""
        if self.is_closed:
            raise ClosedError("the NATS connection is closed")
        require_pattern(subject)
        if queue:
            require_pattern(queue)
        interest = Interest(self, subject, queue, handler, listener=listener)
        self._readers.add(interest.reader)
        interest.reader.add_done_callback(self._readers.discard)
        self._interests[id(interest)] = interest
        if self.is_up:
            interest.sid = self.client.listen(subject, interest.receive, queue=queue)
        return interest

    def withdraw(self, interest: Interest) -> None:
        """See `interest.Ground`; idempotent."""
        if self._interests.pop(id(interest), None) is not None and self.is_up:
            self.client.stop_listening(interest.sid)

    async def settle(self) -> None:
        """See `interest.Ground`."""
        # When the connection is gone, so is whatever was on its way.
        with contextlib.suppress(nats.errors.Error):
            await self.client.flush(CONNECT_TIMEOUT_S)

    def forget(self, interest: Interest) -> None:
        """See `interest.Ground`."""
        self.client.forget(interest.sid)

    async def flush(self) -> None:
        """Return when the server has taken everything; errors as in `Bus.flush`."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._flush()
        except TimeoutError:
            raise UnavailableError("the NATS server did not confirm in time") from None
        denied = [interest.subject for interest in self._interests.values() if interest.is_denied]
        if denied:
            raise PermissionDeniedError(f"the NATS server does not let {self.agent} subscribe to {denied[0]}")

    async def _flush(self) -> None:
        while True:
            await self._up.wait()
            if self.is_closed:
                raise ClosedError("the NATS connection is closed")
            try:
                await self.client.flush(CONNECT_TIMEOUT_S)
            except nats.errors.FlushTimeoutError:
                raise
            except nats.errors.Error:
                await asyncio.sleep(0)  # lost: the supervisor is about to say so
            else:
                return

    # Refusals

    async def _require_own_inbox(self) -> None:
        """Refuse a credential that is somebody else's: with it no answer would ever arrive.

        Raises:
            AuthorizationError: The server does not let us hear our inbox.
            UnavailableError: It did not say in time.
        """
        try:
            await self.client.flush(CONNECT_TIMEOUT_S)
        except nats.errors.Error as error:
            raise self._why_not(self.client.last_error or error) from None
        if self._is_foreign:
            raise AuthorizationError(
                f"the credential is not that of {self.agent}: the NATS server lets it in, but not hear "
                f"{inbox_prefix(self.agent)}.>; give {self.agent} its own, made with: "
                f"conclave agent add {self.agent}"
            )

    def _receive_denial(self, action: str, subject: str) -> None:
        if action == "publish" and subject == f"{self._inbox}{_ALIVE}":
            self._hear_ourselves()  # a refusal is an answer too: the connection lives
        if (action, subject) not in self._denials:
            if len(self._denials) >= _MAX_DENIALS:
                del self._denials[next(iter(self._denials))]
            self._denials[action, subject] = None
            _log.error("not permitted", agent=self.agent, action=action, subject=subject)
        if action == "subscription":
            self._is_foreign = self._is_foreign or subject == f"{self._inbox}*"
            for interest in self._interests.values():
                interest.is_denied = interest.is_denied or interest.subject == subject
            return
        self._questions.end(
            lambda _: PermissionDeniedError(
                f"the NATS server does not let {self.agent} publish to {subject}"
            ),
            only=lambda each: each.subject == subject,
        )

    # Connecting

    async def _connect(self) -> MendedClient:
        client = MendedClient(denied=self._receive_denial)
        if self._credentials is not None:
            self._credentials = self._credentials.current()
        seed = self._credentials.seed if self._credentials is not None else None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S * min(len(self._servers), 3)):
                await client.connect(
                    self._servers,
                    name=self.agent,
                    inbox_prefix=inbox_prefix(self.agent),
                    nkeys_seed_str=seed,
                    ping_interval=PING_INTERVAL_S,
                    max_outstanding_pings=2,
                    # We come back ourselves; with reconnecting allowed nats-py would also loop for
                    # minutes on a server that is not there or does not let us in.
                    allow_reconnect=False,
                    max_reconnect_attempts=1,
                    reconnect_time_wait=0,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    error_cb=client.note_error,
                )
                if not client.is_connected:  # another line came before the first PONG
                    await client.flush(CONNECT_TIMEOUT_S)
                    client.confirm()
        except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
            await client.abandon()
            # A mistake is what the loop of a test without network calls it, and says what to do instead.
            raise client.mistake or self._why_not(client.last_error or error) from None
        except BaseException:
            await client.abandon()
            raise
        return client

    def _why_not(self, error: Exception) -> ConclaveError:
        reason = str(error).removeprefix("nats: ").strip("'") or type(error).__name__
        servers = self._shown_servers()
        if not any(word in reason.lower() for word in _UNWANTED):
            return UnavailableError(f"no NATS server at {servers}: {reason}")
        shown = "its credentials" if self._credentials is not None else "no credentials"
        return AuthorizationError(
            f"the NATS server at {servers} does not let {self.agent} in with {shown} ({reason}); "
            f"make credentials that it knows with: conclave agent add {self.agent} (if it has old ones, with "
            "--rotate)"
        )

    def _shown_servers(self) -> str:
        return ", ".join(map(without_secrets, self._servers))

    def _adopt(self, client: MendedClient) -> None:
        """Make `client` the present one. Without await: nothing may come between."""
        self.client = client
        discovered = [url for each in client.servers if (url := each.geturl()) not in self._servers]
        self._servers = [*self._servers, *discovered][:_MAX_SERVERS]
        self._inbox = f"{inbox_prefix(self.agent)}.{secrets.token_hex(8)}."
        client.listen(f"{self._inbox}*", self._receive_answer)
        for interest in self._interests.values():
            interest.is_denied = False  # the server may have learned better
            interest.sid = client.listen(interest.subject, interest.receive, queue=interest.queue)
        while self._outbound:
            client.send(self._outbound.popleft())
        self._outbound_bytes = 0
        client.lost.add_done_callback(self._note_loss)
        self._up.set()

    def _note_loss(self, lost: asyncio.Future[Exception]) -> None:
        if lost is self.client.lost:
            self._up.clear()
            self._end_requests(None)

    # Supervising

    async def _supervise(self) -> None:
        # Whoever closes us cancels this, and nats-py may swallow that (`coordination.runtime.concurrency`).
        while not self.is_closed:
            try:
                reason = await self._watch(self.client)
                servers = self._shown_servers()
                _log.warning("disconnected", agent=self.agent, servers=servers, reason=_describe(reason))
                await self.client.abandon()
                await self._come_back(await self._reconnect())
            except Exception:  # noqa: BLE001 - there is nobody else to bring the connection back
                log_failure(_log, "supervising the connection failed", agent=self.agent)
                self.client.lose(DeafError("the connection is in an unknown state"))
                await asyncio.sleep(_RECONNECT_LAST_S)

    async def _come_back(self, client: MendedClient) -> None:
        if self.is_closed:
            await client.abandon()
            return
        self._adopt(client)
        _log.warning("connected again", agent=self.agent, servers=self._shown_servers())
        self.reconnections.tell()

    async def _watch(self, client: MendedClient) -> Exception:
        """Return why `client` is of no use any more; declares it lost when it is deaf."""
        silences = delays = 0
        while not client.lost.done():
            if silences == delays == 0:
                await asyncio.wait([client.lost], timeout=ALIVE_INTERVAL_S)
            self._echo = asyncio.get_running_loop().create_future()
            heard = client.chunks_read
            if client.lost.done():
                break
            client.send(f"PUB {self._inbox}{_ALIVE} 0\r\n\r\n".encode())
            either: list[asyncio.Future[Any]] = [client.lost, self._echo]
            await asyncio.wait(
                either,
                timeout=ALIVE_INTERVAL_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if self._echo.done():
                silences = delays = 0
            elif client.chunks_read == heard:
                silences += 1
            else:
                delays += 1
            if silences >= MAX_SILENCES or delays >= MAX_DELAYS:
                client.lose(DeafError("nothing is heard, not even ourselves"))
        return client.lost.result()

    async def _reconnect(self) -> MendedClient:
        """Try until there is a client; the delays are jittered, so that agents do not come as a herd.

        Each change is logged, and at growing intervals that nothing has changed.
        """
        was_refused = False
        for attempt in itertools.count():
            raise_if_cancelled()
            longest_s = min(_RECONNECT_LAST_S, _RECONNECT_FIRST_S * 2 ** min(attempt, 16))
            await asyncio.sleep(self._entropy.uniform(longest_s / 4, longest_s))
            try:
                return await self._connect()
            except AuthorizationError as error:
                # It may be reloading its configuration; but somebody ought to know.
                if not was_refused or _is_told(attempt):
                    _log.error("not let in again, trying on", agent=self.agent, reason=str(error))
                was_refused = True
            except UnavailableError as error:
                if was_refused or _is_told(attempt):
                    _log.warning("still away, trying on", agent=self.agent, reason=str(error))
                was_refused = False
        raise AssertionError("unreachable: counting has no end")


def _lost(question: Question) -> ConclaveError:
    return UnavailableError(f"no answer on {question.subject} before the connection was lost")


def _is_told(attempt: int) -> bool:
    """Whether the failure of `attempt` (from 0) is logged: after about 2, 8, 20, ... s, then every 10 min."""
    return attempt >= _FIRST_TOLD and (attempt.bit_count() == 1 or attempt % _TOLD_EVERY == 0)


def _describe(reason: Exception) -> str:
    return f"{type(reason).__name__}: {reason}".removesuffix(": ")
