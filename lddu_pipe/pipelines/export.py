"""A checkpoint's model and calibration to one ONNX file, which needs neither torch nor us."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lddu_pipe.errors import IncompatibleModelError, MissingAssetError, UnusableInputError
from lddu_pipe.files import write_whole
from lddu_pipe.models.batch import Batch
from lddu_pipe.models.calibration import Calibration, apply_calibration
from lddu_pipe.models.config import LDDUConfig
from lddu_pipe.models.graph import INPUTS, CalibratedHead, HeadOutput
from lddu_pipe.models.scoring import score_batch
from lddu_pipe.pipelines.checkpoint import Checkpoint
from lddu_pipe.types import MODALITIES

if TYPE_CHECKING:
    import onnx

METADATA_KEY = "lddu_pipe"
"""Under which the file's metadata holds the JSON of `describe`."""
SCHEMA = "1.0"
"""Of that JSON."""
TOLERANCE = 1e-4
"""How far logits (relative to 1 + |logit|), deviations and probabilities may lie from torch's."""
_CHECKS = ((1, (1, 1, 1)), (1, (12, 0, 0)), (4, (7, 3, 40)), (16, (0, 8, 5)))
"""Rows, and steps by modality, of the batches a graph is compared on."""


@dataclass(frozen=True)
class Exported:
    """What was written, and how near to the model it is."""

    path: Path
    size: int
    """Bytes."""
    difference: float
    """Largest difference of a calibrated probability from the model's, on random features."""


def export_onnx(checkpoint: Checkpoint, path: Path) -> Exported:
    """Write a checkpoint's head as an ONNX file; it appears whole, and only if it is right.

    Inputs, outputs and metadata: docs/export.md. Before the file is put in place, onnxruntime
    runs the graph on random features of several lengths, some without a modality, and the
    results are compared with the model's.

    Args:
        checkpoint: its model may be on any device and is not changed.
        path: the file; its folder exists.

    Raises:
        MissingAssetError: the extra `export` is not installed.
        IncompatibleModelError: the model leaves modalities out or cannot be expressed in ONNX,
            its graph gives other values, or its calibration lacks a set of modalities.
        UnusableInputError: the file cannot be written.
    """
    _need_packages()
    taken = checkpoint.config.modalities
    if len(taken) < len(MODALITIES):
        raise IncompatibleModelError(
            f"{checkpoint.config.name} takes {' and '.join(taken)} alone; only models of all "
            "modalities can be exported"
        )
    model = copy.deepcopy(checkpoint.model).cpu().float().eval()
    head = CalibratedHead(model, checkpoint.calibration).eval()
    proto = _to_onnx(head, checkpoint.config)
    described = json.dumps(describe(checkpoint), ensure_ascii=False)
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, described
    content: bytes = proto.SerializeToString()
    difference = _compare(content, head, checkpoint)
    try:
        write_whole(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnusableInputError(f"{path}: cannot write the model: {reason}") from None
    return Exported(path, len(content), difference)


def describe(checkpoint: Checkpoint) -> dict[str, Any]:
    """What someone with the graph alone needs to know, as it is kept in the file's metadata."""
    config = checkpoint.config
    return {
        "schema": SCHEMA,
        "model": {"name": config.name, "version": config.version, "weights": checkpoint.weights},
        "lddu_pipe": version("lddu-pipe"),
        "labels": list(config.labels),
        "alignment": config.alignment,
        "modalities": {
            name: {
                "features": config.feature_sizes[name],
                "max_steps": config.max_steps[name],
                "fingerprint": config.fingerprints.get(name),
            }
            for name in MODALITIES
        },
        "calibration": checkpoint.calibration.to_json(),
    }


def _need_packages() -> None:
    try:
        import onnx  # noqa: F401 - torch asks for it late, with an error of many lines
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError:
        raise MissingAssetError(
            'exporting needs more packages; run: pip install "lddu-pipe[export]"'
        ) from None


def _to_onnx(head: CalibratedHead, config: LDDUConfig) -> onnx.ModelProto:
    rows = torch.export.Dim("batch")
    shapes: dict[str, dict[int, Any]] = {}
    for name in MODALITIES:
        steps = torch.export.Dim(f"{name}_steps", max=config.max_steps[name])
        shapes[name] = shapes[f"{name}_mask"] = {0: rows, 1: steps}
    example = tuple(_arguments(_random_batch(config, 3, (5, 4, 6), seed=0), config))
    try:
        with _plain_torch():
            program = torch.onnx.export(
                head,
                example,
                dynamo=True,
                dynamic_shapes=shapes,
                input_names=list(INPUTS),
                output_names=list(HeadOutput._fields),
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise IncompatibleModelError(
            f"torch {torch.__version__} cannot express {config.name} in ONNX ({reason}); "
            "use the version that constraints.txt names"
        ) from error
    assert program is not None  # it is where the exporter is told to write no file
    proto: onnx.ModelProto = program.model_proto
    # Where in our code a node is from, with paths of this machine: nobody needs it to run.
    for node in proto.graph.node:
        del node.metadata_props[:]
    return proto


@contextmanager
def _plain_torch() -> Iterator[None]:
    """Keep torch from fused kernels that ONNX lacks, and its exporter from talking."""
    fused = torch.backends.mha.get_fastpath_enabled()
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    torch.backends.mha.set_fastpath_enabled(False)
    logger.setLevel(logging.ERROR)  # it warns that torchvision, which we do not use, is missing
    try:
        with warnings.catch_warnings():
            # Of axis names that two inputs share, and of torch's own deprecated calls.
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        torch.backends.mha.set_fastpath_enabled(fused)


def _compare(content: bytes, head: CalibratedHead, checkpoint: Checkpoint) -> float:
    """The largest difference of a probability, or an error if any output is too far away."""
    config = checkpoint.config
    batches = [_random_batch(config, *shape, seed) for seed, shape in enumerate(_CHECKS)]
    try:
        found = list(_run(content, batches, config))
    except Exception as error:  # onnxruntime has a dozen kinds, and no base of them
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise IncompatibleModelError(
            f"onnxruntime cannot run the graph of {config.name} ({reason}); nothing was written"
        ) from error
    return max(
        _distance(output, batch, head, checkpoint.calibration)
        for output, batch in zip(found, batches, strict=True)
    )


def _run(content: bytes, batches: Sequence[Batch], config: LDDUConfig) -> Iterator[HeadOutput]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for batch in batches:
        arrays = [item.numpy() for item in _arguments(batch, config)]
        yield HeadOutput(*session.run(None, dict(zip(INPUTS, arrays, strict=True))))


def _distance(
    found: HeadOutput, batch: Batch, head: CalibratedHead, calibration: Calibration
) -> float:
    """How far probabilities of a graph lie from what the pipeline makes of the same rows."""
    raw = score_batch(head.model, batch, passes=0)
    # Of the graph's own logits: a steep curve would make much of a rounding in them.
    expected = apply_calibration(replace(raw, logits=np.asarray(found.logits)), calibration)
    distances = {
        "logits": _largest((found.logits - raw.logits) / (1 + np.abs(raw.logits))),
        "deviation": _largest(found.deviation - raw.deviation),
        "probabilities": _largest(found.probabilities - expected.probabilities),
    }
    for name, distance in distances.items():
        if not distance <= TOLERANCE:  # NaN, too
            raise IncompatibleModelError(
                f"the graph's {name} differ from the model's by {distance:.1g}, more than "
                f"{TOLERANCE:g}; nothing was written"
            )
    return distances["probabilities"]


def _largest(differences: NDArray[np.floating] | Tensor) -> float:
    return float(np.abs(np.asarray(differences)).max())


def _random_batch(config: LDDUConfig, rows: int, steps: tuple[int, ...], seed: int) -> Batch:
    """Rows of features like standardised ones, of different lengths, some without a modality."""
    generator = torch.Generator().manual_seed(seed)
    values: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for name, count in zip(MODALITIES, steps, strict=True):
        if count == 0:
            continue
        longest = min(count, config.max_steps[name])
        size = config.feature_sizes[name]
        lengths = torch.randint(0, longest + 1, (rows,), generator=generator)
        lengths[0] = longest
        masks[name] = torch.arange(longest) < lengths[:, None]
        drawn = torch.randn(rows, longest, size, generator=generator)
        values[name] = drawn * masks[name][:, :, None]
    return Batch(values, masks)


def _arguments(batch: Batch, config: LDDUConfig) -> Iterator[Tensor]:
    """A batch as the graph takes it: an absent modality is one of no steps."""
    rows = len(next(iter(batch.values.values())))
    for name in MODALITIES:
        yield batch.values.get(name, torch.zeros(rows, 0, config.feature_sizes[name]))
        yield batch.masks.get(name, torch.zeros(rows, 0, dtype=torch.bool))
