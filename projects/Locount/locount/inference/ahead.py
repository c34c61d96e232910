"""Working ahead of whoever takes the results, within bounds of number and memory."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import Any


class Room:
    """How many pixels may be in memory."""

    def __init__(self, num_pixels: int):
        self.free, self.lock = num_pixels, threading.Lock()


@dataclass
class Place:
    """What one image holds of a room; None is a room without bounds."""

    room: Room | None
    held: int = 0

    def take(self, num_pixels: int) -> bool:
        if self.room is None:
            return True
        with self.room.lock:
            if num_pixels > self.room.free:
                return False
            self.room.free -= num_pixels
        self.held = num_pixels
        return True

    def leave(self) -> None:
        if self.held and self.room is not None:
            with self.room.lock:
                self.room.free += self.held
            self.held = 0


def run_ahead(
    pool: Executor,
    function: Callable,
    items: Iterable,
    number: int,
    is_large: Callable[[Any], bool] = lambda item: False,
) -> Iterator[Any]:
    """``map`` in a pool that takes ``items`` only as far as ``number`` ahead of its consumer, and
    none before a large one is done."""
    pending: deque[Any] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            ahead = 0 if is_large(item) else number
            item = None  # it may hold much memory
            while len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()


def chunks(items: Iterable, size: int) -> Iterator[list]:
    """Lists of ``size`` items each; the last may be shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
