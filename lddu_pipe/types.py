"""The values that flow through the pipeline: frozen, validated, numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import numpy as np
from pydantic import Field

Modality = Literal["text", "audio", "vision"]
MODALITIES: tuple[Modality, ...] = ("text", "audio", "vision")
"""Every modality, in the order in which models concatenate them (paper, section 3.4)."""

Kind = Literal["speech", "sound", "silence", "still", "text"]
"""Of an utterance: words, a voice without words, nobody's voice, a picture, text alone."""

# What stands in files is checked against these: JSON knows numbers from texts.
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
Number: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[Number, Field(ge=0)]
Share: TypeAlias = Annotated[Number, Field(ge=0, le=1)]
Place: TypeAlias = Annotated[Number, Field(ge=-1, le=1)]

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom: 0..1 shares of a picture's width and height, or pixels where that
is said."""


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
    colour: tuple[int, int, int] = (2, 2, 2)
    """Primaries, transfer and matrix, the codes of ITU-T H.273; 2 is what is not told."""
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


@dataclass(frozen=True, order=True)
class Turn:
    """A stretch of time in which one voice speaks, with no long pause."""

    span: TimeSpan
    voice: int
    """Of the recording's voices, from 0 in order of appearance."""


@dataclass(frozen=True)
class Word:
    """A word with its place in time."""

    text: str
    span: TimeSpan
    probability: float | None = None
    """How sure the recogniser is of the word, 0..1; None for a transcript made by people."""
    speaker: str | None = None
    voice: int | None = None
    """Whose it is, as `Turn` numbers voices, where they were told apart."""
    language: str | None = None
    """ISO 639-1, where it was found out of this word."""

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
    voice: int | None = None
    """As of a word; None where its words are of several voices."""


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
    """Without words, in order: where somebody laughs, sobs or screams, or speaks and the words
    were not recognised."""

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
    """A "sound" is somebody's who laughs, sobs or screams, or whose words were not recognised."""
    language: str | None = None
    """Of the text, ISO 639-1, where known."""
    person: str | None = None
    """The id of who is seen or heard, one of the annotation's people, where known."""
    voice: int | None = None
    """Which of the voices that were told apart, from 0 in order of appearance, where known."""
    context: tuple[str, ...] = ()
    """What was said just before, by whomever, the oldest first: for extractors that read it."""
