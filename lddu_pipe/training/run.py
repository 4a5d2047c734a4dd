"""One training run: from settings to a folder with a calibrated model, whatever interrupts it."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from transformers.integrations.integration_utils import TensorBoardCallback
from transformers.trainer import TRAINER_STATE_NAME
from transformers.utils import logging as transformers_logging
from transformers.utils.import_utils import is_torch_bf16_gpu_available

from lddu_pipe.datasets.collate import RowCollator
from lddu_pipe.datasets.store import FeatureStore, StoreSplit
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.models.config import Fusion, LDDUConfig
from lddu_pipe.models.lddu import LDDUModel
from lddu_pipe.models.losses import CalibrationLoss, ContrastiveQueue, LossWeights
from lddu_pipe.training.settings import TrainSettings
from lddu_pipe.training.trainer import (
    LDDUTrainer,
    QueueKeeper,
    Teller,
    last_checkpoint,
    validation_figures,
)

logger = logging.getLogger(__name__)

SETTINGS_FILE = "settings.json"
MODEL_FOLDER = "model"
HISTORY_FILE = "history.json"
CHECKPOINTS = "checkpoints"
MIN_ROWS = 2
VERSIONED = ("lddu-pipe", "torch", "transformers", "accelerate", "numpy", "safetensors")


def train_model(
    settings: TrainSettings, store: FeatureStore, tell: Callable[[str, float], None]
) -> LDDUModel | None:
    """Train on the store's train split, choosing the epoch on its valid split.

    A run that was interrupted, however, goes on from its last whole checkpoint and ends as if
    it had not been; one that has ended is not trained again.

    Args:
        settings: as `read_settings` checked them; `output` is the run's folder, which `claim`
            has made.
        store: what to train on, as `check_store` approved it.
        tell: told of stages and the share that is done.

    Returns:
        The model of the best epoch, on the device it was trained on; None in a process that only
        helped (rank above 0).

    Raises:
        UnusableInputError: the device or the size of a batch cannot be used.
    """
    folder = Path(settings.output)
    transformers_logging.disable_progress_bar()
    set_seed(settings.seed)
    model = LDDUModel(model_config(settings, store))
    queue = ContrastiveQueue(settings.loss.queue_size, settings.model.latent_size)
    keeper = QueueKeeper(queue)
    trainer = LDDUTrainer(
        model,
        _arguments(settings, folder),
        data_collator=RowCollator(model.config.max_steps, store.info.aligned),
        # Map-style data sets both; the annotation asks for torch's own class.
        train_dataset=cast(Any, store.split("train")),
        eval_dataset=cast(Any, store.split("valid")),
        compute_metrics=validation_figures,
        callbacks=[EarlyStoppingCallback(settings.patience), keeper, Teller(tell)],
        queue=queue,
        weights=LossWeights(
            direct=settings.loss.direct_weight,
            contrastive=settings.loss.contrastive_weight,
            calibration=settings.loss.calibration_weight,
        ),
        calibration=cast(CalibrationLoss, settings.loss.calibration),
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.is_world_process_zero():
        from torch.utils.tensorboard import SummaryWriter

        trainer.add_callback(TensorBoardCallback(SummaryWriter(str(folder / "tensorboard"))))
    begun = last_checkpoint(folder / CHECKPOINTS)
    if begun is not None:
        logger.info("going on from %s", begun)
        keeper.load(begun)
    if begun is not None and _stopped_early(begun, settings.patience):
        # Trainer would go on for another epoch, as it does not remember why it had stopped.
        state = TrainerState.load_from_json(str(begun / TRAINER_STATE_NAME))
        best = begun.with_name(f"checkpoint-{state.best_global_step}")
        model.load_state_dict(load_file(best / "model.safetensors"))
    else:
        trainer.train(resume_from_checkpoint=str(begun) if begun else None)
        state = trainer.state
    if not trainer.is_world_process_zero():
        return None
    history = [entry for entry in state.log_history if "eval_micro_f1" in entry]
    write_whole(folder / HISTORY_FILE, json.dumps(history, indent=1) + "\n")
    model.eval()
    return model


def _stopped_early(checkpoint: Path, patience: int) -> bool:
    content = json.loads((checkpoint / TRAINER_STATE_NAME).read_text(encoding="utf-8"))
    stopper: dict[str, Any] = content["stateful_callbacks"]["EarlyStoppingCallback"]
    return bool(stopper["attributes"]["early_stopping_patience_counter"] >= patience)


def remove_checkpoints(settings: TrainSettings) -> None:
    """Remove what was only needed to go on after an interruption."""
    shutil.rmtree(Path(settings.output) / CHECKPOINTS, ignore_errors=True)


def model_config(settings: TrainSettings, store: FeatureStore) -> LDDUConfig:
    """The model that fits the settings and the features."""
    shape = settings.model
    return LDDUConfig(
        feature_sizes={str(name): size for name, size in store.info.feature_sizes.items()},
        labels=list(store.info.labels),
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
        alignment="aligned" if store.info.aligned else "unaligned",
        name=settings.name,
        version="0.1.0",
        fingerprints={str(name): mark for name, mark in store.info.fingerprints.items()},
        encoders={str(name): dict(where) for name, where in store.info.encoders.items()},
    )


def check_store(store: FeatureStore) -> None:
    """Refuse a store that nothing can be learned from.

    Raises:
        UnusableInputError: a split is missing or too small, or a label never or always present.
    """
    train = store.split("train")
    if len(train) < MIN_ROWS:
        raise UnusableInputError(
            f"{store.folder}: train has a single row of at least {MIN_ROWS}; add rows"
        )
    for label, share in zip(store.info.labels, _prevalence(train), strict=True):
        if share in (0.0, 1.0):
            where = "never" if share == 0 else "always"
            raise UnusableInputError(
                f"{store.folder}: label {label!r} is {where} present in train, so it cannot be "
                "learned; leave it out of the label set or add rows"
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


def _prevalence(split: StoreSplit) -> list[float]:
    return [float(share) for share in np.mean(split.labels >= 0.5, axis=0)]


def is_first() -> bool:
    """Whether this is the process that writes; known before any group of processes is made."""
    return os.environ.get("RANK", "0") == "0"


def claim(folder: Path, settings: TrainSettings) -> None:
    """Make the run's folder, or find in it the same run begun before.

    Settings with which nothing was learned, as where a device was wrong, give way to others.

    Raises:
        UnusableInputError: the folder holds something else.
    """
    if not is_first():
        return
    wanted = asdict(settings)
    # A run that was moved, or goes on with other help, is no other run.
    for key in ("output", "device", "workers"):
        del wanted[key]
    path = folder / SETTINGS_FILE
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
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
    return (folder / MODEL_FOLDER).exists() or last_checkpoint(folder / CHECKPOINTS) is not None


def _first_difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    for key, value in wanted.items():
        other = found.get(key)
        if isinstance(value, dict) and isinstance(other, dict) and value != other:
            return f"{key}.{_first_difference(other, value)}"
        if other != value:
            return f"{key} was {other!r}, is {value!r}"
    return "settings of another version"


def _arguments(settings: TrainSettings, folder: Path) -> TrainingArguments:
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
    return TrainingArguments(
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
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=2,
        load_best_model_at_end=True,
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


def _has(device: str) -> bool:
    return torch.cuda.is_available() if device == "cuda" else torch.backends.mps.is_available()
