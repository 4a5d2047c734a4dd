"""Everybody's faces in a video: searched for about once a second, followed in between."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.detector import Detection
from lddu_pipe.extractors.faces import Face
from lddu_pipe.extractors.orientation import Orientation, turned
from lddu_pipe.extractors.pyramid import Pyramid, Square
from lddu_pipe.extractors.readable import crop_near, is_readable, is_sharp
from lddu_pipe.extractors.sight import Sight
from lddu_pipe.extractors.stillness import FirstLook
from lddu_pipe.extractors.stretches import PROMPT, SEARCH_EVERY, stretches
from lddu_pipe.extractors.tflite import read_bundle
from lddu_pipe.extractors.tracks import Sighting, Track, Tracker, distinct
from lddu_pipe.media import Frame

MANY = 2
"""Faces; where there are more, the picture of each is taken from every second frame."""

_HELD = 0.5
# Share of the frames of its first stretch in which a face must be seen.
_DOUBTS = 2
# Searches in a row that do not find a face which is followed, after which it is none.
_LOST = 0.3
# Seconds since it was seen, from which on a face may have moved too far for its landmarks.

Given = TypeVar("Given")
Result = TypeVar("Result")


class Identity(Protocol):
    """Whose face it is."""

    def embed(self, image: NDArray[np.uint8], face: Face) -> NDArray[np.float32] | None:
        """A unit vector that is alike in all pictures of one person; None where it cannot be told.

        Args:
            image: (height, width, 3) uint8 RGB.
            face: found in this image.
        """


class Seen(NamedTuple):
    """A face in one frame, whose picture is gone."""

    sighting: Sighting
    crop: NDArray[np.uint8] | None
    """(48, 48) uint8 where its expression can be read."""
    identity: NDArray[np.float32] | None
    """Where it was asked whose face it is, and could be told."""


class Stretch(NamedTuple):
    """What was seen in some frames, one after the other."""

    times: list[float]
    """Seconds."""
    seen: list[dict[int, Seen]]
    """In each frame, by number of the track."""
    size: tuple[int, int]
    """Height and width of the pictures in which they were looked for, pixels."""
    turns: int | None
    """Quarter turns against the clock that were made before; None: as they are, since nothing had
    told yet which way is up."""
    cut: bool
    """Whether a scene begins with it."""
    still: frozenset[int]
    """Tracks that have been the same picture since they began."""

    @property
    def readable(self) -> int:
        """How many expressions can be read."""
        return sum(item.crop is not None for found in self.seen for item in found.values())


class _Pictures(NamedTuple):
    """The frames of a stretch, while they are looked at."""

    frames: list[Frame]
    turns: int | None
    cut: bool
    proposals: Future[list[Detection]] | None
    """What may be faces in the first frame, where they are searched for in it."""


def follow_faces(
    model: Path,
    frames: Iterable[Frame],
    *,
    people: int,
    threads: int = 1,
    identity: Identity | None = None,
    prompt: bool = False,
) -> Generator[Stretch]:
    """Follow the faces of one video.

    Frames are taken a few stretches ahead of what is asked for. Searches go on beside each other
    and ahead of the rest; what is followed depends on the frame before. If the generator is
    closed, threads end with what they are at.

    Args:
        model: the ``face_landmarker.task`` file.
        frames: in order of time.
        people: faces that are followed at a time, at most.
        threads: that look at once; the result does not depend on it.
        identity: asked once a stretch whose each face is.
        prompt: frames come as they are shown, and what is seen is to be known soon: stretches are
            given in parts of `PROMPT` seconds, none waits for the next one, and as long as nobody
            is in view each part is searched.
    """
    sights = _sights_of(model)
    with ThreadPoolExecutor(threads, "faces") as pool, ThreadPoolExecutor(1, "tracks") as order:
        follower = _Follower(Tracker(people), sights, pool if threads > 1 else None, identity)
        ahead: deque[Future[Stretch]] = deque()
        due = _Due(follower) if prompt else None
        for pictures in _stretches(model, frames, sights, pool, due):
            ahead.append(order.submit(follower.follow, pictures))
            while ahead and (prompt or len(ahead) > threads):
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def decided(stretches: Iterable[Stretch], longest: float) -> Generator[Stretch]:
    """Stretches once it is known which way is up, or after `longest` seconds.

    What was read in faces before it was known that they are turned is wrong, and left out.
    """
    doubtful: list[Stretch] = []
    known = False
    for stretch in stretches:
        if not known and stretch.turns:
            doubtful = [item._replace(seen=[{} for _ in item.seen]) for item in doubtful]
        doubtful.append(stretch)
        known = known or stretch.turns is not None
        if known or stretch.times[-1] - doubtful[0].times[0] >= longest:
            yield from doubtful
            doubtful = []
    yield from doubtful


def _stretches(
    model: Path,
    frames: Iterable[Frame],
    sights: _Sights,
    pool: ThreadPoolExecutor,
    due: _Due | None = None,
) -> Iterator[_Pictures]:
    """Cut a video into stretches, and search the first frame of each; see `_Due` of parts."""
    pyramid: Pyramid | None = None
    turns: int | None = None
    with Orientation(model) as orientation:
        for part, begins in stretches(frames, PROMPT if due else SEARCH_EVERY, prompt=bool(due)):
            before = turns
            searches = due is None or due.at(part[0].time, cut=begins)
            if searches:
                turns = orientation.follow([frame.image for frame in part])
            upright = [Frame(frame.time, turned(frame.image, turns or 0)) for frame in part]
            first = upright[0].image
            cut = begins or (before or 0) != (turns or 0)
            if cut or pyramid is None or pyramid.picture != first.shape[:2]:
                pyramid = Pyramid((first.shape[0], first.shape[1]))
            proposals = None
            if searches or cut:
                proposals = pool.submit(sights.search, first, pyramid, pyramid.due(first))
            yield _Pictures(upright, turns, cut, proposals)


class _Due:
    """When faces are searched for, where stretches come in parts."""

    def __init__(self, follower: _Follower) -> None:
        self._follower = follower
        self._last = -np.inf

    def at(self, time: float, *, cut: bool) -> bool:
        """Whether the part that begins at a second, maybe with a scene, is searched."""
        due = cut or time - self._last >= SEARCH_EVERY - 1e-3 or not self._follower.follows
        if due:
            self._last = time
        return due


class _Sights:
    """As many of them as there are threads that look at once; whoever looks borrows one."""

    def __init__(self, bundle: dict[str, bytes]) -> None:
        self._bundle = bundle
        self._idle: SimpleQueue[Sight] = SimpleQueue()

    @contextmanager
    def borrowed(self) -> Iterator[Sight]:
        try:
            sight = self._idle.get_nowait()
        except Empty:
            sight = Sight(self._bundle)
        try:
            yield sight
        finally:
            self._idle.put(sight)

    def search(
        self, image: NDArray[np.uint8], pyramid: Pyramid, due: Sequence[Square]
    ) -> list[Detection]:
        """What may be faces in some squares of a picture."""
        with self.borrowed() as sight:
            return sight.search(image, pyramid.levels, due)


@lru_cache(maxsize=1)
def _sights_of(model: Path) -> _Sights:
    """They remember nothing of a video, and take as long to load as half a picture to search."""
    return _Sights(read_bundle(model))


class _Follower:
    """Follows the faces of stretches, one after the other."""

    def __init__(
        self,
        tracker: Tracker,
        sights: _Sights,
        pool: ThreadPoolExecutor | None,
        identity: Identity | None,
    ) -> None:
        self._tracker = tracker
        self._sights = sights
        self._pool = pool
        self._identity = identity

    @property
    def follows(self) -> bool:
        """Whether somebody is in view."""
        return bool(self._tracker.tracks)

    def follow(self, pictures: _Pictures) -> Stretch:
        """What is seen in a stretch."""
        if pictures.cut:
            self._tracker.end()
        seen: list[dict[Track, Seen]] = []
        for index, frame in enumerate(pictures.frames):
            searches = index == 0 and pictures.proposals is not None
            proposals = pictures.proposals.result() if searches and pictures.proposals else ()
            found = self._look(frame, proposals, searches=searches)
            before = seen[-1] if seen else {}
            seen.append(
                self._describe(frame.image, found, before, asks=searches, rests=index % 2 == 1)
            )
        self._settle(seen)
        kept = self._tracker.tracks
        first = pictures.frames[0].image
        return Stretch(
            [frame.time for frame in pictures.frames],
            [
                {track.number: item for track, item in found.items() if track.number is not None}
                for found in seen
            ],
            (first.shape[0], first.shape[1]),
            pictures.turns,
            pictures.cut,
            frozenset(track.number for track in kept if track.still and track.number is not None),
        )

    def _look(
        self, frame: Frame, proposals: Sequence[Detection], *, searches: bool
    ) -> dict[Track, Sighting]:
        """The tracks that are seen in a frame."""
        tracker, (time, image) = self._tracker, frame
        tracker.forget_lost(time)

        def follow(track: Track) -> list[Sighting]:
            return self._follow(track, frame, searches=searches)

        found = [item for items in self._each(follow, tracker.tracks) for item in items]
        sightings = distinct(found)

        def check(proposal: Detection) -> Sighting | None:
            with self._sights.borrowed() as sight:
                return sight.check(image, proposal)

        new = [item for item in proposals if not any(holds(known, item) for known in sightings)]
        checked = [item for item in self._each(check, new) if item is not None]
        sightings = distinct([*sightings, *checked])
        seen = tracker.assign(sightings, time)
        taken = {id(sighting) for sighting in seen.values()}
        # From left to right, so that tracks which begin together have numbers in that order.
        for sighting in sorted(checked, key=lambda item: item.box):
            if id(sighting) in taken or not any(sighting is item for item in sightings):
                continue
            track = tracker.begin(sighting, time)
            if track is not None:
                seen[track] = sighting
        return {track: item for track, item in seen.items() if track in tracker.tracks}

    def _follow(self, track: Track, frame: Frame, *, searches: bool) -> list[Sighting]:
        """What is seen where a track is expected."""
        time, image = frame
        careful = (
            track.last.face is None
            or time - track.seen > _LOST
            or self._tracker.contended(track, time)
        )
        with self._sights.borrowed() as sight:
            found = sight.follow(
                image, track.expected_region(time), track.last.height, careful=careful
            )
            if searches and found and not careful:
                track.doubts = track.doubts + 1 if sight.doubts(image, found[0]) else 0
                if track.doubts >= _DOUBTS:
                    return []
        return found

    def _each(self, look: Callable[[Given], Result], items: Sequence[Given]) -> list[Result]:
        if self._pool is None or len(items) < 2:
            return [look(item) for item in items]
        return list(self._pool.map(look, items))

    def _describe(
        self,
        image: NDArray[np.uint8],
        found: dict[Track, Sighting],
        before: dict[Track, Seen],
        *,
        asks: bool,
        rests: bool,
    ) -> dict[Track, Seen]:
        """What is kept of the faces of a frame.

        Args:
            image: of the frame.
            found: the faces.
            before: what was kept of the frame before.
            asks: whose faces they are, and whether they still are the same picture.
            rests: of many faces the picture of the frame before is good enough.
        """
        described = {}
        for track, sighting in found.items():
            if asks and track.number is None:
                track.first = FirstLook(image, sighting.box)
            elif asks and track.first and not track.first.is_all(image, sighting.box):
                track.first = None
            crop = identity = None
            face = sighting.face
            if face is not None and is_readable(face):
                last = before.get(track) if rests and len(found) > MANY else None
                crop = crop_near(image, face) if last is None or last.crop is None else last.crop
                crop = crop if is_sharp(crop) else None
                if asks and crop is not None and self._identity is not None:
                    identity = self._identity.embed(image, face)
            described[track] = Seen(sighting, crop, identity)
        return described

    def _settle(self, seen: list[dict[Track, Seen]]) -> None:
        """Number the tracks that began in a stretch, and end those that did not last in it."""
        for track in self._tracker.tracks:
            if track.number is not None:
                continue
            held = sum(track in found for found in seen)
            if held >= max(_HELD * len(seen), min(2, len(seen))):
                self._tracker.number(track)
            else:
                self._tracker.drop(track)


def holds(sighting: Sighting, proposal: Detection) -> bool:
    """Whether what is proposed is a face that is known already."""
    apart = float(np.linalg.norm(sighting.middle - proposal.middle))
    return apart < 0.5 * max(sighting.height, proposal.height)
