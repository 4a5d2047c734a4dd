from __future__ import annotations

import errno
import json
import os
import signal
from collections import deque
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from lddu_pipe.annotation import Annotation
from lddu_pipe.commands.progress import BatchProgress
from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.pipelines.batch import work
from lddu_pipe.pipelines.batch.configuration import describe_configuration
from lddu_pipe.pipelines.batch.inputs import find_items
from lddu_pipe.pipelines.batch.run import BatchRun, StopBatchError, choose
from lddu_pipe.pipelines.batch.storage import Output
from lddu_pipe.pipelines.batch.summary import labels_of, name_of_index, rows_of, summarise
from lddu_pipe.pipelines.batch.work import Plan, Task, Worker
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.review.folder import AnnotatedFolder
from lddu_pipe.writers.formats import Format

CUE = "1\n00:00:00,000 --> 00:00:02,000\n{}\n"


@pytest.fixture(autouse=True)
def one_pipeline(pipe, monkeypatch):
    monkeypatch.setattr(work, "_load", lambda plan: pipe)


class HereEngine:
    """Works in this process, one task at a time."""

    size = 1

    def __init__(self, plan: Plan) -> None:
        self.worker, self.tasks, self.polls = Worker(plan), deque(), 0

    def submit(self, task):
        self.tasks.append(task)

    def wait(self, seconds):
        self.polls += 1
        if self.polls % 2 or not self.tasks:
            return []  # still at work, as an engine is for most polls
        return [self.worker.do(self.tasks.popleft())]

    def abandon(self):
        self.tasks.clear()

    def close(self):
        pass


class BatchCallback:
    """Remembers what it was told; `on_start` may interfere."""

    def __init__(self, on_start=lambda: None) -> None:
        self.told, self.on_start = [], on_start

    def begin(self, total, size):
        self.told.append(("begin", total))

    def start(self, task):
        self.told.append(("start", task.name))
        self.on_start()

    def end(self, task, outcome):
        self.told.append(("end", task.name))

    def stopping(self, running):
        self.told.append(("stopping", running))


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three transcripts, one of which is broken."""
    root = tmp_path / "in"
    (root / "deep").mkdir(parents=True)
    (root / "a.srt").write_text(CUE.format("I am so happy today!"))
    (root / "deep" / "b.srt").write_text(CUE.format("This makes me furious."))
    (root / "broken.srt").write_text("1\nno time\n")
    return root


@pytest.fixture
def batch(folder, tmp_path):
    """Runs a batch over the folder; returns reasons by name, the result and the callback."""

    def run(
        *,
        formats=("json",),
        settings=None,
        retry_failed=False,
        on_start=lambda: None,
        limit=None,
        schema="2.1",
    ):
        given = settings or PipelineSettings()
        plan = Plan(str(tmp_path / "out"), formats, settings=given, schema=schema)
        callback = BatchCallback(on_start)
        with BatchRun(plan, describe_configuration(plan), tmp_path / "out") as held:
            items = find_items([str(folder)], skip=tmp_path / "out")
            todo, notes = held.survey(items, retry_failed=retry_failed)
            result = held.run(choose(todo, limit=limit), lambda: HereEngine(plan), callback)
            result.entries = held.entries(items)
        return {item.task.name: item.reason for item in todo}, result, callback, notes

    return run


def files(tmp_path) -> set[str]:
    out = tmp_path / "out"
    return {
        path.relative_to(out).as_posix()
        for path in out.rglob("*")
        if path.is_file() and path.suffix not in (".sqlite", ".lock")
    }


def test_results_of_an_earlier_schema_are_kept_and_read(batch, tmp_path):
    batch(schema="1.1")
    path = tmp_path / "out" / "a.json"
    old = path.read_bytes()
    assert json.loads(old)["schema_version"] == "1.1"
    reasons, *_ = batch(schema="1.1", formats=("json", "html"))
    assert reasons == {"a": "new format", "deep/b": "new format"}
    assert path.read_bytes() == old
    assert b'"schema_version":"2.1"' in path.with_suffix(".html").read_bytes()
    reasons, *_ = batch()
    assert reasons["a"] == "another configuration"
    assert json.loads(path.read_bytes())["schema_version"] == "2.1"


def test_everything_is_done_once(batch, tmp_path):
    reasons, result, _, _ = batch()
    assert reasons == {"a": "new", "broken": "new", "deep/b": "new"}
    assert (result.done, result.failed, result.left) == (2, 1, 0)
    assert files(tmp_path) == {"a.json", "deep/b.json"}
    (failure,) = result.failures
    assert "broken.srt" in failure.error
    reasons, result, callback, _ = batch()
    assert reasons == {}
    assert callback.told == [("begin", 0)]
    assert [entry.attempts for entry in result.entries] == [1, 1, 1]


def test_names_that_are_not_utf_8_are_names(batch, folder, tmp_path, pipe):
    deep = folder / os.fsdecode(b"d\xff")
    deep.mkdir()
    name = deep / os.fsdecode(b"caf\xe9.srt")
    name.write_text(CUE.format("I am so happy today!"))
    (folder / os.fsdecode(b"\xe4.srt")).write_text("1\nno time\n")
    _, result, _, _ = batch(formats=("json", "srt"))
    assert (result.done, result.failed) == (3, 2)
    assert {r"d\udcff/caf\udce9.json", r"d\udcff/caf\udce9.srt"} <= files(tmp_path)
    assert any(r"\udce4.srt" in entry.error for entry in result.failures)
    assert batch(formats=("json", "srt"))[0] == {}
    with AnnotatedFolder(tmp_path / "out") as repository:
        assert name in {repository.media(item) for item in repository.items("")}


def test_what_is_written_is_what_annotate_gives(batch, tmp_path, folder, pipe):
    batch()
    stored = Annotation.load(tmp_path / "out" / "a.json").to_dict()
    direct = pipe(folder / "a.srt").to_dict()
    for each in (stored, direct):
        del each["provenance"]["created"]
    assert stored == direct


def test_what_changed_is_done_again_and_a_touch_is_no_change(batch, folder):
    batch()
    os.utime(folder / "a.srt", (1, 1))
    assert batch()[0] == {}
    (folder / "a.srt").write_text(CUE.format("I am so sad today!!!"))
    assert batch()[0] == {"a": "changed"}
    assert batch()[0] == {}


def test_a_new_transcript_beside_a_file_is_a_change(batch, folder, clip):
    media = folder / "clip.mp4"
    media.write_bytes(clip.read_bytes())
    batch()
    (folder / "clip.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nWell done!\n")
    reasons, result, _, _ = batch()
    assert reasons == {"clip": "changed"}
    (entry,) = (entry for entry in result.entries if entry.name == "clip")
    assert "clip.vtt" in entry.transcript


def test_what_is_left_out_of_a_transcript_is_told(folder, tmp_path, capsys):
    (folder / "a.srt").write_text(CUE.format("I am so happy!") + "\n2\nNaN --> x\nlost\n")
    (item,) = find_items([str(folder / "a.srt")])
    task = Task(item, "a")
    outcome = Worker(Plan(str(tmp_path / "out"), ("json",))).do(task)
    assert outcome.kind == "done"
    BatchProgress(quiet=False).end(task, outcome)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert told[0].startswith("lddu-pipe: warning: a.srt: 1 cue left out: cue 2 (line ")
    BatchProgress(quiet=True).end(task, outcome)
    assert not capsys.readouterr().err


def test_failures_are_retried_when_asked_or_changed(batch, folder):
    batch()
    reasons, result, _, _ = batch(retry_failed=True)
    assert reasons == {"broken": "failed before"}
    assert result.failed == 1
    (folder / "broken.srt").write_text(CUE.format("Mended."))
    reasons, result, _, _ = batch()
    assert reasons == {"broken": "changed"}
    assert not result.failures


def test_results_of_what_can_no_longer_be_annotated_go(batch, folder, tmp_path):
    batch()
    (folder / "a.srt").write_text("broken now, and longer than before")
    batch()
    assert "a.json" not in files(tmp_path)


def test_another_configuration_is_said_and_done(batch):
    batch()
    reasons, _, _, notes = batch(settings=PipelineSettings(max_duration=9.0))
    assert set(reasons.values()) == {"another configuration"}
    assert notes == [
        "3 were made with another configuration and are done again: "
        "max_duration 15.0 before, 9.0 now"
    ]
    *_, notes = batch(settings=PipelineSettings(max_duration=9.0, speakers="channels"))
    assert notes[0].endswith(": speakers the default before, channels now")


def test_results_that_were_deleted_are_made_again(batch, tmp_path):
    batch()
    (tmp_path / "out" / "a.json").unlink()
    assert batch()[0] == {"a": "results missing"}
    assert "a.json" in files(tmp_path)


def test_a_new_format_is_written_without_annotating_again(batch, tmp_path, monkeypatch):
    batch()
    before = (tmp_path / "out" / "a.json").read_bytes()
    monkeypatch.setattr(Worker, "_annotate", None)
    reasons, result, _, _ = batch(formats=("json", "csv", "jsonl"))
    assert reasons == {"a": "new format", "deep/b": "new format"}
    assert {"a.csv", "deep/b.jsonl"} <= files(tmp_path)
    assert (tmp_path / "out" / "a.json").read_bytes() == before
    assert result.entries[0].outputs == ("a.csv", "a.json", "a.jsonl")
    assert batch(formats=("json", "csv"))[0] == {}


def test_a_format_that_cannot_be_made_takes_nothing_away(batch, tmp_path, monkeypatch):
    batch()

    def broken(self, annotation, folder=None):
        raise ZeroDivisionError

    monkeypatch.setattr(Format, "render", broken)
    _, result, _, _ = batch(formats=("json", "csv"))
    assert result.failed == 2
    assert {"a.json", "deep/b.json"} <= files(tmp_path)
    monkeypatch.undo()


def test_a_second_batch_on_the_same_output_is_refused(batch, tmp_path):
    def second():
        with pytest.raises(UnusableInputError, match=r"another batch is writing to .*out"):
            batch()

    batch(on_start=second)
    assert "a.json" in files(tmp_path)


def test_a_full_disk_stops_the_batch_and_loses_nothing(batch, tmp_path, monkeypatch):
    write = Output.write

    def full(self, name, content):
        if name.startswith("deep"):
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, name, content)

    monkeypatch.setattr(Output, "write", full)
    with pytest.raises(StopBatchError, match=r"no space is left in .*out"):
        batch()
    assert files(tmp_path) == {"a.json"}
    monkeypatch.setattr(Output, "write", write)
    assert batch()[0] == {"deep/b": "unfinished"}


def test_weights_that_are_missing_stop_the_batch(batch, monkeypatch):
    def missing(plan):
        raise MissingAssetError("face-landmarker was not found")

    monkeypatch.setattr(work, "_load", missing)
    with pytest.raises(StopBatchError, match="face-landmarker"):
        batch()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_batch_and_the_next_goes_on(batch, number):
    once = iter([number])

    def interrupt():
        for wish in once:
            os.kill(os.getpid(), wish)

    _, result, callback, _ = batch(on_start=interrupt)
    assert result.interrupted
    finished = 1 if number == signal.SIGINT else 0
    assert (result.done, result.left) == (finished, 3 - finished)
    assert (("stopping", 1) in callback.told) == (number == signal.SIGINT)
    assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)
    reasons, result, _, _ = batch()
    assert len(reasons) == 3 - finished
    assert (result.done, result.failed) == (2 - finished, 1)


def test_a_limit_leaves_the_rest_for_another_run(batch):
    reasons, result, _, _ = batch(limit=1)
    assert len(reasons) == 3
    assert result.done == 1
    assert len(batch()[0]) == 2


def test_what_is_made_of_the_video_is_left_out_where_there_is_none(batch, tmp_path):
    batch(formats=("json", "mp4"))
    assert "a.json" in files(tmp_path)
    assert not [name for name in files(tmp_path) if name.endswith(".mp4")]
    reasons, *_ = batch(formats=("json", "mp4"))
    assert not reasons  # nothing is to be done again


def test_unfinished_files_of_a_killed_run_are_removed(batch, tmp_path):
    batch()
    left = tmp_path / "out" / "deep" / ".abcd1234.part"
    left.touch()
    batch()
    assert not left.exists()


def test_the_summary_adds_up(batch):
    _, result, _, _ = batch()
    found = summarise(result.entries, ["happy", "anger"])
    assert found["files"] == {"total": 3, "done": 2, "failed": 1, "waiting": 0}
    assert found["utterances"] == 2
    assert found["prevalence"] == {"happy": 0.5, "anger": 0.5}
    assert found["missing"] == {"text": 0.0, "audio": 1.0, "vision": 1.0}
    assert found["hours"] == 0
    assert found["real_time_factor"] is None
    assert summarise([], ["happy"])["prevalence"] == {"happy": None}
    json.dumps(found, allow_nan=False)


def test_every_item_has_a_row_for_the_page(batch, folder):
    _, result, _, _ = batch(formats=("json", "html"))
    a, broken, b = rows_of(result.entries)
    assert [row["name"] for row in (a, broken, b)] == ["a.srt", "broken.srt", "deep/b.srt"]
    assert [row["result"] for row in (a, broken, b)] == ["a.html", None, "deep/b.html"]
    assert (a["state"], a["utterances"], a["present"]["happy"]) == ("done", 1, 1)
    assert broken["state"] == "failed"
    assert broken["error"].startswith("broken.srt")
    assert str(folder) not in broken["error"]
    assert labels_of(result.entries)[0] == "happy"
    waiting = replace(result.entries[0], state="running", outputs=("a.json", "a.csv"))
    (row,) = rows_of([waiting])
    assert (row["state"], row["result"]) == ("waiting", "a.json")


def test_the_page_takes_no_name_that_a_result_has(batch):
    _, result, _, _ = batch()
    assert name_of_index(result.entries) == "index.html"
    older = replace(result.entries[0], name="Index", outputs=("Index.json", "Index.html"))
    assert name_of_index([older, *result.entries]) == "files.html"


def test_a_dataset_holds_the_rows_of_all_items(batch, folder, tmp_path):
    batch(formats=("json", "parquet"))
    plan = Plan(str(tmp_path / "out"), ("json", "parquet"))
    with BatchRun(plan, describe_configuration(plan), tmp_path / "out") as held:
        held.write_dataset(held.entries(find_items([str(folder)])))
    table = pd.read_parquet(tmp_path / "out" / "utterances.parquet")
    assert sorted(set(table["media"])) == [str(folder / "a.srt"), str(folder / "deep" / "b.srt")]
    assert len(table) == 2 * 6
    assert not held.scratch.exists()


@pytest.mark.slow
def test_rows_of_a_manifest_are_annotated(tmp_path, sample_video, pipe):
    manifest = tmp_path / "rows.jsonl"
    rows = [
        {"id": "whole", "video": str(sample_video)},
        {"id": "said", "video": str(sample_video), "text": "What wonderful news!"},
        {"id": "cut", "video": str(sample_video), "start": 0.5, "end": 1.5, "text": "wonderful"},
        {"id": "text", "text": "I am scared."},
    ]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = Plan(str(tmp_path / "out"), ("json",))
    with BatchRun(plan, describe_configuration(plan), tmp_path / "out") as held:
        items = find_items([str(manifest)])
        todo, _ = held.survey(items)
        result = held.run(todo, lambda: HereEngine(plan), BatchCallback())
    assert (result.done, result.failed) == (4, 0)
    made = {
        row["id"]: Annotation.load(tmp_path / "out" / f"{row['id']}.json").utterances
        for row in rows
    }
    assert [item.text for item in made["whole"]] == [
        item.text for item in pipe(sample_video).utterances
    ]
    assert made["said"][0].text == "What wonderful news!"
    (cut,) = made["cut"]
    assert (cut.start, cut.end, cut.text) == (0.5, 1.5, "wonderful")
    assert made["text"][0].missing == {
        "audio": Absent(Reason.SOUND_NOT_GIVEN),
        "vision": Absent(Reason.PICTURES_NOT_GIVEN),
    }


def test_what_differs_is_named_whatever_the_model(tmp_path):
    plan = Plan(str(tmp_path), ("json",))
    config = describe_configuration(plan)
    assert config == describe_configuration(replace(plan, formats=("json", "csv")))
    assert config != describe_configuration(replace(plan, settings=PipelineSettings(fps=5.0)))
    with pytest.raises(MissingAssetError):
        describe_configuration(replace(plan, model="no-such-model"))
