"""Runs: learning, being killed, several processes, bad data."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import f1_score

from lddu_pipe.datasets.store import StoreInfo, StoreWriter, open_store
from lddu_pipe.errors import IncompatibleModelError, UnusableInputError
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.pipelines.evaluate_store import PROTOCOLS, evaluate_store
from lddu_pipe.pipelines.evaluation import Evaluation
from lddu_pipe.pipelines.train import train, train_seeds
from lddu_pipe.training.run import claim, model_config, train_model
from lddu_pipe.training.settings import read_settings
from lddu_pipe.training.trainer import THRESHOLDS, best_common_threshold

SMALL = [
    "batch_size=32",
    "model.hidden_size=16",
    "model.latent_size=8",
    "model.attention_heads=4",
    "model.feed_forward_size=16",
    "model.encoder_layers.text=1",
    "model.encoder_layers.audio=1",
    "model.encoder_layers.vision=1",
    "loss.queue_size=512",
    "device=cpu",
]


def settings(data: Path, output: Path, *more: str):
    return read_settings("mosei-unaligned", [f"data={data}", f"output={output}", *SMALL, *more])


def ignore(stage: str, share: float) -> None:
    pass


def command(data: Path, output: Path, *more: str) -> list[str]:
    return ["train", "mosei-unaligned", f"data={data}", f"output={output}", *SMALL, *more]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def in_processes(
    program: Sequence[str], arguments: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *program, *arguments],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_a_run_learns_and_leaves_a_model_that_can_be_evaluated(toy: Path, tmp_path: Path) -> None:
    more = ("epochs=12", "learning_rate=1e-2", "model.dropout=0", "loss.contrastive_weight=0.1")
    lines: list[str] = []
    run = train(settings(toy, tmp_path / "run", *more), ignore, log=lines.append)
    assert run is not None
    pattern = r"epoch {}/12: loss [\d.]+, validation micro-F1 [\d.]+, macro-F1 [\d.]+, [\d.]+ m?s"
    assert len(lines) == len(json.loads((tmp_path / "run" / "history.json").read_text()))
    for number, line in enumerate(lines, start=1):
        assert re.match(pattern.format(number), line)
        assert ("left" in line) == (number < 12)
    assert run.metrics["held_out"]["better_than_base_rates"] is True
    truth = open_store(toy).split("test").labels >= 0.5
    everything = 2 * truth.mean() / (1 + truth.mean())  # micro-F1 of calling all labels present
    figures = run.metrics["test"]["validation-selected"]
    assert figures["micro_f1"] > everything + 0.2
    assert run.metrics["test"]["paper"]["protocol"] == "paper"
    again = evaluate_store(load_checkpoint(tmp_path / "run"), open_store(toy), "test")
    assert again.figures == figures
    kept = ("settings.json", "environment.json", "history.json", "metrics.json", "tensorboard")
    assert all((tmp_path / "run" / name).exists() for name in kept)
    assert not (tmp_path / "run" / "checkpoints").exists()
    # The same command again does nothing and finds the same figures.
    before = (tmp_path / "run" / "model" / "model.safetensors").stat().st_mtime_ns
    twice = train(settings(toy, tmp_path / "run", *more), ignore)
    assert twice is not None
    assert twice.metrics == json.loads(json.dumps(run.metrics))
    assert (tmp_path / "run" / "model" / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
def test_shuffled_labels_teach_nothing(toy: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    shuffled: dict[str, list[Example]] = {}
    for name in ("train", "valid", "test"):
        rows = list(open_store(toy).split(name))
        labels = random.permutation([row.labels for row in rows])
        shuffled[name] = [
            Example.of(row.id, target, row.sequences)
            for row, target in zip(rows, labels, strict=True)
        ]
    store = rewritten(toy, tmp_path / "store", shuffled)
    more = ("epochs=12", "learning_rate=1e-2", "model.dropout=0", "loss.contrastive_weight=0.1")
    run = train(settings(store, tmp_path / "run", *more), ignore)
    assert run is not None
    assert run.metrics["held_out"]["better_than_base_rates"] is False
    prevalence = (open_store(store).split("test").labels >= 0.5).mean()
    gap = run.metrics["test"]["validation-selected"]["gap"]
    assert gap == pytest.approx(prevalence, abs=0.1)


class Drawn:
    """Rows that are drawn as they are asked for, and notes of what was asked for."""

    def __init__(self, rows: Sequence[Example], info: StoreInfo) -> None:
        self.info, self._rows = info, rows
        self.epoch, self.asked = -1, []

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Example:
        self.asked.append((self.epoch, index))
        return replace(self._rows[8 * self.epoch + index], weight=float(index % 2), damage=0.5)


def test_rows_that_are_drawn_teach_a_model_that_is_given(toy: Path, tmp_path: Path) -> None:
    store = open_store(toy)
    rows = Drawn(list(store.split("train")), store.info)
    chosen = settings(toy, tmp_path, "epochs=2", "batch_size=4", "loss.calibration=ranking")
    begun = LDDUModel(replace(model_config(chosen, store.info), alignment="both"))
    before = begun.label_embedding.detach().clone()
    model = train_model(
        *(chosen, rows, None, tmp_path, ignore, lambda line: None), model=begun, in_order=True
    )
    assert model is begun
    assert model.config.alignment == "both"
    assert not torch.equal(model.label_embedding, before)
    assert rows.asked == [(epoch, index) for epoch in (0, 1) for index in range(8)]


@pytest.mark.slow
def test_a_killed_run_ends_as_one_that_was_not(toy: Path, tmp_path: Path) -> None:
    assert train(settings(toy, tmp_path / "whole", "epochs=3"), ignore) is not None
    kill = (
        "import os, sys, signal, lddu_pipe.training.trainer as t\n"
        "told = t.ProgressForwarder.on_step_end\n"
        "def die(self, args, state, control, **more):\n"
        "    if state.global_step == 12: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return told(self, args, state, control, **more)\n"
        "t.ProgressForwarder.on_step_end = die\n"
        "from lddu_pipe.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    killed = in_processes(["-c", kill], command(toy, tmp_path / "killed", "epochs=3"))
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model").exists()
    # A checkpoint that was being written when the end came has no mark, and is not used.
    torn = tmp_path / "killed" / "checkpoints" / "checkpoint-16"
    torn.mkdir()
    assert train(settings(toy, tmp_path / "killed", "epochs=3"), ignore) is not None
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    metrics = [(tmp_path / name / "metrics.json").read_text() for name in ("whole", "killed")]
    assert metrics[0] == metrics[1]


@pytest.mark.slow
def test_a_run_killed_after_it_stopped_early_does_not_learn_on(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lddu_pipe.pipelines.train.remove_checkpoints", lambda settings: None)
    chosen = settings(toy, tmp_path / "run", "epochs=9", "patience=1", "learning_rate=1e-5")
    assert train(chosen, ignore) is not None
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    assert len(history) < 9
    before = weights(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "model")
    (tmp_path / "run" / "metrics.json").unlink()
    (tmp_path / "run" / "history.json").unlink()
    assert train(chosen, ignore) is not None
    assert json.loads((tmp_path / "run" / "history.json").read_text()) == history
    assert all(
        torch.equal(value, before[name]) for name, value in weights(tmp_path / "run").items()
    )


@pytest.mark.slow
def test_a_run_that_ends_while_it_draws_is_taken_up_and_draws(toy: Path, tmp_path: Path) -> None:
    drawn: list[Path] = []

    def die(folder: Path, found: Evaluation) -> None:
        raise KeyboardInterrupt

    def draw(folder: Path, found: Evaluation) -> None:
        drawn.append(folder)

    chosen = settings(toy, tmp_path / "runs", "epochs=2")
    with pytest.raises(KeyboardInterrupt):
        train_seeds(chosen, [1], ignore, die)
    run = tmp_path / "runs" / "seed-1"
    before = weights(run)
    assert not (run / "metrics.json").exists()
    assert train_seeds(chosen, [1], ignore, draw) is not None
    assert drawn == [run / "figures" / name for name in PROTOCOLS]
    assert (run / "metrics.json").exists()
    assert all(torch.equal(value, before[name]) for name, value in weights(run).items())


@pytest.mark.slow
def test_two_processes_train_as_one_seed_after_seed(toy: Path, tmp_path: Path) -> None:
    # Dropout is drawn in each process by itself, so it is left out.
    more = ("epochs=1", "model.dropout=0.0", "model.head_dropout=0.0")
    splits = {
        name: [replace(row, scales=places(row, at)) for at, row in enumerate(opened.split(name))]
        for opened in [open_store(toy)]
        for name in ("train", "valid")
    }
    store = rewritten(toy, tmp_path / "store", splits, scales=("arousal", "rare"))
    train_seeds(settings(store, tmp_path / "one", *more), [1, 2], ignore)
    # "standalone" takes a port that is free.
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = command(store, tmp_path / "two", *more, "--seeds", "1,2")
    done = in_processes([*torchrun, "-m", "lddu_pipe.cli"], arguments)
    assert done.returncode == 0, done.stderr
    for seed in ("seed-1", "seed-2"):
        one, two = weights(tmp_path / "one" / seed), weights(tmp_path / "two" / seed)
        for name, value in one.items():
            torch.testing.assert_close(two[name], value, atol=2e-4, rtol=1e-3)
    assert json.loads((tmp_path / "two" / "metrics.json").read_text())["seeds"] == [1, 2]


@pytest.mark.slow
def test_seeds_give_mean_and_spread_and_differ(toy: Path, tmp_path: Path) -> None:
    summary = train_seeds(settings(toy, tmp_path / "runs", "epochs=1"), [1, 2], ignore)
    assert summary is not None
    figure = summary["test"]["validation-selected"]["gap"]
    assert len(set(figure["values"])) == 2
    assert figure["mean"] == pytest.approx(np.mean(figure["values"]))
    assert figure["std"] == pytest.approx(np.std(figure["values"], ddof=1))


@pytest.mark.slow
def test_lower_precision_and_accumulation_train_where_there_is_only_a_cpu(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    more = ("epochs=1", "device=auto", "precision=bf16", "accumulation=2")
    run = train(settings(toy, tmp_path / "run", *more), ignore)
    assert run is not None
    assert all(value.isfinite().all() for value in weights(run.folder).values())
    with pytest.raises(UnusableInputError, match="fp16 needs a CUDA device"):
        train(settings(toy, tmp_path / "half", "device=auto", "precision=fp16"), ignore)


def test_epochs_are_compared_by_the_best_micro_f1_of_one_threshold() -> None:
    random = np.random.default_rng(0)
    probabilities = random.random((80, 4))
    truth = random.random((80, 4)) < probabilities**2
    scores = [f1_score(truth, probabilities >= limit, average="micro") for limit in THRESHOLDS]
    best = (THRESHOLDS[int(np.argmax(scores))], max(scores))
    assert best_common_threshold(truth, probabilities) == pytest.approx(best)
    assert best_common_threshold(truth & False, probabilities)[1] == 0
    assert best_common_threshold(truth & False, probabilities - 1) == (THRESHOLDS[0], 0)


def test_another_run_in_the_same_folder_is_refused(toy: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    with pytest.raises(UnusableInputError, match="is no run"):
        train(settings(toy, run), ignore)
    (run / "notes.txt").unlink()
    (run / "settings.json").write_text(json.dumps({"epochs": 3}))
    (run / "model").mkdir()
    with pytest.raises(UnusableInputError, match="other settings"):
        train(settings(toy, run), ignore)


def test_a_run_that_could_not_begin_gives_way_to_one_that_can(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UnusableInputError, match="device cuda is not on this machine"):
        train(settings(toy, tmp_path, "device=cuda", "epochs=7"), ignore)
    claim(tmp_path, settings(toy, tmp_path, "epochs=8"), open_store(toy).info)
    assert json.loads((tmp_path / "settings.json").read_text())["epochs"] == 8


def test_a_run_does_not_go_on_with_other_rows(toy: Path, tmp_path: Path) -> None:
    info, begun = open_store(toy).info, settings(toy, tmp_path / "run")
    claim(tmp_path / "run", begun, info)
    (tmp_path / "run" / "model").mkdir()
    claim(tmp_path / "run", begun, info)
    more = replace(info, rows={**info.rows, "train": info.rows["train"] + 1})
    with pytest.raises(UnusableInputError, match=r"store\.rows\.train was \d+, is \d+"):
        claim(tmp_path / "run", begun, more)
    path = tmp_path / "run" / "settings.json"
    older = json.loads(path.read_text())
    del older["store"]
    path.write_text(json.dumps(older))
    claim(tmp_path / "run", begun, more)  # nothing is known of its rows


def rewritten(
    toy: Path, folder: Path, splits: dict[str, list[Example]], scales: tuple[str, ...] = ()
) -> Path:
    with StoreWriter(folder, replace(open_store(toy).info, scales=scales)) as writer:
        for split, rows in splits.items():
            writer.write_rows(split, rows)
    return folder


def test_a_label_that_is_never_present_is_named(toy: Path, tmp_path: Path) -> None:
    rows = list(open_store(toy).split("train"))[:60]
    dull = [Example.of(row.id, row.labels * [1, 1, 0, 1, 1, 1], row.sequences) for row in rows]
    dull = [Example.of(r.id, r.labels.astype(np.float32), r.sequences) for r in dull]
    store = rewritten(toy, tmp_path / "store", {"train": dull, "valid": rows})
    with pytest.raises(UnusableInputError, match="'anger' is never present in train"):
        train(settings(store, tmp_path / "run"), ignore)


def places(row: Example, index: int) -> np.ndarray:
    """On one scale that follows the first label, and on one of which a third is known."""
    arousal = row.labels[0] - 0.5
    return np.array([arousal, np.nan if index % 3 else -arousal], np.float32)


@pytest.mark.slow
def test_few_rows_are_cross_fitted_and_a_killed_run_goes_on_where_it_was(
    toy: Path, tmp_path: Path
) -> None:
    rows = [
        replace(
            row,
            utterance=replace(row.utterance, speaker=f"speaker {index % 12}"),
            scales=places(row, index),
        )
        for index, row in enumerate(open_store(toy).split("train"))
        if index < 60
    ]
    test = [replace(row, scales=places(row, 0)) for row in open_store(toy).split("test")]
    splits = {"train": rows[:48], "valid": rows[48:], "test": test}
    store = rewritten(toy, tmp_path / "store", splits, scales=("arousal", "rare"))
    more = ("epochs=2", "batch_size=16")
    learned_from: list[list[str]] = []

    def watched(settings, train, *others, **options):
        learned_from.append(train.groups)
        return train_model(settings, train, *others, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lddu_pipe.pipelines.cross_fit.train_model", watched)
        run = train(settings(store, tmp_path / "whole", *more), ignore)
    assert run is not None
    # Each speaker is left out of one training, and of that with all rows.
    assert len(learned_from) == 5
    assert all(sum(f"speaker {n}" not in seen for seen in learned_from) == 1 for n in range(12))
    assert list(run.metrics) == ["held_out", "folds", "test"]
    held_out = run.metrics["held_out"]
    assert (held_out["rows"], held_out["groups"]) == (60, 12)
    assert run.metrics["folds"]["validation-selected"]["n"] == 60
    checkpoint = load_checkpoint(run.folder)
    assert checkpoint.config.better_than_base_rates is held_out["better_than_base_rates"]
    assert checkpoint.calibration.of(("text", "audio", "vision")).rows == 60
    assert not (run.folder / "folds").exists()
    for split, known in (("folds", 60), ("test", 64)):
        figures = run.metrics[split]["validation-selected"]["per_scale"]["arousal"]
        assert figures["n"] == known
        assert 0.75 < figures["covered"] <= 1
    found = {name: item.rows for name, item in checkpoint.calibration.scales.items()}
    assert found == {"arousal": 60, "rare": 20}
    assert checkpoint.calibration.scales["rare"].factor is not None

    def die(stage: str, share: float) -> None:
        if stage.startswith("fold 3"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings(store, tmp_path / "killed", *more), die)
    lines: list[str] = []
    again = train(settings(store, tmp_path / "killed", *more), ignore, log=lines.append)
    assert again is not None
    assert [line.split(":")[0] for line in lines] == [
        *("fold 3/5", "fold 4/5", "fold 5/5"),
        *("all rows \N{MIDDLE DOT} epoch 1/2", "all rows \N{MIDDLE DOT} epoch 2/2"),
    ]
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert again.metrics == run.metrics


def test_too_few_rows_are_refused_with_the_name_of_the_store(toy: Path, tmp_path: Path) -> None:
    few = rewritten(toy, tmp_path / "few", {"train": list(open_store(toy).split("train"))[:19]})
    with pytest.raises(UnusableInputError, match=rf"^{few}: train and valid have 19 rows"):
        train(settings(few, tmp_path / "run"), ignore)
    assert not (tmp_path / "run").exists()


def test_a_scale_of_too_few_values_is_named_and_weight_0_leaves_scales_out(
    toy: Path, tmp_path: Path
) -> None:
    rows = [
        replace(row, scales=places(row, index))
        for index, row in enumerate(open_store(toy).split("train"))
    ]
    few = {"train": rows[:57], "valid": rows[57:]}
    store = rewritten(toy, tmp_path / "store", few, scales=("arousal", "rare"))
    with pytest.raises(UnusableInputError, match="'rare' has a value in 19 rows to learn from"):
        train(settings(store, tmp_path / "run"), ignore)
    chosen = settings(store, tmp_path / "run", "loss.scales_weight=0")
    assert model_config(chosen, open_store(store).info).scales == []


def test_nan_and_empty_rows_cannot_enter_a_store(toy: Path, tmp_path: Path) -> None:
    labels = np.ones(6, np.float32)
    broken = Steps(np.full((3, 16), np.nan, np.float32), np.ones(3, np.bool_))
    with pytest.raises(ValueError, match=r"row a: text .* NaN"):
        rewritten(toy, tmp_path / "a", {"train": [Example.of("a", labels, {"text": broken})]})
    with pytest.raises(ValueError, match=r"row b: every modality"):
        rewritten(toy, tmp_path / "b", {"train": [Example.of("b", labels, {})]})
    assert not list(tmp_path.iterdir())


def test_a_model_of_other_features_or_labels_is_refused(toy: Path) -> None:
    with pytest.raises(IncompatibleModelError, match=r"text features text:.*toy:text"):
        evaluate_store(load_checkpoint("lddu-base-en"), open_store(toy), "test")
