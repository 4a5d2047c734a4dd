"""What a worker does with one item; it holds one pipeline, however many items come."""

from __future__ import annotations

import ctypes
import errno
import gc
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lddu_pipe.errors import IncompatibleModelError, LdduPipeError, MissingAssetError
from lddu_pipe.files import sha256_of_file
from lddu_pipe.pipelines.batch.inputs import Item
from lddu_pipe.pipelines.batch.storage import Output, fetched, shown
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.schemas import SCHEMA_VERSION, SchemaVersion
from lddu_pipe.types import MODALITIES

if TYPE_CHECKING:
    from lddu_pipe.annotation import Annotation
    from lddu_pipe.pipelines.annotate import EmotionPipeline
    from lddu_pipe.predictions import Prediction
    from lddu_pipe.writers.formats import Format

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)

Kind = Literal["done", "failed", "stop"]


@dataclass(frozen=True)
class Plan:
    """What every item of a batch is done with."""

    output: str
    """Folder or remote address."""
    formats: tuple[str, ...]
    """Names of `lddu_pipe.writers.formats.FORMATS`; json is always among them."""
    model: str = "lddu-base-en"
    device: str = "auto"
    offline: bool = False
    settings: PipelineSettings = field(default_factory=PipelineSettings)
    schema: SchemaVersion = SCHEMA_VERSION
    """Of json and jsonl."""


@dataclass(frozen=True)
class Task:
    """An item with the name of its results."""

    item: Item
    name: str
    """Relative to the output, without suffix."""
    rewrite: bool = False
    """True where the annotation is there and only other formats of it are wanted."""


@dataclass(frozen=True)
class Outcome:
    """What became of a task."""

    key: str
    kind: Kind
    """Where it is "stop", every other item would fail in the same way."""
    error: str = ""
    """One line, where it was not done."""
    sha256: str = ""
    outputs: tuple[str, ...] = ()
    statistics: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    """What of a transcript was left out, a sentence each."""


def overtime(task: Task, limit: float) -> Outcome:
    """What became of a task that took longer than `limit` seconds."""
    message = f"not done after {limit:g} s, the limit; see --time-limit"
    return Outcome(task.item.key, "failed", message, seconds=limit)


class Worker:
    """Annotates items one after the other; models are loaded with the first."""

    def __init__(self, plan: Plan) -> None:
        """Nothing is loaded yet."""
        self.plan = plan
        self._output = Output(plan.output)
        self._pipeline: EmotionPipeline | None = None

    def do(self, task: Task) -> Outcome:
        """Annotate an item and write its files; never raises for what is wrong with an item."""
        begun = time.monotonic()
        try:
            found = self._do(task)
        except Exception as error:
            stop = isinstance(error, MissingAssetError | IncompatibleModelError)
            if isinstance(error, OSError) and error.errno in _FULL:
                stop = True
                message = f"no space is left in {shown(self.plan.output)}"
            else:
                message = _one_line(error)
            found = Outcome(task.item.key, "stop" if stop else "failed", message)
        return replace(found, seconds=time.monotonic() - begun)

    def _do(self, task: Task) -> Outcome:
        from lddu_pipe.annotation import Annotation
        from lddu_pipe.writers.formats import FORMATS

        formats = [FORMATS[name] for name in self.plan.formats]
        if task.rewrite:
            stored = self._output.read(f"{task.name}.json") or b""
            annotation = Annotation.from_json(stored, f"{task.name}.json")
            digest = annotation.media.sha256
            formats = [item for item in formats if item.name != "json"]
        else:
            annotation, digest = self._annotate(task.item)
        written = [f"{task.name}.json"] if task.rewrite else []
        for item in formats:
            name = task.name + item.suffix
            if item.of_video:
                if annotation.media.is_video:
                    self._draw(item, annotation, task.item.source, name)
                    written.append(name)
                continue
            folder = self._output.folder
            content = item.render(annotation, folder and (folder / name).parent, self.plan.schema)
            self._output.write(name, content)
            written.append(name)
        return Outcome(
            task.item.key,
            "done",
            sha256=digest,
            outputs=tuple(written),
            statistics=statistics_of(annotation),
            notes=tuple(annotation.provenance.config.get("transcript_notes", ())),
        )

    def _draw(self, item: Format, annotation: Annotation, source: str, name: str) -> None:
        """Write a format that is made of the video itself."""
        with fetched(source) as path, self._output.making(name) as target:
            item.save(annotation.of_path(str(path)), target)

    def _annotate(self, item: Item) -> tuple[Annotation, str]:
        """The annotation of an item, and the sha256 of its source."""
        from lddu_pipe.pipelines.rows import annotate_row

        if self._pipeline is None:
            self._pipeline = _load(self.plan)
        with fetched(item.source) as path, fetched(item.transcript or "") as transcript:
            try:
                if item.row is not None:
                    annotation = annotate_row(self._pipeline, item.row)
                else:
                    annotation = self._pipeline(
                        path, sidecar=transcript if item.transcript else None
                    )
            except LdduPipeError as error:
                # Messages name the file as the user did, not our copy of it.
                message = str(error).replace(str(path), shown(item.source))
                raise type(error)(message) from error
            annotation = annotation.of_path(shown(item.source))
            return annotation, annotation.media.sha256 or digest_of(item, path)


def digest_of(item: Item, path: Path) -> str:
    """sha256 of what an item is made from: its file, or the words of a row that has none."""
    if item.source:
        return sha256_of_file(path)
    text = item.row.text if item.row is not None else None
    return sha256((text or "").encode()).hexdigest()


def statistics_of(annotation: Annotation) -> dict[str, Any]:
    """What a corpus summary needs of one annotation.

    Keys: ``duration`` (s, 0 where there is nothing but text), ``video`` (whether there are moving
    pictures), ``utterances``, ``abstained``,
    ``present`` by label and ``missing`` by modality; ``people``, a list that has of each ``id``,
    ``name``, ``seconds_visible``, ``seconds_speaking`` and the same counts.
    """
    media, labels = annotation.media, annotation.model.labels
    return {
        "duration": media.duration if media.has_audio or media.has_video else 0.0,
        "video": media.is_video,
        **_counts(annotation.utterances, labels),
        "people": [
            {
                "id": person.id,
                "name": person.name,
                "seconds_visible": round(person.seconds_visible, 3),
                "seconds_speaking": round(person.seconds_speaking, 3),
                **_counts(annotation.of(person.id).utterances, labels),
            }
            for person in annotation.people
        ],
    }


def _counts(utterances: Sequence[Prediction], labels: Sequence[str]) -> dict[str, Any]:
    return {
        "utterances": len(utterances),
        "abstained": sum(item.abstained for item in utterances),
        "present": {
            label: sum(
                score.decision == "present"
                for item in utterances
                for score in item.emotions
                if score.label == label
            )
            for label in labels
        },
        "missing": {name: sum(name in item.missing for item in utterances) for name in MODALITIES},
    }


_worker: Worker | None = None
"""The worker of this process, where it is one of a pool."""


def prepare_process(plan: Plan, scratch: Path) -> None:
    """Get a new process ready to work; heavy libraries are loaded with its first item.

    Args:
        plan: of the batch.
        scratch: a folder for temporary files; made here.
    """
    global _worker  # noqa: PLW0603 - a process has one worker, and a pool has no other place
    # A Ctrl-C goes to every process of the terminal; only the first one acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # Ends with its parent, also by kill -9: or it would go on writing beside the next batch.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = str(scratch)
    _worker = Worker(plan)


def do_in_process(task: Task) -> Outcome:
    """Do a task with this process's worker."""
    if _worker is None:
        raise RuntimeError("prepare_process comes first")
    return _worker.do(task)


def _load(plan: Plan) -> EmotionPipeline:
    gc.set_threshold(50_000, 20, 20)  # as the command line does: imports are quicker
    from lddu_pipe.pipelines.annotate import EmotionPipeline

    return EmotionPipeline.from_pretrained(
        plan.model, device=plan.device, offline=plan.offline, settings=plan.settings
    )


def _one_line(error: Exception) -> str:
    if isinstance(error, LdduPipeError):
        return str(error)
    text = " ".join(str(error).split())
    return f"unexpected error ({type(error).__name__}: {text})" if text else type(error).__name__


def order_of_formats(names: Sequence[str]) -> tuple[str, ...]:
    """The formats of a plan: json first, for the others can be made from it later."""
    return ("json", *(name for name in names if name != "json"))
