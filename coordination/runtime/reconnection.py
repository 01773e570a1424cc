"""Who wants to know that a lost connection is back."""

from __future__ import annotations

from collections.abc import Callable

from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger

_log = get_logger(__name__)


class Reconnections:
    """The callbacks behind `coordination.runtime.bus.Bus.on_reconnect`."""

    def __init__(self) -> None:
        self._callbacks: dict[object, Callable[[], None]] = {}

    def add(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` at each `tell` until the function returned is called, which is idempotent."""
        key = object()
        self._callbacks[key] = callback

        def remove() -> None:
            self._callbacks.pop(key, None)

        return remove

    def tell(self) -> None:
        """Call each; one that fails is logged and keeps no other one from hearing."""
        for key, callback in tuple(self._callbacks.items()):
            if key not in self._callbacks:
                continue  # an earlier one removed it
            try:
                callback()
            except Exception:  # noqa: BLE001 - the connection must not end over what somebody makes of it
                log_failure(_log, "handling the reconnection failed")
