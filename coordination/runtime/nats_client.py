"""nats-py's client with its reading and writing mended, for one connection and no longer.

It never reconnects: a client that has lost its connection says so once (`MendedClient.lost`) and is thrown
away by its supervisor (`coordination.runtime.connection`), so that there is one way to recover from
everything. What nats-py 2.16 does otherwise, and why each override is here:

- an exception while a message is read ends its read loop and leaves a client that is deaf and calls itself
  connected: here it ends the connection, and a stray message never gets so far;
- it lower-cases the server's errors, so that the subject of a refused message is lost;
- it closes itself when told of an error, and hangs or raises on the way when the socket is stuck or gone;
- it writes PING past the commands that wait for its flusher, so that the PONG proves nothing;
- it raises inside the read loop when a `flush` was abandoned;
- it forgets, unclosed, the socket of a handshake that was cut off;
- it signs whatever a server calls a nonce, also the text of a vote, which the same key signs;
- for each message it makes a future and wakes a task to write it: here a burst is one write.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any, Final

import nats.errors
from nats.aio.client import PING_PROTO, Client, Srv
from nats.aio.transport import TcpTransport

from coordination.runtime.delivery import Listener
from coordination.runtime.errors import PeerProtocolError, UsageError
from coordination.runtime.failures import log_failure
from coordination.runtime.inflow import Inflow
from coordination.runtime.logs import get_logger
from coordination.runtime.nats_protocol import Decoder, Line, Message, decode_headers

_WRITE_BYTES: Final = 64 * 1024
"""Commands are written at the end of the loop's turn, or when so much waits."""
MAX_UNSENT_BYTES: Final = 1024 * 1024
"""What the kernel has not taken yet; with more of it publishers wait."""
_CLOSE_TIMEOUT_S: Final = 2.0
_DENIED: Final = re.compile(
    r'permissions violation for (publish|subscription) to "((?:[^"\\]|\\.)*)"', re.IGNORECASE
)
_NONCE: Final = re.compile(r"[A-Za-z0-9+/_-]{1,64}={0,2}")
"""What servers have clients sign. Nothing else that our keys sign can be written so: all of it is JSON."""
_log = get_logger(__name__)

DeniedCallback = Callable[[str, str], None]
"""(``publish`` or ``subscription``, subject)."""


class LostConnectionError(nats.errors.TimeoutError):
    """The answer cannot come any more: what JetStream calls in flight get, outcome unknown."""


class Together:
    """A scope that ends with a write; may be entered again within, and used as often as one likes.

    Args:
        write: Writes what was sent.
    """

    __slots__ = ("_depth", "_write")

    def __init__(self, write: Callable[[], None]) -> None:
        self._depth = 0
        self._write = write

    @property
    def is_open(self) -> bool:
        """Whether somebody is within."""
        return self._depth > 0

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._write()


class MendedClient(Client):
    """One connection to a NATS server; see the module's docstring.

    Args:
        denied: Told what the server does not let us do; must not raise.
    """

    def __init__(self, denied: DeniedCallback | None = None) -> None:
        super().__init__()
        self.lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        """Done when the connection is of no use any more, with the reason."""
        self.chunks_read = 0
        """How often something came from the server; says whether a silence is complete."""
        self.is_clogged = False
        """Whether publishers must wait (`unclog`) before they send."""
        self.mistake: UsageError | None = None
        """Why connecting can never work here; nats-py remembers only that no server was left to try."""
        self._denied = denied
        self._listeners: dict[bytes, Listener] = {}
        self._write_due = False
        self.together: Together = Together(self._write)
        """What is sent within is written when it ends, at once and together."""

    def confirm(self) -> None:
        """Say that the server has taken us, where nats-py did not notice."""
        if not self.lost.done():
            self._status = Client.CONNECTED

    async def note_error(self, error: Exception) -> None:
        """nats-py's error callback; total, because an exception in it would end whatever called it.

        Logs nothing: what matters is the reason with which the attempt or the connection ends.
        """
        if isinstance(error, UsageError):
            self.mistake = error

    def _connect_command(self) -> bytes:
        nonce = self._server_info.get("nonce", "0")
        if not isinstance(nonce, str) or _NONCE.fullmatch(nonce) is None:
            raise nats.errors.Error("nats: it asks to sign something that is no nonce")
        return bytes(super()._connect_command())

    # Listening

    def listen(self, subject: str, listener: Listener, *, queue: str = "") -> int:
        """Have `listener` called in the read loop for each message; returns the subscription's id."""
        self._sid += 1
        self._listeners[b"%d" % self._sid] = listener
        self.send(f"SUB {subject} {queue} {self._sid}\r\n".encode())
        return int(self._sid)

    def stop_listening(self, sid: int) -> None:
        """Have the server send no more; what is on its way still arrives, until `forget`."""
        self.send(b"UNSUB %d\r\n" % sid)

    def forget(self, sid: int) -> None:
        """Call the listener no more."""
        self._listeners.pop(b"%d" % sid, None)

    # Writing

    def send(self, command: bytes, *, at_once: bool = False) -> None:
        """Write `command` at the end of the loop's turn, with whatever else is sent until then.

        Args:
            command: A whole command.
            at_once: Write it now, unless something waits for the end of the turn already.
        """
        self._pending.append(command)
        self._pending_data_size += len(command)
        if self._pending_data_size >= _WRITE_BYTES:
            self._write()
        elif not (self._write_due or self.together.is_open):
            if at_once:
                self._write()
                return
            self._write_due = True
            asyncio.get_running_loop().call_soon(self._write)

    def _write(self) -> None:
        self._write_due = False
        if not self._pending or not isinstance(self._transport, TcpTransport) or self.lost.done():
            return
        writer = self._transport._io_writer  # noqa: SLF001
        assert writer is not None
        transport: asyncio.WriteTransport = writer.transport
        commands, self._pending, self._pending_data_size = self._pending, [], 0
        try:
            transport.write(commands[0] if len(commands) == 1 else b"".join(commands))
            self.is_clogged = transport.get_write_buffer_size() > MAX_UNSENT_BYTES
        except (OSError, RuntimeError) as error:
            self.lose(error)

    async def unclog(self) -> None:
        """Wait until the server has taken enough, or the connection is lost."""
        try:
            assert isinstance(self._transport, TcpTransport)
            await self._transport.drain()  # type: ignore[no-untyped-call]
            self.is_clogged = False
        except OSError as error:
            self.lose(error)

    async def _send_command(self, cmd: bytes, priority: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002
        self.send(cmd)

    async def _flush_pending(self, force_flush: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002
        return

    async def _flusher(self) -> None:
        return

    async def _send_ping(self, future: asyncio.Future[Any] | None = None) -> None:
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        self.send(PING_PROTO)

    async def flush(self, timeout: float = 10) -> None:  # noqa: ASYNC109 - as in nats-py
        """Return when the server has seen everything sent so far.

        Raises:
            nats.errors.FlushTimeoutError: It did not confirm in time.
            nats.errors.ConnectionClosedError: The connection is closed.
            LostConnectionError: The connection was lost meanwhile.
        """
        if self.is_closed or self.lost.done():
            raise nats.errors.ConnectionClosedError
        pong: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        await self._send_ping(pong)
        try:
            async with asyncio.timeout(timeout):
                await pong
        except LostConnectionError:
            raise
        except TimeoutError:
            raise nats.errors.FlushTimeoutError from None

    # Reading

    async def _read_loop(self) -> None:
        try:
            inflow = self._take_over()
            while others := await inflow.others():
                for other in others:
                    await self._process(other)
            self.lose(self._err or nats.errors.UnexpectedEOF())
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody reads any more
            if not isinstance(error, OSError | PeerProtocolError):
                log_failure(_log, "reading from the NATS server failed")
            self.lose(self._err or error)

    def _take_over(self) -> Inflow:
        """Read the connection ourselves from now on, beginning with what nats-py has not taken."""
        assert isinstance(self._transport, TcpTransport)
        reader, writer = self._transport._io_reader, self._transport._io_writer  # noqa: SLF001
        assert reader is not None
        assert writer is not None
        stream = writer.transport.get_protocol()
        assert isinstance(stream, asyncio.StreamReaderProtocol)
        inflow = Inflow(stream, Decoder(self._listeners), self._count_chunk)
        writer.transport.set_protocol(inflow)
        buffer: bytearray = reader._buffer  # type: ignore[attr-defined] # noqa: SLF001
        if buffer:
            inflow.take(bytes(buffer))
            buffer.clear()
        if reader.at_eof():
            inflow.eof_received()
        return inflow

    def _count_chunk(self) -> None:
        self.chunks_read += 1

    async def _process(self, other: Message | Line) -> None:
        if isinstance(other, Message):
            try:
                await self._process_msg(
                    other.sid, other.subject, other.reply_to, other.payload, other.headers or b""
                )
            except Exception:  # noqa: BLE001 - a stray message must not end the connection
                log_failure(_log, "nats-py failed on a message")
        elif other.verb == b"PING":
            await self._process_ping()
        elif other.verb == b"PONG":
            await self._process_pong()
        elif other.verb == b"-ERR":
            self._process_refusal(other.rest.decode(errors="replace").strip().strip("'"))
        elif other.verb == b"INFO":
            await self._process_info(json.loads(other.rest))
        elif other.verb != b"+OK":
            raise PeerProtocolError("the NATS server sends an unknown command")

    def _process_refusal(self, refusal: str) -> None:
        """An error of the server's. If it ends the connection, the server closes it."""
        match = _DENIED.search(refusal)
        if match is None:
            self._err = nats.errors.Error(f"nats: {refusal}")
            if self.is_connected:  # else it is why the attempt to connect fails
                _log.info("the NATS server refuses", agent=self.options["name"], error=refusal[:200])
        elif self._denied is not None:
            self._denied(match[1].lower(), re.sub(r"\\(.)", r"\1", match[2]))

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        return dict(decode_headers(headers)) or None if headers else None

    async def _process_pong(self) -> None:
        self._pings_outstanding = 0
        self._pongs_received += 1
        if self._pongs:
            pong = self._pongs.pop(0)
            if not pong.done():
                pong.set_result(True)

    # Ending

    async def _process_op_err(self, e: Exception) -> None:
        self.lose(e)

    def lose(self, reason: Exception) -> None:
        """Declare the connection of no use; all that waits for an answer ends at once. Idempotent."""
        if self.lost.done():
            return
        self._status = Client.DISCONNECTED
        self.lost.set_result(reason)
        for waiting in (*self._pongs, *self._resp_map.values()):
            if not waiting.done():
                waiting.set_exception(LostConnectionError())
                waiting.exception()  # retrieved: nobody may be waiting
        self._pongs.clear()

    async def abandon(self) -> None:
        """Give back everything the client holds, without waiting for the server."""
        self.lose(nats.errors.ConnectionClosedError())
        self._pending, self._pending_data_size = [], 0
        self._abort()
        await self.close()

    async def close(self) -> None:
        """Write what is left and end; a server that takes nothing is not waited for."""
        self._write()
        self.lose(nats.errors.ConnectionClosedError())
        tasks = [task for task in (self._reading_task, self._ping_interval_task, self._flusher_task) if task]
        try:
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await super().close()
        except (nats.errors.Error, OSError, TimeoutError):
            self._abort()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _abort(self) -> None:
        if isinstance(self._transport, TcpTransport) and self._transport._io_writer is not None:  # noqa: SLF001
            self._transport._io_writer.transport.abort()  # noqa: SLF001

    async def _connect_to_server(self, s: Srv) -> None:
        self._abort()
        await super()._connect_to_server(s)
        if isinstance(self._transport, TcpTransport) and self._transport._io_writer is not None:  # noqa: SLF001
            self._transport._io_writer.transport.set_write_buffer_limits(high=MAX_UNSENT_BYTES)  # noqa: SLF001
