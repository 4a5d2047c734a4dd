"""``lddu-pipe dataset`` as a person uses it."""

import json
import os
import pickle

import pytest
from click.testing import CliRunner

from lddu_pipe.cli import main
from lddu_pipe.datasets.store import open_store

PNG = b"\x89PNG\r\n\x1a\n"


class RunsCode:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


@pytest.fixture
def dataset():
    def run(*arguments):
        return CliRunner().invoke(main, ["dataset", *map(str, arguments)], prog_name="lddu-pipe")

    return run


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store") / "toy"
    arguments = ["synthesize", "--like", "mosei", "-n", "7/2/4", "-o", str(folder)]
    done = CliRunner().invoke(main, ["dataset", *arguments])
    assert done.exit_code == 0, done.output
    return folder


def test_data_are_made_looked_at_and_marked_synthetic(dataset, store):
    done = dataset("inspect", store)
    assert done.exit_code == 0, done.output
    assert "synthetic data" in done.stdout
    for word in ("train", "valid", "test", "happy", "text (768)"):
        assert word in done.stdout
    assert "share that also has the label above, train" in done.stdout


def test_one_number_of_rows_is_shared_out_70_10_20(dataset, tmp_path):
    done = dataset("synthesize", "--like", "mosei", "-n", 20, "-o", tmp_path / "s")
    assert done.exit_code == 0, done.output
    assert open_store(tmp_path / "s").info.rows == {"train": 14, "valid": 2, "test": 4}


def test_figures_come_as_json_on_standard_output_alone(dataset, store):
    done = dataset("inspect", store, "--json")
    found = json.loads(done.stdout)
    assert found["synthetic"] is True
    assert {split: part["rows"] for split, part in found["splits"].items()} == {
        "train": 7,
        "valid": 2,
        "test": 4,
    }


def test_a_picture_is_drawn(dataset, store, tmp_path):
    pytest.importorskip("matplotlib")
    done = dataset("inspect", store, "--picture", tmp_path / "p.png")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)


def test_published_files_are_imported_with_their_table_of_labels(dataset, tmp_path):
    made = dataset(
        *("synthesize", "--like", "mosei", "-n", "5/2/3", "--unaligned", "--official"),
        *("-o", tmp_path / "a.pkl"),
    )
    assert made.exit_code == 0, made.output
    done = dataset(
        *("import", "mosei", tmp_path / "a.pkl", "--labels", tmp_path / "a.csv"),
        *("-o", tmp_path / "store"),
    )
    assert done.exit_code == 0, done.output
    assert "train 5, valid 2, test 3" in done.stderr
    assert "train: values not finite, set to 0: text 0, audio" in done.stderr
    assert done.stdout == ""
    assert not open_store(tmp_path / "store").info.aligned
    for said in (
        "labels are joined by the order of rows alone: a.csv has no ids",
        "train: tgt of the file was passed over for a.csv",
    ):
        assert said in done.stderr
        assert said in dataset("inspect", tmp_path / "store").stdout


def fails(done, *words):
    assert done.exit_code == 2, done.output
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_file_with_code_is_refused_and_nothing_runs(dataset, tmp_path):
    path, marker = tmp_path / "a.pkl", tmp_path / "ran"
    path.write_bytes(pickle.dumps({"train": {"text": [RunsCode(marker)]}}))
    done = dataset("import", "mosei", path, "-o", tmp_path / "store")
    fails(done, "a.pkl", "holds code", "was refused")
    assert not marker.exists()
    assert not (tmp_path / "store").exists()


def test_a_folder_that_is_taken_is_left_alone(dataset, store, tmp_path):
    before = sorted(path.name for path in store.iterdir())
    fails(
        dataset("synthesize", "--like", "mosei", "-n", 20, "-o", store), "exists and is not empty"
    )
    assert sorted(path.name for path in store.iterdir()) == before


def test_a_folder_that_is_no_store_is_one_line(dataset, tmp_path):
    fails(dataset("inspect", tmp_path), "is not a feature store")


@pytest.mark.parametrize("rows", ["many", "3", "5/2", "5/0/2", "-4", "1.5"])
def test_a_number_of_rows_that_is_none_is_wrong_use(dataset, tmp_path, rows):
    fails(dataset("synthesize", "--like", "mosei", "-n", rows, "-o", tmp_path / "s"), "Invalid")
    assert not (tmp_path / "s").exists()
