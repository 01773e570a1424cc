"""Submits from threads: for the systems whose client waits for each answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Handle = TypeVar("Handle")


def sent_by_threads(send: Callable[[int], list[Handle]], count: int, *, threads: int) -> list[Handle]:
    """What `send` returns for shares of `count`, each sent by a thread of its own."""
    shares = [count // threads + (number < count % threads) for number in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        return [handle for sent in pool.map(send, shares) for handle in sent]
