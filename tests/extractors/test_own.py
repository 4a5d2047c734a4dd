"""Extractors of other people: the one in the docs, how they are named, and what is refused."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from lddu_pipe import EmotionPipeline, FeatureSet
from lddu_pipe.cli import main
from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import IncompatibleModelError, UnusableInputError
from lddu_pipe.extractors.base import SoundExtractor
from lddu_pipe.extractors.companions import SHIPPED
from lddu_pipe.extractors.features import default_text_fingerprint
from lddu_pipe.extractors.own import find_extractors
from lddu_pipe.media import decode_audio, probe
from lddu_pipe.server.options import JobOptions
from lddu_pipe.types import TimeSpan

PAGE = (Path(__file__).parents[2] / "docs" / "extractors.md").read_text(encoding="utf-8")
EXAMPLE, IN_PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXTRACT, TRAIN, ANNOTATE = re.findall(r"^\$ lddu-pipe (.+)$", PAGE, re.MULTILINE)
SAID = {"calm": "take your time", "tense": "i cannot bear it"}
LONG = {"text": " ".join(["so happy"] * 150), "audio": "long.wav"}
"""300 words and 300 s, more steps than a model takes."""


def run(arguments: str) -> Result:
    return CliRunner().invoke(main, arguments.split(), catch_exceptions=False)


pytestmark = pytest.mark.xdist_group("own extractors")  # they share a model that is trained


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder in which we are, with the example's file."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "band_levels.py").write_text(EXAMPLE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@pytest.fixture(scope="module")
def trained(
    example: Path, sample_video: Path, write_wav: Callable[..., Path]
) -> Callable[[str], Result]:
    """Runs a command beside a model that was trained on the example's features."""
    talk = decode_audio(probe(sample_video), span=TimeSpan(0.0, 3.0))
    write_wav(example / "talk.wav", talk)
    write_wav(example / "long.wav", np.resize(talk, 300 * 16_000))
    rows = [
        {"id": f"{split}-{index}", "text": SAID[label], "labels": [label], "split": split}
        | ({"audio": "talk.wav"} if split == "train" and index < 4 else {})
        for split, count in (("train", 8), ("valid", 50))
        for index, label in enumerate(list(SAID) * (count // 2))
    ]
    rows.append({"id": "long", "labels": ["calm"], "split": "train", **LONG})
    (example / "recordings.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for command in (EXTRACT, TRAIN):
        done = run(command)
        assert done.exit_code == 0, done.output
    return run


@pytest.mark.slow
def test_the_example_in_the_docs_runs_as_written(
    trained: Callable[[str], Result], capsys: pytest.CaptureFixture[str]
) -> None:
    info = open_store("own").info
    assert info.fingerprints["audio"].startswith("own/band_levels:")
    assert info.feature_sizes["audio"] == 6
    assert info.notes["extractors"]["audio"]["space"] == "decibels"
    assert info.notes["extractors"]["text"]["languages"] == ["en"]
    done = trained(f"{ANNOTATE} --json")
    assert done.exit_code == 0, done.output
    annotation = json.loads(done.stdout)
    assert annotation["utterances"][0]["modalities"]["audio"]["present"]
    assert annotation["provenance"]["config"]["own_extractors"] == ["band_levels.py:BandLevels"]
    (Path("in_python.py")).write_text(IN_PYTHON)
    runpy.run_path("in_python.py")
    size_and_mark, label = capsys.readouterr().out.splitlines()
    assert size_and_mark == f"6 {info.fingerprints['audio']}"
    assert label == annotation["model"]["labels"][0]
    refused = trained(ANNOTATE.partition(" --extractor")[0])
    assert refused.exit_code == 2
    assert "trained on audio features of band_levels, which is no part of" in refused.stderr
    assert refused.stderr.count("\n") == 1
    card = trained("models card run").stdout
    assert r"| audio encoder | band\_levels, which is no part of lddu-pipe" in card


@pytest.mark.slow
def test_extraction_keeps_every_step(trained: Callable[[str], Result]) -> None:
    train = open_store("own").split("train")
    taken = json.loads(Path("run/model/config.json").read_text())["max_steps"]
    assert train.lengths("text").max() == 300 > taken["text"]
    assert train.lengths("audio").max() == 600 > taken["audio"]


def test_a_checkpoint_says_which_feature_sets_it_accepts(
    example: Path, pipe: EmotionPipeline
) -> None:
    early, late = (FeatureSet(own=["band_levels.py:BandLevels"]) for _ in range(2))
    refusal = r"trained on audio features audio:\w+; these are own/band_levels:\w+: use the"
    _ = early.audio
    with pytest.raises(IncompatibleModelError, match=refusal):
        pipe.checkpoint.accept(early)
    pipe.checkpoint.accept(late)
    with pytest.raises(IncompatibleModelError, match=refusal):
        _ = late.audio
    default = FeatureSet(offline=True)
    pipe.checkpoint.accept(default)
    trained_on = pipe.checkpoint.config.fingerprints
    assert default.vision.spec.fingerprint == trained_on["vision"]
    assert default_text_fingerprint(default.companions) == trained_on["text"]


def test_no_file_makes_code_run(tmp_path: Path) -> None:
    model = shutil.copytree(SHIPPED, tmp_path / "model")
    (model / "evil.py").write_text("from pathlib import Path\nPath('evil').touch()\n")
    config = json.loads((model / "config.json").read_text())
    config["fingerprints"]["audio"] = "own/evil:0123456789abcdef"
    config["own_extractors"] = [f"{model}/evil.py:Evil"]
    (model / "config.json").write_text(json.dumps(config))
    stranger = EmotionPipeline.from_pretrained(model, device="cpu", offline=True)
    with pytest.raises(IncompatibleModelError, match="features of evil, which is no part of lddu"):
        _ = stranger.extractors.audio
    assert not Path("evil").exists()
    assert not {"extractor", "extractors", "own_extractors"} & set(JobOptions.__annotations__)


HEAD = "from lddu_pipe.extractors.base import Extractor, SoundExtractor\n"


@pytest.mark.parametrize(
    ("code", "name", "said"),
    [
        ("", "nothing.py:A", "there is no file .*nothing.py"),
        ("", "lddu_pipe.nothing:A", r"cannot be imported \(ModuleNotFoundError: No module"),
        ("", "nothing", r"no installed package names an extractor 'nothing' \(known: "),
        ("1 / 0", "mine.py:A", r"mine.py:A cannot be imported \(ZeroDivisionError: division"),
        ("class B: pass", "mine.py:A", "mine.py has no A"),
        ("class A: pass", "mine.py:A", "mine.py:A is no extractor: derive its class from"),
        (f"{HEAD}class A(SoundExtractor): pass", "mine.py:A", "mine.py:A lacks extract"),
        (f"{HEAD}class A(Extractor): name = 'a'", "mine.py:A", "mine.py:A lacks a modality"),
        (
            f"{HEAD}class A(SoundExtractor):\n name = 'audio'\n def extract(self): pass",
            "mine.py:A",
            "mine.py:A needs a `name` of its own",
        ),
    ],
)
def test_what_is_no_extractor_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, name: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(code)
    with pytest.raises(UnusableInputError, match=said) as caught:
        find_extractors([name])
    assert "\n" not in str(caught.value)


def test_one_a_modality_and_what_fails_when_made_is_one_line(example: Path) -> None:
    with pytest.raises(UnusableInputError, match="there is another extractor of audio; name one"):
        find_extractors(["band_levels.py:BandLevels"] * 2)
    (example / "rows.jsonl").write_text('{"text": "a", "labels": ["happy"]}\n')
    both = "--extractor band_levels.py:BandLevels --audio-encoder nobody/encoder"
    done = run(f"extract --manifest rows.jsonl -o both {both} -q")
    assert done.exit_code == 2
    assert "--extractor and --audio-encoder both say" in done.stderr
    done = run("batch rows.jsonl -o out --extractor band_levels.py:Bands -q")
    assert done.exit_code == 2
    assert "band_levels.py has no Bands" in done.stderr
    needy = EXAMPLE.replace('device="cpu"', "").replace("BandLevels", "Needy")
    (example / "needy.py").write_text(needy)
    with pytest.raises(IncompatibleModelError, match="band_levels is no audio extractor of use"):
        _ = FeatureSet(own=["needy.py:Needy"]).audio


def test_a_package_offers_an_extractor_by_an_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "their_levels.py").write_text(EXAMPLE)
    about = tmp_path / "their_levels-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: their-levels\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[lddu_pipe.extractors]\nlevels = their_levels:BandLevels\n"
    )
    for name in ("levels", "their_levels:BandLevels"):
        (found,) = find_extractors([name]).items()
        assert found[0] == "audio"
        assert issubclass(found[1], SoundExtractor)
