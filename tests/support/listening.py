"""An ear that remembers what it heard."""

from __future__ import annotations

from coordination.runtime.delivery import Delivery


class Ear:
    """A handler of deliveries."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def hear(self, delivery: Delivery) -> None:
        """Remember the payload."""
        self.heard.append(delivery.payload)
