"""This pipeline beside what people would take in its place, in one run.

Usage: PYTHONPATH=recipes/lddu-base-en python benchmarks/comparison.py --faces ferplus_valid.npz
           --ravdess DIR --speech FILE --video FILE [--fer-python PATH] [--opensmile-python PATH]
           [--turns N] [--threads N] [--write docs/performance.md]

fer         finds faces (Haar cascade) and scores them, against our landmarks and expressions
opensmile   eGeMAPSv02, 88 figures of a stretch of sound, against our 2324 features a step
faster-whisper   words alone, with its own defaults, against our words and our whole path of sound

fer and opensmile need environments of their own, since their dependencies shut ours out:

    python -m venv /tmp/fer && /tmp/fer/bin/pip install fer
    python -m venv /tmp/smile && /tmp/smile/bin/pip install opensmile

Without --fer-python or --opensmile-python their rows are left out. Both sides of a row are timed
in turn, on the same data in memory, models loaded; the ratio is the median over these turns, so
that other work on the machine slows both; where there is much of it, take one thread for our
networks, since two wait for each other. FER+ and RAVDESS are read as by the recipe of the
default model. Right answers are counted on rows that ours was neither trained, chosen nor
calibrated on: the reporting half of the faces, and RAVDESS actors 19 and 20.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from faster_whisper import WhisperModel
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ferplus import load_faces
from lddu_pipe import EmotionPipeline
from lddu_pipe.assets import resolve
from lddu_pipe.evidence import Absent, Example, ModalitySequence, Present, Reason
from lddu_pipe.extractors.expression import EXPRESSIONS
from lddu_pipe.extractors.prosody import SAMPLE_RATE, prosody
from lddu_pipe.media import decode_audio, decode_frames, probe
from lddu_pipe.pipelines.components import WHISPER
from lddu_pipe.types import MODALITIES, TimeSpan, Utterance
from manifests import REPORT_ACTORS, first_half
from report import machine, write_section
from voices import SENTENCES, list_ravdess, read_waveform

NONE = "neutral"


class Row(NamedTuple):
    what: str
    theirs: str
    ours: str
    ratio: float | None = None
    """How many times as fast ours is; None where nothing was timed."""
    remark: str = ""

    def __str__(self) -> str:
        quicker = ""
        if self.ratio is not None and self.ratio >= 1:
            quicker = f"ours, {self.ratio:.2f} times"
        elif self.ratio is not None:
            quicker = f"theirs, {1 / self.ratio:.2f} times"
        return f"| {self.what} | {self.theirs} | {self.ours} | {quicker} | {self.remark} |"


class Rival:
    """Other software in a process of its own."""

    def __init__(self, python: Path, name: str) -> None:
        self._process = subprocess.Popen(
            [python, Path(__file__).with_name("rivals.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, do: str, **arguments: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._process.args} ended; run it by hand to see why")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)


def seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def in_turn(
    theirs: Callable[[], float], ours: Callable[[], float], turns: int
) -> tuple[float, float, float]:
    """Median seconds of each, and the median ratio of a turn; the first turn warms up."""
    pairs = [(theirs(), ours()) for _ in range(turns + 1)][1:]
    return (
        statistics.median(pair[0] for pair in pairs),
        statistics.median(pair[1] for pair in pairs),
        statistics.median(pair[0] / pair[1] for pair in pairs),
    )


def per_second(
    what: str, count: float, unit: str, timed: tuple[float, float, float], **more: str
) -> Row:
    theirs, ours, ratio = timed
    return Row(what, f"{count / theirs:,.1f} {unit}", f"{count / ours:,.1f} {unit}", ratio, **more)


def score(truth: Sequence[str], found: Sequence[str]) -> str:
    top1 = accuracy_score(truth, found)
    return f"top-1 {top1:.3f}, macro-F1 {f1_score(truth, found, average='macro'):.3f}"


def single_answers(pipe: EmotionPipeline, sequences: Sequence[ModalitySequence]) -> list[str]:
    """The most probable of the labels decided present, or none; abstention is not asked."""
    samples = [
        Example(
            Utterance(str(index), TimeSpan(0, 1)),
            {
                **dict.fromkeys(MODALITIES, Absent(Reason.NOT_IN_ROW)),
                sequence.modality: Present(sequence),
            },
        )
        for index, sequence in enumerate(sequences)
    ]
    answers = []
    found = pipe.predictor.calibrated(samples)
    for probabilities, there in zip(found.probabilities, found.decisions, strict=True):
        best = int(np.where(there, probabilities, -1).argmax())
        answers.append(pipe.labels[best] if there.any() else NONE)
    return answers


def compare_faces(
    pipe: EmotionPipeline, fer: Rival, path: Path, video: Path, work: Path, turns: int
) -> Iterator[Row]:
    faces = load_faces(path)
    reported = ~first_half(faces.names)
    pictures = faces.images[reported]
    truth = [EXPRESSIONS[index] for index in faces.votes[reported].argmax(axis=1)]
    np.save(work / "faces.npy", pictures)
    np.save(work / "some.npy", pictures[:200])
    names = {"angry": "anger"}
    vision = pipe.extractors.vision
    colour = [cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) for picture in pictures]

    def expression() -> NDArray[np.float32]:
        return vision.describe_faces(list(pictures[:200]), [None] * 200)

    log_shares = vision.describe_faces(list(pictures), [None] * len(pictures))
    first = vision.spec.names.index(next(n for n in vision.spec.names if NONE in n))
    alone = [EXPRESSIONS[i] for i in log_shares[:, first : first + 7].argmax(axis=1)]
    whole = single_answers(pipe, vision.extract_stills(colour, face_crops=True))
    for detector, title in (("lite", "fer, as it comes (TFLite)"), ("keras", "fer, Keras")):
        answer = fer.ask("faces", path=str(work / "faces.npy"), detector=detector)
        found = [max(scores, key=scores.get) for scores in answer["emotions"]]
        theirs = [names.get(label, label) for label in found]
        timed = in_turn(
            lambda detector=detector: fer.ask(
                "faces", path=str(work / "some.npy"), detector=detector
            )["seconds"],
            lambda: seconds(expression),
            turns,
        )
        what = f"{title}: faces cut out already, beside our expression network"
        yield per_second(what, 200, "faces/s", timed)
        remark = f"{len(truth)} faces of FER+ valid, 7 answers, majority vote"
        yield Row("- right answers", score(truth, theirs), score(truth, alone), None, remark)
    remark = (
        "with landmarks, pose and calibration: our answer is a label over its threshold, or none"
    )
    yield Row("- our whole path", "", score(truth, whole), None, remark)
    frames = list(itertools.islice(decode_frames(probe(video), fps=10), 60))
    np.save(work / "frames.npy", np.stack([frame.image for frame in frames]))
    sizes = "x".join(map(str, frames[0].image.shape[1::-1]))
    timed = in_turn(
        lambda: fer.ask("frames", path=str(work / "frames.npy"))["seconds"],
        lambda: seconds(lambda: vision.extract(frames, frames[-1].time)),
        turns,
    )
    what = f"fer, as it comes: whole pictures ({sizes}), beside our vision features"
    yield per_second(what, len(frames), "pictures/s", timed)
    theirs_found = fer.ask("frames", path=str(work / "frames.npy"))["with_face"]
    ours_found = int(vision.extract(frames, frames[-1].time).valid.sum())
    yield Row(
        "- pictures in which a face was found",
        f"{theirs_found} of {len(frames)}",
        f"{ours_found} of {len(frames)}",
        None,
        "somebody is in all of them where the video was chosen so",
    )


def compare_sound(
    pipe: EmotionPipeline,
    smile: Rival,
    ravdess: Path,
    speech: NDArray[np.float32],
    work: Path,
    turns: int,
) -> Iterator[Row]:
    piece = speech[: 30 * SAMPLE_RATE]
    np.save(work / "sound.npy", piece)
    length = len(piece) / SAMPLE_RATE
    paths = [str(work / "sound.npy")]
    for level, title, ours, beside in (
        (
            "functionals",
            "88 functionals",
            lambda: pipe.extractors.audio.extract(piece, 0.0),
            "our features",
        ),
        ("frames", "25 figures a frame", lambda: prosody(piece), "our prosody alone, 10 a frame"),
    ):
        timed = in_turn(
            lambda level=level: smile.ask(
                "sound", paths=paths, level=level, sample_rate=SAMPLE_RATE
            )["seconds"],
            lambda ours=ours: seconds(ours),
            turns,
        )
        what = f"opensmile eGeMAPSv02, {title}, beside {beside}"
        yield per_second(what, length, "s of sound/s", timed)
    clips = list(list_ravdess(ravdess))
    train = [clip for clip in clips if clip.split == "train"]
    held = [clip for clip in clips if clip.speaker in REPORT_ACTORS]
    figures = []
    for chosen in (train, held):
        files = []
        for clip in chosen:
            files.append(str(work / f"{clip.path.stem}.npy"))
            np.save(files[-1], read_waveform(clip))
        answer = smile.ask("sound", paths=files, level="functionals", sample_rate=SAMPLE_RATE)
        figures.append(np.array(answer["features"]))
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    classifier.fit(figures[0], [clip.emotion or NONE for clip in train])
    truth = [clip.emotion or NONE for clip in held]
    sequences = [pipe.extractors.audio.extract(read_waveform(clip), 0.0) for clip in held]
    remark = (
        f"{len(held)} clips of RAVDESS actors 19 and 20, voice alone, 7 answers; theirs is a "
        "logistic regression on actors 1 to 16, ours was trained on these and on text and faces"
    )
    theirs, ours_score = (
        score(truth, classifier.predict(figures[1])),
        single_answers(pipe, sequences),
    )
    yield Row("- right answers", theirs, score(truth, ours_score), None, remark)


def compare_words(
    pipe: EmotionPipeline, ravdess: Path, speech: NDArray[np.float32], turns: int
) -> Iterator[Row]:
    piece = speech[: 60 * SAMPLE_RATE]
    length = len(piece) / SAMPLE_RATE
    folder = str(resolve(WHISPER))

    def words(model: WhisperModel, waveform: NDArray[np.float32]) -> str:
        return "".join(segment.text for segment in model.transcribe(waveform)[0])

    ours = pipe.extractors.speech
    for kind in ("default", "int8"):
        alone = WhisperModel(folder, device="cpu", compute_type=kind)
        title = f"faster-whisper tiny.en alone ({kind}), beside"
        timed = in_turn(
            lambda alone=alone: seconds(lambda: words(alone, piece)),
            lambda: seconds(lambda: ours.transcribe(piece)),
            turns,
        )
        what = f"{title} our words with their times"
        yield per_second(what, length, "s of sound/s", timed)
        timed = in_turn(
            lambda alone=alone: seconds(lambda: words(alone, piece)),
            lambda: seconds(lambda: pipe(audio=(piece, SAMPLE_RATE))),
            turns,
        )
        what = f"{title} our whole path: words, emotions of words and voice"
        yield per_second(what, length, "s of sound/s", timed)
    held = [clip for clip in list_ravdess(ravdess) if clip.speaker in REPORT_ACTORS][::3]
    truth = [SENTENCES[int(clip.path.stem.split("-")[4])] for clip in held]
    sounds = [read_waveform(clip) for clip in held]
    theirs = error_rate(truth, [words(alone, sound) for sound in sounds])
    found = [
        " ".join(word.text for cue in ours.transcribe(sound).cues for word in cue.words)
        for sound in sounds
    ]
    remark = f"{len(held)} acted sentences of RAVDESS, int8 on both sides"
    rates = f"{theirs:.3f}", f"{error_rate(truth, found):.3f}"
    yield Row("- word error rate (less is better)", *rates, None, remark)


def error_rate(truth: Sequence[str], found: Sequence[str]) -> float:
    """Words to insert, delete or replace, over the words that were said."""
    wrong = total = 0
    for said, heard in zip(truth, found, strict=True):
        wanted, got = said.split(), re.findall(r"[a-z']+", heard.lower())
        costs = np.arange(len(got) + 1)
        for word in wanted:
            above = costs
            costs = above + 1
            costs[1:] = np.minimum(costs[1:], above[:-1] + [word != other for other in got])
            for index in range(1, len(costs)):
                costs[index] = min(costs[index], costs[index - 1] + 1)
        wrong, total = wrong + int(costs[-1]), total + len(wanted)
    return wrong / total


def compare(
    pipe: EmotionPipeline, speech: NDArray[np.float32], options: argparse.Namespace, work: Path
) -> Iterator[Row]:
    turns: int = options.turns
    if options.fer_python:
        fer = Rival(options.fer_python, "fer")
        yield from compare_faces(pipe, fer, options.faces, options.video, work, turns)
        fer.close()
    if options.opensmile_python:
        smile = Rival(options.opensmile_python, "opensmile")
        yield from compare_sound(pipe, smile, options.ravdess, speech, work, turns)
        smile.close()
    yield from compare_words(pipe, options.ravdess, speech, turns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faces", type=Path, required=True, help="FER+ valid, .npz")
    parser.add_argument("--ravdess", type=Path, required=True, help="folder of RAVDESS clips")
    parser.add_argument("--speech", type=Path, required=True, help="a minute of speech or more")
    parser.add_argument("--video", type=Path, required=True, help="a face, six seconds or more")
    parser.add_argument("--fer-python", type=Path, help="of an environment with fer")
    parser.add_argument("--opensmile-python", type=Path, help="of one with opensmile")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of our networks; torch's choice by default")
    parser.add_argument("--write", type=Path, help="the page whose table this is")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    pipe = EmotionPipeline.from_pretrained(device="cpu", offline=True)
    speech = decode_audio(probe(options.speech))
    lines = ["| theirs beside ours | theirs | ours | quicker | |", "|---|---|---|---|---|"]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for row in compare(pipe, speech, options, Path(folder)):
            lines.append(str(row))
            print(row, flush=True)
    if options.write:
        text = "\n".join(lines)
        write_section(options.write, "comparison", f"{text}\n\n{machine()}\n")


if __name__ == "__main__":
    main()
