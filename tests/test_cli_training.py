"""The commands that researchers use, as they type them: extract, train, evaluate, calibrate."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from lddu_pipe.cli import main
from lddu_pipe.writers.predictions import read_predictions, write_predictions

SENTENCES = {
    "happy": "I am so happy about this wonderful news",
    "sad": "I miss her and cried all night",
    "anger": "I hate him, he shouted at me",
    "surprise": "Wow, I did not expect that at all",
    "disgust": "That is disgusting and makes me sick",
    "fear": "I am terrified of what is out there",
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    labels = list(SENTENCES)
    rows = [
        {
            "id": str(index),
            "text": f"{SENTENCES[labels[index % 6]]}, {index}",
            "labels": [labels[index % 6]],
            "split": ("train", "valid")[index % 7 < 3],
        }
        for index in range(140)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.slow
def test_from_a_manifest_to_a_calibrated_model_of_ones_own(manifest: Path, tmp_path: Path) -> None:
    store, model, careful = (tmp_path / name for name in ("store", "run", "careful"))
    extracted = run("extract", "--manifest", manifest, "-o", store, "--offline")
    assert extracted.exit_code == 0, extracted.stderr
    assert "140 of 140 rows" in extracted.stderr
    small = ("epochs=2", "model.hidden_size=16", "model.latent_size=8", "model.attention_heads=2")
    trained = run("train", "mosei-unaligned", f"data={store}", f"output={model}", *small)
    assert trained.exit_code == 0, trained.stderr
    assert "validation-selected" in trained.stdout
    assert (model / "figures" / "paper" / "reliability.png").is_file()
    again = run("train", "mosei-unaligned", f"data={store}", f"output={model}", *small, "--json")
    assert json.loads(again.stdout)["valid"]["paper"]["n"] == 60
    pictures = tmp_path / "pictures"
    evaluated = run(
        *("evaluate", "--data", store, "--model", model, "--split", "valid"),
        *("--protocol", "paper", "--figures", pictures, "--json"),
        *("--predictions", tmp_path / "scores.parquet"),
    )
    assert evaluated.exit_code == 0, evaluated.stderr
    figures = json.loads(evaluated.stdout)
    assert (figures["protocol"], figures["split"], figures["n"]) == ("paper", "valid", 60)
    assert set(figures["per_label"]["sad"]) >= {"threshold", "average_precision"}
    assert figures["per_label"]["sad"]["threshold"] == pytest.approx(0.21)
    assert len(list(pictures.glob("*.png"))) == 5
    answers = read_predictions(tmp_path / "scores.parquet")
    assert (answers.protocol, set(answers.splits), len(answers.ids)) == ("paper", {"valid"}, 60)
    assert ((answers.probabilities >= 0.21) == answers.decisions).all()
    calibrated = run(
        *("calibrate", "--data", store, "--model", model, "-o", careful),
        *("--method", "temperature", "--coverage", "0.8"),
    )
    assert calibrated.exit_code == 0, calibrated.stderr
    assert "label sets cover" in calibrated.stdout
    annotated = run("annotate", manifest.with_suffix(".txt"), "--model", careful, "--json")
    assert annotated.exit_code == 2  # there is no such file
    manifest.with_suffix(".txt").write_text("I am so happy about this\n")
    annotated = run("annotate", manifest.with_suffix(".txt"), "--model", careful, "--json")
    assert "label_set" in json.loads(annotated.stdout)["utterances"][0]


def test_two_models_are_compared_by_what_they_say_of_each_row(
    manifest: Path, tmp_path: Path
) -> None:
    rows = manifest.read_text().splitlines()[:14]
    some = tmp_path / "some.jsonl"
    some.write_text("\n".join(rows))
    base, mine, pictures = (tmp_path / name for name in ("base.parquet", "b.jsonl", "pictures"))
    options = ("evaluate", "--manifest", some, "--offline", "--json", "--predictions")
    evaluated = run(*options, base, "--figures", pictures)
    assert evaluated.exit_code == 0, evaluated.stderr
    assert evaluated.stderr == f"wrote {base}\n"
    figures = json.loads(evaluated.stdout)
    assert figures["better_than_base_rates"] is True
    assert len(list(pictures.glob("*.png"))) == 5
    assert run(*options, some).exit_code == 2  # it would be written over what is read
    assert some.read_text().splitlines() == rows
    answers = read_predictions(base)
    shuffled = np.random.default_rng(0).permutation(answers.probabilities)
    write_predictions(replace(answers, probabilities=shuffled, decisions=shuffled > 0.5), mine)
    compared = run("compare", base, mine, "--json")
    assert compared.exit_code == 0, compared.stderr
    found = json.loads(compared.stdout)
    assert found["a"] == {
        "file": str(base),
        "model": figures["model"],
        "protocol": "validation-selected",
    }
    brier = found["figures"]["brier"]
    assert brier["a"] == figures["brier"]
    assert brier["leaves_out_zero"] is (brier["interval"][0] > 0) is True
    shown = run("compare", base, mine)
    (line,) = (line for line in shown.stdout.splitlines() if line.startswith("Brier"))
    assert line.split()[-1] == "*"


@pytest.mark.slow
def test_sixty_rows_of_noise_are_cross_fitted_and_the_model_says_what_it_is(
    tmp_path: Path,
) -> None:
    manifest, store, model = (tmp_path / name for name in ("rows.jsonl", "store", "run"))
    rows = [
        {"text": SENTENCES["happy"], "labels": [list(SENTENCES)[index % 5]], "speaker": str(index)}
        for index in range(60)
    ]
    manifest.write_text("".join(json.dumps({**row, "split": "train"}) + "\n" for row in rows))
    extracted = run("extract", "--manifest", manifest, "-o", store, "--offline")
    assert extracted.stderr.splitlines() == [
        "lddu-pipe: warning: 'train' will refuse these rows: label 'fear' is never present in "
        "train and valid, so it cannot be learned; leave it out of the label set or add rows "
        "(extract --labels happy,sad,anger,surprise,disgust)",
        f"{store}: 60 of 60 rows",
    ]
    refused = run("train", "mosei-unaligned", f"data={store}", f"output={model}")
    assert refused.exit_code == 2
    assert f"{store}: label 'fear' is never present" in refused.stderr
    shutil.rmtree(store)
    chosen = ("--labels", "happy,sad,anger,surprise,disgust")
    extracted = run("extract", "--manifest", manifest, "-o", store, "--offline", *chosen)
    assert "'train' will cross-fit these rows: no valid split" in extracted.stderr
    small = ("epochs=1", "model.hidden_size=16", "model.latent_size=8", "model.attention_heads=2")
    trained = run("train", "mosei-unaligned", f"data={store}", f"output={model}", *small)
    assert trained.exit_code == 0, trained.stderr
    assert "no better than always answering each label's frequency, on 60 rows" in trained.stdout
    lines = trained.stderr.splitlines()
    assert len(lines) == 7  # what is done, five folds, one epoch on all rows
    assert "5 trainings" in lines[0]
    warning = "lddu-pipe: warning: this model was no better than always answering"
    text = tmp_path / "text.txt"
    text.write_text("I am so happy\n")
    annotated = run("annotate", text, "--model", model)
    assert annotated.stderr.startswith(warning)
    assert len(annotated.stderr.splitlines()) == 1
    assert run("annotate", text, "--model", model, "-q").stderr == ""
    done = run("batch", manifest, "-o", tmp_path / "out", "--model", model, "--dry-run")
    assert done.stderr.startswith(warning)


def test_the_default_model_is_calibrated_on_a_manifest(manifest: Path, tmp_path: Path) -> None:
    result = run("calibrate", "--manifest", manifest, "-o", tmp_path / "mine", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    assert set(report) == {"text"}
    assert report["text"]["rows"] == 140
    assert report == json.loads((tmp_path / "mine" / "calibration_report.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("calibrate", "-o", "x"), "give either --manifest or --data"),
        (("evaluate",), "give either --manifest or --data"),
        (("evaluate", "--manifest", __file__, "--protocol", "paper"), "goes with --data"),
        (("evaluate", "--manifest", __file__, "--predictions", "x.csv"), "end in one of"),
        (("evaluate", "--manifest", __file__, "--predictions", "x/y.jsonl"), "no folder x"),
        (("compare", __file__, __file__), "predictions end in one of"),
        (
            ("evaluate", "--manifest", __file__, "--figures", f"{__file__}/x"),
            "cannot make the folder",
        ),
        (("calibrate", "-o", "x", "--target", "recall"), "recall"),
        (("calibrate", "-o", "x", "--risk", "2"), "--risk"),
        (("train", "mosei-alinged", "data=a", "output=b"), "did you mean 'mosei-aligned'"),
        (("train", "m3ed", "data=nowhere", "output=b"), "nowhere is not a feature store"),
        (("train", "m3ed", "--seeds", "1,x"), "whole numbers"),
        (("extract", "-o", "x"), "--manifest"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
