"""Train LDDU on all corpora at once, absent modalities masked."""

from __future__ import annotations

import argparse
import json
import logging
import time
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from corpora import Composer, Corpora, Drawn, load_split, mosei_sets
from lddu_pipe.metrics import average_precision
from lddu_pipe.models.calibration import sigmoid
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.encoders import UnimodalEncoder
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import ContrastiveQueue, LossWeights, deviation_size, lddu_loss
from lddu_pipe.pipelines.checkpoint import write_model
from lddu_pipe.types import MODALITIES, Modality

logger = logging.getLogger("train_lddu")

SINGLE = {"text": 0.32, "audio": 0.22, "vision": 0.16}
"""Shares of a batch that are real rows of one modality; the rest is composed."""
SETS: tuple[tuple[Modality, ...], ...] = (
    ("text", "audio"),
    ("text", "vision"),
    ("audio", "vision"),
    ("text", "audio", "vision"),
)
STATISTICS_ROWS = 1000
QUEUE_SIZE = 1024  # the composed batches are rich in classes; 8192 doubles the time of a step

Row = tuple[dict[Modality, Drawn], NDArray[np.float32]]


def make_config(corpora: Corpora) -> LDDUConfig:
    """The shape of the default model: small enough to ship, deep where there is data."""
    random = np.random.default_rng(0)
    sizes = {
        name: corpora.of(name).draw(0, random, vary=False).values.shape[1] for name in MODALITIES
    }
    return LDDUConfig(
        feature_sizes=sizes,
        hidden_size=192,
        latent_size=128,
        encoder_layers=dict.fromkeys(MODALITIES, 1),
        attention_heads=6,
        feed_forward_size=384,
        max_steps={"text": 256, "audio": 160, "vision": 160},
        dropout=0.1,
        statistics_pooling=True,
        label_specific=True,
        modality_dropout=0.1,
        alignment="both",
        name="lddu-base-en",
    )


def collate_rows(rows: list[Row]) -> tuple[dict[str, Tensor], dict[str, Tensor], Tensor]:
    """Pad drawn rows: values and masks by modality, labels (rows, 6)."""
    values: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for modality in MODALITIES:
        given = [
            (index, parts[modality]) for index, (parts, _) in enumerate(rows) if modality in parts
        ]
        if not given:
            continue
        steps = max(len(drawn.values) for _, drawn in given)
        padded = torch.zeros(len(rows), steps, given[0][1].values.shape[1])
        mask = torch.zeros(len(rows), steps, dtype=torch.bool)
        for index, drawn in given:
            padded[index, : len(drawn.values)] = torch.from_numpy(drawn.values)
            mask[index, : len(drawn.values)] = True
        values[modality], masks[modality] = padded, mask
    return values, masks, torch.from_numpy(np.stack([labels for _, labels in rows]))


def damage_of_rows(rows: list[Row]) -> Tensor:
    """(rows,) how much of each row was spoilt: the mean over its modalities."""
    return torch.tensor(
        [float(np.mean([drawn.damage for drawn in parts.values()])) for parts, _ in rows]
    )


def draw_rows(composer: Composer, count: int, random: np.random.Generator) -> list[Row]:
    """A training batch: real rows of one modality, and composed ones."""
    names, shares = list(SINGLE), np.array(list(SINGLE.values()))
    rows: list[Row] = []
    composer.begin_batch()
    for _ in range(count):
        pick = random.random()
        kind = int(np.searchsorted(np.cumsum(shares), pick))
        if kind < len(names):
            rows.append(composer.single(names[kind]))
        else:
            rows.append(composer.composed(SETS[random.integers(len(SETS))]))
    return rows


@torch.no_grad()
def standardise_inputs(model: LDDUModel, corpora: Corpora, random: np.random.Generator) -> None:
    """Start each encoder's layer normalisation so that every feature has mean 0 and spread 1.

    Without it, features that hardly vary beside the others of their step are heard too late.
    """
    for name in MODALITIES:
        corpus = corpora.of(name)
        rows = random.choice(len(corpus.labels), STATISTICS_ROWS)
        steps = np.concatenate([corpus.draw(int(row), random, vary=True).values for row in rows])
        values = torch.from_numpy(steps)
        normalised = functional.layer_norm(values, values.shape[1:])
        spread = normalised.std(dim=0).clamp_min(1e-2)
        layer = cast(nn.LayerNorm, cast(UnimodalEncoder, model.encoders[name]).normalise)
        layer.weight.copy_(1 / spread)
        layer.bias.copy_(-normalised.mean(dim=0) / spread)


@torch.inference_mode()
def score_rows(
    model: LDDUModel, rows: list[Row], batch_size: int = 256
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Logits, |sigma| and labels of rows, each (rows, 6), in order."""
    model.eval()
    order = sorted(range(len(rows)), key=lambda i: max(len(d.values) for d in rows[i][0].values()))
    logits, deviations = np.zeros((2, len(rows), len(model.config.labels)), np.float32)
    for begin in range(0, len(order), batch_size):
        chosen = order[begin : begin + batch_size]
        values, masks, _ = collate_rows([rows[index] for index in chosen])
        output = model(values, masks)
        logits[chosen] = output.logits.numpy()
        deviations[chosen] = deviation_size(output).numpy()
    return logits, deviations, np.stack([labels for _, labels in rows])


def single_rows(corpora: Corpora, modality: Modality) -> list[Row]:
    """Every row of one modality, unchanged."""
    random = np.random.default_rng(0)
    corpus = corpora.of(modality)
    drawn = [corpus.draw(row, random, vary=False) for row in range(len(corpus.labels))]
    return [({modality: item}, item.labels) for item in drawn]


def validate(model: LDDUModel, corpora: Corpora) -> dict[str, float]:
    """Mean average precision by modality on the half that chooses."""
    figures = {}
    for modality in MODALITIES:
        logits, _, labels = score_rows(model, single_rows(corpora, modality))
        precisions = average_precision(labels >= 0.5, sigmoid(logits))
        figures[modality] = float(np.mean([value for value in precisions if value is not None]))
    return figures


def train(
    data: Path,
    features: Path,
    soft_labels: Path,
    output: Path,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
) -> None:
    """Train and keep the running average of the weights.

    It is the one after the last step: what the choosing half tells of a voice, with two actors,
    goes up and down by more than what steps differ in.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    corpora = load_split(features, "train", soft_labels)
    chooser = load_split(features, "calibrate")
    composer = Composer(corpora, mosei_sets(data), random, vary=True)
    config = make_config(corpora)
    model = LDDUModel(config)
    standardise_inputs(model, corpora, random)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998)
    )
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    optimiser = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=lr
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=lr, total_steps=steps, pct_start=0.1
    )
    queue = ContrastiveQueue(QUEUE_SIZE, config.latent_size)
    weights = LossWeights(direct=0.3, contrastive=0.1, calibration=0.8)
    started = time.monotonic()
    history = []
    terms: list[list[float]] = []
    output.mkdir(parents=True, exist_ok=True)
    for step in range(1, steps + 1):
        model.train()
        rows = draw_rows(composer, batch_size, random)
        values, masks, labels = collate_rows(rows)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result = model(values, masks)
        loss = lddu_loss(
            result.float(),
            labels,
            queue,
            weights,
            calibration="ranking",
            damage=damage_of_rows(rows),
        )
        optimiser.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        average.update_parameters(model)
        terms.append(
            [loss.classification.item(), loss.contrastive.item(), loss.calibration.item()]
        )
        if step % 250 == 0 or step == steps:
            averaged: LDDUModel = average.module
            figures = validate(averaged, chooser)
            classification, contrastive, calibration = np.mean(terms, axis=0)
            terms.clear()
            history.append(
                {
                    "step": step,
                    "classification": round(float(classification), 4),
                    "contrastive": round(float(contrastive), 4),
                    "calibration": round(float(calibration), 4),
                    "average_precision": {name: round(v, 4) for name, v in figures.items()},
                    "seconds": round(time.monotonic() - started),
                }
            )
            logger.info("%s", json.dumps(history[-1]))
            write_model(output, averaged)
            (output / "history.json").write_text(json.dumps(history, indent=1) + "\n")
    (output / "done").touch()  # an interrupted run must not be taken for a finished one


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument(
        "--soft-labels", type=Path, required=True, help="those of train_adapter.py"
    )
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1800)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    train(
        arguments.data,
        arguments.features,
        arguments.soft_labels,
        arguments.output,
        arguments.steps,
        arguments.batch_size,
        arguments.lr,
        arguments.seed,
    )
