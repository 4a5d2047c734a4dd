from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
import warnings
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from runpy import run_path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from lddu_pipe import assets, diagnostics
from lddu_pipe.annotation import Annotation, ModelInfo, Provenance, SourceInfo
from lddu_pipe.assets import Asset
from lddu_pipe.cli import main
from lddu_pipe.commands import base, inventory, loading
from lddu_pipe.commands.base import Group
from lddu_pipe.commands.noise import only_our_messages
from lddu_pipe.commands.saving import output_names
from lddu_pipe.diagnostics import DEFAULT_CHECKPOINT, Check
from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.files import sha256_of_file
from lddu_pipe.pipelines.evaluation import evaluate_answers
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.types import TimeSpan, Utterance
from lddu_pipe.writers import formats
from tests.streams import events_of

ROOT = Path(__file__).parents[1]
PROGRAM = [sys.executable, "-m", "lddu_pipe.cli"]


def annotation(path: str, text: str = "What wonderful news!") -> Annotation:
    happy = EmotionScore("happy", 0.81, "present", 0.8, Uncertainty(0.2, 0.03))
    return Annotation(
        SourceInfo(path, "0" * 64, 3.1, has_audio=True, has_video=False),
        ModelInfo("lddu-base-en", "0.1.0", ("happy",), aligned=False),
        [
            Prediction(
                Utterance("0000", TimeSpan(0.0, 3.1), text),
                (happy,),
                {"vision": Absent(Reason.NO_PICTURES)},
            )
        ],
        Provenance("2026-01-01T00:00:00+00:00", {}, {}, {}),
    )


class FakePipeline:
    """Annotates every file alike, but fails on those whose name says how."""

    def __init__(self):
        self.loaded = []
        self.calls = []

    def load(self, model, **options):
        self.loaded.append((model, options))
        return self

    def stream(self, source, *, transcript=None, hook=None):
        self.calls.append((source, transcript))
        hook("judge", None, 1.0, 2.0)
        warnings.warn("chatter of a library", stacklevel=1)
        logging.getLogger("chatty").error("chatter of a library")
        match source.stem:
            case "lost":
                raise UnusableInputError(f"{source} does not exist; check the path")
            case "vague":
                raise UnusableInputError("no streams\nin there")
            case "bug":
                raise ValueError("shapes do not fit")
            case "stop":
                raise KeyboardInterrupt
        yield from events_of(annotation(str(source)))


@pytest.fixture
def pipeline(monkeypatch):
    fake = FakePipeline()
    monkeypatch.setattr(loading, "load_pipeline", fake.load)
    return fake


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def annotate(*arguments):
    return run("annotate", *arguments)


def test_annotate_prints_a_timeline(pipeline):
    result = annotate("clip.wav")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "clip.wav\n"
        "3.1 s · sound · lddu-base-en\n"
        "\n"
        "0:00.0 – 0:03.1   What wonderful news!\n"
        "                  happy  ━━━━━━━━━━━━━━━━────  81 %  confidence  80 %\n"
        "                  missing: vision (no picture stream)\n"
    )


def test_timelines_of_several_files_stand_apart(pipeline):
    first, second = annotate("a.wav", "b.wav").stdout.split("\n\nb.wav\n")
    assert first.startswith("a.wav\n")
    assert "happy" in second


def test_json_of_one_file_is_one_object(pipeline):
    for option in ("--json", "--format=json"):
        result = annotate("clip.wav", option)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == annotation("clip.wav").to_json()


def test_json_of_several_files_is_one_line_each(pipeline):
    result = annotate("a.wav", "lost.wav", "b.wav", "--json")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        annotation("a.wav").to_dict(),
        annotation("b.wav").to_dict(),
    ]
    assert annotate("a.wav", "lost.wav", "--json").stdout.count("\n") == 1


def test_json_of_a_file_whose_name_is_not_text(pipeline):
    name = os.fsdecode(b"caf\xe9.wav")
    result = annotate(name, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout_bytes.decode("utf-8"))["media"]["path"] == name


def test_output_goes_to_a_folder_that_is_made(pipeline, tmp_path):
    folder = tmp_path / "new" / "folder"
    result = annotate("x/a.mp4", "b.wav", "-o", folder)
    assert result.exit_code == 0
    assert result.stderr == f"wrote {folder / 'a.json'}\nwrote {folder / 'b.json'}\n"
    assert "happy" in result.stdout
    assert json.loads((folder / "b.json").read_text()) == annotation("b.wav").to_dict()
    assert sorted(path.name for path in folder.iterdir()) == ["a.json", "b.json"]
    assert annotate("a.mp4", "-o", folder, "-q").stderr == ""


def test_files_of_one_name_do_not_overwrite_each_other(pipeline, tmp_path):
    result = annotate("a.mp4", "a.wav", "x/a.wav", "b.wav", "--json", "-o", tmp_path)
    assert result.exit_code == 0
    written = {
        path.name: json.loads(path.read_text())["media"]["path"] for path in tmp_path.iterdir()
    }
    assert written == {
        "a.mp4.json": "a.mp4",
        "a.wav.json": "a.wav",
        "a.wav-2.json": "x/a.wav",
        "b.json": "b.wav",
    }


@given(st.lists(st.sampled_from(["a.mp4", "A.wav", "a", "a.mp4.txt", "x/a.mp4", "a.mp4-2", "b"])))
def test_output_names_are_never_alike(files):
    names = output_names([Path(file) for file in files])
    assert len({name.casefold() for name in names}) == len(files)
    for file, name in zip(files, names, strict=True):
        assert name.startswith(Path(file).stem)


def test_folder_that_cannot_be_made_stops_before_the_work(pipeline, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        result = annotate("a.mp4", "-o", folder)
        assert result.exit_code == 2
        assert result.stderr.startswith("lddu-pipe: error: ")
        assert result.stderr.count("\n") == 1
        assert str(folder) in result.stderr
    assert not pipeline.loaded


def test_annotation_that_cannot_be_written_is_a_failed_file(pipeline, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(formats, "write_whole", full)
    result = annotate("a.mp4", "-o", tmp_path)
    assert result.exit_code == 2
    assert result.stdout.startswith("a.mp4\n")  # what was judged is not lost
    assert result.stderr == (
        f"lddu-pipe: error: a.mp4: {tmp_path / 'a.json'}: cannot write the annotation: "
        "No space left on device\n"
    )


def test_some_failures_leave_the_rest(pipeline, tmp_path):
    result = annotate("lost.mp4", "a.mp4", "dir/vague.mp4", "bug.mp4", "b.mp4", "-o", tmp_path)
    assert result.exit_code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]
    assert result.stderr.splitlines() == [
        "lddu-pipe: error: lost.mp4 does not exist; check the path",
        f"wrote {tmp_path / 'a.json'}",
        "lddu-pipe: error: dir/vague.mp4: no streams in there",
        "lddu-pipe: error: bug.mp4: unexpected error (ValueError: shapes do not fit); "
        "run again with --debug for the traceback",
        f"wrote {tmp_path / 'b.json'}",
    ]
    assert result.stdout.startswith("a.mp4\n")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("error", "library"),
    [
        (ImportError("libGL.so.1: cannot open shared object file: No such file"), "libGL.so.1"),
        (OSError("/usr/lib/libgthread-2.0.so.0: file too short"), "libgthread-2.0.so.0"),
    ],
)
def test_missing_system_library_leads_to_doctor(monkeypatch, error, library):
    def load(*arguments, **options):
        raise error

    monkeypatch.setattr(loading, "load_pipeline", load)
    result = annotate("a.mp4")
    assert result.exit_code == 2
    assert result.stderr == (
        f"lddu-pipe: error: the system library {library} is missing or broken; "
        "'lddu-pipe doctor' says how to install it\n"
    )


def test_only_failures(pipeline):
    result = annotate("lost.mp4", "bug.mp4")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 2


def test_debug_shows_tracebacks(pipeline):
    result = annotate("bug.mp4", "--debug")
    assert result.exit_code == 2
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("lddu-pipe: error: bug.mp4: unexpected")


def test_file_names_cannot_command_the_terminal(pipeline):
    result = annotate("\x1b[2J\n/lost.mp4", os.fsdecode(b"\xff/vague.mp4"), "\x1b[31mred.wav")
    assert result.stderr.splitlines() == [
        r"lddu-pipe: error: \x1b[2J /lost.mp4 does not exist; check the path",
        r"lddu-pipe: error: \udcff/vague.mp4: no streams in there",
    ]
    assert result.stdout.startswith("\\x1b[31mred.wav\n")


def test_tiers_belong_to_transcripts_that_have_some(pipeline, tmp_path):
    words = tmp_path / "words.eaf"
    words.touch()
    assert annotate("a.mp4", "--transcript", words, "--tier", "Ana", "--tier", "Bo").exit_code == 0
    assert pipeline.loaded[-1][1]["settings"].tiers == ("Ana", "Bo")
    assert annotate("a.TextGrid", "--tier", "Ana").exit_code == 0
    result = annotate("a.mp4", "--tier", "Ana")
    assert result.exit_code == 2
    assert "--tier belongs to a transcript of ELAN or Praat" in result.stderr


def test_a_file_that_looks_like_an_option_is_named_otherwise(pipeline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("--json.wav").touch()
    result = annotate("--json.wav")
    assert result.exit_code == 2
    assert "The file --json.wav is named by ./--json.wav, or after --." in result.stderr
    assert annotate("--", "--json.wav").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ("annotate", "a.mp4", "--model", "a" * 3000),
        ("annotate", "--" + "a" * 3000),
        ("batch", "a" * 3000, "-o", "out"),
    ],
)
def test_a_name_that_is_too_long_is_one_line(words):
    result = run(*words)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "unexpected" not in line


def test_an_address_is_no_file(pipeline):
    result = annotate("a.mp4", "--transcript", "https://somewhere/a.srt")
    assert result.exit_code == 2
    assert "https://somewhere/a.srt is an address, and files are" in result.stderr


def test_transcript_belongs_to_one_file(pipeline, tmp_path):
    words = tmp_path / "words.srt"
    words.touch()
    assert annotate("a.mp4", "--transcript", words).exit_code == 0
    assert pipeline.calls == [(Path("a.mp4"), words)]
    result = annotate("a.mp4", "b.mp4", "--transcript", words)
    assert result.exit_code == 2
    assert result.stderr == (
        "lddu-pipe: error: --transcript belongs to one file; give one FILE. "
        "See 'lddu-pipe annotate --help'.\n"
    )
    assert len(pipeline.loaded) == 1


def test_options_reach_the_pipeline(pipeline):
    annotate("a.mp4")
    options = [
        "--model",
        "m",
        "--device",
        "cpu",
        "--offline",
        "--fps",
        "5",
        "--aligned",
        "--window",
        "2.5",
    ]
    annotate("a.mp4", *options)
    assert pipeline.loaded == [
        ("lddu-base-en", {"device": "auto", "offline": False, "settings": PipelineSettings()}),
        (
            "m",
            {
                "device": "cpu",
                "offline": True,
                "settings": PipelineSettings(fps=5, aligned=True, window=2.5),
            },
        ),
    ]


def test_channels_have_a_plain_spelling(pipeline):
    annotate("a.mp4", "--channels-are-speakers")
    ((_, given),) = pipeline.loaded
    assert given["settings"] == PipelineSettings(speakers="channels")


@pytest.mark.parametrize(
    "arguments",
    [
        ["annotate"],
        ["annotate", "a.mp4", "--fps", "nan"],
        ["annotate", "a.mp4", "--window", "0"],
        ["annotate", "a.mp4", "--device", "abacus"],
        ["annotate", "a.mp4", "--transcript", "nowhere.srt"],
        ["annotate", "a.mp4", "-f", "xml"],
        ["annotate", "a.mp4", "--no-such-option"],
        ["evaluate"],
        ["evaluate", "--manifest", "nowhere.jsonl"],
        ["extract", "--manifest", __file__, "-o", "x", "--labels", "calm,tense,calm"],
        ["models", "fetch", "nothing"],
        ["models", "card", "nowhere"],
        ["models", "push", "lddu-base-en", "nobody"],
        ["no-such-command"],
        ["--no-such-option"],
    ],
)
def test_wrong_use_is_one_line(pipeline, arguments):
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("lddu-pipe: error: ")
    assert result.stderr.count("\n") == 1
    assert not pipeline.calls


def test_no_command_shows_the_help_as_wrong_use():
    for arguments in ([], ["models"]):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert result.stderr.startswith("Usage: lddu-pipe")


def test_failure_of_loading_is_one_line(monkeypatch):
    def fail(*_, **__):
        raise MissingAssetError("no model 'x': give a folder")

    monkeypatch.setattr(loading, "load_pipeline", fail)
    result = annotate("a.mp4", "b.mp4")
    assert (result.exit_code, result.stderr) == (
        2,
        "lddu-pipe: error: no model 'x': give a folder\n",
    )


def test_interruption_keeps_what_was_finished(pipeline, tmp_path):
    result = annotate("a.mp4", "stop.mp4", "b.mp4", "-o", tmp_path)
    assert result.exit_code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert result.stderr.splitlines()[-1] == "lddu-pipe: interrupted"
    assert "Traceback" not in result.stderr


def test_interruption_of_the_program_waits_for_no_thread(pipeline, monkeypatch):
    def leave():
        raise SystemExit("at once")

    monkeypatch.setattr(base, "leave_interrupted", leave)
    monkeypatch.setattr(sys, "argv", ["lddu-pipe", "annotate", "stop.mp4"])
    with pytest.raises(SystemExit, match="at once"):
        main()


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], {"trouble"}),
        (["-q"], set()),
        (["-v"], {"trouble", "step"}),
        (["-vv"], {"trouble", "step", "detail", "chatter"}),
    ],
)
def test_messages_by_verbosity(pipeline, monkeypatch, options, shown):
    def speak(*_, **__):
        log = logging.getLogger("lddu_pipe.somewhere")
        log.warning("trouble\n")
        log.info("step")
        log.debug("detail")
        return pipeline

    monkeypatch.setattr(loading, "load_pipeline", speak)
    stderr = annotate("a.mp4", *options).stderr
    words = {"trouble", "step", "detail", "chatter"}
    assert {word for word in words if word in stderr} == shown
    if shown:
        assert "lddu-pipe: warning: trouble\n" in stderr


def test_logging_is_as_before_afterwards(pipeline):
    ours, root = logging.getLogger("lddu_pipe"), logging.getLogger()
    before = (ours.level, ours.propagate, list(ours.handlers), list(root.handlers))
    annotate("a.mp4", "-vv")
    assert (ours.level, ours.propagate, ours.handlers, root.handlers) == before
    assert warnings.showwarning.__module__ != "logging"


NATIVE = """
import os, subprocess, sys
from lddu_pipe.commands.noise import only_our_messages
with only_our_messages({verbosity}, native={native}):
    os.write(2, b"chatter of C++\\n")
    subprocess.run(["sh", "-c", "echo chatter of a program >&2"])
    print("ours", file=sys.stderr)
os.write(2, b"afterwards\\n")
print("end", file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("verbosity", "native", "chatter"), [(0, False, 0), (1, False, 0), (0, True, 2), (2, False, 2)]
)
def test_native_chatter(verbosity, native, chatter):
    code = NATIVE.format(verbosity=verbosity, native=native)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert [line for line in lines if "chatter" not in line] == ["ours", "afterwards", "end"]
    assert len(lines) == 3 + chatter


def test_closed_stderr_is_no_trouble():
    code = (
        "from lddu_pipe.commands.noise import only_our_messages as quiet\nwith quiet(0): print(1)"
    )
    command = f'"{sys.executable}" -c "{code}" 2>&-'
    done = subprocess.run(
        command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "1\n")


def test_environment_chosen_by_the_person_wins(monkeypatch):
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    with only_our_messages(0):
        assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"


@pytest.mark.parametrize("arguments", [["models", "list"], ["models", "list", "--json"]])
def test_broken_pipe_is_quiet(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=ROOT,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert done.stderr == ""
    assert done.returncode == 1


@pytest.fixture
def evaluation(pipeline, monkeypatch, tmp_path, make_answers):
    """Run ``evaluate`` on three rows, of which those in `skipped` cannot be used."""
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text('{"text": "Hello", "labels": []}\n' * 3)

    def evaluate(*options, skipped=(), skill=0.5):
        def figures(given, rows, hook):
            assert given is pipeline
            assert [row.id for row in rows] == ["1", "2", "3"]
            hook("read", 0.5)
            answers = make_answers(rows=20, skill=skill)
            thresholds = np.full((20, 3), 0.5)
            found = evaluate_answers(answers, thresholds=thresholds, base_rates=(0.5, 0.3, 0.1))
            lost = [{"id": id_, "error": "gone"} for id_ in skipped]
            return replace(found, figures=found.figures | {"skipped": lost})

        monkeypatch.setattr("lddu_pipe.pipelines.evaluate_manifest.evaluate_manifest", figures)
        return run("evaluate", "--manifest", manifest, *options)

    return evaluate


def test_evaluate_prints_tables(evaluation):
    result = evaluation()
    assert (result.exit_code, result.stderr) == (0, "")
    assert "micro F1" in result.stdout
    assert "95 % intervals: 1000 draws of 12 speakers" in result.stdout
    assert result.stdout.splitlines()[-2].startswith("better than answering how frequent")


def test_evaluate_prints_json(evaluation):
    result = evaluation("--json")
    assert (result.exit_code, result.stderr) == (0, "")
    figures = json.loads(result.stdout)
    low, high = figures["intervals"]["brier"]
    assert low < figures["brier"] < high


def test_a_model_that_knows_base_rates_and_no_more_says_so(evaluation):
    line = "no better than answering how frequent each label is: Brier "
    result = evaluation("--json", skill=0.0)
    assert json.loads(result.stdout)["better_than_base_rates"] is False
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert evaluation("--json", "--quiet", skill=0.0).stderr == ""
    assert line in evaluation(skill=0.0).stdout


def test_rows_that_were_skipped_are_failures(evaluation):
    result = evaluation("--json", skipped=["2"])
    assert result.exit_code == 1
    assert result.stderr == "lddu-pipe: error: row 2 was skipped: gone\n"
    assert json.loads(result.stdout)["n"] == 20


def test_manifest_that_is_wrong_is_one_line(pipeline, tmp_path):
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text('{"text": "Hello", "labels": []}\n{"text":')
    result = run("evaluate", "--manifest", manifest)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{manifest}, line 2" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """A machine with a good emotion model and one asset that is missing."""
    folder = tmp_path / "lddu-base-en"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    card = (
        "# Card\n\nOf (no) use.\n\n## Licence\n\nFor research (CC BY-NC\n4.0).\n\n## Figures (f)\n"
    )
    (folder / "MODEL_CARD.md").write_text(card)
    save_file({"weight": np.zeros((8, 8), np.float32)}, folder / "model.safetensors")
    encoder = Asset(
        name="encoder",
        kind="file",
        description="an encoder",
        licence="MIT",
        size=7,
        files={"weights.bin": "0" * 64},
        distribution="no-such-distribution",
        distribution_folder="no",
        url="file:///nowhere",
    )
    monkeypatch.setattr(diagnostics, "DEFAULT_CHECKPOINT", folder)
    monkeypatch.setattr(assets, "ASSETS", {"encoder": encoder})
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return folder


def test_models_list(weights):
    result = run("models", "list", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    ours, encoder = json.loads(result.stdout)["models"]
    assert ours["name"] == "lddu-base-en"
    assert ours["licence"] == "CC BY-NC 4.0"
    assert ours["verified"] is True
    digest = sha256_of_file(weights / "model.safetensors")
    assert ours["sha256"] == {"model.safetensors": digest}
    assert ours["size"] == sum(path.stat().st_size for path in weights.iterdir())
    assert (encoder["path"], encoder["verified"], encoder["size"]) == (None, False, 7)
    shown = run("models", "list").stdout
    assert digest in shown
    assert "CC BY-NC 4.0" in shown


def test_models_list_knows_the_licence_of_the_model_that_ships():
    described = inventory.describe_checkpoint(DEFAULT_CHECKPOINT)
    assert described["licence"] == "CC BY-NC-SA 4.0"
    assert "text_adapter/adapter_model.safetensors" in described["sha256"]


def test_models_verify_names_what_is_missing(weights):
    result = run("models", "verify")
    assert (result.exit_code, result.stdout) == (1, "lddu-base-en: verified\n")
    assert result.stderr == (
        'lddu-pipe: error: encoder was not found; run "lddu-pipe models fetch encoder"\n'
    )
    assert json.loads(run("models", "verify", "--json").stdout)["ok"] is False


def test_models_verify_is_content_when_all_is_right(weights, monkeypatch):
    monkeypatch.setattr(assets, "ASSETS", {})
    result = run("models", "verify")
    assert (result.exit_code, result.stderr) == (0, "")


def test_truncated_weights_are_found(weights):
    path = weights / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    described = inventory.describe_checkpoint(weights)
    assert f"{path} is damaged" in described["problem"]


def test_weights_that_differ_from_the_installed_ones_are_found(weights, monkeypatch):
    digests = {"model.safetensors": sha256_of_file(weights / "model.safetensors")}
    monkeypatch.setattr(inventory, "installed_digests", lambda name, folder: digests)
    assert inventory.describe_checkpoint(weights)["problem"] is None
    save_file({"weight": np.ones((8, 8), np.float32)}, weights / "model.safetensors")
    problem = inventory.describe_checkpoint(weights)["problem"]
    assert "is not the file that was installed" in problem


def test_digests_of_an_installed_package_are_those_of_its_files():
    folder = Path(click.__file__).parent
    found = inventory.installed_digests("click", folder)
    assert found["core.py"] == sha256_of_file(folder / "core.py")


def test_models_fetch_downloads_only_what_is_missing(weights, monkeypatch, tmp_path):
    fetched = []

    def fetch(name):
        fetched.append(name)
        return tmp_path / name

    monkeypatch.setattr(assets, "fetch", fetch)
    result = run("models", "fetch")
    assert (result.exit_code, result.stdout, fetched) == (0, "", ["encoder"])
    assert str(tmp_path / "encoder") in result.stderr


def test_models_fetch_that_fails(weights, monkeypatch):
    def fetch(name):
        raise MissingAssetError(f"{name} could not be downloaded")

    monkeypatch.setattr(assets, "fetch", fetch)
    result = run("models", "fetch", "-q")
    assert (result.exit_code, result.stderr) == (
        2,
        "lddu-pipe: error: encoder could not be downloaded\n",
    )


def test_doctor(monkeypatch):
    checks = [Check("Python", True, "3.11"), Check("ffmpeg", False, "gone", "Install it.")]
    monkeypatch.setattr(diagnostics, "run_checks", lambda: checks)
    result = run("doctor")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "Install it." in result.stdout
    assert json.loads(run("doctor", "--json").stdout) == {
        "ok": False,
        "checks": [
            {"name": "Python", "ok": True, "detail": "3.11", "cure": None},
            {"name": "ffmpeg", "ok": False, "detail": "gone", "cure": "Install it."},
        ],
    }
    del checks[1]
    assert run("doctor").exit_code == 0


def commands(command, name="lddu-pipe"):
    yield name, command
    if isinstance(command, click.Group):
        for child, below in command.commands.items():
            yield from commands(below, f"{name} {child}")


@pytest.mark.parametrize(("name", "command"), list(commands(main)))
def test_every_command_explains_itself(name, command):
    words = name.split()[1:]
    result = run(*words, "-h")
    assert result.exit_code == 0
    assert result.stdout == run(*words, "--help").stdout
    assert command.examples
    assert all(example.startswith(name) or not words for example in command.examples)
    assert command.exit_codes or isinstance(command, Group)
    assert all(option.help for option in command.params if isinstance(option, click.Option))


def test_reference_is_current():
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    current = run_path(str(ROOT / "docs" / "reference.py"))["reference"]()
    assert page == current, "run python docs/reference.py > docs/cli.md"


def test_version():
    assert run("--version").stdout == f"lddu-pipe, version {version('lddu-pipe')}\n"


@pytest.mark.alone
def test_help_takes_less_than_three_times_an_import_of_click():
    def least_work(*arguments):
        """Seconds of processor time, which other work on the machine disturbs least."""
        seconds = []
        for _ in range(7):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(seconds)

    assert least_work("-m", "lddu_pipe.cli", "--help") < 3 * least_work("-c", "import click")


@pytest.fixture
def real(tmp_path):
    """Run the program itself, with the model that ships."""
    weights = DEFAULT_CHECKPOINT / "model.safetensors"
    assert weights.is_file(), f"{weights} is part of the package and is not there"

    def execute(*arguments):
        command = [*PROGRAM, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return execute


@pytest.fixture
def program_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.slow
@pytest.mark.usefixtures("program_path")
def test_real_text_and_a_file_that_is_not_there(real, tmp_path):
    (tmp_path / "glad.txt").write_text("I am so happy to see you, this is wonderful news.")
    done = real("annotate", "glad.txt", "lost.mp4", "--json", "-o", "out")
    assert done.returncode == 1, done.stderr
    first, second = done.stderr.splitlines()
    assert first == "wrote out/glad.json"
    assert second.startswith("lddu-pipe: error: ")
    assert "lost.mp4" in second
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "out" / "glad.json").read_text())
    (happy,) = (score for score in found["utterances"][0]["emotions"] if score["label"] == "happy")
    assert happy["decision"] == "present"
