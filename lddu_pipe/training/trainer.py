"""The training loop: `transformers.Trainer` with LDDU's loss and its queue."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, distributed, nn
from torch.nn import functional
from torch.utils.data import SequentialSampler
from transformers import (
    EvalPrediction,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from lddu_pipe.metrics import classification_scores
from lddu_pipe.models.lddu import LDDUOutput
from lddu_pipe.models.losses import CalibrationLoss, ContrastiveQueue, LossWeights, lddu_loss
from lddu_pipe.training.progress import Log, ProgressCallback, shown_time

QUEUE_FILE = "queue.safetensors"
COMPLETE_FILE = "complete"
THRESHOLDS = np.linspace(0.05, 0.7, 66)


class LDDUTrainer(Trainer):
    """A `Trainer` that minimises `lddu_loss` over the rows of all processes together.

    The contrastive and the calibration term compare rows with each other. So that several
    processes train as one does, each gathers the outputs of all, with gradient, and computes the
    loss of the whole batch; the mean of the gradients, which the processes then form, is that of
    the whole batch too.
    """

    def __init__(
        self,
        *args: Any,
        queue: ContrastiveQueue,
        weights: LossWeights,
        calibration: CalibrationLoss,
        in_order: bool = False,
        **kwargs: Any,
    ) -> None:
        self._in_order = in_order
        super().__init__(*args, **kwargs)
        self.queue = queue.to(self.args.device)
        self._weights, self._calibration = weights, calibration

    def compute_loss(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Tensor | int | None = None,
    ) -> Any:  # noqa: ANN401 - as transformers has it
        """Loss of a batch; also fills the queue."""
        output: LDDUOutput = model(inputs["values"], inputs["masks"]).float()
        rows = [inputs[name] for name in ("labels", "scales", "weights", "damage")]
        if self.args.world_size > 1:
            output, *rows = _gathered(output, *rows)
        labels, scales, weights, damage = rows
        # Differences of similarities over a temperature of 0.07 need single precision.
        with torch.autocast(labels.device.type, enabled=False):
            loss = lddu_loss(
                *(output, labels, self.queue, self._weights, self._calibration),
                damage=damage,
                scales=scales,
                row_weights=weights,
            )
        return (loss.total, {"logits": output.logits}) if return_outputs else loss.total

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:  # noqa: ANN401
        # The option of transformers for this came with 5.2.
        if self._in_order:
            rows: Any = self.train_dataset
            return SequentialSampler(rows)
        return super()._get_train_sampler(train_dataset)

    def floating_point_ops(self, inputs: Mapping[str, Any]) -> int:
        """Not counted: the base class expects one tensor of input."""
        return 0

    def prediction_step(
        self,
        model: nn.Module,
        inputs: Mapping[str, Any],
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Loss of y alone, logits and labels of a batch; the queue stays as it is."""
        batch = self._prepare_inputs(dict(inputs))
        with torch.no_grad(), self.compute_loss_context_manager():
            logits = model(batch["values"], batch["masks"]).float().logits
        loss = functional.binary_cross_entropy_with_logits(logits, batch["labels"])
        return loss, None if prediction_loss_only else logits, batch["labels"]


class _AllRows(torch.autograd.Function):
    """Rows of all processes; the gradient of a row is the sum of what all processes say of it."""

    @staticmethod
    def forward(context: Any, local: Tensor) -> Tensor:  # noqa: ANN401 - torch's own is untyped
        parts = [torch.empty_like(local) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, local)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401
        (gradient,) = gradients
        whole = gradient.contiguous()
        distributed.all_reduce(whole)
        return whole.chunk(distributed.get_world_size())[distributed.get_rank()]


def _gathered(output: LDDUOutput, *of_rows: Tensor) -> tuple[Any, ...]:
    """The rows of all processes, in the order of their ranks, gradients included."""

    def whole(local: Tensor) -> Tensor:
        rows: Tensor = _AllRows.apply(local.contiguous())  # type: ignore[no-untyped-call]
        return rows

    return (
        LDDUOutput(
            logits=whole(output.logits),
            direct_logits=whole(output.direct_logits),
            centre_logits=whole(output.centre_logits),
            spread_logits=whole(output.spread_logits),
            mean=whole(output.mean),
            log_var=whole(output.log_var),
            scale_mean=whole(output.scale_mean),
            scale_log_var=whole(output.scale_log_var),
            present=whole(output.present.to(torch.uint8)).bool(),
            attention={},
        ),
        *map(whole, of_rows),
    )


class QueueKeeper(TrainerCallback):
    """Keeps the queue beside each checkpoint and marks checkpoints that are whole."""

    def __init__(self, queue: ContrastiveQueue) -> None:
        self._queue = queue

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Write the queue, then the mark: a run that is killed before it ignores the rest."""
        if state.is_world_process_zero and args.output_dir is not None:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            save_file(
                {"vectors": self._queue.vectors, "classes": self._queue.classes},
                folder / QUEUE_FILE,
            )
            (folder / COMPLETE_FILE).touch()

    def load(self, checkpoint: Path) -> None:
        """Take up the queue of a checkpoint."""
        kept = load_file(checkpoint / QUEUE_FILE, device=str(self._queue.vectors.device))
        self._queue.vectors, self._queue.classes = kept["vectors"], kept["classes"]


class ProgressForwarder(TrainerCallback):
    """Reports how far a run is: to a callback at every step, to a log once an epoch."""

    def __init__(self, progress: ProgressCallback, log: Log) -> None:
        self._progress, self._log = progress, log
        self._best = ""
        self._loss = ""
        self._epochs = 0
        self._begun = self._last = time.monotonic()

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Start the clock."""
        self._begun = self._last = time.monotonic()

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Report the epoch and the share of all steps."""
        epochs = int(args.num_train_epochs)
        epoch = f"epoch {min(int(state.epoch or 0) + 1, epochs)}/{epochs}"
        self._progress(epoch + self._best, state.global_step / max(state.max_steps, 1))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Remember the loss of the epoch; log it where nothing is evaluated."""
        if logs and "loss" in logs:
            self._loss = f"loss {float(logs['loss']):.3f}"
            if args.eval_strategy == "no":
                self._log_epoch(args, state, [])

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: Mapping[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Log the validation figures and remember one for what is told next."""
        if metrics and "eval_micro_f1" in metrics:
            micro, macro = metrics["eval_micro_f1"], metrics["eval_macro_f1"]
            self._best = f" · validation micro-F1 {micro:.3f}"
            figures = [f"validation micro-F1 {micro:.3f}", f"macro-F1 {macro:.3f}"]
            self._log_epoch(args, state, figures)

    def _log_epoch(
        self, args: TrainingArguments, state: TrainerState, figures: Sequence[str]
    ) -> None:
        if not state.is_world_process_zero:
            return
        now = time.monotonic()
        self._epochs += 1
        done, epochs = round(state.epoch or 0), int(args.num_train_epochs)
        times = [shown_time(now - self._last)]
        if done < epochs:
            left = (now - self._begun) / self._epochs * (epochs - done)
            times.append(f"at most {shown_time(left)} left")
        self._last = now
        self._log(f"epoch {done}/{epochs}: {', '.join([self._loss, *figures, *times])}")


def best_common_threshold(
    truth: NDArray[np.bool_], probabilities: NDArray[np.floating]
) -> tuple[float, float]:
    """One threshold for all labels that gives the best micro-F1, and that micro-F1."""
    decided = probabilities >= np.reshape(THRESHOLDS, (-1, 1, 1))
    hits = (decided & truth).sum(axis=(1, 2))
    scores = 2 * hits / np.maximum(decided.sum(axis=(1, 2)) + truth.sum(), 1)
    best = int(np.argmax(scores))
    return float(THRESHOLDS[best]), float(scores[best])


def validation_figures(prediction: EvalPrediction) -> dict[str, float]:
    """Figures of the validation split by which epochs are compared: micro- and macro-F1."""
    logits, labels = np.asarray(prediction.predictions), np.asarray(prediction.label_ids)
    probabilities = 0.5 * (1 + np.tanh(logits.astype(np.float64) / 2))
    truth = labels >= 0.5
    threshold, micro = best_common_threshold(truth, probabilities)
    macro = classification_scores(truth, probabilities >= threshold).macro.f1
    return {"micro_f1": micro, "macro_f1": macro, "threshold": threshold}


def last_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint of a run, from which it goes on."""
    whole = [path for path in folder.glob("checkpoint-*") if (path / COMPLETE_FILE).is_file()]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
