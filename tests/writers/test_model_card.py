from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard

from lddu_pipe.cli import main
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.pipelines.folder import SHIPPED
from lddu_pipe.pipelines.sharing import make_card
from lddu_pipe.writers.model_card import CardFacts, Training, find_figures, render_card

LABELS = ("calm", "a|b <i>")
FIGURES = {
    "n": 120, "data": "calls", "split": "test", "synthetic": False, "micro_f1": 0.61234,
    "macro_f1": 0.5, "ece": 0.04, "brier": 0.1, "aurc": 0.02, "abstained": None,
    "jaccard_accuracy": 0.4, "modalities": {"text": 100, "text+audio": 20},
    "per_label": {
        label: {"support": 12, "f1": 0.5, "precision": 0.5, "recall": 0.5,
                "average_precision": None, "ece": 0.1, "threshold": 0.3}
        for label in LABELS
    },
}  # fmt: skip
METRICS = {
    "test": {
        "validation-selected": {
            **FIGURES, "protocol": "validation-selected", "resampling": {"units": "speakers"},
            "intervals": {
                "micro_f1": [0.55, 0.67], "ece": None, "per_label": {"calm": {"f1": [0.4, 0.6]}}
            },
        },
        "paper": {**FIGURES, "protocol": "paper"},
    }
}  # fmt: skip
FACTS = CardFacts(
    name="mood",
    version="0.1.0",
    labels=LABELS,
    feature_sizes={"text": 384, "audio": 2324, "vision": 159},
    alignment="unaligned",
    parameters=1234,
    annotates=True,
    training=Training("calls", {"train": 900, "valid": 100}, epochs=30, seed=1),
    figures=tuple(find_figures(METRICS)),
    languages=("en", "de"),
    licence="CC BY 4.0",
)


def test_a_card_tells_what_is_known_and_nothing_else() -> None:
    text = render_card(FACTS, "me/mood")
    head = ModelCard(text).data.to_dict()
    assert head["license"] == "cc-by-4.0"
    assert (head["language"], head["labels"]) == (["en", "de"], list(LABELS))
    assert {"lddu", "text", "audio", "vision"} <= set(head["tags"])
    for told in (
        "each of its 2 labels is",
        "calls, test split | validation-selected | 120: text 100, text+audio 20",
        "0.612 (0.550 to 0.670)",
        "| calm | 12 | 0.500 | 0.500 | 0.500 (0.400 to 0.600) |",
        "95 % intervals, of how far figures move with other speakers",
        "| a\\|b \\<i\\> | 12 | 0.500",
        "(rows: train 900, valid 100); at most 30 epochs, seed 1",
        "$ lddu-pipe annotate talk.mp4 --model me/mood",
        'EmotionPipeline.from_pretrained("me/mood")',
        "No row of its figures had vision",
        "Apparent expression is not inner state",
        "is judged as if it were large",
    ):
        assert told in text
    knowing = render_card(replace(FACTS, knows_small_faces=True))
    assert "it is less sure of them" in knowing.replace("\n", " ")
    assert "as if it were large" not in knowing
    bare = render_card(
        replace(FACTS, labels=("calm",), training=None, figures=(), licence=None, annotates=False)
    )
    for told in (
        "its label is present",
        "Not recorded beside the model",
        "None are recorded beside the model",
        "not stated: ask before you use it",
        "feature stores, not media",
        "--model USER/MODEL",
    ):
        assert told in bare
    assert "annotate" not in bare


def test_the_card_of_a_run_and_of_the_model_that_ships(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(SHIPPED / "lddu-base-en", tmp_path / "run" / "model")
    (folder / "MODEL_CARD.md").unlink()
    (folder / "evaluation.json").unlink()
    (tmp_path / "run" / "metrics.json").write_text(json.dumps(METRICS))
    settings = {"data": str(tmp_path / "secret" / "calls"), "epochs": 3, "seed": 7}
    (tmp_path / "run" / "settings.json").write_text(json.dumps(settings))
    text = make_card(tmp_path / "run")
    assert "The data set calls; at most 3 epochs, seed 7" in text
    assert str(tmp_path) not in text
    assert "0.612 (0.550 to 0.670)" in text
    assert ModelCard(text).data.language == ["en"]
    assert "read by English models" in text
    monkeypatch.chdir(folder)
    assert make_card(Path()) == text
    (tmp_path / "run" / "metrics.json").write_text("{")
    with pytest.raises(UnusableInputError, match=r"metrics\.json is no JSON"):
        make_card(tmp_path / "run")

    result = CliRunner().invoke(main, ["models", "card", "lddu-base-en", "me/base"])
    assert result.exit_code == 0
    assert "RAVDESS, speech of actors 01-16" in result.stdout
    assert "reliability-texts.png" not in result.stdout
    assert "--model me/base" in result.stdout


def test_a_cross_fitted_model_and_one_that_is_no_better_than_base_rates_say_so() -> None:
    folds = {**FIGURES, "split": "folds", "protocol": "validation-selected"}
    facts = replace(
        FACTS,
        training=replace(FACTS.training, cross_fitted=True),
        figures=tuple(find_figures({"folds": {"validation-selected": folds}})),
        better_than_base_rates=False,
    )
    text = render_card(facts)
    assert "calls, cross-fitted" in text
    assert "valid split" not in text.partition("## Figures")[0]
    assert "no better than always answering how frequent each label is" in text
    assert "no better" not in render_card(FACTS)
