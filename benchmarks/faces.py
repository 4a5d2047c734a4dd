"""Faces found and followed in clips whose faces are known, because they were pasted there.

``python benchmarks/faces.py MEDIA`` cuts faces out of the videos of a folder (those that
``../shared/data/media`` has), pastes them with soft edges into photographs without faces, 1920 x
1080, and follows them as the pipeline does. It tells

- how many of the faces of each height are found, frame by frame, from the first frame on;
- how well tracks keep to one face, as IDF1 (Ristani et al. 2016, by py-motmetrics), where four
  people walk past one another;
- how many tracks are of no face, in these clips and in minutes without any.

``--set tune`` has other people, places and paths than ``--set report``, which chose nothing.
``--write docs/performance.md`` writes the table.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import motmetrics
import numpy as np
import skimage.data
from numpy.typing import NDArray
from sklearn.datasets import load_sample_image

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.faces import FaceLandmarker, overlap
from lddu_pipe.extractors.following import follow_faces
from lddu_pipe.media import Frame, decode_frames, probe
from lddu_pipe.pipelines.settings import PipelineSettings
from report import machine, table, write_section

FPS = 10.0
WIDTH, HEIGHT = 1920, 1080
EMPTY_FPS = 2.0
"""Of what shows nobody: what takes time there is the search, once a second."""
BINS = (24, 32, 48, 96, 192, 401)
"""Pixels of height that rows of the table begin with."""
PLACES = {
    "tune": ("china.jpg", "brick", "rocket", "gravel", "page", "motorcycle"),
    "report": ("flower.jpg", "coffee", "chelsea", "grass", "hubble_deep_field", "moon"),
}
CAST = {
    "tune": (("pyfeat_pexels", 0.0, 1.0), ("diwakar_happy", 0.0, 0.6)),
    "report": (
        ("pyfeat_single", 0.0, 1.0),
        ("sadtalker_KH", 0.0, 1.0),
        ("diwakar_happy", 0.63, 1.0),
    ),
}
"""Videos, and which part of their width shows the person."""
OVERLAP = 0.4
"""Intersection over union from which on a face is found."""


class Cut(NamedTuple):
    """A head with its surroundings."""

    image: NDArray[np.uint8]
    box: NDArray[np.float64]
    """(4,) pixels of the image: the extent of the face's landmarks."""


class Actor(NamedTuple):
    """A face on its way through a clip."""

    cuts: Sequence[Cut]
    height: float
    """Pixels of the face."""
    start: NDArray[np.float64]
    """(2,) middle of the face, pixels."""
    velocity: NDArray[np.float64]
    """(2,) pixels a second."""

    def at(self, index: int) -> tuple[Cut, NDArray[np.float64]]:
        """The cut of a frame, and where its middle is."""
        position = index % (2 * len(self.cuts) - 1)  # to and fro, so that nothing jumps
        cut = self.cuts[min(position, 2 * len(self.cuts) - 2 - position)]
        return cut, self.start + self.velocity * index / FPS


class Told(NamedTuple):
    """One frame of a clip: where faces are and where they were found."""

    truth: dict[int, NDArray[np.float64]]
    heights: dict[int, float]
    found: dict[int, NDArray[np.float64]]
    """By track; boxes in pixels of the clip."""


def cast(media: Path, which: str) -> list[list[Cut]]:
    """The faces of each person, a frame after the other."""
    people = []
    for name, left, right in CAST[which]:
        frames = decode_frames(probe(media / f"{name}.mp4"), FPS, WIDTH)
        with FaceLandmarker(resolve("face-landmarker"), video=False) as landmarker:
            cuts = []
            for frame in frames:
                wide = frame.image.shape[1]
                image = np.ascontiguousarray(frame.image[:, int(left * wide) : int(right * wide)])
                if name == "diwakar_happy" and left > 0:
                    image = np.ascontiguousarray(image[: len(image) // 2])
                found = landmarker.detect(image)
                if found:
                    cuts.append(_cut(image, np.array(found[0].box)))
        people.append(cuts[:60])
    return people


def _cut(image: NDArray[np.uint8], box: NDArray[np.float64]) -> Cut:
    size = box[3] - box[1]
    middle = (box[:2] + box[2:]) / 2
    around = int(1.2 * size)
    wide = cv2.copyMakeBorder(image, *[around] * 4, cv2.BORDER_REPLICATE)
    x, y = (middle - size * np.array([0.85, 0.95])).astype(int) + around
    part = wide[y : y + int(1.85 * size), x : x + int(1.7 * size)]
    return Cut(part.copy(), box - np.tile([x - around, y - around], 2))


def place(name: str, random: np.random.Generator) -> NDArray[np.uint8]:
    """A part of a photograph without faces, (1080, 1920, 3)."""
    if name.endswith(".jpg"):
        picture = load_sample_image(name)
    elif name == "motorcycle":
        picture = skimage.data.stereo_motorcycle()[0]
    else:
        picture = np.asarray(getattr(skimage.data, name)())
    if picture.ndim == 2:
        picture = np.repeat(picture[:, :, None], 3, axis=2)
    scale = max(WIDTH / picture.shape[1], HEIGHT / picture.shape[0]) * random.uniform(1.1, 1.6)
    large = cv2.resize(picture[:, :, :3], None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    y, x = (
        random.integers(large.shape[side] - size + 1) for side, size in ((0, HEIGHT), (1, WIDTH))
    )
    return np.ascontiguousarray(large[y : y + HEIGHT, x : x + WIDTH], np.uint8)


def paste(
    image: NDArray[np.uint8], cut: Cut, height: float, middle: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Put a face into a picture, in place, with soft edges; where it then lies."""
    scale = height / (cut.box[3] - cut.box[1])
    size = np.maximum(2, np.round(np.array(cut.image.shape[1::-1]) * scale)).astype(int)
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(cut.image, size.tolist(), interpolation=how)
    box = cut.box * np.tile(size / cut.image.shape[1::-1], 2)
    corner = np.round(middle - (box[:2] + box[2:]) / 2).astype(int)
    first = np.maximum(corner, 0)
    last = np.minimum(corner + size, [WIDTH, HEIGHT])
    if (last > first).all():
        edges = [np.minimum(np.arange(n) + 0.5, n - np.arange(n) - 0.5) / n for n in size]
        soft = np.clip(np.minimum(edges[1][:, None], edges[0][None]) / 0.08, 0, 1)[:, :, None]
        (x, y), (right, bottom) = first - corner, last - corner
        part = image[first[1] : last[1], first[0] : last[0]]
        new, share = small[y:bottom, x:right], soft[y:bottom, x:right]
        part[:] = (part * (1 - share) + new * share).astype(np.uint8)
    return box + np.tile(corner, 2)


def covered(behind: NDArray[np.float64], before: NDArray[np.float64]) -> bool:
    """Whether most of a face is hidden by the head before it, which reaches beyond its face."""
    size = before[2:] - before[:2]
    head = np.concatenate([before[:2] - 0.35 * size, before[2:] + 0.35 * size])
    shared = np.minimum(behind[2:], head[2:]) - np.maximum(behind[:2], head[:2])
    return bool((shared > 0).all() and shared.prod() > 0.5 * (behind[2:] - behind[:2]).prod())


def play(
    background: NDArray[np.uint8], actors: Sequence[Actor], seconds: float, max_side: int
) -> Iterator[tuple[Frame, dict[int, NDArray[np.float64]], dict[int, float]]]:
    """The frames of a clip as they would be decoded, where faces are, and how high."""
    for index in range(round(seconds * FPS)):
        image, truth = background.copy(), {}
        for number, actor in enumerate(actors):
            cut, middle = actor.at(index)
            truth[number] = box = paste(image, cut, actor.height, middle)
            hidden = [other for other in truth if other != number and covered(truth[other], box)]
            for other in hidden:
                del truth[other]
        yield (
            Frame(index / FPS, _decoded(image, max_side)),
            truth,
            {number: actor.height for number, actor in enumerate(actors)},
        )


def pan(background: NDArray[np.uint8], seconds: float, max_side: int) -> Iterator[Frame]:
    """The frames of a camera that moves over a photograph and comes nearer."""
    for index in range(round(seconds * EMPTY_FPS)):
        share = index / (seconds * EMPTY_FPS)
        width, height = (int(side * (1 - 0.3 * share)) for side in (WIDTH, HEIGHT))
        x, y = int(0.3 * share * WIDTH * 0.9), int(0.3 * share * HEIGHT * 0.3)
        part = background[y : y + height, x : x + width]
        yield Frame(index / EMPTY_FPS, _decoded(part, max_side))


def _decoded(image: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    """A picture as it would be decoded; as much is lost as by a codec."""
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    small = (max_side, round(max_side * HEIGHT / WIDTH))
    image = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    return np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)


def watch(
    frames: Iterator[tuple[Frame, dict[int, NDArray[np.float64]], dict[int, float]]], max_side: int
) -> list[Told]:
    """Follow the faces of a clip."""
    known = []

    def shown() -> Iterator[Frame]:
        for frame, truth, heights in frames:
            known.append((truth, heights))
            yield frame

    stretches = follow_faces(resolve("face-landmarker"), shown(), people=6)
    scale = WIDTH / max_side
    found = [
        {number: np.array(item.sighting.box) * scale for number, item in seen.items()}
        for stretch in stretches
        for seen in stretch.seen
    ]
    return [Told(*truth, boxes) for truth, boxes in zip(known, found, strict=True)]


def _inside(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.clip(box, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])


class Score:
    """What many clips come to."""

    def __init__(self) -> None:
        self.seen = np.zeros((len(BINS) - 1, 2))
        """Faces that were found, and all, by height."""
        self.false_tracks = 0
        self.seconds = 0.0
        self.identities: list[motmetrics.MOTAccumulator] = []

    def add(self, told: Sequence[Told], fps: float) -> None:
        """Take in a clip."""
        accumulator = motmetrics.MOTAccumulator(auto_id=True)
        matched: dict[int, list[bool]] = {}
        for frame in told:
            truth, found = list(frame.truth), list(frame.found)
            shared = np.array(
                [
                    [overlap(_inside(face), _inside(box)) for box in frame.found.values()]
                    for face in frame.truth.values()
                ]
            ).reshape(len(truth), len(found))
            near = shared >= OVERLAP
            accumulator.update(truth, found, np.where(near, 1 - shared, np.nan))
            for row, number in enumerate(truth):
                index = np.searchsorted(BINS, frame.heights[number], side="right") - 1
                self.seen[index] += near[row].any(), 1
            for column, number in enumerate(found):
                matched.setdefault(number, []).append(bool(near[:, column].any()))
        self.false_tracks += sum(np.mean(hits) < 0.5 for hits in matched.values())
        self.seconds += len(told) / fps
        self.identities.append(accumulator)

    @property
    def idf1(self) -> float:
        """Of all clips together."""
        host = motmetrics.metrics.create()
        names = [str(index) for index in range(len(self.identities))]
        summary = host.compute_many(
            self.identities, names=names, metrics=["idf1"], generate_overall=True
        )
        return float(summary.loc["OVERALL", "idf1"])


def scattered(people: Sequence[Sequence[Cut]], random: np.random.Generator) -> list[Actor]:
    """One to six faces of any size that keep apart; some move, some are cut by the edge."""
    actors: list[Actor] = []
    for _ in range(int(random.integers(1, 7))):
        for _ in range(50):
            height = float(np.exp(random.uniform(np.log(24), np.log(400))))
            edge = random.random() < 0.15
            margin = np.full(2, (0.35 if edge else 0.9) * height)
            start = random.uniform(margin, np.array([WIDTH, HEIGHT]) - margin)
            speed = random.choice([0, 0, 0.5]) * height
            angle = random.uniform(0, 2 * np.pi)
            velocity = speed * np.array([np.cos(angle), np.sin(angle) / 3])
            ends = (start, start + velocity * SECONDS)
            if not edge and not all(
                ((margin <= p) & (p <= [WIDTH, HEIGHT] - margin)).all() for p in ends
            ):
                continue
            apart = [
                min(
                    np.linalg.norm(p - q)
                    for p in ends
                    for q in (a.start, a.start + a.velocity * SECONDS)
                )
                - 1.3 * (height + a.height)
                for a in actors
            ]
            if min(apart, default=1) > 0:
                cuts = people[int(random.integers(len(people)))]
                begin = int(random.integers(max(1, len(cuts) - 20)))
                actors.append(Actor(cuts[begin:], height, start, velocity * (not edge)))
                break
    return actors


def crossing(people: Sequence[Sequence[Cut]], random: np.random.Generator) -> list[Actor]:
    """Four faces, two and two of which walk past one another, the one before the other."""
    actors = []
    order = random.permutation(4)
    for number in range(4):
        height = random.uniform(70, 160)
        row = HEIGHT * (0.3 if number < 2 else 0.7) + random.uniform(-40, 40)
        left, right = random.uniform(250, 700), random.uniform(1200, 1650)
        start, end = (left, right) if number % 2 == 0 else (right, left)
        cuts = people[int(order[number]) % len(people)]
        begin = int(random.integers(max(1, len(cuts) - 20)))
        velocity = np.array([(end - start) / CROSSING, random.uniform(-8, 8)])
        actors.append(Actor(cuts[begin:], height, np.array([start, row]), velocity))
    return actors


SECONDS, CROSSING = 5.0, 6.0


def main() -> None:
    """Compose, follow, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("media", type=Path)
    parser.add_argument("--set", choices=list(CAST), default="report")
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--walks", type=int, default=8)
    parser.add_argument("--empty", type=float, default=10.0, help="minutes without faces")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    max_side = PipelineSettings().side
    random = np.random.default_rng({"tune": 1, "report": 2}[options.set])
    people, places = cast(options.media, options.set), PLACES[options.set]
    spread, walks, empty = Score(), Score(), Score()
    for index in range(options.clips):
        background = place(places[index % len(places)], random)
        frames = play(background, scattered(people, random), SECONDS, max_side)
        spread.add(watch(frames, max_side), FPS)
    for index in range(options.walks):
        background = place(places[index % len(places)], random)
        frames = play(background, crossing(people, random), CROSSING, max_side)
        walks.add(watch(frames, max_side), FPS)
    for index in range(round(options.empty * 60 / 10)):
        background = place(places[index % len(places)], random)
        frames = ((frame, {}, {}) for frame in pan(background, 10.0, max_side))
        empty.add(watch(frames, max_side), EMPTY_FPS)
    rows = [
        (
            f"found, of faces {low} to {high - 1} px high",
            f"{found / max(1, count):.3f}",
            f"{count:.0f} faces",
        )
        for low, high, (found, count) in zip(BINS, BINS[1:], spread.seen, strict=False)
    ]
    minutes = sum(score.seconds for score in (spread, walks, empty)) / 60
    false = sum(score.false_tracks for score in (spread, walks, empty))
    rows += [
        (
            "IDF1, faces that keep apart",
            f"{spread.idf1:.3f}",
            f"{options.clips} clips, 1 to 6 faces",
        ),
        (
            "IDF1, four faces that walk past one another",
            f"{walks.idf1:.3f}",
            f"{options.walks} clips",
        ),
        (
            "tracks of no face, in 10 minutes",
            f"{10 * false / minutes:.2f}",
            f"{false} in {minutes:.1f} minutes",
        ),
    ]
    text = table(("", "", "of"), rows) + f"\n{machine()}\n"
    print(text)
    if options.write:
        write_section(options.write, "faces", text)


if __name__ == "__main__":
    main()
