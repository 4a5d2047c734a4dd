"""What reading text with its context costs: dialogues annotated by a model that reads it, or not.

Usage: python benchmarks/context.py --data ../shared/data/text/meld/dev_sent_emo.csv
           [--dialogues N] [--pieces N] [--write docs/performance.md]

Both models are the default one, of which the second is told to read context; what it makes of that
does not matter here. A dialogue of MELD is a transcript, a line a cue: there is nothing to hear or
see, so this is the encoder, LDDU with its passes, and the calibration. It is annotated by both in
turn, all lines together as a transcript is, and then one by one as a recording is. Times are of
the processor, which other work on the machine does not change much; a ratio is the median over
dialogues, in brackets without the tenth at each end.
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
from collections.abc import Sequence
from pathlib import Path

from lddu_pipe import EmotionPipeline, PipelineSettings
from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.extractors.companions import CONTEXT_FILE, Companions
from lddu_pipe.extractors.features import default_text_fingerprint
from lddu_pipe.pipelines.folder import CONFIG_FILE, find_checkpoint
from lddu_pipe.types import Utterance
from report import machine, table, write_section


class Clock:
    """Annotates, and tells how long that took."""

    def __init__(self, model: str | Path, batch_size: int) -> None:
        settings = PipelineSettings(batch_size=batch_size)
        self._pipeline = EmotionPipeline.from_pretrained(
            model, device="cpu", offline=True, settings=settings
        )
        self._encoder = self._pipeline.extractors.text
        self._extract = self._encoder.extract
        self._encoder.extract = self._timed
        self._pipeline(text="Everything is loaded.")

    def seconds(self, lines: Sequence[str]) -> tuple[float, float]:
        """Processor time a line: of all, and of the encoder in it."""
        self._spent = 0.0
        begun = time.process_time()
        count = len(self._pipeline(text="\n".join(lines)).utterances)
        return (time.process_time() - begun) / count, self._spent / count

    def _timed(self, utterances: Sequence[Utterance]) -> list[ModalitySequence]:
        begun = time.process_time()
        found = self._extract(utterances)
        self._spent += time.process_time() - begun
        return found

    _spent = 0.0


def with_context(pieces: int, folder: Path) -> Path:
    """The default model, told to read so many pieces of context."""
    shutil.copytree(find_checkpoint("lddu-base-en"), folder)
    (folder / CONTEXT_FILE).write_text(json.dumps({"context_pieces": pieces}))
    config = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    config["fingerprints"]["text"] = default_text_fingerprint(Companions.load(folder))
    (folder / CONFIG_FILE).write_text(json.dumps(config))
    return folder


def read_dialogues(path: Path) -> list[list[str]]:
    """The lines of each dialogue of MELD, in order."""
    lines: dict[str, list[str]] = defaultdict(list)
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        for row in csv.DictReader(file):
            lines[row["Dialogue_ID"]].append(" ".join(row["Utterance"].split()))
    return list(lines.values())


def measure(dialogues: Sequence[Sequence[str]], pieces: int) -> str:
    """The table of figures."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        model = with_context(pieces, Path(name) / "model")
        for how, batch_size in (("together", 64), ("one by one", 1)):
            clocks = [Clock(which, batch_size) for which in ("lddu-base-en", model)]
            times = [[clock.seconds(lines) for clock in clocks] for lines in dialogues]
            for place, what in enumerate(("annotating", "of that, the encoder")):
                alone, context = ([pair[which][place] for pair in times] for which in (0, 1))
                ratios = sorted(b / a for a, b in zip(alone, context, strict=True))
                low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
                rows.append(
                    (
                        f"{how}: {what}",
                        *(f"{1e3 * statistics.median(each):.1f} ms" for each in (alone, context)),
                        f"{statistics.median(ratios):.2f} ({low:.2f} to {high:.2f})",
                    )
                )
    return table(("a line of dialogue", "alone", f"with {pieces} pieces of context", ""), rows)


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
