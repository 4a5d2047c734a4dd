"""What LDDU costs for one utterance beside the text encoder that feeds it.

Usage: python benchmarks/head.py [--repeats N]

The default model on one utterance of twelve words, four seconds of sound and forty frames, with
all passes that epistemic uncertainty takes, against one forward pass of MiniLM on those words.
Medians of calls in turn, in one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import torch
from transformers import AutoModel, AutoTokenizer

from lddu_pipe.assets import resolve
from lddu_pipe.pipelines.checkpoint import load_checkpoint
from lddu_pipe.pipelines.settings import PipelineSettings

WORDS = "I am so happy to see you here, this is wonderful news"
STEPS = {"text": 12, "audio": 8, "vision": 40}


@torch.inference_mode()
def measure(repeats: int) -> dict[str, float]:
    folder = resolve("all-MiniLM-L6-v2")
    pieces = AutoTokenizer.from_pretrained(folder)(WORDS, return_tensors="pt")
    encoder = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    model = load_checkpoint("lddu-base-en").model
    sizes = model.config.feature_sizes
    values = {name: torch.randn(1, count, sizes[name]) for name, count in STEPS.items()}
    masks = {name: torch.ones(1, count, dtype=torch.bool) for name, count in STEPS.items()}
    passes = PipelineSettings().passes
    times: dict[str, list[float]] = {"encoder": [], "forward": [], "passes": []}
    for repeat in range(repeats + 3):
        marks = [time.perf_counter()]
        encoder(**pieces)
        marks.append(time.perf_counter())
        gathered = model.gather(values, masks)
        model.classify(gathered)
        marks.append(time.perf_counter())
        model.sample_logits(gathered, passes)
        marks.append(time.perf_counter())
        if repeat >= 3:
            for name, begun, ended in zip(times, marks, marks[1:], strict=False):
                times[name].append(ended - begun)
    encoder_time, forward, sampled = (statistics.median(values) for values in times.values())
    return {
        "encoder_ms": round(encoder_time * 1e3, 2),
        "forward_ms": round(forward * 1e3, 2),
        "passes_ms": round(sampled * 1e3, 2),
        "forward_ratio": round(forward / encoder_time, 2),
        "ratio": round((forward + sampled) / encoder_time, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=100)
    print(json.dumps(measure(parser.parse_args().repeats), indent=1))
