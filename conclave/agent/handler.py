"""A handler as the agent calls it: async on the event loop, sync wherever sync calls run."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from conclave.agent.binding import Signature, read_signature
from conclave.agent.containment import contained
from conclave.agent.context import Context
from conclave.agent.threads import RunSync
from coordination.runtime.errors import UsageError


class Handler:
    """One function of the agent's author.

    Args:
        function: What was decorated.
        context: The context class that handlers of its kind get.
        namespace: As for `read_signature`.

    Raises:
        UsageError: The function can never be called as a handler.
    """

    def __init__(
        self, function: Callable[..., Any], *, context: type[Context], namespace: Mapping[str, Any] | None
    ) -> None:
        if not callable(function):
            raise UsageError(f"a handler is a function, not {type(function).__name__}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise UsageError(f"handler {function.__qualname__}: it yields; a handler returns its result")
        self.function = function
        self.signature: Signature = read_signature(function, context=context, namespace=namespace)
        self.is_async: bool = _is_async(function)
        self.summary: str = (inspect.getdoc(function) or "").strip().partition("\n")[0]
        """First line of the docstring."""

    @property
    def name(self) -> str:
        """How errors call it."""
        return self.signature.name

    async def call(self, arguments: Mapping[str, Any], run_sync: RunSync) -> Any:
        """What the function returns.

        Raises:
            HandlerExitError: It raised what is no `Exception`, such as `SystemExit`.
            Exception: Whatever else it raises.
        """
        with contained():
            if self.is_async:
                return await self.function(**arguments)
            result = await run_sync(functools.partial(self.function, **arguments))
            # Such as a lambda around an async function.
            return await result if inspect.isawaitable(result) else result


def _is_async(function: Callable[..., Any]) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(type(function).__call__)


def caller_namespace(depth: int) -> dict[str, Any]:
    """The local names of the function `depth` calls above the one that asks; empty at module level.

    Annotations are text where a module says ``from __future__ import annotations``, and may name classes that
    are local to the function in which the handler is defined.
    """
    frame = inspect.currentframe()
    for _ in range(depth + 1):
        frame = frame.f_back if frame is not None else None
    if frame is None or frame.f_locals is frame.f_globals:
        return {}
    return dict(frame.f_locals)
