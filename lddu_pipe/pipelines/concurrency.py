"""Generators that run beside each other, each in a thread of its own."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from queue import Full, Queue
from typing import TypeVar
from weakref import WeakKeyDictionary

AHEAD = 64
"""Items that wait for the consumer, at most, before the producers wait, too."""
_MOMENT = 0.05  # seconds after which a thread that waits looks whether it is still wanted

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    """A producer has ended, with an error or without one."""

    error: BaseException | None = None


@contextmanager
def interleave(producers: Sequence[Callable[[], Generator[T]]]) -> Generator[Iterator[T]]:
    """Give what several generators give, as it comes.

    What one raises is raised at once. At the end of the context the producers stop at their next
    item, and are closed. That is waited for, but after Ctrl-C: an item may take many seconds.

    Args:
        producers: each makes a generator, in the thread that will run it.
    """
    items: Queue[T | _End] = Queue(AHEAD)
    stopped = threading.Event()
    threads = start_together(
        [partial(_produce, make, items, stopped) for make in producers], stopped
    )
    try:
        yield _taken(items, len(threads))
    except KeyboardInterrupt:
        threads.clear()
        raise
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def start_together(
    works: Sequence[Callable[[], None]], stopped: threading.Event
) -> list[threading.Thread]:
    """Start a thread for each of some works.

    Args:
        works: each looks now and then whether it is still wanted.
        stopped: set as the interpreter ends, which then waits for them.
    """
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
        _running[thread] = stopped
    return threads


_running: WeakKeyDictionary[threading.Thread, threading.Event] = WeakKeyDictionary()
"""Threads that may still be at work, and what stops each."""


@atexit.register
def _end_all() -> None:
    """Wait for streams that were left open: native code does not survive the interpreter."""
    threads = dict(_running)
    for stopped in threads.values():
        stopped.set()
    for thread in threads:
        thread.join()


def _taken(items: Queue[T | _End], running: int) -> Iterator[T]:
    while running:
        item = items.get()
        if not isinstance(item, _End):
            yield item
            continue
        if item.error is not None:
            raise item.error
        running -= 1


def _produce(
    make: Callable[[], Generator[T]], items: Queue[T | _End], stopped: threading.Event
) -> None:
    end = _End()
    try:
        with closing(make()) as given:
            for item in given:
                _put(item, items, stopped)
                if stopped.is_set():
                    break
    except BaseException as error:  # told to the consumer, whatever it is
        end = _End(error)
    _put(end, items, stopped)


def _put(item: T | _End, items: Queue[T | _End], stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            items.put(item, timeout=_MOMENT)
        except Full:
            continue
        return
