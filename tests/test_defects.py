"""The seven known defects of the method's public research code: ours has none of them."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics as sklearn_metrics

from lddu_pipe.datasets.collate import RowCollator
from lddu_pipe.datasets.store import StoreInfo, StoreWriter, open_store
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.labels import MOSEI
from lddu_pipe.metrics import classification_scores
from lddu_pipe.models import losses
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import (
    ContrastiveQueue,
    LossWeights,
    contrastive_loss,
    divergence_loss,
    latent_vectors,
    lddu_loss,
)
from lddu_pipe.pipelines import train as train_pipeline
from lddu_pipe.training.scoring import score_labelled
from lddu_pipe.training.settings import read_settings
from lddu_pipe.types import MODALITIES

SIZES = {"text": 6, "audio": 5, "vision": 4}


def rows(count: int, seed: int, *, equal_lengths: bool = False) -> list[Example]:
    random = np.random.default_rng(seed)
    found = []
    for index in range(count):
        length = int(random.integers(2, 9))
        sequences = {}
        for name, size in SIZES.items():
            steps = length if equal_lengths else int(random.integers(2, 9))
            values = random.normal(size=(steps, size)).astype(np.float32)
            sequences[name] = Steps(values, np.ones(steps, np.bool_))
        labels = (random.random(6) < 0.4).astype(np.float32)
        found.append(Example.of(str(index), labels, sequences))
    return found


def write(folder: Path, *, aligned: bool = False, **splits: list[Example]) -> Path:
    fingerprints = {name: f"test:{name}" for name in SIZES}
    info = StoreInfo("test", MOSEI.labels, aligned, SIZES, fingerprints)
    with StoreWriter(folder, info) as writer:
        for split, items in splits.items():
            writer.write_rows(split, items)
    return folder


@pytest.fixture
def model() -> LDDUModel:
    torch.manual_seed(0)
    config = LDDUConfig(
        feature_sizes=SIZES,
        hidden_size=16,
        latent_size=8,
        encoder_layers=dict.fromkeys(MODALITIES, 1),
        attention_heads=2,
        feed_forward_size=16,
        max_steps=dict.fromkeys(MODALITIES, 12),
        dropout=0.3,
    )
    return LDDUModel(config).eval()


def settings(data: Path, output: Path):
    small = ["model.hidden_size=16", "model.latent_size=8", "model.attention_heads=2"]
    small += ["model.feed_forward_size=16", "epochs=2", "loss.queue_size=64", "device=cpu"]
    return read_settings("mosei-unaligned", [f"data={data}", f"output={output}", *small])


@pytest.mark.slow
def test_defect_1_nothing_is_chosen_on_the_test_split(tmp_path: Path) -> None:
    """Other test labels leave the model, its calibration and its thresholds as they are."""
    shared = {"train": rows(48, 0), "valid": rows(60, 1)}
    kept = []
    for name, seed in (("a", 2), ("b", 3)):
        store = write(tmp_path / f"store-{name}", **shared, test=rows(24, seed))
        run = train_pipeline.train(settings(store, tmp_path / name), lambda stage, share: None)
        assert run is not None
        files = ("model/model.safetensors", "model/calibration.json")
        kept.append([hashlib.sha256((run.folder / file).read_bytes()).digest() for file in files])
    assert kept[0] == kept[1]


@pytest.mark.slow
def test_defect_1_the_test_split_is_scored_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = write(tmp_path / "s", train=rows(48, 0), valid=rows(60, 1), test=rows(24, 2))
    scored: list[str] = []

    def counted(model, split, **options):
        scored.append(split.name)
        return score_labelled(model, split, **options)

    monkeypatch.setattr(train_pipeline, "score_labelled", counted)
    train_pipeline.train(settings(store, tmp_path / "run"), lambda stage, share: None)
    assert scored.count("test") == 1


def test_defect_2_precision_and_recall_are_not_swapped() -> None:
    random = np.random.default_rng(0)
    truth = random.random((200, 6)) < 0.2
    decided = truth | (random.random((200, 6)) < 0.3)  # finds all, and too many
    found = classification_scores(truth, decided).micro
    assert found.recall == 1.0
    assert found.precision < 0.6
    assert found.precision == pytest.approx(
        sklearn_metrics.precision_score(truth, decided, average="micro")
    )


def test_defect_3_padding_is_masked_with_true_lengths(model: LDDUModel) -> None:
    collate = RowCollator(model.config.max_steps, aligned=False)
    short, long = rows(2, 4)
    alone, together = collate([short]), collate([short, long])
    lengths = {name: len(steps.values) for name, steps in short.sequences.items()}
    for name, length in lengths.items():
        assert together["masks"][name][0].sum() == length
    torch.testing.assert_close(
        model(together["values"], together["masks"]).logits[:1],
        model(alone["values"], alone["masks"]).logits,
        atol=1e-5,
        rtol=0,
    )


def test_defect_4_unaligned_sequences_of_unequal_length_reach_the_model(
    tmp_path: Path, model: LDDUModel
) -> None:
    items = rows(5, 5)
    assert len({len(steps.values) for steps in items[0].sequences.values()}) > 1
    store = open_store(write(tmp_path / "store", train=items))
    assert not store.info.aligned
    assert np.isfinite(score_labelled(model, store.split("train")).logits).all()
    read_settings("mosei-unaligned", ["data=a", "output=b"])


def test_defect_5_queue_rows_are_no_anchors(
    model: LDDUModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = RowCollator(model.config.max_steps, aligned=False)(rows(4, 6))
    queue = ContrastiveQueue(4096, 8)
    generator = torch.Generator().manual_seed(0)
    queue.push(
        torch.randn(4096, 16, generator=generator),
        torch.randint(0, 36, (4096,), generator=generator),
    )
    output = model(batch["values"], batch["masks"])
    vectors, classes = latent_vectors(output, batch["labels"])
    sizes: list[tuple[int, int]] = []

    def seen(anchors: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        sizes.append((len(anchors), len(others)))
        return original(anchors, others)

    original = losses.log_sum_exp
    monkeypatch.setattr(losses, "log_sum_exp", seen)
    contrastive_loss(vectors, classes, queue).backward()
    assert sizes == [(4 * 3 * 6, 4096)]
    assert not queue.vectors.requires_grad


def test_defect_6_the_calibration_loss_says_over_what_it_takes_shares(model: LDDUModel) -> None:
    """Over rows and labels for |sigma|, over a row's labels for y_dir: no order counts."""
    batch = RowCollator(model.config.max_steps, aligned=False)(rows(6, 7))
    output = model(batch["values"], batch["masks"])
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    by_rows = dataclasses.replace(
        output,
        direct_logits=output.direct_logits[order],
        log_var=output.log_var[order],
        present=output.present[order],
    )
    by_labels = dataclasses.replace(
        output,
        direct_logits=output.direct_logits[:, order],
        log_var=output.log_var[:, :, order],
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # torch warns where no dimension is named
        expected = divergence_loss(output)
    torch.testing.assert_close(divergence_loss(by_rows), expected)
    torch.testing.assert_close(divergence_loss(by_labels), expected)


def test_defect_7_training_leaves_the_data_as_they_are(tmp_path: Path, model: LDDUModel) -> None:
    folder = write(tmp_path / "store", train=rows(6, 9))
    before = hashlib.sha256((folder / "train-00000.safetensors").read_bytes()).digest()
    split = open_store(folder).split("train")
    items = [split[index] for index in range(len(split))]
    copies = [{n: s.values.copy() for n, s in row.sequences.items()} for row in items]
    batch = RowCollator(model.config.max_steps, aligned=False)(items)
    output = model.train()(batch["values"], batch["masks"])
    queue = ContrastiveQueue(64, 8)
    lddu_loss(output, batch["labels"], queue, LossWeights()).total.backward()
    for row, copy in zip(items, copies, strict=True):
        for name, values in copy.items():
            assert np.array_equal(row.sequences[name].values, values)
    assert hashlib.sha256((folder / "train-00000.safetensors").read_bytes()).digest() == before
