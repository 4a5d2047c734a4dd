"""What a part is worth: each ablation is what its name says, beside the full model."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lddu_pipe.datasets.store import open_store
from lddu_pipe.errors import IncompatibleModelError
from lddu_pipe.evidence import Absent, Example, ModalitySequence, Present, Reason, Steps
from lddu_pipe.pipelines import ablations
from lddu_pipe.pipelines.ablations import ABLATIONS, FULL, LATE_FUSION, ablate, differences
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.pipelines.evaluate_store import evaluate_store
from lddu_pipe.pipelines.export import export_onnx
from lddu_pipe.pipelines.predict import Predictor
from lddu_pipe.pipelines.train import train
from lddu_pipe.predictions import Answers
from lddu_pipe.training.settings import read_settings
from lddu_pipe.types import MODALITIES, Modality, TimeSpan, Utterance

SMALL = [
    *("batch_size=32", "loss.queue_size=512", "device=cpu", "report_to=none"),
    *("model.hidden_size=16", "model.latent_size=8", "model.attention_heads=4"),
    *("model.feed_forward_size=16", "model.encoder_layers={text: 1, audio: 1, vision: 1}"),
]


def ignore(stage: str, share: float) -> None:
    pass


CHOSEN = (FULL, "direct only", "text alone", "audio alone", "vision alone")


@pytest.mark.slow
def test_parts_are_left_out_and_compared_on_the_same_rows(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablations, "ABLATIONS", {name: ABLATIONS[name] for name in CHOSEN})
    given = (f"data={toy}", f"output={tmp_path / 'table'}", *SMALL)
    more = ("epochs=2", "learning_rate=1e-2", "model.dropout=0")
    results = ablate(read_settings("ablations", [*given, *more]), [1], ignore)
    assert results is not None
    assert list(results) == [*CHOSEN, LATE_FUSION]
    written = json.loads((tmp_path / "table" / "ablations.json").read_text())
    assert json.loads(json.dumps(results)) == written
    for name, found in results.items():
        assert set(found["test"]) == {"validation-selected", "paper"}
        assert found["seeds"] == [1]
        if name == FULL:
            continue
        figure = found["minus_full"]["micro_f1"]
        own, full = (item["test"]["validation-selected"] for item in (found, results[FULL]))
        expected = own["micro_f1"]["mean"] - full["micro_f1"]["mean"]
        assert figure["difference"] == pytest.approx(expected, abs=1e-9)
        low, high = figure["interval"]
        assert low <= figure["difference"] <= high
    # Each modality shows every label, so three models together know more than one.
    of = {name: found["test"]["validation-selected"] for name, found in results.items()}
    alone = [of[f"{name} alone"]["gap"]["mean"] for name in ("text", "audio", "vision")]
    assert of[LATE_FUSION]["gap"]["mean"] > max(alone)


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_what_it_names_and_nothing_else(name: str) -> None:
    places = ("data=store", "output=run")
    changed = [
        f"{part}.{key}={value}"
        for part, values in ABLATIONS[name].items()
        for key, value in values.items()
    ]
    full, one = (
        asdict(read_settings("ablations", [*places, *more])) for more in ((), tuple(changed))
    )
    apart = {
        f"{part}.{key}"
        for part in ("model", "loss")
        for key in full[part]
        if full[part][key] != one[part][key]
    }
    assert apart == {change.partition("=")[0] for change in changed}
    assert len(apart) == (name != FULL)


def answers(decisions: np.ndarray, truth: np.ndarray) -> Answers:
    return Answers(
        model="m 1",
        protocol="validation-selected",
        labels=("a", "b"),
        ids=tuple(map(str, range(len(truth)))),
        splits=("test",) * len(truth),
        speakers=(None,) * len(truth),
        truth=truth,
        probabilities=decisions * 0.8 + 0.1,
        decisions=decisions,
        abstained=np.zeros(len(truth), np.bool_),
        uncertainty={},
        present=None,
    )


def test_a_difference_is_that_of_the_same_rows_and_seeds() -> None:
    random = np.random.default_rng(0)
    truth = random.random((200, 2)) < 0.4
    right = answers(truth, truth)
    worse = answers(truth ^ (random.random(truth.shape) < 0.1), truth)
    same = differences([right, worse], [right, worse])["micro_f1"]
    assert same == {"difference": 0.0, "interval": None}  # no draw moves it
    found = differences([right, right], [worse, replace(worse, decisions=truth)])["micro_f1"]
    lost = differences([right], [worse])["micro_f1"]
    assert lost["difference"] < 0
    assert found["difference"] == pytest.approx(lost["difference"] / 2)
    assert found["interval"][0] < found["difference"] < found["interval"][1] < 0


def sequence(modality: Modality, steps: Steps) -> ModalitySequence:
    moments = np.arange(len(steps.values), dtype=np.float64)
    spans = np.stack([moments, moments + 1], axis=1)
    names = tuple(map(str, range(steps.values.shape[1])))
    return ModalitySequence(
        modality=modality,
        values=steps.values,
        spans=spans,
        valid=steps.valid,
        feature_names=names,
        fingerprint="toy",
    )


@pytest.mark.slow
def test_a_model_of_one_modality_passes_over_the_others(toy: Path, tmp_path: Path) -> None:
    given = (f"data={toy}", f"output={tmp_path / 'run'}", *SMALL, "epochs=1")
    run = train(read_settings("mosei-unaligned", [*given, "model.modalities=[audio]"]), ignore)
    assert run is not None
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.config.modalities == ["audio"]
    kept = [name for name in checkpoint.model.state_dict() if name.startswith(("enc", "spaces"))]
    assert {name.split(".")[1] for name in kept} == {"audio"}
    rows = open_store(toy).split("test")
    found = evaluate_store(checkpoint, open_store(toy)).answers
    heard = np.array(["audio" in row.sequences for row in rows])
    assert not heard.all()
    assert (found.present == np.stack([heard & False, heard, heard & False], axis=1)).all()
    # Without sound it knows nothing: the base rates, and no decision.
    assert (found.abstained >= ~heard).all()
    assert np.allclose(found.probabilities[~heard], checkpoint.calibration.base_rates)
    predictor = Predictor(checkpoint, torch.device("cpu"), passes=2, batch_size=4)
    row = next(row for row in rows if len(row.sequences) == 3)
    both, alone = (
        Example(
            Utterance("0", TimeSpan(0.0, 1.0)),
            {
                name: Present(sequence(name, row.sequences[name]))
                if name in names
                else Absent(Reason.NO_WORDS)
                for name in MODALITIES
            },
        )
        for names in (("audio", "vision"), ("audio",))
    )
    first, second = predictor.predict([both, alone])
    assert first.emotions == second.emotions
    with pytest.raises(IncompatibleModelError, match="takes audio alone"):
        export_onnx(checkpoint, tmp_path / "model.onnx")
    assert first.missing == {
        "text": Absent(Reason.NO_WORDS),
        "vision": Absent(Reason.NOT_TAKEN),
    }
