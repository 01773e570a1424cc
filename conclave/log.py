"""Logging of the command line and the services: structlog, on standard error."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(*, verbose: bool, quiet: bool = False) -> None:
    """Log warnings; coloured on a terminal, JSON lines elsewhere.

    Args:
        verbose: Log everything.
        quiet: Unless `verbose`, log nothing: for commands whose own words say what went wrong.
    """
    level = logging.INFO if verbose else logging.CRITICAL if quiet else logging.WARNING
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
