"""What a user may choose about a pipeline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Speakers = Literal["unknown", "channels"]
"""How one knows who speaks: not at all, or each has a channel."""

Hook = Callable[[str, float], None]
"""Called with a stage ("transcribe", "look at faces", ...) and the share of it that is done."""

RECOGNISER = "tiny.en"
"""The recogniser of words that comes with the packages."""


@dataclass(frozen=True)
class PipelineSettings:
    """How media are cut and read; the model itself is chosen elsewhere."""

    fps: float = 10.0
    """Frames a second at which faces are looked at, at most."""
    max_side: int = 960
    """Pixels of the longer side to which larger pictures are scaled down."""
    aligned: bool = False
    """Pool every modality to one step a word, instead of keeping each one's own rate."""
    window: float = 5.0
    """Seconds of an utterance where nobody speaks."""
    max_duration: float = 15.0
    """Seconds, at most, of an utterance."""
    recogniser: str = RECOGNISER
    """What recognises words: a size of faster-whisper such as "small.en", or the folder of a
    model for it. Larger ones understand more and are slower."""
    passes: int = 16
    """Passes of the head from which epistemic uncertainty is taken."""
    batch_size: int = 64
    """Utterances scored at once."""
    tiers: tuple[str, ...] = ()
    """Tiers of ELAN and Praat to read, by name; none leaves it to the rule in docs/formats.md."""
    audio_track: int | str | None = None
    """Number, from 1, or language of the sound stream that is used; None lets the file decide."""
    video_track: int | str | None = None
    """The same of the picture stream."""
    speakers: Speakers = "unknown"
    """Who speaks: not known, or a person a channel, as where each side of a call has its own."""
    own_extractors: tuple[str, ...] = ()
    """Extractors that are no part of this package, FILE.py:CLASS or MODULE:CLASS or an entry
    point, in place of the model's. Their code is run."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("fps", 0.1, 240.0),
            ("window", 0.5, 60.0),
            ("max_duration", 1.0, 60.0),
            ("max_side", 64, 8192),
            ("passes", 2, 1024),
            ("batch_size", 1, 4096),
        ):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} lies in {low:g}..{high:g}, got {getattr(self, name)}")

    def describe(self) -> dict[str, Any]:
        """The settings as plain values; those of unusual files only where they are chosen."""
        values = asdict(self)
        # The folder they lie in is nobody's business.
        values["own_extractors"] = tuple(Path(name).name for name in self.own_extractors)
        unusual: dict[str, Any] = {"tiers": (), "own_extractors": ()}
        unusual |= {"audio_track": None, "video_track": None, "speakers": "unknown"}
        for name, usual in unusual.items():
            if values[name] == usual:
                del values[name]
        return values
