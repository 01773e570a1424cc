"""Our loggers: structlog's, which speak on standard error until the author of the program decides.

structlog prints on standard output while nobody has configured it, where a program's own output goes.
"""

from __future__ import annotations

import sys
from typing import Any

import structlog


def get_logger(name: str) -> Any:
    """A logger as `structlog.get_logger` gives.

    All of it is as the program configures structlog, whenever it does; only without any configuration lines
    go to standard error.
    """
    return structlog.wrap_logger(_Destination(name))


class _Destination:
    """What lines go to, looked up anew for each: the program may configure structlog at any time."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)  # copying and pickling ask before there is anything
        if structlog.is_configured():
            return getattr(structlog.get_config()["logger_factory"](self._name), attribute)
        return getattr(structlog.PrintLogger(sys.stderr), attribute)
