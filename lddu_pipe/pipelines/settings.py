"""What a user may choose about a pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from lddu_pipe.languages import ISO_639_1

Speakers = Literal["unknown", "channels"]
"""How one knows who speaks: not at all, or each has a channel."""

Hook = Callable[[str, object, float, float], None]
"""Called with (step, artifact, completed, total).

The step is "judge" where an utterance has been judged; otherwise it is that one of "transcribe"
and "look at faces", which run at the same time, that is behind. The artifact is what was found
last.
Completed and total are seconds, 0 where there is no time.
"""

AUTO = "auto"
"""The language is found out."""
RECOGNISER = "tiny.en"
"""The recogniser of words that comes with the packages."""

SIDE, ONE_FACE_SIDE = 1280, 960
"""Pixels of the longer side of pictures, where several faces are looked for and where one is. What
models are trained on shows one."""

_TRACK = r"^([1-9][0-9]{0,2}|[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3})$"
_UNUSUAL = ("tiers", "audio_track", "video_track", "speakers", "own_extractors", "known")
"""Settings that few files need; `describe` names them only where they were chosen."""


@dataclass(frozen=True)
class Setting:
    """What people are told of a setting, and which values it takes.

    The options of the command line, the fields of the server's forms and their schema are made
    from it.
    """

    help: str
    low: float | None = None
    """The lowest value, and with `high` the highest, of a number."""
    high: float | None = None
    choices: tuple[str, ...] = ()
    """The only values, where there are few."""
    pattern: str | None = None
    """Regular expression of the text that a form may hold."""
    metavar: str | None = None
    """What stands for the value in the help of the command line."""
    folder: bool = False
    """It is a folder of this machine."""
    singular: str = ""
    """Name of its option, where that may be given several times."""
    unset: str = ""
    """What happens where nothing is chosen, if the default does not show it."""

    def allows(self, value: Any) -> bool:  # noqa: ANN401 - of any setting
        """Whether a value lies within the bounds, if there are any."""
        if self.low is None or self.high is None:
            return True
        return bool(self.low <= value <= self.high)


def _about(*description: Any, **more: Any) -> dict[str, Setting]:
    """The metadata of a field that a `Setting` of these arguments describes."""
    return {"setting": Setting(*description, **more)}


@dataclass(frozen=True)
class PipelineSettings:
    """How media are cut and read; the model itself is chosen elsewhere."""

    fps: float = field(
        default=10.0,
        metadata=_about(
            "Frames a second, at most, in which faces are looked for.", 0.1, 60, metavar="N"
        ),
    )
    max_side: int | None = field(
        default=None,
        metadata=_about(
            "Pixels of the longer side; larger pictures are scaled down.",
            64,
            8192,
            unset="1280; 960 where one face is followed",
        ),
    )
    aligned: bool = field(
        default=False, metadata=_about("Pool every modality to one step a word before scoring.")
    )
    window: float = field(
        default=5.0,
        metadata=_about("Seconds of an utterance where nobody speaks.", 0.5, 60, metavar="S"),
    )
    max_duration: float = field(
        default=15.0, metadata=_about("Seconds, at most, of an utterance.", 1, 60)
    )
    people: int = field(
        default=6,
        metadata=_about(
            "People in view, at most, who are followed at once. 1: the largest face, which is "
            "taken to be the one who speaks.",
            1,
            16,
            metavar="N",
        ),
    )
    recogniser: str = field(
        default=RECOGNISER,
        metadata=_about(
            "What recognises words: a size of faster-whisper such as small.en, which is "
            "downloaded once, or the folder of one. Larger ones understand more and take longer.",
            metavar="NAME|DIR",
        ),
    )
    language: str = field(
        default=AUTO,
        metadata=_about(
            "Language of what is said, as en or de, where transcripts do not say it; auto: it is "
            "found out, of speech with the extra multilingual. Words that the model does not read "
            "are written down, and voice and face judged alone.",
            pattern=r"^(auto|[a-z]{2})$",
            metavar="auto|CODE",
        ),
    )
    passes: int = field(
        default=16,
        metadata=_about("Dropout passes of the head, for epistemic uncertainty.", 2, 1024),
    )
    batch_size: int = field(default=64, metadata=_about("Utterances scored at once.", 1, 4096))
    tiers: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "Of transcripts of ELAN and Praat, a tier that holds speech; may be given again.",
            metavar="NAME",
            singular="tier",
            unset="by their names",
        ),
    )
    audio_track: int | str | None = field(
        default=None,
        metadata=_about(
            "Which sound of files that have several: its number, from 1, or its language as the "
            "file has it.",
            pattern=_TRACK,
            metavar="N|LANGUAGE",
            unset="what the file prefers and somebody speaks in",
        ),
    )
    video_track: int | str | None = field(
        default=None,
        metadata=_about(
            "Which pictures of files that have several, by number or language.",
            pattern=_TRACK,
            metavar="N|LANGUAGE",
            unset="what the file prefers and shows something",
        ),
    )
    speakers: Speakers = field(
        default="unknown",
        metadata=_about(
            "channels: each channel of the sound is a speaker, as the two sides of a call.",
            choices=get_args(Speakers),
        ),
    )
    own_extractors: tuple[str, ...] = field(
        default=(),
        metadata=_about(
            "An extractor of your own, in place of the model's of that modality; its code is run. "
            "Also MODULE:CLASS, or a name of an installed package: docs/extractors.md. May be "
            "given again.",
            metavar="FILE.py:CLASS",
            singular="extractor",
            unset="those of the model",
        ),
    )
    known: Path | None = field(
        default=None,
        metadata=_about(
            "A folder of pictures of people, to name those who are seen: DIR/Ann.jpg, "
            "DIR/Ann_2.jpg and all in DIR/Ann show Ann. See docs/people.md.",
            metavar="DIR",
            folder=True,
            unset="nobody is known",
        ),
    )

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            value = getattr(self, name)
            if value is not None and not setting.allows(value):
                raise ValueError(f"{name} lies in {setting.low:g}..{setting.high:g}, got {value}")
        if self.language != AUTO and self.language not in ISO_639_1:
            raise ValueError(f"language is auto or a code of two letters, got {self.language}")
        if self.known is not None and self.people == 1:
            raise ValueError("known names people where more than one may be followed")

    @property
    def side(self) -> int:
        """Pixels of the longer side of pictures in which people are looked for."""
        return self.max_side or (ONE_FACE_SIDE if self.people == 1 else SIDE)

    def describe(self) -> dict[str, Any]:
        """The settings as plain values; those of unusual files only where they are chosen."""
        values = {**asdict(self), "max_side": self.side}
        # The folder they lie in is nobody's business.
        values["own_extractors"] = tuple(Path(name).name for name in self.own_extractors)
        values["known"] = self.known.name if self.known else None
        return {
            name: value
            for name, value in values.items()
            if name not in _UNUSUAL or value != getattr(PipelineSettings, name)
        }


SETTINGS: Mapping[str, Setting] = {
    item.name: item.metadata["setting"] for item in fields(PipelineSettings)
}
"""What describes each setting, by name."""
