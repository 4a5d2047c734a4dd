"""What every extractor is: a typed interface, and a fingerprint that pins recipe and weights."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lddu_pipe.events import FacesSeen, FollowedFace
from lddu_pipe.evidence import ModalitySequence
from lddu_pipe.types import Modality, Utterance

if TYPE_CHECKING:
    from lddu_pipe.media import Frame

OWN = "own/"
"""In front of the fingerprint of an extractor that is not part of this package."""
ADDED = "added"
"""Key, in the metadata of a field of settings, that says: features were extracted before there was
such a setting, and its default is how. Only another value is part of the fingerprint."""


@dataclass(frozen=True)
class FeatureSpec:
    """What is known of the features of one modality."""

    modality: Modality
    space: str
    """Whose numbers they are, such as an encoder's name: numbers of two spaces do not compare."""
    names: tuple[str, ...]
    """Of the features of a step, in order."""
    fingerprint: str
    """Names the extractor, its settings and the sha256 of its weights. Two sequences may be used
    by one model only if their fingerprints are equal."""
    languages: tuple[str, ...] = ()
    """Codes of the languages it was made for; empty where it is for any, or nobody has said."""

    @property
    def size(self) -> int:
        """Features of a step."""
        return len(self.names)


class Extractor(ABC):
    """One modality of raw data in, features over time out.

    Derive from `WordExtractor`, `SoundExtractor` or `FrameExtractor`, which say what `extract`
    is given. An extractor is made with ``device=``, "cpu", "cuda" or "mps", when its modality is
    first met, and then used for everything.
    """

    modality: ClassVar[Modality]
    name: ClassVar[str]
    """In front of the fingerprint; "text", "audio" and "vision" are those of this package."""
    settings: Any
    spec: FeatureSpec

    def __init__(
        self,
        settings: object,
        weights: Mapping[str, str] | None = None,
        *,
        space: str,
        names: Iterable[str],
        languages: Sequence[str] = (),
    ) -> None:
        """Say what the features will be.

        Args:
            settings: a dataclass of plain values, all that decides the features beside weights.
            weights: sha256 by file name of everything else that decides them.
            space: as in `FeatureSpec`.
            names: as in `FeatureSpec`.
            languages: as in `FeatureSpec`.
        """
        self.settings = settings
        self.weights = dict(weights or {})
        label = self.name if self.name == self.modality else OWN + self.name
        mark = fingerprint(label, settings, self.weights)
        self.spec = FeatureSpec(self.modality, space, tuple(names), mark, tuple(languages))

    def describe(self) -> dict[str, Any]:
        """The extractor in plain values, as a feature store keeps them."""
        return {
            "name": self.name,
            "space": self.spec.space,
            "languages": list(self.spec.languages),
            "settings": asdict(self.settings),
        }

    def sequence(
        self,
        values: ArrayLike,
        spans: ArrayLike,
        valid: ArrayLike,
        heights: ArrayLike | None = None,
    ) -> ModalitySequence:
        """Features of one stretch of media.

        Args:
            values: (steps, features), finite; those of steps that are not valid mean nothing.
            spans: (steps, 2), start and end of each step in seconds of the media.
            valid: (steps,), False where a step shows nothing.
            heights: (steps,) pixels of the face, as `ModalitySequence.heights`.
        """
        return ModalitySequence(
            modality=self.modality,
            values=np.asarray(values, np.float32),
            spans=np.asarray(spans, np.float64).reshape(-1, 2),
            valid=np.asarray(valid, np.bool_),
            feature_names=self.spec.names,
            fingerprint=self.spec.fingerprint,
            heights=None if heights is None else np.asarray(heights, np.float32),
        )


class WordExtractor(Extractor):
    """Reads the words of utterances."""

    modality = "text"

    @abstractmethod
    def extract(self, utterances: Sequence[Utterance]) -> list[ModalitySequence]:
        """Features of many utterances, in the same order: (words, features) each.

        An utterance without words gives a sequence without steps. What was said before one is its
        `context`, which an extractor may read or pass over; its settings say which.
        """


class SoundExtractor(Extractor):
    """Listens to the sound of one utterance."""

    modality = "audio"

    @abstractmethod
    def extract(self, waveform: NDArray[np.float32], start: float = 0.0) -> ModalitySequence:
        """Features of one utterance.

        Args:
            waveform: (samples,) float32 mono at 16 kHz; there may be none.
            start: seconds of the media at which the waveform begins.
        """


class FrameExtractor(Extractor):
    """Looks at pictures."""

    modality = "vision"
    follows_people: ClassVar[bool] = False
    """Whether `follow` tells several faces apart, and where they are; then `look` does, too."""

    @abstractmethod
    def extract(
        self, frames: Iterable[Frame], duration: float, *, face_crops: bool = False
    ) -> ModalitySequence:
        """Features of the frames of one video, in order of time; frames are not kept.

        Args:
            frames: time and picture of each.
            duration: seconds, the end of the last frame.
            face_crops: the frames are already cut to a face.
        """

    def follow(
        self,
        frames: Iterable[Frame],
        duration: float,
        *,
        face_crops: bool = False,
        people: int = 1,
    ) -> Iterator[FacesSeen]:
        """What `extract` gives, in parts, one after the other; each as early as it is known.

        Unless an extractor says otherwise, it is one part at the end, of one face.

        Args:
            frames: as of `extract`.
            duration: as of `extract`.
            face_crops: as of `extract`.
            people: faces, at most, that are followed at a time; 1: one that `extract` chooses.
        """
        found = self.extract(frames, duration, face_crops=face_crops)
        if len(found):
            yield FacesSeen((FollowedFace(0, found),), float(found.spans[-1, 1]))

    def watch(self, frames: Iterable[Frame], people: int) -> Iterator[FacesSeen]:
        """What a camera shows, as `follow` has it, each part as soon as may be.

        Unless an extractor says otherwise, that is as soon as its `follow` gives it.

        Args:
            frames: as they are shown; the next one may have to be waited for.
            people: as of `follow`.
        """
        yield from self.follow(frames, 0.0, people=people)

    def look(self, image: NDArray[np.uint8], people: int) -> FacesSeen:
        """What one picture shows that has no time.

        Args:
            image: (height, width, 3) uint8 RGB.
            people: faces, at most, that are looked for.

        Returns:
            Faces of one step each; unless an extractor says otherwise, that of `extract_stills`.
        """
        (steps,) = self.extract_stills([image], face_crops=False)
        return FacesSeen((FollowedFace(0, steps),), 0.0)

    @abstractmethod
    def extract_stills(
        self, images: Iterable[NDArray[np.uint8]], *, face_crops: bool
    ) -> list[ModalitySequence]:
        """Features of pictures that have nothing to do with each other, one step each.

        Args:
            images: (height, width, 3) uint8 RGB, any size; they are not kept.
            face_crops: the pictures are already cut to a face.
        """


def fingerprint(name: str, settings: object, weights: Mapping[str, str]) -> str:
    """Name an extractor's settings and weights in one short string.

    Two sequences may be used by one model only if their fingerprints are equal.

    Args:
        name: the extractor's name, kept readable at the front.
        settings: a dataclass of plain values; see also `ADDED`.
        weights: sha256 by file name of everything that decides the features.
    """
    if not is_dataclass(settings) or isinstance(settings, type):
        raise TypeError(f"settings of {name} must be a dataclass instance")
    values = asdict(settings)
    for field in fields(settings):
        if field.metadata.get(ADDED) and values[field.name] == field.default:
            del values[field.name]
    text = json.dumps({"settings": values, "weights": dict(weights)}, sort_keys=True)
    return f"{name}:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def pool_frames(
    frames: NDArray[np.float32], frames_per_step: int, frames_per_window: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation over a window around each step.

    Args:
        frames: (frames, features) float32.
        frames_per_step: how many frames make a step; the last step may hold fewer.
        frames_per_window: how many frames around the middle of a step are pooled, at least those
            of the step; fewer at both ends of the frames.

    Returns:
        Two arrays (ceil(frames / frames_per_step), features) float32.
    """
    if frames_per_window < frames_per_step:
        raise ValueError(f"a window of {frames_per_window} frames is less than a step")
    starts = np.arange(0, len(frames), frames_per_step)
    before = (frames_per_window - frames_per_step) // 2
    first = np.maximum(starts - before, 0)
    last = np.minimum(starts - before + frames_per_window, len(frames))
    counts = (last - first)[:, None]
    wide = frames.astype(np.float64)
    sums = np.concatenate([np.zeros((1, frames.shape[1])), wide.cumsum(axis=0)])
    squares = np.concatenate([np.zeros((1, frames.shape[1])), np.square(wide).cumsum(axis=0)])
    mean = (sums[last] - sums[first]) / counts
    variance = (squares[last] - squares[first]) / counts - np.square(mean)
    deviation = np.sqrt(np.maximum(variance, 0))
    return mean.astype(np.float32), deviation.astype(np.float32)
