"""Train LDDU on all corpora at once with the package's loop, absent modalities masked.

What is no option is a setting in lddu.yaml, and changes as with `lddu-pipe train`: `epochs=2`.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from composer import ComposedRows, Composer, mosei_sets
from corpora import MAX_STEPS, Corpora, load_train, load_valid
from judgements import read_judgements
from lddu_pipe.files import write_whole
from lddu_pipe.metrics import average_precision
from lddu_pipe.models.calibration import sigmoid
from lddu_pipe.models.encoders import UnimodalEncoder
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.pipelines.checkpoint import write_model
from lddu_pipe.training.run import claim, model_config, remove_checkpoints, train_model
from lddu_pipe.training.scoring import score_labelled
from lddu_pipe.training.settings import read_settings
from manifests import calibrating

logger = logging.getLogger("train_lddu")

SETTINGS = Path(__file__).with_name("lddu.yaml")
BATCHES = 200
"""Of an epoch: an interrupted training goes on from the last whole one."""
DECAY = 0.998
STATISTICS_ROWS = 1000
AVERAGE_FILE = "average.safetensors"


class RunningAverage(TrainerCallback):
    """Keeps the running average of the weights, which is the model in the end.

    It is the one after the last step: what the choosing half tells of a voice, with two actors,
    goes up and down by more than what steps differ in.
    """

    def __init__(self, model: LDDUModel) -> None:
        self._average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY))

    @property
    def model(self) -> LDDUModel:
        """With the average for its weights."""
        return cast(LDDUModel, self._average.module)

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Take up the average of a training that was interrupted."""
        if state.global_step:
            self._average.load_state_dict(load_file(self._path(args, state)))

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: nn.Module,
        **_: Any,
    ) -> None:
        """Count the weights after a step in."""
        self._average.update_parameters(model)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Write the average beside a checkpoint."""
        save_file(self._average.state_dict(), self._path(args, state))

    @staticmethod
    def _path(args: TrainingArguments, state: TrainerState) -> Path:
        return Path(str(args.output_dir)) / f"checkpoint-{state.global_step}" / AVERAGE_FILE


@torch.no_grad()
def standardise_inputs(model: LDDUModel, corpora: Corpora, random: np.random.Generator) -> None:
    """Start each encoder's layer normalisation so that every feature has mean 0 and spread 1.

    Without it, features that hardly vary beside the others of their step are heard too late.
    """
    for name, corpus in corpora.items():
        rows = random.choice(len(corpus.labels), STATISTICS_ROWS)
        steps = [corpus.vary(int(row), random, MAX_STEPS).values for row in rows]
        values = torch.from_numpy(np.concatenate(steps))
        normalised = functional.layer_norm(values, values.shape[1:])
        spread = normalised.std(dim=0).clamp_min(1e-2)
        layer = cast(nn.LayerNorm, cast(UnimodalEncoder, model.encoders[name]).normalise)
        layer.weight.copy_(1 / spread)
        layer.bias.copy_(-normalised.mean(dim=0) / spread)


def validate(model: LDDUModel, corpora: Corpora) -> dict[str, float]:
    """Mean average precision by modality on the half that chooses."""
    figures = {}
    for modality, corpus in corpora.items():
        found = score_labelled(model, corpus.rows)
        precisions = average_precision(found.labels >= 0.5, sigmoid(found.logits))
        known = [value for value in precisions if value is not None]
        figures[modality] = round(float(np.mean(known)), 4)
    return figures


def train(data: Path, features: Path, output: Path, seed: int, overrides: Sequence[str]) -> None:
    """Train, and write the model and what the choosing half says of it."""
    places = [f"data={features}", f"output={output}", f"seed={seed}"]
    settings = read_settings(str(SETTINGS), [*places, *overrides])
    info, corpora = load_train(features)
    people = read_judgements(data / "labels", "train")
    composer = Composer(corpora, people, mosei_sets(data), vary=True)
    rows = ComposedRows(composer, info, BATCHES, settings.batch_size, seed)
    claim(output, settings, rows.info)
    torch.manual_seed(seed)
    config = model_config(settings, rows.info)
    config.alignment = "both"  # some of the sequences are pooled as alignment to words does
    model = LDDUModel(config)
    standardise_inputs(model, corpora, np.random.default_rng(seed))
    average = RunningAverage(model)
    train_model(
        *(settings, rows, None, output, lambda stage, share: None, logger.info),
        model=model,
        in_order=True,
        reporters=[average],
    )
    chooser = load_valid(features, lambda rows: calibrating(rows.ids, rows.speakers))
    figures = validate(average.model, chooser)
    logger.info("average precision %s", figures)
    write_whole(output / "figures.json", json.dumps(figures, indent=1) + "\n")
    write_model(output, average.model)
    (output / "done").touch()  # an interrupted run must not be taken for a finished one
    remove_checkpoints(output)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True, help="the folder of both stores")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    train(
        arguments.data,
        arguments.features,
        arguments.output,
        arguments.seed,
        arguments.overrides,
    )
