"""A batch from its inputs to its results, through a ledger that knows what is done."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Protocol

from filelock import FileLock, Timeout

from lddu_pipe.errors import LdduPipeError, UnusableInputError
from lddu_pipe.files import remove_unfinished, sha256_of_file
from lddu_pipe.pipelines.batch.configuration import digest
from lddu_pipe.pipelines.batch.engine import Engine
from lddu_pipe.pipelines.batch.inputs import Item, result_names
from lddu_pipe.pipelines.batch.ledger import Entry, Ledger
from lddu_pipe.pipelines.batch.storage import Output, is_remote, shown
from lddu_pipe.pipelines.batch.work import Outcome, Plan, Task
from lddu_pipe.writers.escaping import encodable
from lddu_pipe.writers.formats import FORMATS

LEDGER_FILE = "ledger.sqlite"
DATASET_FILE = "utterances.parquet"
LOCK_FILE = ".lddu-pipe.lock"
_POLL = 0.2  # s between two checks whether a person wants to stop
_SAVE_EVERY = 60.0  # s between copies of a ledger whose output is remote

Reason = Literal[
    "new",
    "changed",
    "unfinished",
    "failed before",
    "another configuration",
    "results missing",
    "new format",
]


class StopBatchError(LdduPipeError):
    """No other item could be annotated either; what is done stays done."""


class BatchCallback(Protocol):
    """Called as a batch goes on."""

    def begin(self, total: int, size: int) -> None:
        """Items to do, and their bytes."""

    def start(self, task: Task) -> None:
        """An item is begun."""

    def end(self, task: Task, outcome: Outcome) -> None:
        """An item is done or failed."""

    def stopping(self, running: int) -> None:
        """A person wants to stop; so many items are being finished."""


@dataclass(frozen=True)
class Todo:
    """An item to do, and why."""

    task: Task
    reason: Reason


@dataclass
class Result:
    """What a run did, and what the ledger holds of its items afterwards."""

    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    """Of the whole run, by the wall clock."""
    interrupted: bool = False
    left: int = 0
    """Items of this run that were not done."""
    entries: list[Entry] = field(default_factory=list)
    """Of every item that the inputs name."""

    @property
    def failures(self) -> list[Entry]:
        """The items that could not be annotated, in this run or before."""
        return [entry for entry in self.entries if entry.state == "failed"]


class BatchRun:
    """One output folder and its ledger, held for as long as the batch is open."""

    def __init__(self, plan: Plan, config: Mapping[str, Any], state: Path) -> None:
        """Take the folder; use as a context manager.

        Args:
            plan: what is done with every item.
            config: what results depend on beside their source, see `configuration`.
            state: the folder of ledger and lock: the output, where it is on this machine.

        Raises:
            UnusableInputError: another batch works on the folder, or it cannot be written to.
        """
        self.plan = plan
        self.config = digest(config)
        self.output = Output(plan.output)
        self._state = state
        try:
            state.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(state / LOCK_FILE)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise UnusableInputError(
                f"another batch is writing to {shown(plan.output)}; wait for it or stop it"
            ) from None
        except OSError as error:
            reason = error.strerror or str(error)
            place = shown(plan.output)
            if is_remote(plan.output):
                place = f"{state}, where the ledger of {place} is kept,"
                reason += "; set XDG_CACHE_HOME to a folder you may write to"
            raise UnusableInputError(f"{place} cannot be written to: {reason}") from None
        try:
            self._bring_ledger()
            self.ledger = Ledger(state / LEDGER_FILE)
            self.ledger.describe(self.config, config)
        except sqlite3.OperationalError as error:
            self._lock.release()
            raise UnusableInputError(f"{state / LEDGER_FILE}: {error}") from None
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> BatchRun:
        return self

    def __exit__(self, *error: object) -> None:
        self.ledger.close()
        self._lock.release()

    def survey(
        self, items: Sequence[Item], *, retry_failed: bool = False
    ) -> tuple[list[Todo], list[str]]:
        """Find out what is to be done, and why.

        Args:
            items: what the inputs name.
            retry_failed: do what failed before, though nothing about it has changed.

        Returns:
            What is to be done, and what a person should know of it, a line each.
        """
        known = self.ledger.entries()
        names = result_names(items, {key: entry.name for key, entry in known.items()})
        todo: list[Todo] = []
        others: set[str] = set()
        for item in items:
            entry = known.get(item.key)
            reason = self._reason(item, entry, retry_failed)
            if reason is None:
                continue
            if reason == "another configuration" and entry is not None and entry.config:
                others.add(entry.config)
            todo.append(Todo(Task(item, names[item.key], reason == "new format"), reason))
        changes = [self._difference(other) for other in sorted(others)]
        count = sum(item.reason == "another configuration" for item in todo)
        notes = (
            [
                f"{count} were made with another configuration and are done again: "
                f"{'; '.join(changes)}"
            ]
            if count
            else []
        )
        return todo, notes

    def run(
        self, todo: Sequence[Todo], make_engine: Callable[[], Engine], callback: BatchCallback
    ) -> Result:
        """Do it all, or until a person stops it.

        The first SIGINT lets what is being worked on finish, the second gives it up; SIGTERM
        gives it up at once.

        Args:
            todo: from `survey`.
            make_engine: starts what does the work.
            callback: called as the batch goes on.

        Raises:
            StopBatchError: every other item would fail too, as with a full disk.
        """
        result, begun, saved = Result(left=len(todo)), time.monotonic(), time.monotonic()
        self._tidy()
        self.ledger.add(_facts(item.task) for item in todo if not item.task.rewrite)
        queue = deque(item.task for item in todo)
        running: dict[str, Task] = {}
        callback.begin(len(queue), sum(task.item.size for task in queue))
        if not queue:
            return result
        with _signals_noted() as asked:
            engine = make_engine()
            try:
                while queue or running:
                    if asked and not result.interrupted:
                        result.interrupted = True
                        queue.clear()
                        if asked == [signal.SIGINT]:
                            callback.stopping(len(running))
                    if len(asked) > 1 or signal.SIGTERM in asked:
                        break
                    self._feed(engine, queue, running, callback)
                    for outcome in engine.wait(_POLL):
                        task = running.pop(outcome.key)
                        self._record(task, outcome, result)
                        callback.end(task, outcome)
                    if time.monotonic() - saved > _SAVE_EVERY:
                        self._keep_ledger()
                        saved = time.monotonic()
            except sqlite3.OperationalError as error:
                raise StopBatchError(f"the ledger cannot be written: {error}") from None
            finally:
                engine.abandon() if running else engine.close()
                for task in running.values():
                    self._give_up(task)
                self._tidy()
                self._keep_ledger()
        result.seconds = time.monotonic() - begun
        result.interrupted = result.interrupted and result.left > 0
        return result

    def _feed(
        self, engine: Engine, queue: deque[Task], running: dict[str, Task], callback: BatchCallback
    ) -> None:
        """Give the engine as many tasks as it can work on: those begun are lost in a crash."""
        while queue and len(running) < engine.size:
            task = queue.popleft()
            if not task.rewrite:
                self.ledger.start(task.item.key)
            running[task.item.key] = task
            engine.submit(task)
            callback.start(task)

    def entries(self, items: Sequence[Item]) -> list[Entry]:
        """What the ledger holds of these items, in order of name."""
        keys = {item.key for item in items}
        return [entry for key, entry in self.ledger.entries().items() if key in keys]

    def write_dataset(self, entries: Sequence[Entry]) -> None:
        """Put the Parquet files of all items together as one, beside the ledger."""
        from lddu_pipe.writers.parquet import join  # brings pyarrow

        names = [
            name
            for entry in entries
            for name in entry.outputs
            if name == entry.name + FORMATS["parquet"].suffix
        ]
        self.scratch.mkdir(exist_ok=True)
        try:
            path = self.scratch / DATASET_FILE
            join(filter(None, map(self.output.read, names)), path)
            self.output.put(DATASET_FILE, path)
        finally:
            self._tidy()

    def _reason(self, item: Item, entry: Entry | None, retry_failed: bool) -> Reason | None:
        """Why an item is to be done; None where it is not."""
        if entry is None or not entry.attempts:
            return "new"
        if entry.state in ("waiting", "running"):
            return "unfinished"
        if entry.transcript != _state_of_transcript(item) or self._changed(item, entry):
            return "changed"
        if entry.config != self.config:
            return "another configuration"
        if entry.state == "failed":
            return "failed before" if retry_failed else None
        if not all(self.output.holds(name) for name in entry.outputs):
            return "results missing"
        is_video = (entry.statistics or {}).get("video", True)
        wanted = {
            entry.name + FORMATS[name].suffix
            for name in self.plan.formats
            if is_video or not FORMATS[name].of_video
        }
        return None if wanted <= set(entry.outputs) else "new format"

    def _changed(self, item: Item, entry: Entry) -> bool:
        """True where the source holds other bytes than before; a mere touch is no change."""
        if (item.size, item.version) == (entry.size, entry.version):
            return False
        local = item.row is None and not is_remote(item.source)
        if local and entry.sha256 and item.size == entry.size:
            try:
                same = sha256_of_file(Path(item.source)) == entry.sha256
            except OSError:
                return True
            if same:
                self.ledger.confirm(item.key, item.size, item.version)
                return False
        return True

    def _record(self, task: Task, outcome: Outcome, result: Result) -> None:
        if outcome.kind == "stop":
            self._give_up(task)
            raise StopBatchError(outcome.error)
        result.left -= 1
        before = set(self.ledger.entry(outcome.key).outputs)
        # A format that cannot be made takes nothing from the annotation it was to be made from.
        kept = sorted(before.union(outcome.outputs)) if task.rewrite else list(outcome.outputs)
        if outcome.kind == "failed":
            result.failed += 1
            self.ledger.fail(
                outcome.key,
                config=self.config,
                error=encodable(outcome.error),
                seconds=outcome.seconds,
                outputs=kept,
            )
        else:
            result.done += 1
            if task.rewrite:
                self.ledger.extend(outcome.key, kept)
            else:
                self.ledger.finish(
                    outcome.key,
                    config=self.config,
                    sha256=outcome.sha256,
                    outputs=kept,
                    statistics=outcome.statistics,
                    seconds=outcome.seconds,
                )
        # Results of an older source or configuration must not be taken for those of this one.
        for name in before.difference(kept):
            self.output.remove(name)

    def _give_up(self, task: Task) -> None:
        if task.rewrite:
            return  # done as before, without the new format
        # A full disk: the next run finds the item running, and does it all the same.
        with suppress(sqlite3.OperationalError):
            self.ledger.wait(task.item.key)

    def _difference(self, other: str) -> str:
        """What differs between a configuration and that of this run, in words."""
        before, now = self.ledger.description(other), self.ledger.description(self.config)
        return ", ".join(
            f"{name} {_short(before.get(name))} before, {_short(now.get(name))} now"
            for name in sorted({*before, *now})
            if before.get(name) != now.get(name)
        )

    @property
    def scratch(self) -> Path:
        """A folder for temporary files of workers, the same for every run with this output."""
        name = sha256(str(self._state.absolute()).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"lddu-pipe-{name}"

    def _tidy(self) -> None:
        """Remove what a killed run had not finished writing."""
        shutil.rmtree(self.scratch, ignore_errors=True)
        if self.output.folder is not None:
            remove_unfinished(self.output.folder)

    def _bring_ledger(self) -> None:
        """Fetch the ledger of a remote output, where this machine has none."""
        path = self._state / LEDGER_FILE
        if self.output.folder is None and not path.exists():
            stored = self.output.read(LEDGER_FILE)
            if stored is not None:
                path.write_bytes(stored)

    def _keep_ledger(self) -> None:
        """Store the ledger beside remote results."""
        if self.output.folder is None:
            copy = self._state / f"{LEDGER_FILE}.copy"
            self.ledger.copy(copy)
            self.output.write(LEDGER_FILE, copy.read_bytes())
            copy.unlink()


def choose(todo: Sequence[Todo], *, limit: int | None = None, shuffle: bool = False) -> list[Todo]:
    """Some of what is to be done, or all of it in another order."""
    chosen = list(todo)
    if shuffle:
        random.shuffle(chosen)
    return chosen[:limit]


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Collect the signals that ask to stop, instead of raising wherever the program is."""
    asked: list[int] = []
    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, lambda number, _: asked.append(number))
    except ValueError:
        pass  # not in the main thread, where signals are somebody else's
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _facts(task: Task) -> dict[str, Any]:
    """The columns of the ledger that are known before an item is begun."""
    return {
        "key": task.item.key,
        "name": task.name,
        "source": encodable(shown(task.item.source)),
        "size": task.item.size,
        "version": task.item.version,
        "transcript": _state_of_transcript(task.item),
    }


def _state_of_transcript(item: Item) -> str | None:
    if item.transcript is None:
        return None
    if is_remote(item.transcript):
        return shown(item.transcript)
    try:
        state = f"{Path(item.transcript).absolute()} {sha256_of_file(Path(item.transcript))}"
    except OSError:
        state = item.transcript
    return encodable(state)


def _short(value: Any) -> str:  # noqa: ANN401 - any JSON value
    # Settings of unusual files stand in a configuration only where they are chosen.
    return "the default" if value is None else f"{value}"
