"""How many cores a thread computes on."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

import torch
from threadpoolctl import threadpool_limits

_LOW = 8  # of 0..19, the lowest


@contextmanager
def one_core() -> Generator[None]:
    """Let torch compute on one core in this thread.

    What is small waits longer for a second core than that helps it, and where others use the
    processors, many times as long.
    """
    torch.get_num_threads()  # decides anew in each thread, which may not come later
    with threadpool_limits(1, user_api="openmp"):
        yield


def give_way() -> None:
    """Let others go first for the rest of this thread, and of those that it starts.

    Only Linux knows priorities of single threads.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOW)
