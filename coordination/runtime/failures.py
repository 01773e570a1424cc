"""Logs a failure of ours with its traceback, and without the values of local variables.

structlog's default shows the locals of every frame; they hold payloads, and payloads hold secrets.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One exception that was logged and ended nothing."""

    event: str
    """What failed."""
    error: BaseException
    context: Mapping[str, Any]
    """What was logged with it."""


LISTENER: Final[ContextVar[Callable[[Failure], None] | None]] = ContextVar("LISTENER", default=None)
"""Hears of every failure in its context, before it is logged; `conclave.testing` shows them to authors."""


def log_failure(log: Any, event: str, error: BaseException | None = None, **context: Any) -> None:
    """Log an exception.

    Args:
        log: A structlog logger.
        event: What failed.
        error: The exception; by default the one that is being handled.
        context: Further fields; no payloads.
    """
    failed = sys.exception() if error is None else error
    listener = LISTENER.get()
    if listener is not None and failed is not None:
        listener(Failure(event=event, error=failed, context=context))
    text = traceback.format_exc() if error is None else "".join(traceback.format_exception(error))
    log.error(event, exception=text.rstrip(), **context)
