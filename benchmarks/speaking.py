"""Whose voice is heard: on conversations put together from heads that were filmed talking.

Usage: python benchmarks/speaking.py --data shared/data [--half reported|chosen] [--seeds N]
           [--counts 2 3 4] [--fps 10] [--turns 2 8] [--cache DIR] [--write docs/people.md]

Two to four heads are side by side for a minute, and turns of 2 to 8 s are heard from one at a time
(or, dubbed, from somebody who is not seen): stretches of real video with their own sound. The
others listen (video of people who say nothing), or go on talking without being heard. A head shows
a random stretch of its video in each turn, over and over where that is shorter. A part of a head's
video, and a part of another's listening, belong to one half only; what was chosen by hand in
`speaking`, `attribution` and `articulation` of `pipelines.people` was chosen on the half `chosen`,
but for the weights of the shapes and the movement that counts as speech, for which all clips were
looked at.

A turn is asked for 20 s after its end, as in a stream, knowing which turns are of one voice or,
where voices are not told apart, only that somebody speaks. Figures are shares of the time in which
somebody speaks, that of short turns of those under 3 s. Where a head talks on, its few seconds of
video are repeated, and with them how its mouth goes with its sound: that is learnt more easily
than from somebody who never says the same twice.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np
from numpy.typing import NDArray

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.faces import BLENDSHAPE_NAMES, FaceLandmarker
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.media import decode_frames, decode_waveform, probe
from lddu_pipe.pipelines.people.articulation import MOUTH
from lddu_pipe.pipelines.people.speaking import SpeakerFinder
from lddu_pipe.types import TimeSpan
from report import table, write_section

HORIZON = 20.0  # s
MINUTE = 60.0
SHORT = 3.0  # s
ACTORS = {"chosen": range(1, 11), "reported": range(11, 21)}


class Part(NamedTuple):
    """A part of a video, and which of the faces in it."""

    file: str
    start: float
    end: float
    left: float = 0.0
    right: float = 1.0


TALKING = {
    "chosen": (Part("sadtalker_KH.mp4", 0.0, 4.0), Part("facerec_hamilton.mp4", 3.6, 5.7)),
    "reported": (Part("sadtalker_KH.mp4", 4.0, 8.0), Part("facerec_hamilton.mp4", 5.75, 7.8)),
}
LISTENING = {
    "chosen": (Part("pyfeat_pexels.mp4", 0.0, 9.5), Part("diwakar_happy.mp4", 0.0, 1.9, 0.0, 0.5)),
    "reported": (Part("pyfeat_pexels.mp4", 10.0, 19.5), Part("pyfeat_single.mp4", 0.6, 2.3)),
}


class Head(NamedTuple):
    """What a part of a video shows and says."""

    times: NDArray[np.float64]
    mouth: NDArray[np.float32]
    sound: NDArray[np.float32]
    part: Part


class Turn(NamedTuple):
    span: TimeSpan
    voice: int | None
    speaker: int | None
    """Whose head speaks, None where nobody's that is seen."""


class Conversation(NamedTuple):
    shots: list[tuple[int, NDArray[np.float64], NDArray[np.float32]]]
    """Which head is seen, when, and its mouth; from cut to cut."""
    sound: NDArray[np.float32]
    turns: list[Turn]


def faces(path: Path, cache: Path) -> dict[str, NDArray[np.float64]]:
    """Moment, middle and blendshapes of each face in all frames of a video, and its sound."""
    kept = cache / f"{path.stem}.npz"
    if not kept.is_file():
        media = probe(path)
        model = resolve("face-landmarker")
        with FaceLandmarker(model, video=True) as landmarker:
            rows = [
                (frame.time, (face.box[0] + face.box[2]) / 2 / frame.image.shape[1], face)
                for frame in decode_frames(media, 60, 960)
                for face in landmarker.detect(frame.image, frame.time)
            ]
        np.savez(
            kept,
            times=[time for time, _, _ in rows],
            middles=[middle for _, middle, _ in rows],
            shapes=[face.blendshapes for _, _, face in rows],
            sound=decode_waveform(media)[:] if media.audio else np.zeros(0, np.float32),
        )
    with np.load(kept) as stored:
        return dict(stored)


def head(part: Part, data: Path, cache: Path) -> Head:
    found = faces(data / "media" / part.file, cache)
    times, middles = found["times"], found["middles"]
    chosen = (times >= part.start) & (times < part.end)
    chosen &= (middles >= part.left) & (middles < part.right)
    columns = [BLENDSHAPE_NAMES.index(name) for name in MOUTH]
    sound = found["sound"].astype(np.float32)
    sound = sound / max(1e-3, float(np.abs(sound).max(initial=0)))
    return Head(times[chosen], found["shapes"][chosen][:, columns], sound, part)


def stretches(
    part: Part, seconds: float, generator: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Start and length of pieces of a part that together last some seconds."""
    start = generator.uniform(part.start, part.end)
    while seconds > 0:
        length = min(seconds, part.end - start)
        yield start, length
        seconds, start = seconds - length, part.start


def converse(
    heads: Sequence[Head],
    generator: np.random.Generator,
    fps: float,
    lengths: tuple[float, float],
    *,
    listeners: Sequence[Head] = (),
    strangers: Sequence[NDArray[np.float32]] = (),
    share: float = 1.0,
) -> Conversation:
    """A minute of conversation.

    Args:
        heads: side by side.
        generator: draws.
        fps: frames a second.
        lengths: seconds of a turn, at least and at most.
        listeners: what heads show that are not heard; without any they talk on.
        strangers: sounds of who is heard and not seen.
        share: of turns that are a stranger's, where there are any.
    """
    times = np.arange(0, MINUTE, 1 / fps)
    shots = []
    sound = np.zeros(round(MINUTE * SAMPLE_RATE), np.float32)
    turns: list[Turn] = []
    offset = int(generator.integers(len(listeners))) if listeners else 0
    while not turns or turns[-1].span.end < MINUTE:
        start = turns[-1].span.end if turns else 0.0
        span = TimeSpan(start, min(MINUTE, start + generator.uniform(*lengths)))
        stranger = bool(strangers) and generator.uniform() < share
        others = [i for i in range(len(heads)) if not turns or i != turns[-1].speaker]
        speaker = None if stranger else int(generator.choice(others))
        turns.append(Turn(span, len(heads) if speaker is None else speaker, speaker))
        if speaker is None:
            said = strangers[generator.integers(len(strangers))]
            place(sound, span.start, repeated(said, span.duration, generator))
        for number, talking in enumerate(heads):
            listens = bool(listeners) and number != speaker
            shown = listeners[(number + offset) % len(listeners)] if listens else talking
            moment = span.start
            for begin, length in stretches(shown.part, span.duration, generator):
                rows = (times >= moment - 1e-9) & (times < moment + length - 1e-9)
                found = np.searchsorted(shown.times, begin + times[rows] - moment + 1e-9) - 1
                shots.append((number, times[rows], shown.mouth[np.maximum(found, 0)]))
                if number == speaker:
                    first, last = (round(t * SAMPLE_RATE) for t in (begin, begin + length))
                    place(sound, moment, shown.sound[first:last])
                moment += length
    return Conversation(shots, sound, turns)


def repeated(
    said: NDArray[np.float32], seconds: float, generator: np.random.Generator
) -> NDArray[np.float32]:
    samples = round(seconds * SAMPLE_RATE)
    start = int(generator.integers(max(1, len(said) - samples)))
    return np.resize(said[start:], samples)


def place(sound: NDArray[np.float32], start: float, said: NDArray[np.float32]) -> None:
    first = round(start * SAMPLE_RATE)
    said = said[: len(sound) - first]
    sound[first : first + len(said)] = said


def answers(conversation: Conversation, *, voices: bool = True) -> list[int | None]:
    """Which head is named for each turn; it is known which shots show the same head."""
    finder = SpeakerFinder()
    people = {}
    for track, (number, times, mouth) in enumerate(conversation.shots):
        finder.see(track, times, mouth, np.ones(len(times), np.bool_))
        people[track] = number
    told = [turn if voices else turn._replace(voice=None) for turn in conversation.turns]
    finder.hear(told, conversation.sound)
    named = [
        finder.who(turn.span, turn.voice, min(MINUTE, turn.span.end + HORIZON), people)
        for turn in told
    ]
    return [None if track is None else people[track] for track in named]


class Tally:
    """Seconds in which the answer was right, wrong or nobody."""

    def __init__(self) -> None:
        self.right = self.total = self.short_right = self.short = self.missed = 0.0

    def add(self, turn: Turn, answer: int | None) -> None:
        seconds, right = turn.span.duration, answer == turn.speaker
        self.total += seconds
        self.right += seconds * right
        self.missed += seconds * (answer is None and not right)
        if seconds < SHORT:
            self.short += seconds
            self.short_right += seconds * right

    def cells(self) -> list[str]:
        wrong = self.total - self.right - self.missed
        return [
            f"{self.right / self.total:.3f}",
            f"{abs(wrong) / self.total:.3f}",
            f"{self.missed / self.total:.3f}",
            f"{self.short_right / self.short:.3f}" if self.short else "",
        ]


def voices_of(data: Path, half: str) -> list[NDArray[np.float32]]:
    """RAVDESS's actors of a half, and for what is reported the reader of two_cities, too."""
    paths = sorted((data / "audio/ravdess").glob("*.flac"))
    chosen = [path for path in paths if int(path.stem[-2:]) in ACTORS[half]]
    generator = np.random.default_rng(5)
    clips = []
    for actor in ACTORS[half]:
        own = [path for path in chosen if int(path.stem[-2:]) == actor]
        picked = [own[index] for index in generator.choice(len(own), 6, replace=False)]
        clips.append(np.concatenate([librosa.load(path, sr=SAMPLE_RATE)[0] for path in picked]))
    if half == "reported":
        clips.append(librosa.load(data / "media/two_cities.wav", sr=SAMPLE_RATE)[0])
    return [np.asarray(clip / np.abs(clip).max(), np.float32) for clip in clips]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--half", choices=("reported", "chosen"), default="reported")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--turns", type=float, nargs=2, default=[2.0, 8.0])
    parser.add_argument("--counts", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--cache", type=Path, help="folder in which blendshapes are kept")
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    cache = arguments.cache or Path(tempfile.mkdtemp())
    cache.mkdir(parents=True, exist_ok=True)
    half, data = arguments.half, arguments.data
    talking = [head(part, data, cache) for part in TALKING[half]]
    listening = [head(part, data, cache) for part in LISTENING[half]]
    strangers = voices_of(data, half)
    first = 1000 if half == "reported" else 0
    rows = []
    kinds = {
        "others listen": {"listeners": listening},
        "others talk on": {},
        "dubbed, all listen": {"listeners": listening, "strangers": None},
        "dubbed, all talk on": {"strangers": None},
        "others listen, a stranger has a third": {
            "listeners": listening,
            "strangers": None,
            "share": 1 / 3,
        },
    }
    for kind, more in kinds.items():
        for voices in (True, False):
            for count in arguments.counts:
                tally = Tally()
                for seed in range(first, first + arguments.seeds):
                    generator = np.random.default_rng([seed, count])
                    # Two of the same head show other stretches of it at any time.
                    heads = [talking[number % len(talking)] for number in range(count)]
                    extra = dict(more)
                    if "strangers" in more:
                        extra["strangers"] = [strangers[generator.integers(len(strangers))]]
                    conversation = converse(
                        heads, generator, arguments.fps, tuple(arguments.turns), **extra
                    )
                    found = answers(conversation, voices=voices)
                    for turn, answer in zip(conversation.turns, found, strict=True):
                        tally.add(turn, answer)
                label = "yes" if voices else "no"
                rows.append([kind, label, count, *tally.cells()])
    header = [
        *("heads", "voices told apart", "count", "right", "another head", "wrongly nobody"),
        "right, short turns",
    ]
    text = table(header, rows)
    print(text)
    if arguments.write:
        write_section(arguments.write, "speaking", text)


if __name__ == "__main__":
    main()
