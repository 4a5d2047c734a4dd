"""What people hand to the pipeline, checked and brought to one form."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from numbers import Real
from pathlib import Path

import cv2
import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from lddu_pipe.annotation import SourceInfo
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.evidence import Absent, Reason
from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.files import sha256_of_file
from lddu_pipe.media import Frame, Waveform, decode_frames, decode_waveform
from lddu_pipe.media.mixing import mixed
from lddu_pipe.pipelines.languages import with_language
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.pipelines.tracks import choose_tracks
from lddu_pipe.transcripts import (
    TRANSCRIPT_SUFFIXES,
    UNREAD_SUFFIXES,
    parse_text,
    read_transcript,
)
from lddu_pipe.types import Media, Modality, Transcript

logger = logging.getLogger(__name__)

MOST_SPEAKERS = 8
"""Channels that are listened to one by one."""

Sound = tuple[ArrayLike, int]
"""A waveform, (samples,) or (samples, channels), float in -1..1 or int16, and its Hz."""
Pictures = tuple[Iterable[NDArray[np.uint8]], float]
"""Frames, (height, width, 3) uint8 RGB each, and how many a second."""


@dataclass(frozen=True)
class Source:
    """One input, ready to be looked at; a modality that is not there is None."""

    info: SourceInfo
    waveform: NDArray[np.float32] | Waveform | None
    """(samples,) float32 mono at 16 kHz."""
    frames: Iterable[Frame] | None
    """Streamed; can be gone through once."""
    still: bool
    """The frames are a single picture, without time."""
    transcript: Transcript | None
    missing: dict[Modality, Absent]
    """Why sound or pictures are absent."""
    optional: bool = False
    """The transcript was only found beside the file, and may be another's."""
    notes: tuple[str, ...] = ()
    """Of a transcript that is not used, a sentence each."""
    voices: Mapping[str, Waveform] = field(default_factory=dict)
    """The sound of each speaker, by name, where each has a channel."""
    media: Media | None = None
    """The file, where there is one that is no transcript."""
    fps: float = PipelineSettings.fps
    """Frames a second, at most."""


def open_file(
    path: Path, transcript: Transcript | None, settings: PipelineSettings, shown_path: str
) -> Source:
    """Open a media file, or a transcript on its own.

    Args:
        path: a video, sound, picture or transcript file.
        transcript: what is said, where the caller knows.
        settings: of the pipeline.
        shown_path: the path as the user wrote it.

    Raises:
        UnusableInputError: the file cannot be used, or is a transcript beside another one.
    """
    if path.suffix.lower() in TRANSCRIPT_SUFFIXES:
        if transcript is not None:
            raise UnusableInputError(
                f"{path} is a transcript itself; give media with a transcript"
            )
        alone = with_language(read_transcript(path, settings.tiers), settings.language)
        # Cues come in order of start, and one that began earlier may end last.
        end = max(cue.span.end for cue in alone.cues) if alone.timed else 0.0
        info = SourceInfo(shown_path, sha256_of_file(path), end, False, False)
        absent = Absent(Reason.TRANSCRIPT_ALONE)
        return Source(info, None, None, False, alone, {"audio": absent, "vision": absent})
    media = _probe(path, settings)
    missing: dict[Modality, Absent] = {}
    if media.audio is None:
        listed = media.sound_tracks.listed
        missing["audio"] = Absent(Reason.SOUND_NOT_DECODED if listed else Reason.NO_SOUND)
    if media.video is None:
        listed = media.picture_tracks.listed
        missing["vision"] = Absent(Reason.PICTURES_NOT_DECODED if listed else Reason.NO_PICTURES)
    return Source(
        info=SourceInfo(
            shown_path,
            sha256_of_file(path),
            media.duration,
            has_audio=media.audio is not None,
            has_video=media.video is not None,
        ),
        waveform=decode_waveform(media) if media.audio is not None else None,
        frames=(
            decode_frames(media, settings.fps, settings.side) if media.video is not None else None
        ),
        still=media.video is not None and media.video.still,
        transcript=transcript and with_language(transcript, settings.language),
        missing=missing,
        voices=_voices(media) if settings.speakers == "channels" else {},
        media=media,
        fps=min(settings.fps, (media.video.fps if media.video else None) or settings.fps),
    )


def _probe(path: Path, settings: PipelineSettings) -> Media:
    try:
        return choose_tracks(path, settings)
    except UnusableInputError:
        # Of a name that is too long, Path.exists would raise.
        if path.suffix.lower() in UNREAD_SUFFIXES and os.path.lexists(path):
            raise UnusableInputError(
                f"{path} is a transcript of a kind that is not read; save it as one of "
                f"{', '.join(TRANSCRIPT_SUFFIXES)}"
            ) from None
        raise


def _voices(media: Media) -> dict[str, Waveform]:
    """The channels of a file, each a speaker."""
    count = 0 if media.audio is None else media.audio.channels
    if count < 2:
        if count:
            logger.warning(
                "%s has one channel, so its speakers are not told apart by channels", media.path
            )
        return {}
    names = ("left", "right") if count == 2 else tuple(f"channel {n + 1}" for n in range(count))
    return {
        name: decode_waveform(media, channel=channel)
        for channel, name in enumerate(names[:MOST_SPEAKERS])
    }


def open_memory(
    text: str | Transcript | None,
    audio: Sound | None,
    frames: Pictures | None,
    settings: PipelineSettings,
) -> Source:
    """Take data that an app holds in memory.

    Raises:
        UnusableInputError: nothing is given, or something has the wrong shape or type.
        TypeError: text is no text, or audio or frames come without their rate.
    """
    if not isinstance(text, str | Transcript | None):
        raise TypeError(f"text is a str or a Transcript, got {type(text).__name__}")
    transcript = parse_text(text) if isinstance(text, str) else text
    waveform = None
    if audio is not None:
        _check_pair(audio, "audio is (waveform, sample_rate)")
        waveform = read_waveform(*audio)
    pictures = None
    if frames is not None:
        _check_pair(frames, "frames are (pictures, fps)")
        pictures = _read_frames(*frames, settings)
    if not (transcript and transcript.words) and waveform is None and pictures is None:
        raise UnusableInputError("nothing to annotate: give a file, or text, audio or frames")
    duration = 0.0 if waveform is None else len(waveform) / SAMPLE_RATE
    missing: dict[Modality, Absent] = {}
    if waveform is None:
        missing["audio"] = Absent(Reason.SOUND_NOT_GIVEN)
    if pictures is None:
        missing["vision"] = Absent(Reason.PICTURES_NOT_GIVEN)
    else:
        duration = max(duration, pictures[1])
    return Source(
        info=SourceInfo("", "", duration, waveform is not None, pictures is not None),
        waveform=waveform,
        frames=pictures[0] if pictures is not None else None,
        still=False,
        transcript=transcript and with_language(transcript, settings.language),
        missing=missing,
        fps=settings.fps if frames is None else min(settings.fps, frames[1]),
    )


def read_waveform(samples: ArrayLike, sample_rate: int) -> NDArray[np.float32]:
    """Bring sound to (samples,) float32 mono at 16 kHz.

    Args:
        samples: (samples,) or (samples, channels); float in -1..1, or int16.
        sample_rate: Hz.

    Raises:
        UnusableInputError: another shape or type, no samples, NaN, or an impossible rate.
    """
    waveform = np.asarray(samples)
    if waveform.dtype == np.int16:
        waveform = waveform.astype(np.float32) / 32768
    if waveform.ndim not in (1, 2) or not np.issubdtype(waveform.dtype, np.floating):
        raise UnusableInputError(
            f"audio is (samples,) or (samples, channels) of float or int16, "
            f"got {waveform.shape} {waveform.dtype}"
        )
    if waveform.ndim == 2 and waveform.shape[1] > 32:
        raise UnusableInputError(
            f"audio has {waveform.shape[1]} channels; is it (channels, samples)? transpose it"
        )
    if not len(waveform) or not np.isfinite(waveform).all():
        raise UnusableInputError("audio is empty or holds NaN or infinity")
    if not 1000 <= sample_rate <= 384_000:
        raise UnusableInputError(f"a sample rate of {sample_rate} Hz is not one of sound")
    if waveform.ndim == 2:
        total = waveform.mean(axis=1, keepdims=True)
        # Of two it matters whether they cancel each other out; see `mixed`.
        beside = waveform if waveform.shape[1] == 2 else waveform[:, :0]
        channels = np.concatenate([total, beside], axis=1).astype(np.float32)
        waveform = np.concatenate(list(mixed([channels], sample_rate)))
    waveform = waveform.astype(np.float32)
    if sample_rate != SAMPLE_RATE:
        length = ceil(len(waveform) * SAMPLE_RATE / sample_rate)
        resampled = soxr.resample(waveform, sample_rate, SAMPLE_RATE)
        # Its own last sample may be missing, and of a very short sound all of them.
        waveform = np.pad(resampled, (0, max(0, length - len(resampled))))[:length]
    return np.asarray(np.clip(waveform, -1.0, 1.0), np.float32)


def _check_pair(given: object, what: str) -> None:
    """Refuse data without their rate; an array alone would be taken apart for it."""
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TypeError(f"{what}, a pair; got {type(given).__name__} alone")
    if isinstance(given[1], bool) or not isinstance(given[1], Real):
        raise TypeError(f"{what}, the second a number; got {type(given[1]).__name__}")


def _read_frames(
    images: Iterable[NDArray[np.uint8]], fps: float, settings: PipelineSettings
) -> tuple[Iterator[Frame], float]:
    """Check pictures and say how long they last; as from a file, too many or large are reduced."""
    if not (np.isfinite(fps) and 0 < fps <= 1000):
        raise UnusableInputError(f"frames come at 0 to 1000 a second, got {fps}")
    pictures: NDArray[np.uint8] | Sequence[NDArray[np.uint8]] = (
        images if isinstance(images, np.ndarray | Sequence) else list(images)
    )
    if not len(pictures):
        raise UnusableInputError("frames are empty")
    for index, image in enumerate(pictures):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise UnusableInputError(
                f"frame {index} is not (height, width, 3) uint8 RGB: {image.shape} {image.dtype}"
            )
    # The first picture of each step of 1 / settings.fps; 1e-9 is for rounding at the edges.
    steps = np.floor(np.arange(len(pictures)) * (settings.fps / fps) + 1e-9)
    first = np.flatnonzero(np.diff(steps, prepend=-1.0))
    frames = (
        Frame(int(index) / fps, scaled(pictures[int(index)], settings.side)) for index in first
    )
    return frames, len(pictures) / fps


def scaled(image: NDArray[np.uint8], max_side: int) -> NDArray[np.uint8]:
    """Scale a picture down to `max_side`; a smaller one is left."""
    scale = max_side / max(image.shape[:2])
    if scale >= 1:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)
