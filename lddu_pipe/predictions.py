"""What a model says: of one utterance, and of labelled rows beside the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.evidence import Absent
from lddu_pipe.types import MODALITIES, Kind, Modality, Place, Share, Utterance

Decision = Literal["present", "absent", "abstain"]


@dataclass(frozen=True)
class Uncertainty:
    """How unsure a score is, in two parts."""

    aleatoric: Share
    """0..1: doubt that lies in the data, the error to be expected at this sigma; see
    docs/uncertainty.md."""
    epistemic: Share
    """0..1: doubt of the model itself (spread over passes of the head)."""

    def __post_init__(self) -> None:
        for name, value in (("aleatoric", self.aleatoric), ("epistemic", self.epistemic)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} uncertainty lies in 0..1, got {value}")


@dataclass(frozen=True)
class EmotionScore:
    """What the model says of one label in one utterance."""

    label: str
    probability: Share
    """Calibrated probability that the emotion is present, 0..1."""
    decision: Decision
    confidence: Share
    """Calibrated probability that the decision is right, 0..1.

    With decision "abstain": of the better of the two decisions that were not made.
    """
    uncertainty: Uncertainty

    def __post_init__(self) -> None:
        for name, value in (("probability", self.probability), ("confidence", self.confidence)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} of {self.label} lies in 0..1, got {value}")


@dataclass(frozen=True)
class ScaleValue:
    """Where an utterance lies on a continuous scale, such as valence or arousal."""

    value: Place
    """-1..1."""
    low: Place | None
    """-1..1; with `high`, what holds the truth of 90 % of utterances (conformal prediction).

    None where the model was calibrated on too few rows with a value on this scale.
    """
    high: Place | None

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise ValueError("an interval has two ends or none")
        low, high = (self.value if end is None else end for end in (self.low, self.high))
        if not -1 <= low <= self.value <= high <= 1:
            raise ValueError(f"-1 <= low <= value <= high <= 1, got {self}")


@dataclass(frozen=True)
class Prediction:
    """One utterance with its emotions."""

    utterance: Utterance
    emotions: tuple[EmotionScore, ...]
    """Every label, in label order."""
    missing: Mapping[Modality, Absent] = field(default_factory=dict)
    """Why each absent modality is absent."""
    abstained: bool = False
    label_set: tuple[str, ...] | None = None
    """Labels that together hold all true ones with a stated coverage (conformal prediction).

    None unless the model was calibrated for a coverage.
    """
    scales: Mapping[str, ScaleValue] = field(default_factory=dict)
    """By name, of a model that has scales; empty where every modality is missing.

    Abstaining is of labels, and leaves them in place.
    """

    @property
    def id(self) -> str:
        """The utterance's id, unique in its media."""
        return self.utterance.id

    @property
    def start(self) -> float:
        """Seconds."""
        return self.utterance.span.start

    @property
    def end(self) -> float:
        """Seconds."""
        return self.utterance.span.end

    @property
    def text(self) -> str:
        """What was said, empty where nothing was."""
        return self.utterance.text

    @property
    def speaker(self) -> str | None:
        """Who said it, where the transcript tells."""
        return self.utterance.speaker

    @property
    def kind(self) -> Kind:
        """What there is to hear or see in it."""
        return self.utterance.kind

    @property
    def person(self) -> str | None:
        """The id of who is seen or heard, where known."""
        return self.utterance.person

    @property
    def language(self) -> str | None:
        """Of the text, ISO 639-1, where known."""
        return self.utterance.language

    @property
    def present(self) -> tuple[EmotionScore, ...]:
        """The emotions decided to be present, most probable first."""
        found = [score for score in self.emotions if score.decision == "present"]
        return tuple(sorted(found, key=lambda score: -score.probability))


@dataclass(frozen=True)
class Answers:
    """What a model says of labelled rows, beside the truth."""

    model: str
    """Name and version."""
    protocol: str
    """How its scores became probabilities and decisions; empty where unknown."""
    labels: tuple[str, ...]
    ids: tuple[str, ...]
    """Of the rows."""
    splits: tuple[str | None, ...]
    speakers: tuple[str | None, ...]
    truth: NDArray[np.bool_]
    """(rows, labels)."""
    probabilities: NDArray[np.float64]
    """(rows, labels), 0..1."""
    decisions: NDArray[np.bool_]
    """(rows, labels), True where present; made also where the model abstains."""
    abstained: NDArray[np.bool_]
    """(rows,)."""
    uncertainty: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """"aleatoric" and "epistemic", (rows, labels) in 0..1, where known."""
    present: NDArray[np.bool_] | None = None
    """(rows, modalities), where known."""

    def __post_init__(self) -> None:
        rows, shape = len(self.ids), (len(self.ids), len(self.labels))
        arrays = (self.truth, self.probabilities, self.decisions, *self.uncertainty.values())
        if not all(array.shape == shape for array in arrays):
            raise ValueError(f"answers to {rows} rows are {shape}")
        if not len(self.splits) == len(self.speakers) == len(self.abstained) == rows:
            raise ValueError(f"there are {rows} rows, and not as many splits, speakers, abstained")
        if self.present is not None and self.present.shape != (rows, len(MODALITIES)):
            raise ValueError(f"present is ({rows}, modalities), got {self.present.shape}")


@dataclass(frozen=True)
class ScaleAnswers:
    """Where a model places labelled rows on continuous scales, beside the truth."""

    names: tuple[str, ...]
    truth: NDArray[np.floating]
    """(rows, scales) in -1..1, NaN where unknown."""
    values: NDArray[np.floating]
    """(rows, scales) in -1..1, NaN where the model says nothing."""
    low: NDArray[np.floating]
    """(rows, scales) in -1..1, with `high` the interval; NaN where there is none."""
    high: NDArray[np.floating]

    def at(self, rows: Sequence[int]) -> ScaleAnswers:
        """Those of some rows, in their order."""
        arrays = (self.truth, self.values, self.low, self.high)
        return ScaleAnswers(self.names, *(array[list(rows)] for array in arrays))
