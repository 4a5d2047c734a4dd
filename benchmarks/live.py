"""How soon live results come, on real clips that are fed at their own speed.

    python benchmarks/live.py --media MEDIA [--same] [--busy] [CLIP ...]

For each clip: seconds from the last word of an utterance to its final result, from what is shown
to the running result of it, and to the first face that is told; the share of pictures that were
left out, and the processor's seconds a second. ``--busy`` keeps one core busy with something
else. ``--same`` compares the final results with those of `annotate` on the file.
"""

from __future__ import annotations

import argparse
import multiprocessing
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lddu_pipe import EmotionPipeline, Prediction
from lddu_pipe.events import FacesSeen, StreamEnded, UnitJudged
from lddu_pipe.media import Frame, decode_frames, decode_waveform, probe

PIECE = 0.05
"""Seconds of a piece of sound."""
CAMERA = 25.0
"""Pictures a second, at most."""
NEAR = 0.25
"""Seconds by which the ends of a cut may differ that is the same."""
CLIPS = (
    "sadtalker_KH.mp4",
    "facerec_hamilton.mp4",
    "diwakar_happy.mp4",
    "rishi_audio_happy.mp4",
    "pyfeat_pexels.mp4",
    "two_cities.wav",
)


@dataclass
class Measured:
    """What was measured of a clip, in seconds."""

    finals: list[float] = field(default_factory=list)
    running: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    """From one running result to the next."""
    first_face: float | None = None
    dropped: float = 0.0
    processor: float = 0.0
    predictions: list[Prediction] = field(default_factory=list)


def feed(
    pipe: EmotionPipeline, sound: NDArray[np.float32] | None, frames: Sequence[Frame]
) -> Measured:
    """Give a clip to a session as a microphone and a camera would, and measure."""
    found = Measured()
    live = pipe.live(audio_rate=16_000 if sound is not None else None, camera=bool(frames))
    begin, used = time.monotonic(), time.process_time()

    def give() -> None:
        step = round(PIECE * 16_000)
        pieces = [] if sound is None else range(0, len(sound), step)
        moments = [(frame.time, frame) for frame in frames]
        items = sorted([*moments, *(((x + step) / 16_000, x) for x in pieces)], key=lambda i: i[0])
        for moment, item in items:
            time.sleep(max(0.0, begin + moment - time.monotonic()))
            if isinstance(item, Frame):
                live.see(item.image, item.time)
            elif sound is not None:
                live.hear(sound[item : item + step], item / 16_000)
        live.close()

    thread = threading.Thread(target=give)
    thread.start()
    with live:
        shown = None
        for event in live.events():
            now = time.monotonic() - begin
            if isinstance(event, FacesSeen) and event.faces and found.first_face is None:
                found.first_face = now - float(event.faces[0].steps.spans[0, 0])
            elif isinstance(event, UnitJudged) and not event.final:
                found.running.append(now - event.prediction.utterance.span.end)
                found.waits.append(now - (now if shown is None else shown))
                shown = now
            elif isinstance(event, UnitJudged):
                found.predictions.append(event.prediction)
                if words := event.prediction.utterance.words:
                    found.finals.append(now - words[-1].span.end)
            elif isinstance(event, StreamEnded):
                found.processor = (time.process_time() - used) / now
        thread.join()
    found.dropped = live.dropped
    return found


@contextmanager
def another_busy(wanted: bool) -> Iterator[None]:
    """Keep a core busy meanwhile."""
    process = multiprocessing.get_context("spawn").Process(target=_spin, daemon=True)
    if wanted:
        process.start()
    try:
        yield
    finally:
        if wanted:
            process.kill()
            process.join()


def _spin() -> None:
    while True:
        pass


def compare(live: Sequence[Prediction], whole: Sequence[Prediction]) -> tuple[int, ...]:
    """Counts: words, those that are the same, cuts, those that are, labels there, near ones."""
    said, heard = (
        [
            word.text.strip().lower().strip(".,?!")
            for item in items
            for word in item.utterance.words
        ]
        for items in (whole, live)
    )
    blocks = SequenceMatcher(None, said, heard, autojunk=False).get_matching_blocks()
    cuts = labels = near = 0
    for item in whole:
        span = item.utterance.span
        other = next(
            (
                one
                for one in live
                if abs(one.utterance.span.start - span.start) <= NEAR
                and abs(one.utterance.span.end - span.end) <= NEAR
                and one.utterance.kind == item.utterance.kind
                and set(one.missing) == set(item.missing)
            ),
            None,
        )
        if other is None:
            continue
        cuts += 1
        for one, two in zip(item.emotions, other.emotions, strict=True):
            labels += 1
            near += abs(one.probability - two.probability) <= 0.02
    return len(said), sum(block.size for block in blocks), len(whole), cuts, labels, near


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clips", nargs="*", default=CLIPS, help="names of files in MEDIA")
    parser.add_argument("--media", type=Path, required=True, help="a folder")
    parser.add_argument("--busy", action="store_true", help="with one other core busy")
    parser.add_argument("--same", action="store_true", help="compare with the file's annotation")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each clip, at most")
    given = parser.parse_args()
    pipe = EmotionPipeline.from_pretrained(offline=True)
    print(
        "| clip | finals: n | median | 95 % | running: 95 % | wait | first face | dropped | CPU |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    finals: list[float] = []
    total = np.zeros(6, int)
    for name in given.clips:
        media = probe(given.media / name)
        sound = None
        if media.audio is not None:
            sound = decode_waveform(media)[: round(given.seconds * 16_000)]
        frames: list[Frame] = []
        if media.video is not None:
            frames = [x for x in decode_frames(media, CAMERA) if x.time < given.seconds]
        with another_busy(given.busy):
            found = feed(pipe, sound, frames)
        finals += found.finals
        print(
            f"| {name} | {len(found.finals)} | {_share(found.finals, 50)} | "
            f"{_share(found.finals, 95)} | {_share(found.running, 95)} | "
            f"{_share(found.waits, 95)} | "
            f"{'' if found.first_face is None else format(found.first_face, '.2f')} | "
            f"{found.dropped:.0%} | {found.processor:.2f} |",
            flush=True,
        )
        if given.same:
            total += compare(found.predictions, pipe(str(given.media / name)).utterances)
    print(f"| all | {len(finals)} | {_share(finals, 50)} | {_share(finals, 95)} | | | | | |")
    if given.same:
        words, same, units, cuts, labels, near = total.tolist()
        print(f"\nwords {same} of {words}; cuts {cuts} of {units}; labels {near} of {labels}")


def _share(values: Sequence[float], percentile: float) -> str:
    return f"{np.percentile(values, percentile):.2f}" if values else ""


if __name__ == "__main__":
    main()
