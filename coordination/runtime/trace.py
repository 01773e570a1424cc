"""W3C trace context: which request of whom led to this work. Pure.

The text form is the header ``traceparent`` (https://www.w3.org/TR/trace-context-1/#traceparent-header):
``00-<trace id, 32 hex>-<span id, 16 hex>-<flags, 2 hex>``. A call carries the span it was made from; whoever
works on it does so under a child of that span.
"""

from __future__ import annotations

import hashlib
import re
from contextvars import ContextVar
from threading import Lock
from typing import Final, Protocol, Self

_HEADER: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_USUAL: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_SAMPLED: Final = 0x01
_ODD: Final = "13579bdf"
"""Last digits of the flags of a span that is sampled."""
_INVALID_VERSION: Final = "ff"
_OPEN: Final = Lock()
"""Held while what was left open of a span is settled; nothing is waited for meanwhile."""


class Entropy(Protocol):
    """Where random bits come from; `random.Random` is one."""

    def getrandbits(self, k: int, /) -> int:
        """`k` random bits."""


class TraceContext:
    """One span of a trace; immutable. Equal to another with the same ids.

    Invariants: neither id is all zeros.

    Args:
        trace_id: See there.
        span_id: See there.
        is_sampled: See there.
    """

    __slots__ = ("_entropy", "_is_sampled", "_parent", "_span_id", "_trace_id")

    def __init__(self, trace_id: str, span_id: str, *, is_sampled: bool = True) -> None:
        self._trace_id = trace_id
        self._span_id = span_id
        self._is_sampled = is_sampled
        # What is left open is settled from these; set by `below` alone.
        self._parent: str
        self._entropy: Entropy

    @classmethod
    def below(cls, header: str, entropy: Entropy) -> Self:
        """See `continued`."""
        if _USUAL.fullmatch(header):
            trace = cls(header[3:35], "", is_sampled=header[-1] in _ODD)
        else:
            trace = cls("", "")
            trace._parent = header
        trace._entropy = entropy
        return trace

    @property
    def trace_id(self) -> str:
        """32 digits of lower-case hex: the same for everything that one request led to."""
        return self._trace_id or self._read()

    @property
    def span_id(self) -> str:
        """16 digits of lower-case hex: this piece of work."""
        return self._span_id or self._draw()

    @property
    def is_sampled(self) -> bool:
        """Whether whoever began the trace records it."""
        if not self._trace_id:
            self._read()
        return self._is_sampled

    def _read(self) -> str:
        """See of which trace it is; threads that ask at the same time get the same."""
        with _OPEN:
            if not self._trace_id:
                parent = TraceContext.parse(self._parent) or TraceContext.begin(self._entropy)
                self._is_sampled = parent.is_sampled
                self._trace_id = parent.trace_id
            return self._trace_id

    def _draw(self) -> str:
        """Draw the span's id, once."""
        with _OPEN:
            if not self._span_id:
                self._span_id = _digits(self._entropy, 64)
            return self._span_id

    def __eq__(self, other: object) -> bool:
        return self.header == other.header if isinstance(other, TraceContext) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.header)

    def __repr__(self) -> str:
        return f"TraceContext({self.header})"

    @property
    def header(self) -> str:
        """Its text form."""
        return f"00-{self.trace_id}-{self.span_id}-{_SAMPLED if self.is_sampled else 0:02x}"

    def __str__(self) -> str:
        return self.header

    @classmethod
    def parse(cls, header: str | None) -> Self | None:
        """The span that `header` names; None if there is none, or none that the standard allows.

        A later version than 00 counts by its first four fields, as the standard says.
        """
        found = _HEADER.fullmatch(header) if header else None
        if found is None:
            return None
        version, trace_id, span_id, flags, rest = found.groups()
        if version == _INVALID_VERSION or (version == "00" and rest) or not (trace_id.strip("0")):
            return None
        if not span_id.strip("0"):
            return None
        return cls(trace_id, span_id, is_sampled=bool(int(flags, 16) & _SAMPLED))

    @classmethod
    def begin(cls, entropy: Entropy) -> Self:
        """The first span of a new trace."""
        return cls(_digits(entropy, 128), _digits(entropy, 64))

    def child(self, entropy: Entropy) -> Self:
        """A new span of the same trace, for work that this one asked for."""
        return type(self)(self.trace_id, _digits(entropy, 64), is_sampled=self.is_sampled)


def valid_header(header: str | None) -> str:
    """`header` if it names a span, as the standard's present version writes it; else empty."""
    if header and _USUAL.fullmatch(header):  # what nearly all are; a quarter of the time that parsing takes
        return header
    trace = TraceContext.parse(header)
    return "" if trace is None else trace.header


def header_of_command(command_id: str, *, is_drawn: bool) -> str:
    """The text of the trace that a command begins which belongs to none: the same at each retry.

    Args:
        command_id: Its id.
        is_drawn: Whether the id is 32 random hex digits, as a trace id is: then it is the trace id.
    """
    if not is_drawn:
        command_id = hashlib.blake2b(command_id.encode(), digest_size=16).hexdigest()
    return f"00-{command_id}-{command_id[16:]}-01"


def continued(header: str, entropy: Entropy) -> TraceContext:
    """The span of work that was asked for under `header`: of its trace, or of a new one if there is none.

    An id is drawn, and a header that is not as usual read, when somebody asks for it: most work calls nobody.
    """
    return TraceContext.below(header, entropy)


def _digits(entropy: Entropy, bits: int) -> str:
    """Random hex digits, not all of them zeros."""
    return f"{entropy.getrandbits(bits) or 1:0{bits // 4}x}"


CURRENT_TRACE: Final[ContextVar[TraceContext | None]] = ContextVar("conclave_trace", default=None)
"""The span that the present work belongs to: calls made from it carry it. Tasks and threads that are started
with a copy of the context inherit it."""
