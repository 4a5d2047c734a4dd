"""Where the work of a batch is done: processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent import futures
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol

import pebble

from lddu_pipe.pipelines.batch.work import (
    Outcome,
    Plan,
    Task,
    do_in_process,
    overtime,
    prepare_process,
)

_THREADS = "OMP_NUM_THREADS"
_MAX_RESTARTS = 3  # in a row, without a task done in between


class Engine(Protocol):
    """Does tasks side by side, in any order."""

    size: int
    """Tasks that can be worked on at once."""

    def submit(self, task: Task) -> None:
        """Begin a task."""

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what was finished, waiting for at most so long where nothing is."""

    def abandon(self) -> None:
        """End at once whatever is being worked on."""

    def close(self) -> None:
        """Give back what the engine holds, once nothing is being worked on."""


class LocalEngine:
    """Worker processes, each with its own models; one that dies fails only its task."""

    def __init__(
        self,
        plan: Plan,
        *,
        workers: int,
        threads: int,
        time_limit: float,
        scratch: Path,
        work: Callable[[Task], Outcome] = do_in_process,
    ) -> None:
        """Start nothing yet.

        Args:
            plan: of the batch.
            workers: processes.
            threads: of each.
            time_limit: seconds for one task, the loading of models among them in its first.
            scratch: a folder for temporary files, removed by the caller.
            work: what a process does with a task.
        """
        self.size = workers
        self._time_limit = time_limit
        self._work = work
        self._running: dict[futures.Future[Outcome], Task] = {}
        self._prepared = (plan, scratch)
        # Numeric libraries read it when they are loaded, so before a child does anything at all.
        self._environment = os.environ.get(_THREADS)
        os.environ[_THREADS] = str(threads)
        self._pool = self._start()
        self._restarts = 0

    def submit(self, task: Task) -> None:
        """Begin a task."""
        future: futures.Future[Outcome]
        try:
            future = self._pool.schedule(self._work, args=(task,), timeout=self._time_limit)
        except RuntimeError:  # broken since the last look at it
            future = futures.Future()
            future.set_exception(BrokenProcessPool())
        self._running[future] = task

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what was finished, waiting for at most so long where nothing is."""
        done, _ = futures.wait(self._running, seconds, return_when=futures.FIRST_COMPLETED)
        sound = [f for f in done if not isinstance(f.exception(), BrokenProcessPool)]
        found = [self._outcome(future, self._running.pop(future)) for future in sound]
        self._restarts = 0 if found else self._restarts
        # A pool may break without failing the task that it had just been given.
        if len(sound) < len(done) or (self._running and not self._pool.active):
            found += self._restart()
        return found

    def abandon(self) -> None:
        """Kill the workers."""
        self._stop()
        self._restore()

    def close(self) -> None:
        """Let the workers go."""
        self._pool.close()
        self._pool.join()
        self._restore()

    def _stop(self) -> None:
        self._running.clear()
        self._pool.stop()
        self._pool.join()

    def _restore(self) -> None:
        if self._environment is None:
            os.environ.pop(_THREADS, None)
        else:
            os.environ[_THREADS] = self._environment

    def _start(self) -> pebble.ProcessPool:
        # spawn: a fork would share torch's and OpenMP's locked locks with the child.
        return pebble.ProcessPool(
            max_workers=self.size,
            initializer=prepare_process,
            initargs=self._prepared,
            context=multiprocessing.get_context("spawn"),
        )

    def _restart(self) -> list[Outcome]:
        """Begin all tasks again: the pool broke, as it does when a worker dies without a task."""
        tasks = list(self._running.values())
        self._stop()
        self._restarts += 1
        if self._restarts > _MAX_RESTARTS:
            message = "workers die before they begin to work; see --debug"
            return [Outcome(task.item.key, "stop", message) for task in tasks[:1]]
        self._pool = self._start()
        for task in tasks:
            self.submit(task)
        return []

    def _outcome(self, future: futures.Future[Outcome], task: Task) -> Outcome:
        try:
            return future.result()
        except TimeoutError:
            return overtime(task, self._time_limit)
        except pebble.ProcessExpired as error:
            return Outcome(task.item.key, "failed", _death(error.exitcode))


def _death(exit_code: int | None) -> str:
    """Why a worker ended, as far as its exit code tells."""
    if exit_code is not None and exit_code < 0:
        number = -exit_code
        names = {9: "killed, as a system short of memory does", 11: "a crash in a library"}
        return f"the worker died of signal {number} ({names.get(number, 'see signal(7)')})"
    return f"the worker ended with exit code {exit_code}"
