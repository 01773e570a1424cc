"""Logs a failure of ours with its traceback, and without the values of local variables.

structlog's default shows the locals of every frame; they hold payloads, and payloads hold secrets.
"""

from __future__ import annotations

import traceback
from typing import Any


def log_failure(log: Any, event: str, **context: Any) -> None:
    """Log the exception that is being handled.

    Args:
        log: A structlog logger.
        event: What failed.
        context: Further fields; no payloads.
    """
    log.error(event, exception=traceback.format_exc().rstrip(), **context)
