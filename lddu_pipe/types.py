"""The values that flow through the pipeline: frozen, validated, numpy only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

Modality = Literal["text", "audio", "vision"]
MODALITIES: tuple[Modality, ...] = ("text", "audio", "vision")
"""Every modality, in the order in which models concatenate them (paper, section 3.4)."""

Decision = Literal["present", "absent", "abstain"]

Kind = Literal["speech", "sound", "silence", "still", "text"]
"""Of an utterance: words, a voice without words, nobody's voice, a picture, text alone."""

# What stands in files is checked against these: JSON knows numbers from texts.
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Number: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[Number, Field(ge=0)]
Share: TypeAlias = Annotated[Number, Field(ge=0, le=1)]
Place: TypeAlias = Annotated[Number, Field(ge=-1, le=1)]


@dataclass(frozen=True, order=True)
class TimeSpan:
    """A half-open stretch of time, ``start <= t < end``, in seconds."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not (np.isfinite(self.start) and np.isfinite(self.end)):
            raise ValueError(f"a time span needs finite bounds, got {self.start}..{self.end}")
        if self.end < self.start:
            raise ValueError(f"a time span may not end before it starts: {self.start}..{self.end}")

    @property
    def duration(self) -> float:
        """Length in seconds, never negative."""
        return self.end - self.start

    @property
    def middle(self) -> float:
        """The moment half-way, in seconds."""
        return (self.start + self.end) / 2

    def __contains__(self, moment: float) -> bool:
        return self.start <= moment < self.end

    def overlap(self, other: TimeSpan) -> float:
        """Seconds that both spans share, 0.0 where they do not meet."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def shift(self, seconds: float) -> TimeSpan:
        """The same span moved by `seconds`."""
        return TimeSpan(self.start + seconds, self.end + seconds)

    def clip(self, bounds: TimeSpan) -> TimeSpan:
        """The part inside `bounds`; an empty span at the nearer edge where there is none."""
        start = min(max(self.start, bounds.start), bounds.end)
        return TimeSpan(start, min(max(self.end, start), bounds.end))


@dataclass(frozen=True)
class AudioStream:
    """The sound stream that will be decoded."""

    codec: str
    sample_rate: int
    """Hz, as stored."""
    channels: int
    start: float
    """Seconds from the start of the media to the stream's first sample; >= 0."""
    duration: float | None
    """Seconds, where the container tells."""
    number: int = 1
    """Place among the sound streams of the file, from 1."""
    language: str | None = None
    """As the file has it, such as "eng"."""


@dataclass(frozen=True)
class VideoStream:
    """The picture stream that will be decoded."""

    codec: str
    width: int
    """Pixels, upright: after the rotation has been applied."""
    height: int
    """Pixels, upright: after the rotation has been applied."""
    fps: float | None
    """Average frames a second; None where unknown, as in a still."""
    rotation: int
    """Degrees clockwise that bring the stored picture upright: 0, 90, 180 or 270."""
    start: float
    """Seconds from the start of the media to the stream's first frame; >= 0."""
    duration: float | None
    """Seconds, where the container tells."""
    still: bool = False
    """True for a picture file: one frame and no time."""
    number: int = 1
    """Place among the picture streams of the file, cover art left out, from 1."""
    language: str | None = None
    """As the file has it, such as "eng"."""


@dataclass(frozen=True)
class Tracks:
    """The streams of one kind that a file holds, and which of them decode."""

    listed: tuple[str, ...] = ()
    """Of each stream, in order, a few words: its number, language and codec."""
    usable: tuple[int, ...] = ()
    """Numbers, from 1, of those that decode, of all or of those that were asked for; what the file
    itself prefers comes first."""


@dataclass(frozen=True)
class Media:
    """A media file that was opened and understood."""

    path: Path
    duration: float
    """Seconds from the first moment of any stream to the last; 0.0 for a still."""
    audio: AudioStream | None = None
    video: VideoStream | None = None
    demuxer: str | None = None
    """ffmpeg's name of the format, by content; None leaves the choice to ffmpeg."""
    origin: float = 0.0
    """Seconds: the time stamp that the container gives to time 0."""
    sound_tracks: Tracks = Tracks()
    picture_tracks: Tracks = Tracks()
    section: tuple[int, int] | None = None
    """First byte and the one after the last, where only a part of the file is meant."""
    parts: tuple[Media, ...] = ()
    """What the file was joined from, where that is several files one after another."""

    def __post_init__(self) -> None:
        if self.audio is None and self.video is None:
            raise ValueError(f"{self.path} has neither sound nor pictures")
        if not (np.isfinite(self.duration) and self.duration >= 0):
            raise ValueError(f"{self.path} has an impossible duration: {self.duration}")

    @property
    def span(self) -> TimeSpan:
        """The whole media, from 0 to its duration."""
        return TimeSpan(0.0, self.duration)


@dataclass(frozen=True)
class Word:
    """A word with its place in time."""

    text: str
    span: TimeSpan
    probability: float | None = None
    """How sure the recogniser is of the word, 0..1; None for a transcript made by people."""
    speaker: str | None = None

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("a word needs some text")
        if self.probability is not None and not 0 <= self.probability <= 1:
            raise ValueError(f"a word's probability lies in 0..1, got {self.probability}")


@dataclass(frozen=True)
class Cue:
    """A stretch of transcript that its author kept together: a subtitle or a spoken segment."""

    text: str
    span: TimeSpan
    words: tuple[Word, ...]
    """Words in time order; where the source has no word times they share the span by length."""
    speaker: str | None = None


@dataclass(frozen=True)
class Transcript:
    """What was said and when."""

    cues: tuple[Cue, ...]
    """In order of start; overlaps (two people at once) are kept."""
    source: str
    """Where it comes from: a file name, or the recogniser's name."""
    language: str | None = None
    """ISO 639-1 code, where known."""
    timed: bool = True
    """False for plain text, whose spans are places in the text and not times."""
    running: bool = False
    """True where cues are whole turns, or words between pauses, and no units of their own."""
    notes: tuple[str, ...] = ()
    """What of the source could not be taken as it stands, a sentence each."""
    unrecognised: tuple[Cue, ...] = ()
    """Without words: where somebody speaks whose words were not recognised; in order."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of all cues, in order."""
        return tuple(word for cue in self.cues for word in cue.words)


@dataclass(frozen=True)
class Utterance:
    """The unit that gets emotions: something said, or a window of media without words."""

    id: str
    span: TimeSpan
    text: str = ""
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    kind: Kind = "speech"
    """A "sound" is somebody's who speaks, and the words could not be recognised."""
    language: str | None = None
    """Of the text, ISO 639-1, where known."""
    person: str | None = None
    """The id of who is seen or heard, one of the annotation's people, where known."""


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
        if not np.isfinite(self.values).all() or not np.isfinite(self.spans).all():
            raise ValueError(f"{self.modality} holds NaN or infinity")
        if (self.spans[:, 1] < self.spans[:, 0]).any():
            raise ValueError(f"{self.modality} has a step that ends before it starts")


class Reason(Enum):
    """Why a modality is absent; the value is what people read. docs/annotation.md says when."""

    NO_SPEECH = "no speech found"
    NO_WORDS = "no words"
    NOT_RECOGNISED = "words not recognised"
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

    def __post_init__(self) -> None:
        if not self.steps.present:
            raise ValueError("there is no valid step; say why the modality is absent")


@dataclass(frozen=True)
class Absent:
    """Why nothing was found of one modality of an utterance; as `str`, in people's words."""

    why: Reason
    detail: str = ""

    def __str__(self) -> str:
        return ": ".join(words for words in (self.why.value, self.detail) if words)

    @classmethod
    def read(cls, words: str) -> Absent:
        """What `words` say, which were written by this version or another."""
        known = words in (reason.value for reason in Reason)
        return cls(Reason(words)) if known else cls(Reason.OTHER, words)


Evidence = Present | Absent


def evidence_of(steps: Steps, otherwise: Reason) -> Evidence:
    """Present where a step shows something, else absent for the reason `otherwise`."""
    return Present(steps) if steps.present else Absent(otherwise)


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
        found |= {modality: Present(steps) for modality, steps in sequences.items()}
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
    def missing(self) -> dict[Modality, Absent]:
        """Why each other modality is absent, in the order of `MODALITIES`."""
        found = ((name, self.evidence[name]) for name in MODALITIES)
        return {name: item for name, item in found if isinstance(item, Absent)}


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
