"""``lddu-pipe dataset corrections`` as a person uses it."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from click.testing import CliRunner

from lddu_pipe.cli import main
from lddu_pipe.datasets.manifest import read_manifest
from lddu_pipe.datasets.store import open_store
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.review.desk import ReviewDesk
from lddu_pipe.review.folder import AnnotatedFolder
from lddu_pipe.review.store import CorrectionStore
from lddu_pipe.server.folders import DataFolder
from lddu_pipe.server.jobs import JobStore, Upload
from lddu_pipe.server.repository import JobRepository

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("corrections")]

WORDS = ("What wonderful news!", "I am so sad.", "Leave me alone, I hate you!", "It is Tuesday.")


def run(*arguments):
    return CliRunner().invoke(main, [*map(str, arguments)], prog_name="lddu-pipe")


def corrections(*arguments):
    return run("dataset", "corrections", *arguments)


def annotate(source, output, *options):
    done = run("batch", source, "-o", output, "--offline", "--workers", 1, "-q", *options)
    assert done.exit_code == 0, done.output


@pytest.fixture(scope="module")
def output(tmp_path_factory, sample_video) -> Path:
    """A video and 60 cues, annotated by a batch; nothing is corrected yet."""
    root = tmp_path_factory.mktemp("corpus")
    source = root / "in"
    source.mkdir()
    shutil.copy(sample_video, source / "sample.mp4")
    cues = (
        f"{i}\n00:{i:02d}:00,000 --> 00:{i:02d}:02,000\n{WORDS[i % 4]} {i}\n" for i in range(60)
    )
    (source / "said.srt").write_text("\n".join(cues))
    annotate(source, root / "out")
    assert not (root / "out" / "failures.csv").exists()
    return root / "out"


@pytest.fixture
def corrected(output, tmp_path) -> Path:
    """All of it corrected: as the model has it, but every fifth utterance."""
    folder = tmp_path / "out"
    shutil.copytree(output, folder)
    with AnnotatedFolder(folder) as repository:
        desk = ReviewDesk([repository])
        for number, offer in enumerate(desk.queue("", 100)):
            said = json.loads(desk.annotation("", offer.item).read_text())["utterances"]
            (utterance,) = (item for item in said if item["id"] == offer.utterance)
            labels = [
                score["label"] for score in utterance["emotions"] if score["decision"] == "present"
            ]
            labels = ["disgust"] if number % 5 == 0 else labels
            desk.correct("", offer.item, offer.utterance, labels, reviewer="Ada")
        assert desk.queue("") == []
    return folder


def test_a_model_is_calibrated_and_features_are_extracted_from_what_was_corrected(
    corrected, tmp_path
):
    manifest = tmp_path / "corrected.jsonl"
    done = corrections(corrected, "-o", manifest, "--split", "train")
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert done.stderr == f"{manifest}: 63 rows\n"
    rows = read_manifest(manifest)
    assert sum(row.video is not None for row in rows) == 3
    assert sum(row.labels == {"disgust": 1.0} for row in rows) == 13
    done = run("calibrate", "--manifest", manifest, "-o", tmp_path / "mine", "--offline", "-q")
    assert done.exit_code == 0, done.output
    default, mine = load_checkpoint("lddu-base-en"), load_checkpoint(tmp_path / "mine")
    changed = {
        name
        for name, item in mine.calibration.sets.items()
        if item != default.calibration.sets[name]
    }
    assert changed == {"text"}
    done = run("extract", "--manifest", manifest, "-o", tmp_path / "features", "--offline", "-q")
    assert done.exit_code == 0, done.output
    assert open_store(tmp_path / "features").info.rows == {"train": 63}


def test_the_example_in_the_docs_runs_as_written(output, tmp_path):
    page = Path(__file__).parents[1] / "docs" / "review.md"
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    shutil.copytree(output, tmp_path / "annotations")
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    whys = [line.split()[0] for line in done.stdout.splitlines()[:3]]
    assert whys == ["random", "uncertain", "uncertain"]
    assert done.stdout.splitlines()[3].startswith("Share(count=0, total=0")


def test_another_annotation_leaves_corrections_as_they_are_and_finds_them(corrected, tmp_path):
    before = (corrected / "corrections.sqlite").read_bytes()
    source = corrected.parent / "in"
    with closing(sqlite3.connect(corrected / "ledger.sqlite")) as database:
        ((place,),) = database.execute("SELECT source FROM items WHERE name = 'sample'")
    source = Path(place).parent
    annotate(source, corrected, "--window", 3, "--fps", 5)
    assert (corrected / "corrections.sqlite").read_bytes() == before
    with AnnotatedFolder(corrected, read_only=True) as repository:
        desk = ReviewDesk([repository])
        for item in desk.items(""):
            found = desk.corrections("", item.id)
            assert len(found.in_force) in (3, 60), item.name
            assert not found.unmatched
            config = json.loads(desk.annotation("", item.id).read_text())["provenance"]["config"]
            assert config["fps"] == 5
    assert corrections(corrected, "-o", tmp_path / "rows.jsonl", "-q").exit_code == 0


def test_what_is_lost_is_told(corrected, tmp_path):
    with AnnotatedFolder(corrected) as repository:
        desk = ReviewDesk([repository])
        (item,) = (item for item in desk.items("") if item.name == "sample.mp4")
        first, second, _ = desk.corrections("", item.id).in_force
        for each, labels in ((first, None), (second, [])):
            desk.correct("", item.id, each.anchor.utterance, labels, replaces=each.number)
    with closing(sqlite3.connect(corrected / "ledger.sqlite")) as database:
        database.execute("UPDATE items SET key = '/gone.mp4' WHERE name = 'sample'")
        database.commit()
    with closing(sqlite3.connect(corrected / "corrections.sqlite")) as database:
        database.execute(
            "UPDATE corrections SET text = '' WHERE number = (SELECT max(number) FROM corrections)"
        )
        database.commit()
    done = corrections(corrected, "-o", tmp_path / "rows.jsonl")
    assert done.exit_code == 1, done.output
    lines = done.stderr.splitlines()
    assert lines[0].endswith(
        "61 rows; 1 left out: the reviewer could not tell; 1 are text alone: media gone"
    )
    assert lines[1].startswith("lddu-pipe: error: 1 corrections are left out")


def test_a_servers_data_folder_gives_what_all_its_tokens_corrected(output, tmp_path):
    data = DataFolder(tmp_path / "data")
    jobs = JobStore(data.store)
    with CorrectionStore(data.corrections) as store:
        repository = JobRepository(jobs, data, store)
        for owner, job_id in (("a", str(uuid4())), ("b", str(uuid4()))):
            (data.arrive(job_id) / "media.srt").write_text("1\n")
            data.keep(job_id)
            upload = Upload(job_id, "../said.srt", ".srt", 2, None, None, {})
            jobs.add(upload, owner, most=9)
            jobs.take()
            data.save(job_id, (output / "said.json").read_bytes())
            jobs.finish(job_id)
            ReviewDesk([repository]).correct(
                owner, job_id, "0000", ["sad"] if owner == "a" else []
            )
        # The server goes on while it is exported.
        done = corrections(data.path, "-o", tmp_path / "rows.jsonl")
    jobs.close()
    assert done.exit_code == 0, done.output
    rows = read_manifest(tmp_path / "rows.jsonl")
    assert [row.labels for row in rows] == [{"sad": 1.0}, {}]
    assert [row.text for row in rows] == ["What wonderful news! 0"] * 2


def fails(done, *words):
    assert done.exit_code == 2, done.output
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_what_cannot_be_exported_is_one_line(output, corrected, tmp_path):
    rows = tmp_path / "rows.jsonl"
    fails(corrections(tmp_path, "-o", rows), "nothing was corrected here")
    fails(corrections(output, "-o", rows), "nothing was corrected here")
    assert not (output / "corrections.sqlite").exists()
    fails(corrections(corrected, "-o", tmp_path / "rows.csv"), ".jsonl")
    (corrected / "ledger.sqlite").unlink()
    fails(corrections(corrected, "-o", rows), "is no output of a batch")
    assert not rows.exists()
