"""Which sound and which pictures of a file are used, where it holds several."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lddu_pipe.extractors.prosody import SAMPLE_RATE
from lddu_pipe.media import WaveformLike, decode_frames, decode_waveform, probe
from lddu_pipe.pipelines.settings import PipelineSettings
from lddu_pipe.types import Media, Tracks

logger = logging.getLogger(__name__)

_BLOCK = 30.0
"""Seconds of sound in which a voice is looked for at once."""
_VOICE = 0.5
"""Seconds of voice in a block that are speech."""
_AUDIBLE = 1e-3
"""Amplitude, of 1, below which sound is silence: -60 dB."""
_GLANCES = 0.5
"""Pictures a second that are looked at."""
_PLAIN = 4.0
"""Levels, of 255, by which pixels of one colour differ after a codec's loss: their deviation."""


def choose_tracks(path: Path, settings: PipelineSettings) -> Media:
    """Open a file, and decide which of its sound and picture streams are used.

    A stream that is asked for is taken. Else it is the first that says or shows something, in the
    order that the file itself prefers: of sound the first with speech, or at least not silent, of
    pictures the first that is not of one colour throughout. Where there was a choice it is told.

    Raises:
        UnusableInputError: the file cannot be used, or has no such stream.
        MissingAssetError: there is no ffmpeg.
    """
    audio, video = settings.audio_track, settings.video_track
    media = probe(path, audio_track=audio, video_track=video)
    sounds, pictures = media.sound_tracks, media.picture_tracks
    if audio is None and len(sounds.usable) > 1:
        audio = _first_with_speech(media, video)
        _tell(media, sounds, audio, "sound", "audio")
    if video is None and len(pictures.usable) > 1:
        video = _first_with_a_picture(media, audio)
        _tell(media, pictures, video, "picture", "video")
    if (audio, video) == (settings.audio_track, settings.video_track):
        return media
    return probe(path, audio_track=audio, video_track=video)


def _tell(media: Media, tracks: Tracks, number: int, kind: str, option: str) -> None:
    logger.warning(
        "%s has the %s tracks %s; track %d is used, --%s-track takes another",
        *(media.path, kind, ", ".join(tracks.listed), number, option),
    )


def _first_with_speech(media: Media, video: int | str | None) -> int:
    usable = media.sound_tracks.usable
    audible: list[int] = []
    for number in usable:
        sound = decode_waveform(probe(media.path, audio_track=number, video_track=video))
        if not any(np.abs(block).max() >= _AUDIBLE for block in _blocks(sound)):
            continue
        if any(map(_has_speech, _blocks(sound))):
            return number
        audible.append(number)
    return [*audible, *usable][0]


def _blocks(sound: WaveformLike) -> Iterator[NDArray[np.float32]]:
    length = round(_BLOCK * SAMPLE_RATE)
    return (sound[first : first + length] for first in range(0, len(sound), length))


def _has_speech(block: NDArray[np.float32]) -> bool:
    from faster_whisper.vad import get_speech_timestamps  # heavy, and needed by few files

    found = get_speech_timestamps(block)
    voice: int = sum(part["end"] - part["start"] for part in found)
    return voice >= _VOICE * SAMPLE_RATE


def _first_with_a_picture(media: Media, audio: int | str | None) -> int:
    usable = media.picture_tracks.usable
    for number in usable:
        one = probe(media.path, audio_track=audio, video_track=number)
        if any(frame.image.std() > _PLAIN for frame in decode_frames(one, _GLANCES, 320)):
            return number
    return usable[0]
