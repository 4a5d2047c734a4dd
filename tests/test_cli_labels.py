"""Labels of one's own, all the way: from rows to a model that annotates, and what it writes."""

from __future__ import annotations

import csv
import json
from itertools import product
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from lddu_pipe.cli import main

LABELS = ("calm", "très <tense>")  # whatever name people give
CALM = (
    *("Take all the time you need.", "There is no hurry at all.", "We can do it tomorrow."),
    *("Just breathe slowly.", "It is quiet here.", "Let us sit down for a while."),
    *("Everything is fine.", "I feel at peace."),
)
TENSE = (
    *("Hurry up, now!", "This is urgent!", "Answer me at once!", "I cannot wait any longer!"),
    *("Stop it immediately!", "They are after us!", "Quick, run!", "I have had enough of this!"),
)
SMALL = (
    *("epochs=6", "batch_size=16", "learning_rate=2e-3", "loss.queue_size=64"),
    *("model.hidden_size=32", "model.latent_size=16", "model.attention_heads=2"),
    *("model.feed_forward_size=32", "loss.calibration=divergence", "model.classifier_size=null"),
    *(f"model.encoder_layers.{name}=1" for name in ("text", "audio", "vision")),
    *(f"model.max_steps.{name}=30" for name in ("text", "audio", "vision")),
)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def rows() -> list[dict[str, object]]:
    texts = [(text, [LABELS[0]]) for text in CALM] + [(text, [LABELS[1]]) for text in TENSE]
    texts += [(f"{one} {other}", list(LABELS)) for one, other in product(CALM, TENSE)]
    texts += [(f"{one} {other}", [LABELS[0]]) for one, other in product(CALM, CALM)]
    texts += [(f"{one} {other}", [LABELS[1]]) for one, other in product(TENSE, TENSE)]
    splits = ("train", "valid", "train", "valid", "test")
    return [
        {
            **{"id": str(number), "text": text, "labels": labels, "split": splits[number % 5]},
            "scales": {"arousal": (LABELS[1] in labels) - 0.6} if number % 7 else {},
        }
        for number, (text, labels) in enumerate(texts)
    ]


def labelled(folder: Path) -> Path:
    """A manifest of the test rows."""
    path = folder / "test.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows() if row["split"] == "test"))
    return path


@pytest.mark.slow
def test_two_labels_of_ones_own_from_rows_to_a_page(tmp_path: Path) -> None:
    manifest, store, out = tmp_path / "rows.jsonl", tmp_path / "store", tmp_path / "out"
    manifest.write_text("\n".join(map(json.dumps, rows())))
    run("extract", "--manifest", manifest, "-o", store, "--offline", "-q")
    assert f"{LABELS[1]} " in run("dataset", "inspect", store)
    run("train", "mosei-unaligned", f"data={store}", f"output={tmp_path / 'run'}", *SMALL)
    model = tmp_path / "calibrated"
    run("calibrate", "--model", tmp_path / "run", "--data", store, "--coverage", 0.9, "-o", model)
    pictures = tmp_path / "pictures"
    found = json.loads(
        run("evaluate", "--model", model, "--data", store, "--json", "--figures", pictures)
    )
    assert tuple(found["per_label"]) == LABELS
    assert found["micro_f1"] > 0.9
    arousal = found["per_scale"]["arousal"]
    assert arousal["ccc"] > 0.7
    assert arousal["n"] < found["n"]
    assert 0.7 < arousal["covered"] <= 1
    same = run("evaluate", "--model", model, "--manifest", labelled(tmp_path), "--json")
    assert json.loads(same)["per_scale"]["arousal"]["ccc"] == pytest.approx(arousal["ccc"])
    assert len(list(pictures.glob("*.png"))) == 5
    notes = tmp_path / "notes.txt"
    notes.write_text("Please take your time, there is no hurry.\nHurry, we are late!\n")
    run("annotate", notes, "--model", model, "--offline", "-f", "json,csv,html,png", "-o", out)
    annotation = json.loads((out / "notes.json").read_text())
    assert annotation["model"]["labels"] == list(LABELS)
    utterance, other = annotation["utterances"]
    assert [score["label"] for score in utterance["emotions"]] == list(LABELS)
    calm, tense = (score["probability"] for score in utterance["emotions"])
    assert calm > 0.5 > tense
    assert set(utterance["label_set"]) <= set(LABELS)
    assert annotation["schema_version"] == "2.1"
    place = utterance["scales"]["arousal"]
    assert -1 <= place["low"] < place["value"] < place["high"] <= 1
    assert place["value"] < other["scales"]["arousal"]["value"]
    with (out / "notes.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row["label"] for row in csv.DictReader(file)] == 2 * list(LABELS)
    page = (out / "notes.html").read_text()
    assert "tense" in page
    assert "<tense>" not in page
    with Image.open(out / "notes.png") as picture:
        picture.verify()
    card = run("models", "card", tmp_path / "run")
    assert "each of its 2 labels" in card
    assert "rows, test split | validation-selected" in card
