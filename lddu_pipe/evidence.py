"""What was found of an utterance, or why nothing was; and rows of both for a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from math import nan

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.languages import ENGLISH_NAMES
from lddu_pipe.types import MODALITIES, Modality, TimeSpan, Utterance


@dataclass(frozen=True)
class Steps:
    """Features of one modality of one utterance, one row a step in time."""

    values: NDArray[np.float32]
    """(time, feature) float32, finite everywhere; rows that are not valid hold no meaning."""
    valid: NDArray[np.bool_]
    """(time,) bool: False where the step shows nothing (no face, no speech)."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def present(self) -> bool:
        """True where at least one step shows something."""
        return bool(self.valid.any())


@dataclass(frozen=True, kw_only=True)
class ModalitySequence(Steps):
    """Steps as an extractor made them, checked."""

    modality: Modality
    spans: NDArray[np.float64]
    """(time, 2) float64: start and end of each step in seconds of the media."""
    feature_names: tuple[str, ...]
    fingerprint: str
    """Names the extractor, its settings and the sha256 of its weights."""
    heights: NDArray[np.float32] | None = None
    """(time,) pixels of the face that each valid step shows, from chin to forehead; None where
    unknown, and of what is no face."""

    def __post_init__(self) -> None:
        time, features = self.values.shape if self.values.ndim == 2 else (-1, -1)
        if self.values.dtype != np.float32 or time < 0:
            raise ValueError(
                f"{self.modality} values are (time, feature) float32, "
                f"got {self.values.shape} {self.values.dtype}"
            )
        if self.spans.shape != (time, 2) or self.valid.shape != (time,):
            raise ValueError(
                f"{self.modality} has {time} steps, but spans {self.spans.shape} "
                f"and valid {self.valid.shape}"
            )
        if self.valid.dtype != np.bool_:
            raise ValueError(f"{self.modality} valid is bool, got {self.valid.dtype}")
        if len(self.feature_names) != features:
            raise ValueError(
                f"{self.modality} has {features} features and {len(self.feature_names)} names"
            )
        if self.heights is not None and self.heights.shape != (time,):
            raise ValueError(f"{self.modality} has {time} steps, but {self.heights.shape} heights")
        if not np.isfinite(self.values).all() or not np.isfinite(self.spans).all():
            raise ValueError(f"{self.modality} holds NaN or infinity")
        if (self.spans[:, 1] < self.spans[:, 0]).any():
            raise ValueError(f"{self.modality} has a step that ends before it starts")

    def rows(self, chosen: slice | NDArray[np.bool_] | NDArray[np.intp]) -> ModalitySequence:
        """Some of the steps, by place or one truth each."""
        return replace(
            self,
            values=self.values[chosen],
            spans=self.spans[chosen],
            valid=self.valid[chosen],
            heights=None if self.heights is None else self.heights[chosen],
        )


class Reason(Enum):
    """Why a modality is absent; the value is what people read. docs/annotation.md says when."""

    NO_SPEECH = "no speech found"
    NO_WORDS = "no words"
    NOT_RECOGNISED = "words not recognised"
    NOT_READ = "is not read by"
    """With the language's name before it, and the model's behind it."""
    NO_SOUND_TO_RECOGNISE = "no sound to recognise words in"
    NO_SOUND = "no sound stream"
    SOUND_NOT_DECODED = "sound that cannot be decoded"
    SOUND_NOT_GIVEN = "no sound given"
    SILENCE = "silence"
    NO_PICTURES = "no picture stream"
    PICTURES_NOT_DECODED = "pictures that cannot be decoded"
    PICTURES_NOT_GIVEN = "no pictures given"
    NO_PICTURE = "no picture at this time"
    NO_FACE = "no face found"
    NOT_IN_VIEW = "who speaks is not in view"
    UNREADABLE = "a face that is too small, blurred, turned away or too briefly seen to be read"
    TRANSCRIPT_ALONE = "a transcript was given alone"
    NOTHING_AT_WORDS = "nothing at any word"
    NOT_IN_ROW = "not in the row"
    NOT_TAKEN = "the model does not take it"
    OTHER = ""
    """One that this version does not know, read from a file; its words are the detail."""


@dataclass(frozen=True)
class Present:
    """What was found of one modality of an utterance."""

    steps: Steps
    """At least one is valid."""
    height: float | None = None
    """Of a face: the median pixels of the valid steps, from chin to forehead; None where unknown,
    as in feature stores, and of what is no face."""

    def __post_init__(self) -> None:
        if not self.steps.present:
            raise ValueError("there is no valid step; say why the modality is absent")
        if self.height is not None and not self.height > 0:
            raise ValueError(f"a face has a height above 0, got {self.height}")

    @classmethod
    def of(cls, steps: Steps) -> Present:
        """Steps, at least one of them valid, and the height of the face if they tell it."""
        heights = steps.heights if isinstance(steps, ModalitySequence) else None
        if heights is None or not steps.present:
            return cls(steps)
        return cls(steps, float(np.median(heights[steps.valid])))


@dataclass(frozen=True)
class Absent:
    """Why nothing was found of one modality of an utterance; as `str`, in people's words."""

    why: Reason
    detail: str = ""

    @classmethod
    def unread(cls, language: str, model: str) -> Absent:
        """Of words in a language, ISO 639-1, that a model does not read."""
        name = ENGLISH_NAMES.get(language, language)
        return cls(Reason.NOT_READ, f"{name} {Reason.NOT_READ.value} {model}")

    def __str__(self) -> str:
        if self.why is Reason.NOT_READ and self.detail:
            return self.detail
        return ": ".join(words for words in (self.why.value, self.detail) if words)

    @classmethod
    def read(cls, words: str) -> Absent:
        """What `words` say, which were written by this version or another."""
        if f" {Reason.NOT_READ.value} " in words:
            return cls(Reason.NOT_READ, words)
        known = words in (reason.value for reason in Reason)
        return cls(Reason(words)) if known else cls(Reason.OTHER, words)


Evidence = Present | Absent


def evidence_of(steps: Steps, otherwise: Reason) -> Evidence:
    """Present where a step shows something, else absent for the reason `otherwise`."""
    return Present.of(steps) if steps.present else Absent(otherwise)


@dataclass(frozen=True)
class Example:
    """One utterance, or one dialogue, as a model sees it: in use, in a store and in training."""

    utterance: Utterance
    evidence: Mapping[Modality, Evidence]
    """Of every modality, what was found or why nothing was."""
    aligned: bool = False
    """True where every sequence has one step a word."""
    labels: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(labels,) float32 in 0..1, the truth; empty where nothing is known."""
    scales: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(scales,) float32 in -1..1, the truth, NaN where unknown."""
    group: str | None = None
    """What it has in common with others, as cuts of one recording; the speaker where None."""
    weight: float = 1.0
    """How much it counts in training beside other rows, finite and at least 0."""
    damage: float = 0.0
    """How much of it was spoilt on purpose, 0..1: noise on a voice, words left out."""

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight >= 0 and 0 <= self.damage <= 1):
            raise ValueError(
                f"weight is at least 0 and damage in 0..1, got {self.weight} and {self.damage}"
            )
        if self.evidence.keys() != set(MODALITIES):
            raise ValueError(f"evidence is of {', '.join(MODALITIES)}, got {list(self.evidence)}")

    @classmethod
    def of(
        cls,
        name: str,
        labels: NDArray[np.float32],
        sequences: Mapping[Modality, Steps],
        text: str = "",
        speaker: str | None = None,
        group: str | None = None,
        scales: NDArray[np.float32] | None = None,
        *,
        aligned: bool = False,
        weight: float = 1.0,
        damage: float = 0.0,
    ) -> Example:
        """An example of a data set, whose place in time is unknown.

        Args:
            name: its id.
            labels: as the field.
            sequences: what is present.
            text: what is said.
            speaker: who says it.
            group: as the field.
            scales: as the field.
            aligned: as the field.
            weight: as the field.
            damage: as the field.
        """
        found: dict[Modality, Evidence] = dict.fromkeys(MODALITIES, Absent(Reason.NOT_IN_ROW))
        found |= {modality: Present.of(steps) for modality, steps in sequences.items()}
        return cls(
            Utterance(name, TimeSpan(0.0, 0.0), text, speaker=speaker),
            found,
            aligned=aligned,
            labels=labels,
            scales=np.zeros(0, np.float32) if scales is None else scales,
            group=group,
            weight=weight,
            damage=damage,
        )

    @property
    def id(self) -> str:
        """The utterance's id."""
        return self.utterance.id

    @property
    def sequences(self) -> dict[Modality, Steps]:
        """The steps of the modalities that are present, in the order of `MODALITIES`."""
        found = ((name, self.evidence[name]) for name in MODALITIES)
        return {name: item.steps for name, item in found if isinstance(item, Present)}

    @property
    def face_height(self) -> float:
        """Pixels of the face, as `Present.height`; NaN where unknown or no face is there."""
        seen = self.evidence["vision"]
        height = seen.height if isinstance(seen, Present) else None
        return nan if height is None else height

    @property
    def missing(self) -> dict[Modality, Absent]:
        """Why each other modality is absent, in the order of `MODALITIES`."""
        found = ((name, self.evidence[name]) for name in MODALITIES)
        return {name: item for name, item in found if isinstance(item, Absent)}
