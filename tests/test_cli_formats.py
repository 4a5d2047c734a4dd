"""Formats on the command line: annotate -f, and convert."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import click
import pandas as pd
import pytest
from click.testing import CliRunner

from lddu_pipe.annotation import Annotation, ModelInfo, Provenance, SourceInfo
from lddu_pipe.cli import main
from lddu_pipe.commands import loading
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.types import TimeSpan, Utterance
from lddu_pipe.writers import formats
from tests.streams import events_of

FORMATS = {name: item for name, item in formats.FORMATS.items() if not item.of_video}
SUFFIXES = sorted(item.suffix for item in FORMATS.values())


def annotation(path: str) -> Annotation:
    happy = EmotionScore("happy", 0.81, "present", 0.8, Uncertainty(0.2, 0.03))
    said = Utterance("0000", TimeSpan(0.0, 3.1), "What wonderful news!", (), "Ana")
    return Annotation(
        SourceInfo(path, "0" * 64, 3.1, has_audio=True, has_video=False),
        ModelInfo("lddu-base-en", "0.1.0", ("happy",), aligned=False),
        [Prediction(said, (happy,), {"vision": Absent(Reason.NO_PICTURES)})],
        Provenance("2026-01-01T00:00:00+00:00", {}, {}, {}),
    )


@pytest.fixture
def loaded(monkeypatch):
    """How often a pipeline was loaded; it annotates every file alike."""
    calls = []

    def load(*arguments, **options):
        calls.append(arguments)
        return SimpleNamespace(stream=lambda source, **_: events_of(annotation(str(source))))

    monkeypatch.setattr(loading, "load_pipeline", load)
    return calls


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def suffixes(folder: Path) -> list[str]:
    return sorted(path.name.removeprefix("a") for path in folder.iterdir())


def test_every_format_goes_to_the_folder(loaded, tmp_path):
    result = run("annotate", "a.wav", "-o", tmp_path, "-f", ",".join(FORMATS))
    assert (result.exit_code, result.stderr.count("wrote ")) == (0, len(FORMATS))
    assert suffixes(tmp_path) == SUFFIXES
    assert result.stdout.startswith("a.wav\n")
    for item in FORMATS.values():
        path = tmp_path / f"a{item.suffix}"
        assert path.read_bytes() == item.render(annotation("a.wav"), tmp_path)


def test_what_is_for_videos_alone_is_refused_after_the_rest_is_written(loaded, tmp_path):
    result = run("annotate", "a.wav", "-o", tmp_path, "-f", "mp4,csv")
    assert result.exit_code == 2
    assert "a.wav has no picture to draw on; mp4 is for videos" in result.stderr
    assert suffixes(tmp_path) == [".csv"]


@pytest.mark.parametrize("name", ["json", "jsonl"])
def test_an_earlier_schema_is_written_and_read(name, loaded, tmp_path):
    result = run("annotate", "a.wav", "-f", name, "--schema", "1.1")
    old = FORMATS[name].render(annotation("a.wav"), schema="1.1")
    assert result.stdout_bytes == old
    assert b'"kind"' not in old
    (tmp_path / "a.json").write_text(annotation("a.wav").to_json("1.1"))
    convert = ("convert", tmp_path / "a.json", "-o", tmp_path / "new", "-f")
    assert run(*convert, name).exit_code == 0
    new = (tmp_path / "new" / f"a.{name}").read_bytes()
    assert new == FORMATS[name].render(annotation("a.wav"))
    assert run(*convert, name, "--schema", "1.1").exit_code == 0
    assert (tmp_path / "new" / f"a.{name}").read_bytes() == old


def test_formats_may_be_given_one_by_one(loaded, tmp_path):
    result = run("annotate", "a.wav", "-o", tmp_path, "-f", "CSV", "-f", "textgrid,labelstudio")
    assert result.exit_code == 0
    assert suffixes(tmp_path) == [".TextGrid", ".csv", ".label-studio.json"]


def test_a_folder_without_formats_gets_json_and_json_may_be_printed_too(loaded, tmp_path):
    assert run("annotate", "a.wav", "-o", tmp_path).exit_code == 0
    assert suffixes(tmp_path) == [".json"]
    result = run("annotate", "a.wav", "-o", tmp_path, "-f", "csv", "--json")
    assert json.loads(result.stdout) == annotation("a.wav").to_dict()
    assert suffixes(tmp_path) == [".csv", ".json"]


@pytest.mark.parametrize("name", FORMATS)
def test_one_format_goes_to_standard_output(loaded, name):
    result = run("annotate", "a.wav", "-f", name)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == FORMATS[name].render(annotation("a.wav"))


def test_lines_of_several_files_follow_each_other(loaded):
    result = run("annotate", "a.wav", "b.wav", "-f", "jsonl")
    assert [json.loads(line)["media"] for line in result.stdout.splitlines()] == ["a.wav", "b.wav"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["a.wav", "-f", "csv,eaf"], "several formats need a folder; give -o DIR"),
        (["a.wav", "b.wav", "-f", "csv"], "csv of several files needs a folder; give -o DIR"),
        (["a.wav", "-f", "mp4"], "mp4 needs a folder; give -o DIR"),
        (["a.wav", "--json", "-f", "csv"], "--json and csv both want standard output"),
        (["a.wav", "-f", "doc"], "'doc' is not a format; choose from json, jsonl"),
        (["a.wav", "-f", ","], "no format given"),
        (["a.wav", "-o", "out", "-f", "csv,doc"], "'doc' is not a format"),
    ],
)
def test_wrong_use_of_formats_is_one_line(loaded, options, reason):
    result = run("annotate", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert not loaded


class Terminal(io.TextIOWrapper):
    """A standard output that somebody watches."""

    def __init__(self):
        super().__init__(io.BytesIO())

    def isatty(self):
        return True


@pytest.mark.parametrize("name", ["png", "parquet"])
def test_a_terminal_gets_no_bytes_that_are_no_text(loaded, monkeypatch, name):
    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(click.UsageError, match=f"{name} is nothing for a terminal; give -o DIR"):
        main.main(["annotate", "a.wav", "-f", name], standalone_mode=False)
    assert not loaded


def test_a_terminal_gets_text(loaded, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    assert main.main(["annotate", "a.wav", "-f", "srt"], standalone_mode=False) == 0
    assert terminal.buffer.getvalue() == FORMATS["srt"].render(annotation("a.wav"))


def test_annotate_never_overwrites_what_it_reads(loaded, tmp_path):
    for options in (
        [tmp_path / "a.srt", "-f", "srt"],
        [tmp_path / "a.mp4", "-f", "json,TextGrid", "--transcript", tmp_path / "a.TextGrid"],
        [tmp_path / "b.wav", tmp_path / "a.png", "-f", "png"],
    ):
        for name in ("a.srt", "a.TextGrid", "a.png"):
            (tmp_path / name).write_text("made by hand")
        result = run("annotate", *options, "-o", tmp_path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "is to be read and written; give another -o DIR\n" in result.stderr
        assert result.stderr.count("\n") == 1
        assert suffixes(tmp_path) == [".TextGrid", ".png", ".srt"]
        assert {path.read_text() for path in tmp_path.iterdir()} == {"made by hand"}
    assert not loaded


# --- convert -----------------------------------------------------------------------------------


def saved(folder: Path, names: Sequence[str] = ("a.json",)) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        annotation(f"{name}.wav").save(folder / name)
    return [folder / name for name in names]


def test_convert_writes_beside_the_annotation(tmp_path, loaded):
    (file,) = saved(tmp_path)
    before = file.read_bytes()
    formats = [name for name in FORMATS if name != "json"]
    result = run("convert", file, "-f", ",".join(formats))
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.count("wrote ") == len(formats)
    assert suffixes(tmp_path) == SUFFIXES
    assert file.read_bytes() == before
    assert not loaded
    for name in formats:
        path = tmp_path / f"a{FORMATS[name].suffix}"
        assert path.read_bytes() == FORMATS[name].render(annotation("a.json.wav"), tmp_path)


def test_convert_lists_its_files_as_json(tmp_path):
    files = saved(tmp_path, ["a.json", "b.json"])
    out = tmp_path / "new" / "out"
    result = run("convert", *files, "-f", "csv,srt", "-o", out, "--json", "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    expected = [out / f"{name}.{suffix}" for name in "ab" for suffix in ("csv", "srt")]
    assert json.loads(result.stdout) == {"files": [str(path) for path in expected]}
    assert pd.read_csv(out / "b.csv")["media"][0] == "b.json.wav"


def test_convert_never_overwrites_what_it_reads(tmp_path):
    files = saved(tmp_path, ["a.json", "b.label-studio.json", "b.json"])
    before = [file.read_bytes() for file in files]
    result = run("convert", *files, "-f", "json,label-studio")
    assert result.exit_code == 2
    assert result.stderr.count("is to be read and written; give another -o DIR\n") == 3
    (tmp_path / "link").symlink_to(tmp_path)
    again = run("convert", files[0], "-f", "json", "-o", tmp_path / "link")
    assert "is to be read and written" in again.stderr
    assert [file.read_bytes() for file in files] == before
    out = run("convert", *files, "-f", "json", "-o", tmp_path / "out")
    assert out.exit_code == 0
    assert [(tmp_path / "out" / file.name).read_bytes() for file in files] == before


def test_convert_keeps_names_apart_in_each_folder(tmp_path):
    files = saved(tmp_path, ["x/a.json", "y/a.json", "y/a.txt", "x/b.json"])
    assert run("convert", *files, "-f", "srt").exit_code == 0
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.srt")) == [
        "x/a.srt",
        "x/b.srt",
        "y/a.json.srt",
        "y/a.txt.srt",
    ]
    assert run("convert", *files, "-f", "srt", "-o", tmp_path / "z").exit_code == 0
    assert len(list((tmp_path / "z").iterdir())) == 4


def test_convert_goes_on_after_a_bad_file(tmp_path):
    (good,) = saved(tmp_path)
    bad = tmp_path / "bad.json"
    bad.write_text('{"schema_version": "9"}')
    lost = tmp_path / "lost.json"
    result = run("convert", bad, lost, good, "-f", "srt", "--json")
    assert result.exit_code == 1
    assert [line for line in result.stderr.splitlines() if "error" in line] == [
        f"lddu-pipe: error: {bad} is not an annotation of schema 1.0, 1.1, 1.2, 2.0 or 2.1, "
        "but of '9'",
        f"lddu-pipe: error: {lost}: No such file or directory",
    ]
    assert json.loads(result.stdout) == {"files": [str(tmp_path / "a.srt")]}
    assert run("convert", bad, "-f", "srt").exit_code == 2


def test_convert_passes_over_the_figures_of_a_batch(tmp_path):
    (good,) = saved(tmp_path)
    figures = tmp_path / "summary.json"
    figures.write_text("{}")
    result = run("convert", figures, good, "-f", "srt", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"files": [str(tmp_path / "a.srt")]}


@pytest.mark.parametrize(
    "options",
    [[], ["a.json"], ["a.json", "-f", "doc"], ["-f", "csv"], ["a.json", "-f", "csv", "-o"]],
)
def test_wrong_use_of_convert_is_one_line(options):
    result = run("convert", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("lddu-pipe: error: ")
    assert result.stderr.count("\n") == 1
