"""Utterances a second of the head by what runs it, and what each does to probabilities.

Usage: python benchmarks/engines.py --data STORE [--split valid] [--model NAME|DIR]
           [--device cpu|cuda] [--threads N] [--batch 1 64 512] [--repeats N]
           [--write docs/performance.md]

STORE holds features that the model was trained on (`lddu-pipe extract`). The head gets padded
features in main memory and gives calibrated probabilities, decisions and doubt there; copies to a
GPU and back count. Speed is measured on rows with the most modalities, taken again where there are
fewer than a batch; engines are called in turn, so that other work on the machine slows all alike,
and a ratio is the median over these turns. Differences of probabilities are from torch in single
precision, on all rows of the split. On a machine that does other work, too, take one thread: two
wait for each other.

torch      the model and its calibration as the pipeline has them, without epistemic uncertainty
passes     the same with the 16 passes of epistemic uncertainty: what `annotate` does
compile    torch.compile of model and calibration as one graph
bf16, fp16 torch with weights and features in half precision (fp16 on a GPU alone)
ao-int8    torch.ao: linear layers with int8 weights, features quantised as they come (cpu alone)
onnx       `lddu-pipe models export`, run by onnxruntime (cpu alone, likewise the next)
onnx-int8  that file with int8 weights, by onnxruntime.quantization
"""

from __future__ import annotations

import argparse
import copy
import itertools
import logging
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from lddu_pipe.datasets.collate import RowCollator
from lddu_pipe.datasets.store import open_store
from lddu_pipe.evidence import Example
from lddu_pipe.metrics import classification_scores
from lddu_pipe.models.batch import Batch
from lddu_pipe.models.calibration import set_name
from lddu_pipe.models.graph import INPUTS, CalibratedHead, HeadOutput
from lddu_pipe.models.losses import deviation_size
from lddu_pipe.pipelines.checkpoint import Checkpoint, load_checkpoint
from lddu_pipe.pipelines.evaluate_store import check_fit
from lddu_pipe.pipelines.export import export_onnx
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.types import MODALITIES
from report import write_section

Engine = Callable[[Batch], tuple[NDArray[np.floating], NDArray[np.bool_]]]
"""A batch of one set of modalities to probabilities and decisions, (rows, labels)."""
SCORED_AT_ONCE = 64
WARM_UP = 3


class Quality(NamedTuple):
    largest: float
    mean: float
    changed: float
    micro_f1: float


def torch_engine(
    checkpoint: Checkpoint,
    device: torch.device,
    *,
    dtype: torch.dtype = torch.float32,
    passes: int = 0,
    change: Callable[[torch.nn.Module], torch.nn.Module] | None = None,
) -> Engine:
    model = copy.deepcopy(checkpoint.model).to(device, dtype)
    if change is not None:
        model = change(model)

    # torch's fused encoder layer does not know quantised weights.
    fused = change is None

    @torch.inference_mode()
    def run(batch: Batch) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        torch.backends.mha.set_fastpath_enabled(fused)
        calibration = checkpoint.calibration.of(set(batch.values))
        values = {name: item.to(device, dtype) for name, item in batch.values.items()}
        masks = {name: item.to(device) for name, item in batch.masks.items()}
        gathered = model.gather(values, masks)
        output = model.classify(gathered).float()
        probabilities = calibration.probabilities(output.logits.cpu().numpy())
        aleatoric = calibration.aleatoric(deviation_size(output).cpu().numpy())
        if passes:
            sampled = model.sample_logits(gathered, passes).float().cpu().numpy()
            calibration.probabilities(sampled).std(axis=0)
        calibration.abstains(probabilities, aleatoric)
        return probabilities, calibration.decide(probabilities)

    return run


def whole(batch: Batch, sizes: dict[str, int]) -> list[torch.Tensor]:
    """A batch as one graph takes it: all modalities, those that are absent of one masked step."""
    rows = len(next(iter(batch.values.values())))
    found = []
    for name in MODALITIES:
        found.append(batch.values.get(name, torch.zeros(rows, 1, sizes[name])))
        found.append(batch.masks.get(name, torch.zeros(rows, 1, dtype=torch.bool)))
    return found


def compiled_engine(checkpoint: Checkpoint, device: torch.device) -> Engine:
    head = CalibratedHead(copy.deepcopy(checkpoint.model), checkpoint.calibration).eval()
    graph = torch.compile(head.to(device), dynamic=True)
    sizes = checkpoint.config.feature_sizes

    @torch.inference_mode()
    def run(batch: Batch) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        output = graph(*(item.to(device) for item in whole(batch, sizes)))
        return output.probabilities.cpu().numpy(), output.decisions.cpu().numpy()

    return run


def onnx_engine(path: Path, checkpoint: Checkpoint) -> Engine:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    sizes = checkpoint.config.feature_sizes

    def run(batch: Batch) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        arrays = [item.numpy() for item in whole(batch, sizes)]
        output = HeadOutput(*session.run(None, dict(zip(INPUTS, arrays, strict=True))))
        return output.probabilities, output.decisions

    return run


def quantised(model: torch.nn.Module) -> torch.nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.ao is to move to a package of its own
        return torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)


def make_engines(
    checkpoint: Checkpoint, device: torch.device, work: Path
) -> dict[str, Callable[[], Engine]]:
    of = partial(torch_engine, checkpoint, device)
    engines: dict[str, Callable[[], Engine]] = {
        "torch": of,
        "passes": partial(of, passes=PipelineSettings.passes),
        "compile": partial(compiled_engine, checkpoint, device),
        "bf16": partial(of, dtype=torch.bfloat16),
    }
    if device.type == "cuda":
        return engines | {"fp16": partial(of, dtype=torch.float16)}

    def small() -> Engine:
        from onnxruntime.quantization import quantize_dynamic

        logging.getLogger().setLevel(logging.ERROR)  # it recommends what was done already
        quantize_dynamic(work / "head.onnx", work / "int8.onnx")
        return onnx_engine(work / "int8.onnx", checkpoint)

    export_onnx(checkpoint, work / "head.onnx")
    return engines | {
        "ao-int8": partial(of, change=quantised),
        "onnx": lambda: onnx_engine(work / "head.onnx", checkpoint),
        "onnx-int8": small,
    }


def by_modalities(rows: Sequence[Example]) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = {}
    for row in rows:
        found.setdefault(set_name(row.sequences), []).append(row)
    return found


def in_batches(rows: Sequence[Example], collator: RowCollator, size: int) -> list[Batch]:
    batches = []
    for begin in range(0, len(rows), size):
        found = collator(rows[begin : begin + size])
        batches.append(Batch(found["values"], found["masks"]))
    return batches


def measure_quality(
    engines: dict[str, Engine], groups: dict[str, list[Example]], collator: RowCollator
) -> dict[str, Quality]:
    truth = np.concatenate([[row.labels for row in rows] for rows in groups.values()]) >= 0.5
    batches = [
        batch for rows in groups.values() for batch in in_batches(rows, collator, SCORED_AT_ONCE)
    ]
    found = {}
    reference: tuple[NDArray[np.floating], NDArray[np.bool_]] | None = None
    for name, engine in engines.items():
        scored = [engine(batch) for batch in batches]
        probabilities, decisions = (np.concatenate(parts) for parts in zip(*scored, strict=True))
        reference = reference or (probabilities, decisions)
        differences = np.abs(probabilities - reference[0])
        found[name] = Quality(
            float(differences.max()),
            float(differences.mean()),
            float((decisions != reference[1]).mean()),
            classification_scores(truth, decisions).micro.f1,
        )
    return found


def measure_speed(
    engines: dict[str, Engine],
    rows: Sequence[Example],
    collator: RowCollator,
    size: int,
    turns: int,
) -> dict[str, tuple[float, float]]:
    """Utterances a second, and how many times those of the first engine, by engine."""
    count = max(size, 16)  # single utterances of several lengths
    taken = list(itertools.islice(itertools.cycle(rows), count))
    batches = in_batches(taken, collator, size)
    times: dict[str, list[float]] = {name: [] for name in engines}
    for turn in range(-WARM_UP, turns):
        batch = batches[turn % len(batches)]
        for name, engine in engines.items():
            begun = time.perf_counter()
            engine(batch)
            if turn >= 0:
                times[name].append(time.perf_counter() - begun)
    first = next(iter(times.values()))
    return {
        name: (
            size / statistics.median(taken),
            statistics.median(before / now for before, now in zip(first, taken, strict=True)),
        )
        for name, taken in times.items()
    }


def table(
    sizes: Sequence[int],
    speed: dict[int, dict[str, tuple[float, float]]],
    quality: dict[str, Quality],
) -> str:
    head = ["engine", *(f"{size} at once" for size in sizes)]
    head += ["largest difference", "mean", "decisions changed", "micro-F1"]
    lines = [head, ["---"] * len(head)]
    for name, figures in quality.items():
        cells = [name]
        for size in sizes:
            rate, ratio = speed[size][name]
            cells.append(f"{rate:,.0f}/s (x{ratio:.2f})")
        cells += [f"{figures.largest:.1g}", f"{figures.mean:.1g}"]
        cells += [f"{figures.changed:.2%}", f"{figures.micro_f1:.3f}"]
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a feature store")
    parser.add_argument("--split", default="valid")
    parser.add_argument("--model", default="lddu-base-en")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--threads", type=int, help="of every engine; torch's choice by default")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 64, 512])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--write", type=Path, help="the page whose table this is")
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.threads:
        torch.set_num_threads(options.threads)
    checkpoint = load_checkpoint(options.model)
    store = open_store(options.data)
    check_fit(checkpoint, store)
    collator = RowCollator(checkpoint.config.max_steps, store.info.aligned)
    groups = by_modalities(list(store.split(options.split)))
    most = max(groups, key=lambda name: name.count("+"))
    with tempfile.TemporaryDirectory() as work:
        engines: dict[str, Engine] = {}
        for name, make in make_engines(checkpoint, device, Path(work)).items():
            try:
                engine = make()
                for rows in groups.values():
                    engine(in_batches(rows[:2], collator, 2)[0])
            except Exception as error:  # an engine that this machine lacks is left out, and said
                print(f"{name}: {str(error).strip().splitlines()[0]}", file=sys.stderr)
            else:
                engines[name] = engine
        quality = measure_quality(engines, groups, collator)
        speed = {
            size: measure_speed(engines, groups[most], collator, size, options.repeats)
            for size in options.batch
        }
    machine = torch.cuda.get_device_name() if device.type == "cuda" else "cpu"
    sets = ", ".join(f"{len(rows)} {name}" for name, rows in groups.items())
    text = (
        f"{checkpoint.config.name} {checkpoint.config.version}, torch {torch.__version__}, "
        f"{machine}, {torch.get_num_threads()} threads; speed on {most}, differences on {sets}\n\n"
        + table(options.batch, speed, quality)
    )
    print(text, end="")
    if options.write:
        write_section(options.write, "engines", text)


if __name__ == "__main__":
    main()
