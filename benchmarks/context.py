"""What reading text with its context costs: annotating dialogues by a model that reads it, or not.

Usage: python benchmarks/context.py --data ../shared/data/text/meld/dev_sent_emo.csv
           [--dialogues N] [--pieces N] [--write docs/performance.md]

Both models are the default one, but for the context; what it makes of that does not matter here. A
dialogue of MELD is a transcript, a line a cue, and is annotated by both in turn: encoder, model and
calibration, with nothing to hear or see. Times are of the processor, which other work on the
machine does not change much, and a ratio is the median over dialogues.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from lddu_pipe import EmotionPipeline
from lddu_pipe.extractors.companions import CONTEXT_FILE, Companions
from lddu_pipe.extractors.features import default_text_fingerprint
from lddu_pipe.pipelines.folder import CONFIG_FILE, find_checkpoint
from lddu_pipe.transcripts import parse_text
from report import machine, table, write_section


def with_context(pieces: int, folder: Path) -> EmotionPipeline:
    """The default model, said to read so many pieces of context."""
    shutil.copytree(find_checkpoint("lddu-base-en"), folder)
    (folder / CONTEXT_FILE).write_text(json.dumps({"context_pieces": pieces}))
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    config["fingerprints"]["text"] = default_text_fingerprint(Companions.load(folder))
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    return EmotionPipeline.from_pretrained(folder, device="cpu", offline=True)


def read_dialogues(path: Path) -> list[list[str]]:
    """The lines of each dialogue of MELD, in order."""
    lines: dict[str, list[str]] = defaultdict(list)
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            lines[row["Dialogue_ID"]].append(" ".join(row["Utterance"].split()))
    return list(lines.values())


def seconds_of(pipeline: EmotionPipeline, text: str) -> tuple[float, float]:
    """Processor time of annotating, and of the encoder alone in it."""
    encoder = pipeline.extractors.text
    extract, spent = encoder.extract, 0.0

    def timed(utterances):
        nonlocal spent
        begun = time.process_time()
        found = extract(utterances)
        spent += time.process_time() - begun
        return found

    encoder.extract = timed
    begun = time.process_time()
    pipeline(text=text)
    whole = time.process_time() - begun
    encoder.extract = extract
    return whole, spent


def measure(dialogues: list[list[str]], pieces: int) -> str:
    """The table of figures."""
    with tempfile.TemporaryDirectory() as name:
        without = EmotionPipeline.from_pretrained(device="cpu", offline=True)
        reads = with_context(pieces, Path(name) / "model")
        pairs = []
        for lines in (dialogues[0], *dialogues):
            text = "\n".join(lines)
            pairs.append(
                (seconds_of(without, text), seconds_of(reads, text), len(parse_text(text).cues))
            )
    pairs = pairs[1:]  # the first one loads the encoders
    rows = []
    for place, what in enumerate(("annotating", "of that, the encoder")):
        alone = statistics.median(1e3 * a[place] / count for a, _, count in pairs)
        context = statistics.median(1e3 * c[place] / count for _, c, count in pairs)
        ratios = sorted(c[place] / a[place] for a, c, _ in pairs)
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        ratio = f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})"
        rows.append((what, f"{alone:.1f} ms", f"{context:.1f} ms", ratio))
    header = ("a line of dialogue", "alone", f"with {pieces} pieces of context", "ratio")
    return table(header, rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--dialogues", type=int, default=40)
    parser.add_argument("--pieces", type=int, default=32)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    found = [lines for lines in read_dialogues(arguments.data) if len(lines) > 3]
    text = measure(found[: arguments.dialogues], arguments.pieces)
    print(text)
    if arguments.write:
        write_section(arguments.write, "context", f"{text}\n{machine()}\n")
