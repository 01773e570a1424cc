"""What comes in over one connection, decoded as it arrives.

asyncio's stream would put each chunk into a buffer, and wake a task that takes it out again one turn of the
event loop later: for a small request that is as much as decoding it. A transport that is not told where to
read to makes 256 KiB anew for each chunk: depending on what malloc has learned before, that takes 30 us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from coordination.runtime.nats_protocol import Decoder, Line, Message

_BUFFER_BYTES: Final = 256 * 1024
"""Read at a time: as much as asyncio would."""


class Inflow(asyncio.BufferedProtocol):
    """Reads a connection in the place of asyncio's stream, which goes on writing.

    Args:
        stream: The protocol that the connection has had so far; hears what concerns writing.
        decoder: Gets all that comes.
        on_chunk: Called for each chunk.
    """

    def __init__(
        self, stream: asyncio.StreamReaderProtocol, decoder: Decoder, on_chunk: Callable[[], None]
    ) -> None:
        self._stream = stream
        self._decoder = decoder
        self._on_chunk = on_chunk
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._others: list[Message | Line] = []
        self._more = asyncio.Event()
        self._end: Exception | None = None
        """Why nothing more is decoded."""

    async def others(self) -> list[Message | Line]:
        """What was not for our listeners, in order, as soon as there is some; empty once nothing more comes.

        Raises:
            Exception: Why nothing can be read any more, unless the server has closed the connection.
        """
        await self._more.wait()
        self._more.clear()
        others, self._others = self._others, []
        if self._end is not None:
            self._more.set()
            if not others and not isinstance(self._end, EOFError):
                raise self._end
        return others

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next chunk is to be put."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """A chunk was put there."""
        self.take(bytes(self._buffer[:nbytes]))

    def take(self, data: bytes) -> None:
        """Hand messages to their listeners at once."""
        if self._end is not None:
            return
        self._on_chunk()
        try:
            others = self._decoder.feed(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, whoever reads `others` must hear of it
            self._finish(error)
            return
        if others:
            self._others += others
            self._more.set()

    def eof_received(self) -> bool | None:
        """The server sends nothing more."""
        self._finish(EOFError())
        return self._stream.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is no connection any more."""
        self._finish(exc or EOFError())
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        """The server takes nothing more for now."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        self._stream.resume_writing()

    def _finish(self, error: Exception) -> None:
        if self._end is None:
            self._end = error
            self._more.set()
