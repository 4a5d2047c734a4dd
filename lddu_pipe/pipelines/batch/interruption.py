"""Signals as wishes: counted, instead of raised wherever the program happens to be."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Wishes:
    """How often a person asked to stop."""

    def __init__(self) -> None:
        self.count = 0

    def __bool__(self) -> bool:
        return self.count > 0

    def ask(self, signal_number: int, frame: FrameType | None) -> None:
        """Take a signal; SIGTERM counts twice."""
        self.count += 2 if signal_number == signal.SIGTERM else 1


@contextmanager
def interruptible() -> Iterator[Wishes]:
    """Count signals instead of raising wherever the program happens to be."""
    wishes = Wishes()
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, wishes.ask)
    except ValueError:
        pass  # not in the main thread, where signals are somebody else's
    try:
        yield wishes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
