"""Logs a failure of ours with its traceback, and without the values of local variables.

structlog's default shows the locals of every frame; they hold payloads, and payloads hold secrets.
"""

from __future__ import annotations

import traceback
from typing import Any


def log_failure(log: Any, event: str, error: BaseException | None = None, **context: Any) -> None:
    """Log an exception.

    Args:
        log: A structlog logger.
        event: What failed.
        error: The exception; by default the one that is being handled.
        context: Further fields; no payloads.
    """
    text = traceback.format_exc() if error is None else "".join(traceback.format_exception(error))
    log.error(event, exception=text.rstrip(), **context)
