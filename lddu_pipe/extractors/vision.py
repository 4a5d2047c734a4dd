"""Vision features: what the followed face shows in each frame."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lddu_pipe.alignment import concatenate
from lddu_pipe.events import FacesSeen, FollowedFace
from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.extractors.base import FrameExtractor
from lddu_pipe.extractors.expression import (
    EXPRESSIONS,
    FACE_SIZE,
    ExpressionNetwork,
    computes_bfloat16,
    standardise_faces,
)
from lddu_pipe.extractors.faces import (
    BLENDSHAPE_NAMES,
    CROP_SCALE,
    Face,
    FaceLandmarker,
    crop_face,
    follow_face,
)
from lddu_pipe.extractors.following import Identity, Seen, Stretch, decided, follow_faces
from lddu_pipe.extractors.orientation import Orientation, turned, turned_back
from lddu_pipe.extractors.search import find_faces
from lddu_pipe.media import Frame
from lddu_pipe.types import Box, TimeSpan

BATCH_SIZE = 64
LOG_PROBABILITY_FLOOR = -6.0
CROP_ENLARGEMENT = 4  # the landmarker finds few faces in 48 x 48 pixels, most in 192 x 192
CROP_BORDER = 48  # pixels around the enlarged crop, since a cut face lacks its surroundings
_NO_FACE = np.zeros((FACE_SIZE, FACE_SIZE), np.uint8)  # stands in a batch where no face was found


LONGEST_STEP = 0.5
"""Seconds for which a picture stands at most, unless pictures are further apart as a rule."""
USUAL_STEP = 0.1
"""Seconds for which a picture stands of which nothing else is known yet."""
MOST_WAITING = 2 * BATCH_SIZE
"""Frames that wait, at most, until there are enough faces for a batch."""
LONGEST_DOUBT = 20.0
"""Seconds for which frames wait, at most, until it is known which way is up."""


@dataclass(frozen=True)
class VisionSettings:
    """What decides the vision features of a frame."""

    landmarker: str = "face-landmarker"
    expression: str = "ferplus-resnet"
    stills_mirrored: bool = True
    """A picture is looked at twice, the second time in a mirror. A video shows a face more often
    than that as it is."""


class _Followed(NamedTuple):
    """The face that is followed, in one frame."""

    time: float
    """Seconds."""
    face: Face | None
    """As the landmarker sees it."""
    crop: NDArray[np.uint8] | None
    """(48, 48) uint8; None where nothing is to be seen."""
    box: Box | None = None
    """Of the face in the frame as it is."""
    height: float = 0.0
    """Pixels of the face, 0 where nothing is to be seen."""


class VisionExtractor(FrameExtractor):
    """Turns frames into one row of features each.

    A row holds the expression network's embedding and log-probabilities of the face crop, the
    landmarker's blendshapes and head pose, and whether there were landmarks.
    """

    name = "vision"
    follows_people = True
    settings: VisionSettings

    def __init__(
        self,
        landmarker: Path,
        network: ExpressionNetwork,
        settings: VisionSettings,
        weights: Mapping[str, str],
        *,
        device: str = "cpu",
        threads: int = 1,
        identity: Callable[[], Identity | None] = lambda: None,
    ) -> None:
        """Load nothing yet but the network.

        Args:
            landmarker: the ``face_landmarker.task`` file.
            network: scores the faces.
            settings: what decides the features.
            weights: sha256 by file name.
            device: where the network runs; the landmarker runs on the processor.
            threads: landmarkers that look at parts of one video at once. They change nothing.
            identity: gives what is asked about once a second whose face each is, where several
                are followed; nobody where it gives None.
        """
        super().__init__(
            settings,
            weights,
            space=settings.expression,
            names=(
                *(f"expression_{index:02d}" for index in range(network.config.embedding_size)),
                *(f"log_probability_{name}" for name in EXPRESSIONS),
                *BLENDSHAPE_NAMES,
                *("yaw", "pitch", "roll", "landmarks"),
            ),
        )
        self.device = torch.device(device)
        self._landmarker = landmarker
        self._threads = threads
        self._identity = identity
        # Convolutions are faster with the channels of a pixel side by side, and in half precision
        # where the hardware has it: over FER+ probabilities then move by 0.0005 on average.
        self._network: ExpressionNetwork = network.eval().to(  # type: ignore[call-overload]
            self.device,
            memory_format=torch.channels_last,  # which torch's own types do not know
        )
        self._half = computes_bfloat16(self.device)

    def extract(
        self, frames: Iterable[Frame], duration: float, *, face_crops: bool = False
    ) -> ModalitySequence:
        """Extract features from all frames of one video; see `follow`.

        Returns:
            (frames, features); frames without a face are not valid, and zeros.
        """
        nothing = self._sequence([], self._rows([]), duration)
        parts = self.follow(frames, duration, face_crops=face_crops)
        return concatenate([nothing, *(face.steps for part in parts for face in part.faces)])

    def follow(
        self,
        frames: Iterable[Frame],
        duration: float,
        *,
        face_crops: bool = False,
        people: int = 1,
    ) -> Generator[FacesSeen]:
        """Extract features from the frames of one video, in order of time, as they come.

        A step lasts from its frame to the next one, at most half a second, so that a gap in the
        frames is a gap in the sequence. Frames in which faces are turned or stand on their head
        are turned upright; where that is known only later in a video, those before it show no
        face, up to `LONGEST_DOUBT` seconds back.

        Args:
            frames: time and picture of each; used as they come and not kept for long.
            duration: seconds, the end of the last frame.
            face_crops: the frames are already cut to a face; see `extract_stills`.
            people: faces that are followed at a time, at most. 1 is the face that `follow_face`
                chooses: track 0 in all frames, whoever it is. More are found as `following` says,
                and each is a track of its own; `face_crops` show one.

        Yields:
            Steps without a face that can be read are not valid, and zeros.
        """
        if people > 1 and not face_crops:
            yield from self._follow_people(frames, duration, people)
            return
        waiting: list[_Followed] = []
        with closing(self._follow(frames, face_crops=face_crops)) as followed:
            for item in followed:
                full = sum(other.crop is not None for other in waiting) >= BATCH_SIZE
                if full or len(waiting) == MOST_WAITING:
                    yield self._part(waiting, item.time)
                    waiting = []
                waiting.append(item)
        if waiting:
            yield self._part(waiting, duration)

    def watch(self, frames: Iterable[Frame], people: int) -> Generator[FacesSeen]:
        """See `FrameExtractor.watch`: parts of a fifth of a second, of one face of a frame."""
        if people > 1:
            yield from self._follow_people(frames, 0.0, people, prompt=True)
            return
        with closing(self._follow(frames, face_crops=False, prompt=True)) as followed:
            for item in followed:
                yield self._part([item], item.time + USUAL_STEP)

    def _part(self, items: Sequence[_Followed], end: float) -> FacesSeen:
        face = self._face(0, items, self._rows(items), end)
        return FacesSeen((face,), end)

    def _face(
        self, track: int, items: Sequence[_Followed], rows: NDArray[np.float32], end: float
    ) -> FollowedFace:
        return FollowedFace(
            track,
            self._sequence(items, rows, end),
            tuple(item.box for item in items),
        )

    def look(self, image: NDArray[np.uint8], people: int) -> FacesSeen:
        """Find the faces of one picture that has no time; see `FrameExtractor.look`."""
        if people > 1:
            for seen in self._follow_people([Frame(0.0, image)], 0.0, people, still=True):
                if seen.faces:
                    return seen
        return super().look(image, people)

    def _follow_people(
        self,
        frames: Iterable[Frame],
        duration: float,
        people: int,
        *,
        still: bool = False,
        prompt: bool = False,
    ) -> Generator[FacesSeen]:
        waiting: list[Stretch] = []
        looked = follow_faces(
            self._landmarker,
            frames,
            people=people,
            threads=self._threads,
            identity=self._identity(),
            prompt=prompt,
        )
        longest = 0.0 if prompt else LONGEST_DOUBT
        with closing(looked), closing(decided(looked, longest)) as stretches:
            for stretch in stretches:
                if prompt:
                    yield self._part_of_people([stretch], _end_of(stretch.times))
                    continue
                if sum(other.readable for other in waiting) >= BATCH_SIZE or (
                    sum(len(other.times) for other in waiting) >= MOST_WAITING
                ):
                    yield self._part_of_people(waiting, stretch.times[0])
                    waiting = []
                waiting.append(stretch)
        if waiting:
            yield self._part_of_people(waiting, duration, still=still)

    def _part_of_people(
        self, stretches: Sequence[Stretch], end: float, *, still: bool = False
    ) -> FacesSeen:
        """What several stretches come to, the last of which lasts until second `end`."""
        times = [time for stretch in stretches for time in stretch.times]
        seen = [
            {number: (face, stretch) for number, face in found.items()}
            for stretch in stretches
            for found in stretch.seen
        ]
        tracks: dict[int, list[_Followed]] = {}
        for number in sorted({number for found in seen for number in found}):
            within = [index for index, found in enumerate(seen) if number in found]
            tracks[number] = [
                _followed(times[index], *seen[index].get(number, (None, None)))
                for index in range(within[0], within[-1] + 1)
            ]
        rows = self._rows(
            [item for items in tracks.values() for item in items],
            mirrored=still and self.settings.stills_mirrored,
        )
        faces, begin = [], 0
        for number, items in tracks.items():
            after = bisect_right(times, items[-1].time)
            face = self._face(
                number,
                items,
                rows[begin : begin + len(items)],
                times[after] if after < len(times) else max(end, times[-1]),
            )
            begin += len(items)
            asked = [found[number][0].identity for found in seen if number in found]
            faces.append(
                face._replace(
                    still=number in _last_with(number, stretches).still,
                    identity=mean_direction([vector for vector in asked if vector is not None]),
                )
            )
        cuts = tuple(stretch.times[0] for stretch in stretches if stretch.cut)
        shown = TimeSpan(times[0], max(times[0], min(end, times[-1] + LONGEST_STEP)))
        return FacesSeen(tuple(faces), end, cuts, shown)

    def _follow(
        self, frames: Iterable[Frame], *, face_crops: bool, prompt: bool = False
    ) -> Generator[_Followed]:
        """The face that is followed in each frame, once it is known which way is up."""
        search = find_faces(
            self._landmarker,
            frames,
            show=(lambda image: enlarge_crop(shrink_crop(image))) if face_crops else _as_it_is,
            cut=partial(_crop, face_crops=face_crops),
            threads=self._threads,
            upright=face_crops,
            prompt=prompt,
        )
        previous: Face | None = None
        doubtful: list[_Followed] = []
        known = False
        with closing(search):
            for seen in search:
                face = follow_face(previous, seen.faces)
                # A face that turns away for a few frames is still the one to go on with.
                previous = face or previous
                crop = seen.crop_of(face) if face_crops or face is not None else None
                if not known and seen.turns:
                    # What was read in faces before it was known that they are turned is wrong.
                    doubtful = [_Followed(item.time, None, None) for item in doubtful]
                box = None
                if face is not None and not face_crops:
                    box = turned_back(share_of(face.box, seen.size), seen.turns or 0)
                height = _height(seen.size, face, face_crops=face_crops)
                doubtful.append(_Followed(seen.time, face, crop, box, height))
                known = known or seen.turns is not None or prompt
                if known or seen.time - doubtful[0].time >= LONGEST_DOUBT:
                    yield from doubtful
                    doubtful = []
        yield from doubtful

    def extract_stills(
        self, images: Iterable[NDArray[np.uint8]], *, face_crops: bool
    ) -> list[ModalitySequence]:
        """Extract features of pictures that have nothing to do with each other, one step each.

        Args:
            images: (height, width, 3) uint8 RGB, any size; used as they come and not kept. One in
                which the face is turned is turned upright.
            face_crops: the pictures are already cut to a face. The landmarker then looks at an
                enlarged copy, and where it finds nothing the expression network speaks alone.

        Returns:
            (1, features) each; a picture without a face is not valid.
        """
        found: list[_Followed] = []
        with ExitStack() as stack:
            landmarker = stack.enter_context(FaceLandmarker(self._landmarker, video=False))
            orientation = None
            if not face_crops:
                orientation = stack.enter_context(Orientation(self._landmarker))
            for given in images:
                image = turned(given, orientation.of(given) or 0) if orientation else given
                shown = enlarge_crop(shrink_crop(image)) if face_crops else image
                face = next(iter(landmarker.detect(shown)), None)
                known = face_crops or face is not None
                crop = _crop(image, face, face_crops=face_crops) if known else None
                height = _height(image.shape[:2], face, face_crops=face_crops)
                found.append(_Followed(0.0, face, crop, height=height))
        rows = self._rows(found, mirrored=self.settings.stills_mirrored)
        return [
            self._sequence([item], row[None], 0.0) for item, row in zip(found, rows, strict=True)
        ]

    @torch.inference_mode()
    def describe_faces(
        self,
        crops: Sequence[NDArray[np.uint8]],
        faces: Sequence[Face | None],
        *,
        mirrored: bool = False,
    ) -> NDArray[np.float32]:
        """Put together the features of faces.

        Args:
            crops: (48, 48) uint8 each; the network looks once at one that is there several times.
            faces: what the landmarker said of each, None where it found nothing.
            mirrored: have the expression network look at the mirror image, too.

        Returns:
            (faces, features) float32.
        """
        once = {id(crop): crop for crop in crops}
        order = {name: place for place, name in enumerate(once)}
        which = [order[id(crop)] for crop in crops]
        different = list(once.values())
        parts = []
        for begin in range(0, len(different), BATCH_SIZE):
            chosen = np.stack(different[begin : begin + BATCH_SIZE])
            batch = torch.from_numpy(chosen).to(self.device)
            described = describe_expression(
                self._network, batch, mirrored=mirrored, half=self._half
            )
            parts.append(described.cpu().numpy())
        nothing = np.zeros(len(BLENDSHAPE_NAMES) + 4, np.float32)
        landmarks = [
            nothing if face is None else np.concatenate([face.blendshapes, face.head_pose, [1.0]])
            for face in faces
        ]
        return np.concatenate([np.concatenate(parts)[which], np.stack(landmarks)], axis=1).astype(
            np.float32
        )

    def _rows(self, items: Sequence[_Followed], *, mirrored: bool = False) -> NDArray[np.float32]:
        """Features, (items, features); zeros where there is no face."""
        values = np.zeros((len(items), self.spec.size), np.float32)
        shown = [index for index, item in enumerate(items) if item.crop is not None]
        crops = [item.crop for item in items if item.crop is not None]
        if shown:
            faces = [items[index].face for index in shown]
            values[shown] = self.describe_faces(crops, faces, mirrored=mirrored)
        return values

    def _sequence(
        self, items: Sequence[_Followed], values: NDArray[np.float32], end: float
    ) -> ModalitySequence:
        """Steps of frames; the last one lasts until second `end` at most."""
        starts = np.array([item.time for item in items], dtype=np.float64)
        ends = np.append(starts[1:], max(end, starts[-1] if len(starts) else 0.0))
        # Where there are few pictures a second, each stands for as long as it takes to the next.
        usual = float(np.diff(starts).min()) if len(starts) > 1 else 0.0
        longest = max(LONGEST_STEP, 1.25 * usual)
        spans = np.stack([starts, np.minimum(ends[: len(starts)], starts + longest)], axis=1)
        shown = [item.crop is not None for item in items]
        return self.sequence(values, spans, shown, [item.height for item in items])


def _end_of(times: Sequence[float]) -> float:
    """The end of the last of some frames, at least one, if they go on as they came; in seconds."""
    apart = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else USUAL_STEP
    return times[-1] + min(apart, LONGEST_STEP)


def _last_with(number: int, stretches: Sequence[Stretch]) -> Stretch:
    """The last stretch in which a track is seen: it tells whether the face has moved by now."""
    return next(
        stretch
        for stretch in reversed(stretches)
        if any(number in found for found in stretch.seen)
    )


def describe_expression(
    network: ExpressionNetwork, faces: Tensor, *, mirrored: bool, half: bool
) -> Tensor:
    """Embedding and log-probabilities of faces.

    Args:
        network: on the device of the faces; fastest with `torch.channels_last`.
        faces: (faces, 48, 48) grey, of any real dtype and brightness scale.
        mirrored: look at the mirror images, too.
        half: compute in bfloat16.

    Returns:
        (faces, embedding_size + 7) float32.
    """
    score = network.look_twice if mirrored else network
    shown = standardise_faces(faces).contiguous(memory_format=torch.channels_last)
    with torch.autocast(faces.device.type, torch.bfloat16, enabled=half):
        output = score(shown)
    log_probabilities = output.logits.float().log_softmax(dim=1)
    log_probabilities = log_probabilities.clamp_min(LOG_PROBABILITY_FLOOR)
    return torch.cat([output.embedding.float(), log_probabilities], dim=1)


def share_of(box: Box, size: tuple[int, int]) -> Box:
    """What of a box lies in a picture, as shares of it.

    Args:
        box: left, top, right, bottom in pixels; it may reach outside.
        size: height and width of the picture in pixels.
    """
    height, width = size
    left, right = (min(1.0, max(0.0, edge / width)) for edge in (box[0], box[2]))
    top, bottom = (min(1.0, max(0.0, edge / height)) for edge in (box[1], box[3]))
    return left, top, right, bottom


def _followed(time: float, seen: Seen | None, stretch: Stretch | None) -> _Followed:
    """A face of a stretch, or of none, in the frame as it is."""
    if seen is None or stretch is None:
        return _Followed(time, None, None)
    sighting = seen.sighting
    box = turned_back(share_of(sighting.box, stretch.size), stretch.turns or 0)
    return _Followed(time, sighting.face, seen.crop, box, sighting.height)


def mean_direction(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32] | None:
    """The unit vector in the middle of unit vectors; None of none."""
    if not vectors:
        return None
    mean = np.mean(vectors, axis=0)
    length = float(np.linalg.norm(mean))
    return np.asarray(mean / length, np.float32) if length > 0 else None


def _as_it_is(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image


def _crop(image: NDArray[np.uint8], face: Face | None, *, face_crops: bool) -> NDArray[np.uint8]:
    """What the expression network sees of a picture, (48, 48) uint8."""
    if face_crops:
        return shrink_crop(image)
    return _NO_FACE if face is None else crop_face(image, face, FACE_SIZE)


def _height(size: tuple[int, int], face: Face | None, *, face_crops: bool) -> float:
    """Pixels of a face in a picture of a height and width, 0 where there is none."""
    if face_crops:
        return min(size) / CROP_SCALE
    return 0.0 if face is None else face.height


def shrink_crop(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring a picture of a face, (height, width, 3) uint8 RGB, to (48, 48) uint8 grey."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if grey.shape == (FACE_SIZE, FACE_SIZE):
        return np.asarray(grey, dtype=np.uint8)
    # As `crop_face`: averaged over areas where it is large, along lines where it is small.
    way = cv2.INTER_AREA if min(grey.shape) > FACE_SIZE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(grey, (FACE_SIZE, FACE_SIZE), interpolation=way), dtype=np.uint8)


def enlarge_crop(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A (48, 48) uint8 face as an RGB picture in which the landmarker can find it."""
    large = cv2.resize(
        crop, None, fx=CROP_ENLARGEMENT, fy=CROP_ENLARGEMENT, interpolation=cv2.INTER_CUBIC
    )
    framed = cv2.copyMakeBorder(
        large, CROP_BORDER, CROP_BORDER, CROP_BORDER, CROP_BORDER, cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.cvtColor(framed, cv2.COLOR_GRAY2RGB), dtype=np.uint8)
