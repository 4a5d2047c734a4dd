"""Iterators beside each other: what they give, what they raise, and their end."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lddu_pipe.pipelines.concurrency import AHEAD, interleave


class Source:
    """Numbers, and whether somebody closed it."""

    def __init__(self, count: int, fails: bool = False) -> None:
        self.count, self.fails = count, fails
        self.given = 0
        self.thread: int | None = None
        self.closed = threading.Event()

    def __call__(self) -> Iterator[tuple[Source, int]]:
        self.thread = threading.get_ident()
        try:
            for number in range(self.count):
                self.given += 1
                yield self, number
            if self.fails:
                raise RuntimeError("it broke")
        finally:
            self.closed.set()


def test_all_is_given_each_in_its_order() -> None:
    sources = [Source(50), Source(70)]
    with interleave(sources) as items:
        found = list(items)
    for source in sources:
        own = [number for given_by, number in found if given_by is source]
        assert own == list(range(source.count))
        assert source.thread not in (None, threading.get_ident())
    with interleave([]) as items:
        assert list(items) == []


def test_what_one_raises_ends_the_others() -> None:
    endless = Source(10**9)
    with (
        pytest.raises(RuntimeError, match="it broke"),
        interleave([endless, Source(3, fails=True)]) as items,
    ):
        list(items)
    assert endless.closed.is_set()


def test_producers_wait_for_the_consumer_and_end_when_it_does() -> None:
    source = Source(10**9)
    with interleave([source]) as items:
        next(items)
    assert source.closed.is_set()
    assert source.given <= AHEAD + 3


def test_after_ctrl_c_no_producer_is_waited_for() -> None:
    wanted, closed = threading.Event(), threading.Event()

    def slow() -> Iterator[int]:
        try:
            yield 1
            wanted.wait(30)
            yield 2
        finally:
            closed.set()

    with suppress(KeyboardInterrupt), interleave([slow]) as items:
        next(items)
        raise KeyboardInterrupt
    assert not closed.is_set()
    wanted.set()
    assert closed.wait(30)


def test_a_program_that_leaves_a_stream_open_ends_when_its_threads_have() -> None:
    program = """
import time
from lddu_pipe.pipelines.concurrency import interleave

def endless():
    try:
        while True:
            time.sleep(0.01)
            yield 1
    finally:
        print("closed")

stream = interleave([endless])
next(stream.__enter__())
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "closed\n", "")
