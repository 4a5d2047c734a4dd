"""One training run: from settings to a folder with a calibrated model, whatever interrupts it."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.trainer import TRAINER_STATE_NAME
from transformers.utils import logging as transformers_logging
from transformers.utils.import_utils import is_torch_bf16_gpu_available

from lddu_pipe.datasets.collate import RowCollator
from lddu_pipe.datasets.selection import Rows, TrainingRows
from lddu_pipe.datasets.store import StoreInfo
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.models.config import Fusion, LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import CalibrationLoss, ContrastiveQueue, LossWeights
from lddu_pipe.training.progress import Log, ProgressCallback
from lddu_pipe.training.settings import TrainSettings
from lddu_pipe.training.trainer import (
    LDDUTrainer,
    ProgressForwarder,
    QueueKeeper,
    last_checkpoint,
    validation_figures,
)

logger = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
MODEL_FOLDER = "model"
HISTORY_FILE = "history.json"
CHECKPOINTS = "checkpoints"
FOLDS = "folds"
"""Where the trainings of a cross-fitted run are, until it has ended."""
VERSIONED = ("lddu-pipe", "torch", "transformers", "accelerate", "numpy", "safetensors")


def train_model(
    settings: TrainSettings,
    train: TrainingRows,
    valid: Rows | None,
    folder: Path,
    progress: ProgressCallback,
    log: Log,
    *,
    model: LDDUModel | None = None,
    in_order: bool = False,
    reporters: Sequence[TrainerCallback] = (),
) -> LDDUModel | None:
    """Train on some rows and choose the epoch on others.

    A run that was interrupted, however, goes on from its last whole checkpoint and ends as if
    it had not been; one that has ended is not trained again.

    Args:
        settings: as `read_settings` checked them.
        train: rows to learn from.
        valid: rows on which the epoch is chosen and training stops early. None learns for all
            epochs and takes the last, so that nothing is chosen.
        folder: of the run; it exists.
        progress: called with each stage and the share of it that is done.
        log: given a line an epoch, in the first process alone.
        model: what training begins with, such as a trained one; a new one by the settings where
            None.
        in_order: take the rows of an epoch as they come, and do not shuffle them: they were drawn
            already, or lie together by length.
        reporters: told of everything that is logged, and asked to save before a checkpoint is
            marked as whole.

    Returns:
        The model, on the device it was trained on; None in a process that only helped (rank
        above 0).

    Raises:
        UnusableInputError: the device or the size of a batch cannot be used.
    """
    transformers_logging.disable_progress_bar()
    set_seed(settings.seed)
    model = model or LDDUModel(model_config(settings, train.info))
    queue = ContrastiveQueue(settings.loss.queue_size, model.config.latent_size)
    keeper = QueueKeeper(queue)
    stopper = [] if valid is None else [EarlyStoppingCallback(settings.patience)]
    trainer = LDDUTrainer(
        model,
        _arguments(settings, folder, choose=valid is not None),
        data_collator=RowCollator(model.config.max_steps, train.info.aligned),
        # Map-style data sets both; the annotation asks for torch's own class.
        train_dataset=cast(Any, train),
        eval_dataset=cast(Any, valid),
        compute_metrics=validation_figures,
        callbacks=[*stopper, *reporters, keeper, ProgressForwarder(progress, log)],
        queue=queue,
        weights=LossWeights(
            direct=settings.loss.direct_weight,
            contrastive=settings.loss.contrastive_weight,
            calibration=settings.loss.calibration_weight,
            scales=settings.loss.scales_weight,
        ),
        calibration=cast(CalibrationLoss, settings.loss.calibration),
        in_order=in_order,
    )
    trainer.remove_callback(PrinterCallback)
    begun = last_checkpoint(folder / CHECKPOINTS)
    if begun is not None:
        logger.info("going on from %s", begun)
        keeper.load(begun)
    if begun is not None and valid is not None and _stopped_early(begun, settings.patience):
        # Trainer would go on for another epoch, as it does not remember why it had stopped.
        state = TrainerState.load_from_json(str(begun / TRAINER_STATE_NAME))
        best = begun.with_name(f"checkpoint-{state.best_global_step}")
        model.load_state_dict(load_file(best / "model.safetensors"))
    else:
        trainer.train(resume_from_checkpoint=str(begun) if begun else None)
        state = trainer.state
    if not trainer.is_world_process_zero():
        return None
    told = "loss" if valid is None else "eval_micro_f1"
    history = [entry for entry in state.log_history if told in entry]
    write_whole(folder / HISTORY_FILE, json.dumps(history, indent=1) + "\n")
    model.eval()
    return model


def _stopped_early(checkpoint: Path, patience: int) -> bool:
    content = json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    stopper: dict[str, Any] = content["stateful_callbacks"]["EarlyStoppingCallback"]
    return bool(stopper["attributes"]["early_stopping_patience_counter"] >= patience)


def remove_checkpoints(folder: Path) -> None:
    """Remove what a run only needed to go on after an interruption."""
    for name in (CHECKPOINTS, FOLDS):
        shutil.rmtree(folder / name, ignore_errors=True)


def model_config(settings: TrainSettings, info: StoreInfo) -> LDDUConfig:
    """The model that fits the settings and the features of a store."""
    shape = settings.model
    return LDDUConfig(
        feature_sizes={str(name): size for name, size in info.feature_sizes.items()},
        labels=tuple(info.labels),
        modalities=shape.modalities,
        hidden_size=shape.hidden_size,
        latent_size=shape.latent_size,
        encoder_layers=asdict(shape.encoder_layers),
        attention_heads=shape.attention_heads,
        feed_forward_size=shape.feed_forward_size,
        max_steps=asdict(shape.max_steps),
        dropout=shape.dropout,
        fusion=cast(Fusion, shape.fusion),
        statistics_pooling=shape.statistics_pooling,
        label_specific=shape.label_specific,
        modality_dropout=shape.modality_dropout,
        head_dropout=shape.head_dropout,
        head_activation=cast(Any, shape.head_activation),
        classifier_size=shape.classifier_size,
        direct_size=shape.direct_size,
        shared_keys=shape.shared_keys,
        initialisation=cast(Any, shape.initialisation),
        initial_deviation=shape.initial_deviation,
        alignment="aligned" if info.aligned else "unaligned",
        name=settings.name,
        version="0.1.0",
        fingerprints={str(name): mark for name, mark in info.fingerprints.items()},
        encoders={str(name): dict(where) for name, where in info.encoders.items()},
        scales=list(info.scales) if settings.loss.scales_weight else [],
    )


def environment() -> dict[str, Any]:
    """What a run was made with: versions, machine, device."""
    return {
        "versions": {name: version(name) for name in VERSIONED},
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.system(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def is_first() -> bool:
    """Whether this is the process that writes; known before any group of processes is made."""
    return os.environ.get("RANK", "0") == "0"


def claim(folder: Path, settings: TrainSettings, data: StoreInfo) -> None:
    """Make the run's folder, or find in it the same run begun before, on the same rows.

    Settings of a run that learned nothing yet, as with a wrong device, may be replaced.

    Raises:
        UnusableInputError: the folder holds something else.
    """
    if not is_first():
        return
    wanted = asdict(settings)
    # A run stays the same at another place, and with other hardware, workers or reports.
    for key in ("output", "device", "workers", "report_to"):
        del wanted[key]
    store = {name: getattr(data, name) for name in ("labels", "rows", "fingerprints")}
    wanted["store"] = json.loads(json.dumps(store))  # as it is read again
    path = folder / SETTINGS_FILE
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        found.setdefault("store", wanted["store"])  # older runs did not store it
        if found != wanted and _has_learned(folder):
            changed = _first_difference(found, wanted)
            raise UnusableInputError(
                f"{folder} holds a run with other settings ({changed}); name another output"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UnusableInputError(f"{folder} exists and is no run; name another output")
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnusableInputError(f"{folder} cannot be made: {error.strerror}") from error
    write_whole(path, json.dumps(wanted, indent=1) + "\n")
    write_whole(folder / "environment.json", json.dumps(environment(), indent=1) + "\n")


def _has_learned(folder: Path) -> bool:
    if (folder / MODEL_FOLDER).exists() or last_checkpoint(folder / CHECKPOINTS) is not None:
        return True
    return any(path.is_file() for path in (folder / FOLDS).rglob("*"))


def _first_difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    for key in {**wanted, **found}:
        value, other = wanted.get(key), found.get(key)
        if isinstance(value, dict) and isinstance(other, dict) and value != other:
            return f"{key}.{_first_difference(other, value)}"
        if other != value:
            return f"{key} was {other!r}, is {value!r}"
    raise ValueError("the settings are the same")


def _arguments(settings: TrainSettings, folder: Path, *, choose: bool) -> TrainingArguments:
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    share, rest = divmod(settings.batch_size, settings.accumulation * processes)
    if rest or not share:
        raise UnusableInputError(
            f"batch_size {settings.batch_size} cannot be shared by {processes} processes and "
            f"{settings.accumulation} parts; choose a multiple"
        )
    if settings.precision == "fp16" and not torch.cuda.is_available():
        raise UnusableInputError("precision fp16 needs a CUDA device; use bf16 or fp32")
    if settings.device in ("cuda", "mps") and not _has(settings.device):
        raise UnusableInputError(f"device {settings.device} is not on this machine; use auto")
    # transformers must be told where there is nothing but a CPU, or it refuses bf16.
    on_cpu = settings.device == "cpu" or not (_has("cuda") or _has("mps"))
    if settings.precision == "bf16" and not on_cpu and not is_torch_bf16_gpu_available():
        raise UnusableInputError("precision bf16 is not what this GPU can do; use fp32 or fp16")
    arguments = TrainingArguments(
        output_dir=str(folder / CHECKPOINTS),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=share,
        per_device_eval_batch_size=64,
        gradient_accumulation_steps=settings.accumulation,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=min(settings.warmup, 0.999999),  # below 1 it is a share of all steps
        max_grad_norm=settings.clip_norm,
        bf16=settings.precision == "bf16",
        fp16=settings.precision == "fp16",
        use_cpu=on_cpu,
        eval_strategy="epoch" if choose else "no",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=choose,
        metric_for_best_model="micro_f1",
        greater_is_better=True,
        restore_callback_states_from_checkpoint=True,
        seed=settings.seed,
        data_seed=settings.seed,
        dataloader_num_workers=settings.workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        ddp_find_unused_parameters=True,
        remove_unused_columns=False,
        label_names=["labels"],
        disable_tqdm=True,
        report_to=[],
    )
    arguments.report_to = []  # on some clusters transformers adds one unasked, which sends figures
    return arguments


def _has(device: str) -> bool:
    return torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
