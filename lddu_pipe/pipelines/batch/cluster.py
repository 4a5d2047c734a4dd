"""The work of a batch on a Ray cluster: the same workers, as actors on any of its machines."""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.pipelines.batch.work import Outcome, Plan, Task, Worker, overtime

_MAX_LOSSES = 2  # workers of one task; a cluster's machines come and go, but a file may kill too
_KNOCK = 5.0  # s
_STORE = 100_000_000  # bytes of a local cluster's object store: tasks and outcomes are small


class ClusterWorker:
    """What an actor is: a worker in the folder that the batch was started in."""

    def __init__(self, plan: Plan, folder: str) -> None:
        """Go to the folder, which every machine must see under the same path."""
        os.chdir(folder)
        self._worker = Worker(plan)

    def ready(self) -> bool:
        """Answer, once the actor runs."""
        return True

    def do(self, task: Task) -> Outcome:
        """Annotate one item."""
        return self._worker.do(task)


@dataclass(frozen=True)
class _Attempt:
    task: Task
    actor: tuple[Any, Any]
    losses: int = 0
    """Workers that this task has outlived."""
    begun: float | None = None
    """Seconds of the monotonic clock; None while the actor waits for a place in the cluster."""


class RayEngine:
    """A pool of actors, each with its own models; a task whose actor is lost goes to another."""

    def __init__(
        self,
        plan: Plan,
        *,
        workers: int,
        threads: int,
        time_limit: float,
        address: str | None = None,
        gpus: float = 0.0,
    ) -> None:
        """Join a cluster, or start one on this machine.

        Args:
            plan: of the batch.
            workers: actors.
            threads: processor cores of each.
            time_limit: seconds for one task, the loading of models among them in its first.
            address: of a cluster, as Ray takes it: "auto" or "ray://host:port"; None starts one
                on this machine.
            gpus: of each actor; a part of one will do.

        Raises:
            MissingAssetError: Ray is not installed.
            UnusableInputError: there is no cluster at the address.
        """
        # Before the import, which reads it: Ray sends no usage data.
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        try:
            import ray
        except ImportError:
            raise MissingAssetError(
                'the engine ray needs one more package; run: pip install "lddu-pipe[ray]"'
            ) from None
        if address is not None:
            _look_for(address)
        local: dict[str, Any] = {"num_cpus": workers * threads, "object_store_memory": _STORE}
        try:
            ray.init(
                address=address,
                ignore_reinit_error=True,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                **({} if address else local),
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UnusableInputError(f"no Ray cluster at {address}: {reason}") from None
        self.size = workers
        self._ray = ray
        self._time_limit = time_limit
        self._folder = str(Path.cwd())
        self._plan = plan
        make: Any = ray.remote(ClusterWorker)
        self._kind = make.options(
            num_cpus=threads,
            num_gpus=gpus,
            runtime_env={"env_vars": {"OMP_NUM_THREADS": str(threads)}},
        )
        self._idle = [self._start() for _ in range(workers)]
        self._running: dict[Any, _Attempt] = {}

    def submit(self, task: Task) -> None:
        """Give a task to an actor that has none; there are no more tasks than actors."""
        self._give(_Attempt(task, self._idle.pop()))

    def wait(self, seconds: float) -> list[Outcome]:
        """Return what was finished, waiting for at most so long where nothing is."""
        if not self._running:
            return []
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        found = [self._outcome(answer, self._running.pop(answer)) for answer in done]
        return [outcome for outcome in (*found, *self._overdue()) if outcome is not None]

    def abandon(self) -> None:
        """Kill the actors."""
        self._idle.extend(attempt.actor for attempt in self._running.values())
        self._running.clear()
        self.close()

    def close(self) -> None:
        """Let the actors go, and leave the cluster."""
        for actor, _ in self._idle:
            self._ray.kill(actor)
        self._ray.shutdown()

    def _start(self) -> tuple[Any, Any]:
        """A new actor, and a future that is ready once it runs."""
        actor: Any = self._kind.remote(self._plan, self._folder)
        return actor, actor.ready.remote()

    def _give(self, attempt: _Attempt) -> None:
        actor, _ = attempt.actor
        self._running[actor.do.remote(attempt.task)] = attempt

    def _outcome(self, answer: Any, attempt: _Attempt) -> Outcome | None:  # noqa: ANN401
        """What became of a task; None where another actor has it now."""
        try:
            outcome: Outcome = self._ray.get(answer)
        except self._ray.exceptions.RayActorError:
            self._idle.append(self._start())
            if attempt.losses < _MAX_LOSSES:
                self._give(_Attempt(attempt.task, self._idle.pop(), attempt.losses + 1))
                return None
            return Outcome(
                attempt.task.item.key,
                "failed",
                f"{attempt.losses + 1} workers died over it, as they do where memory is short or "
                "a library crashes",
            )
        except self._ray.exceptions.RayTaskError as error:
            self._idle.append(attempt.actor)
            reason = str(error.cause or error).splitlines()[0]
            return Outcome(attempt.task.item.key, "failed", reason)
        self._idle.append(attempt.actor)
        return outcome

    def _overdue(self) -> list[Outcome]:
        """End tasks that take too long; the clock runs from when their actor does."""
        found = []
        for answer, attempt in list(self._running.items()):
            actor, ready = attempt.actor
            if attempt.begun is None:
                if self._ray.wait([ready], timeout=0)[0]:
                    self._running[answer] = replace(attempt, begun=time.monotonic())
            elif time.monotonic() - attempt.begun > self._time_limit:
                del self._running[answer]
                self._ray.kill(actor)
                self._idle.append(self._start())
                found.append(overtime(attempt.task, self._time_limit))
        return found


def _look_for(address: str) -> None:
    """Make sure that something listens there: Ray itself would try again for minutes.

    Raises:
        UnusableInputError: nothing does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return  # "auto" and the like, which Ray looks up
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableInputError(f"no Ray cluster at {address}: {reason}") from None
