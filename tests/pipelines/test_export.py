"""The head as ONNX: equal to torch, with all that is needed to use it, or an error of one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from lddu_pipe.cli import main
from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.models.batch import Batch
from lddu_pipe.models.calibration import Calibration, apply_calibration
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.graph import HeadOutput
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.scoring import score_batch
from lddu_pipe.pipelines import export
from lddu_pipe.pipelines.calibration import fit_calibration
from lddu_pipe.pipelines.checkpoint import load_checkpoint, save_checkpoint
from lddu_pipe.pipelines.export import METADATA_KEY, describe, export_onnx
from lddu_pipe.types import MODALITIES

# The exported model is made once, which takes a while.
pytestmark = pytest.mark.xdist_group("export")

PAGE = Path(__file__).parents[2] / "docs" / "export.md"


@pytest.fixture(scope="module")
def checkpoint():
    return load_checkpoint("lddu-base-en")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model, exported as people do."""
    path = tmp_path_factory.mktemp("export") / "head.onnx"
    done = CliRunner().invoke(main, ["models", "export", "--format", "onnx", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    assert re.search(r"wrote \S+head\.onnx \(10\.\d MB\).* within \S+ of the model's", done.stderr)
    return path


@pytest.fixture(scope="module")
def session(head: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(head, providers=["CPUExecutionProvider"])


def random_batch(config, rows: int, steps: dict[str, int], seed: int):
    random = np.random.default_rng(seed)
    values, masks = {}, {}
    for name, longest in steps.items():
        # Without a modality one row in four; one has all of it.
        lengths = random.integers(1, longest + 1, rows) * (random.random(rows) < 0.75)
        lengths[random.integers(rows)] = longest
        masks[name] = np.arange(longest) < lengths[:, None]
        size = config.feature_sizes[name]
        values[name] = random.normal(size=(rows, longest, size)).astype(np.float32)
        values[name] *= masks[name][:, :, None]
    return values, masks


BATCHES = [
    (1, {"text": 12, "audio": 8, "vision": 40}),
    (1, {"text": 1}),
    (1, {"vision": 1}),
    (3, {"audio": 160, "vision": 3}),
    (5, {"text": 256, "audio": 160, "vision": 160}),
    (7, {"text": 9, "audio": 9, "vision": 9}),  # aligned: a step a word
    (64, {"text": 30, "audio": 12, "vision": 50}),
]


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "steps"), BATCHES)
def test_it_is_equal_to_torch(checkpoint, session, rows: int, steps: dict) -> None:
    config = checkpoint.config
    values, masks = random_batch(config, rows, steps, seed=rows)
    inputs = {}
    for name in MODALITIES:
        nothing = np.zeros((rows, 0, config.feature_sizes[name]), np.float32)
        inputs[name] = values.get(name, nothing)
        inputs[f"{name}_mask"] = masks.get(name, np.zeros((rows, 0), np.bool_))
    found = HeadOutput(*session.run(None, inputs))
    given = ({key: torch.from_numpy(item) for key, item in x.items()} for x in (values, masks))
    raw = score_batch(checkpoint.model, Batch(*given), passes=0)
    np.testing.assert_allclose(found.logits, raw.logits, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found.deviation, raw.deviation, atol=1e-4)
    expected = apply_calibration(raw, checkpoint.calibration)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=3e-5)
    assert found.abstained[~raw.present.any(axis=1)].all()


@pytest.mark.slow
def test_the_metadata_says_what_the_model_is(checkpoint, head: Path, session) -> None:
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert about == json.loads(json.dumps(describe(checkpoint)))
    assert about["labels"] == list(checkpoint.config.labels)
    (head.parent / "calibration.json").write_text(json.dumps(about["calibration"]))
    assert Calibration.load(head.parent) == checkpoint.calibration
    onnx.checker.check_model(head, full_check=True)
    assert str(PAGE.parents[1]).encode() not in head.read_bytes()


@pytest.mark.slow
def test_the_page_shows_how_to_get_the_pipelines_probabilities(head: Path) -> None:
    with_us, without_us = re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    without_us += "import sys\nassert not {'torch', 'lddu_pipe'} & set(sys.modules)\n"
    printed = [
        subprocess.check_output([sys.executable, "-c", snippet], cwd=head.parent, text=True)
        for snippet in (with_us, without_us)
    ]
    ours, theirs = (
        dict(re.findall(r"'(\w+)': ([\d.]+)", lines.splitlines()[0])) for lines in printed
    )
    assert list(ours) == list(theirs)
    assert len(ours) == 6
    for label, probability in ours.items():
        assert float(theirs[label]) == pytest.approx(float(probability), abs=2e-4)
    assert "happy" in printed[1].splitlines()[1]


@pytest.mark.slow
def test_a_trained_model_of_other_features(tmp_path: Path) -> None:
    """An ablation, aligned, of the paper's features, calibrated with curves and for a coverage."""
    torch.manual_seed(0)
    config = LDDUConfig(
        hidden_size=32,
        latent_size=8,
        encoder_layers=dict.fromkeys(MODALITIES, 1),
        attention_heads=4,
        feed_forward_size=32,
        max_steps=dict.fromkeys(MODALITIES, 4),
        alignment="aligned",
        fusion="direct_only",
        name="own",
        scales=["valence"],  # which the graph leaves out
    )
    random = np.random.default_rng(0)
    logits = random.normal(-1, 2, (900, 6))
    truth = random.random((900, 6)) < 1 / (1 + np.exp(-logits))
    present = random.random((900, 3)) < 0.5
    calibration, _ = fit_calibration(
        logits, truth, random.random((900, 6)), present, method="isotonic", coverage=0.9
    )
    save_checkpoint(tmp_path / "own", LDDUModel(config), calibration)
    path = tmp_path / "own.onnx"
    done = exported("--model", tmp_path / "own", "-o", path, "--json", "-q")
    assert done.exit_code == 0, done.output
    assert done.stderr == ""
    written = json.loads(done.stdout)
    assert written["path"] == str(path)
    assert written["size"] == path.stat().st_size
    assert written["difference"] < 1e-6
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = json.loads(session.get_modelmeta().custom_metadata_map[METADATA_KEY])
    assert about["alignment"] == "aligned"
    assert about["modalities"]["text"] == {"features": 768, "max_steps": 4, "fingerprint": None}
    assert about["calibration"]["sets"]["text"]["coverage"] == 0.9


def exported(*arguments: object):
    return CliRunner().invoke(main, ["models", "export", *map(str, arguments)])


def test_a_missing_package_is_named(checkpoint, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingAssetError, match=r'pip install "lddu-pipe\[export\]"$'):
        export_onnx(checkpoint, tmp_path / "head.onnx")
    done = exported("-o", tmp_path / "head.onnx")
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_wrong_use(tmp_path: Path) -> None:
    for arguments in ([], ["-o", tmp_path / "x", "--format", "tflite"], ["-o", tmp_path]):
        done = exported(*arguments)
        assert done.exit_code == 2
        assert done.stderr.count("\n") == 1
    done = exported("-o", tmp_path / "x", "--model", "nobody")
    assert done.exit_code == 2
    assert "no model 'nobody'" in done.stderr


@pytest.mark.slow
def test_a_graph_that_is_wrong_is_not_written(
    checkpoint, session, head: Path, monkeypatch, tmp_path: Path
) -> None:
    """What leaves the exporter is checked, whatever it is."""
    proto = onnx.load(head)
    del proto.metadata_props[:]
    monkeypatch.setattr(export, "_to_onnx", lambda *_: proto)
    assert export_onnx(checkpoint, tmp_path / "right.onnx").difference < 1e-6
    shifted = {
        name: replace(item, offset=tuple(offset + 0.01 for offset in item.offset))
        for name, item in checkpoint.calibration.sets.items()
    }
    other = replace(checkpoint, calibration=replace(checkpoint.calibration, sets=shifted))
    with pytest.raises(
        IncompatibleModelError, match=r"probabilities differ .* nothing was written"
    ):
        export_onnx(other, tmp_path / "wrong.onnx")
    del proto.graph.node[-1:]
    with pytest.raises(IncompatibleModelError, match="onnxruntime cannot run"):
        export_onnx(checkpoint, tmp_path / "broken.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["right.onnx"]


@pytest.mark.slow
def test_a_folder_that_is_missing(checkpoint, head: Path, monkeypatch, tmp_path: Path) -> None:
    proto = onnx.load(head)
    del proto.metadata_props[:]
    monkeypatch.setattr(export, "_to_onnx", lambda *_: proto)
    with pytest.raises(UnusableInputError, match="cannot write the model: No such file"):
        export_onnx(checkpoint, tmp_path / "missing" / "head.onnx")
