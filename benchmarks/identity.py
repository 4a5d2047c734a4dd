"""How well people are known again: on pictures of people, and on shots that are made of them.

Usage: python benchmarks/identity.py FOLDER --write docs/people.md

FOLDER holds pictures of some dozens of people, as --known reads them; docs/people.md names the one
that the figures there are of. `ALIKE` and `NAMED` are chosen on the first half of the people; the
second half says how good they are.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from lddu_pipe.assets import resolve
from lddu_pipe.extractors.faces import FaceLandmarker
from lddu_pipe.extractors.features import SFACE
from lddu_pipe.extractors.identity import FaceIdentity, unit
from lddu_pipe.pipelines.people.identity import ALIKE, PersonFinder
from lddu_pipe.pipelines.people.known import pictures_of
from lddu_pipe.types import TimeSpan
from report import table, write_section

HEIGHTS = (24, 32, 48, 64, 96)  # pixels of a face
CLIPS, SHOTS = 100, 16
THRESHOLDS = (0.30, 0.35, 0.38, 0.40, 0.42, 0.45, 0.50, 0.55)
PORTRAITS = 2  # of each person's pictures, that are only used as what --known is given
UNSEEN = 0.2  # of seconds in which no vector is to be had of a face

Vectors = Mapping[str, Sequence[NDArray[np.float32]]]


class Camera:
    """Takes pictures of faces from afar."""

    def __init__(self, landmarker: FaceLandmarker, network: FaceIdentity) -> None:
        self.seconds = 0.0
        self.looked = 0
        self._landmarker, self._network = landmarker, network

    def look(
        self, picture: NDArray[np.uint8], height: float, quality: int
    ) -> NDArray[np.float32] | None:
        """The vector of a face that is shrunk to so many pixels and compressed."""
        found = self._landmarker.detect(picture)
        if not found:
            return None
        scale = height / (found[0].box[3] - found[0].box[1])
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        lossy = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        size = picture.shape[1], picture.shape[0]
        shown = np.asarray(cv2.resize(cv2.imdecode(lossy, cv2.IMREAD_COLOR), size), np.uint8)
        again = self._landmarker.detect(shown)
        if not again:
            return None
        begun = time.process_time()
        vector = self._network.embed(shown, again[0])
        self.seconds, self.looked = self.seconds + time.process_time() - begun, self.looked + 1
        return vector


def read(path: Path) -> NDArray[np.uint8]:
    """A picture that is cut to a face, with room around it, as the landmarker needs it."""
    picture = cv2.imread(str(path))
    assert picture is not None, path
    room = max(picture.shape) // 2
    framed = cv2.copyMakeBorder(picture, room, room, room, room, cv2.BORDER_REPLICATE)
    scale = 500 / max(framed.shape)
    return np.ascontiguousarray(cv2.resize(framed, None, fx=scale, fy=scale)[..., ::-1])


def equal_error_rate(vectors: Vectors) -> tuple[float, float]:
    """Over all pairs of pictures, and the share of one person's that are alike at `ALIKE`."""
    owners = np.array([name for name, found in vectors.items() for _ in found])
    stacked = np.stack([vector for found in vectors.values() for vector in found])
    upper = np.triu_indices(len(owners), 1)
    products = (stacked @ stacked.T)[upper]
    same = (owners[:, None] == owners)[upper]
    wrong, right, _ = roc_curve(same, products)
    nearest = int(np.argmin(np.abs(wrong - (1 - right))))
    return (wrong[nearest] + 1 - right[nearest]) / 2, float((products[same] >= ALIKE).mean())


def shots(names: Sequence[str], rng: np.random.Generator) -> Iterator[tuple[float, list[str]]]:
    """Seconds of each shot of a clip, and who of its two to four people is in view."""
    cast = rng.choice(names, rng.integers(2, 5), replace=False)
    for _ in range(SHOTS):
        count = rng.integers(1, len(cast) + 1) if rng.random() < 0.5 else 1
        yield rng.uniform(1, 6), list(rng.choice(cast, count, replace=False))


def watch(
    finder: PersonFinder, vectors: Vectors, names: Sequence[str], rng: np.random.Generator
) -> list[str]:
    """Show a clip to a finder; returns whose face each track is."""
    owners: list[str] = []
    now = 0.0
    for seconds, seen in shots(names, rng):
        looks = [vectors[name][rng.integers(len(vectors[name]))] for name in seen]
        for start in np.arange(now, now + seconds):
            span = TimeSpan(start, min(start + 1, now + seconds))
            for place, look in enumerate(looks):
                finder.see(len(owners) + place, span, look if rng.random() > UNSEEN else None)
            finder.settle(span.end)
        owners += seen
        now += seconds
    finder.settle()
    return owners


def known_again(vectors: Vectors, names: Sequence[str], alike: float, seed: int) -> str:
    """Precision and recall of pairs of tracks that are said to be one person's."""
    hits = said = meant = 0
    for clip in range(CLIPS):
        finder = PersonFinder(alike=alike)
        owners = watch(finder, vectors, names, np.random.default_rng([seed, clip]))
        found = np.array([finder.person(track) for track in range(len(owners))])
        upper = np.triu_indices(len(owners), 1)
        same = (np.array(owners)[:, None] == np.array(owners))[upper]
        linked = (found[:, None] == found)[upper]
        hits, said, meant = hits + (same & linked).sum(), said + linked.sum(), meant + same.sum()
    return f"precision {hits / said:.2%}, recall {hits / meant:.2%}"


def named(vectors: Vectors, portraits: Vectors, names: Sequence[str], seed: int) -> str:
    """How many tracks get the right name, where every second person is known."""
    right = wrong = known = tracks = 0
    pictures = {name: unit(np.sum(portraits[name], axis=0)) for name in names[::2]}
    for clip in range(CLIPS):
        finder = PersonFinder(pictures)
        owners = watch(finder, vectors, names, np.random.default_rng([seed, clip]))
        told = [finder.names[finder.person(track) or 0] for track in range(len(owners))]
        tracks, known = tracks + len(owners), known + sum(owner in pictures for owner in owners)
        for owner, name in zip(owners, told, strict=True):
            right, wrong = right + (name == owner), wrong + (name not in (None, owner))
    return f"right names {right} of {known}, wrong names {wrong} of {tracks}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", type=Path)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    pictures: dict[str, list[NDArray[np.uint8]]] = {}
    for name, path in pictures_of(arguments.folder):
        pictures.setdefault(name, []).append(read(path))
    rows: list[list[str]] = []
    mixed: dict[str, list[NDArray[np.float32]]] = {name: [] for name in pictures}
    with FaceLandmarker(resolve("face-landmarker"), video=False) as landmarker:
        camera = Camera(landmarker, FaceIdentity(resolve(SFACE)))
        for height in HEIGHTS:
            found: dict[str, list[NDArray[np.float32]]] = {}
            for name, taken in pictures.items():
                looks = [
                    camera.look(each, height, int(rng.integers(35, 90)))
                    for each in taken[PORTRAITS:]
                ]
                found[name] = [look for look in looks if look is not None]
                mixed[name] += found[name]
            error, alike = equal_error_rate(found)
            rows.append([f"{height} px", f"{error:.2%}", f"{alike:.1%}"])
        portraits = {
            name: [
                look
                for each in taken[:PORTRAITS]
                if (look := camera.look(each, HEIGHTS[-1], 90)) is not None
            ]
            for name, taken in pictures.items()
        }
    names = list(pictures)
    half = names[: len(names) // 2], names[len(names) // 2 :]
    printed = table(["height of a face", "equal error rate", "found alike"], rows)
    for alike in THRESHOLDS:
        print(f"first half, {alike:.2f}: {known_again(mixed, half[0], alike, 0)}")
    print(f"first half: {named(mixed, portraits, half[0], 0)}")
    print(f"second half: {known_again(mixed, half[1], ALIKE, 1)}")
    print(f"second half: {named(mixed, portraits, half[1], 1)}")
    print(f"{camera.seconds / camera.looked * 1000:.1f} ms a face", printed, sep="\n")
    if arguments.write:
        write_section(arguments.write, "identity", printed)


if __name__ == "__main__":
    main()
