"""What a media file holds, found by a process apart that reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from lddu_pipe.errors import UnusableInputError
from lddu_pipe.files import why_absent
from lddu_pipe.media.ffmpeg import shown
from lddu_pipe.media.isolation import ask
from lddu_pipe.types import AudioStream, Media, Tracks, VideoStream


def probe(
    path: Path, *, audio_track: int | str | None = None, video_track: int | str | None = None
) -> Media:
    """Open a media file and say what is in it.

    One sound stream and one picture stream that is not cover art are used: those that are asked
    for, else those that the file itself prefers (its flags), else the first that decode. Where
    none of a kind decodes that kind counts as absent, and a log warning says so. Files that were
    joined to one (chained Ogg, MPEG streams) are its `parts`. All packets are read (not decoded),
    so the duration is what the file holds and not what its header claims. Time 0 is the first
    sample or frame that decodes, whichever comes first. The content alone decides the format,
    never the file's name, and no other file is opened. Another process does this, so whatever the
    file does to its decoder is an error of that file.

    Args:
        path: of the file.
        audio_track: the number of a sound stream, from 1, or its language as the file has it.
        video_track: the same of a picture stream.

    Raises:
        UnusableInputError: missing, a folder, empty, unreadable, not media, a playlist, cut off
            before its index, without any sound or picture that can be decoded, without the track
            that is asked for, beyond what `media.limits` allows, or one that its decoder does not
            survive.
        MissingAssetError: the process that decodes does not start.
    """
    _check_regular_file(path)
    request = {"task": "inspect", "audio_track": audio_track, "video_track": video_track}
    return ask(path, request, lambda answer, _: _media(path, answer))


def _check_regular_file(path: Path) -> None:
    try:
        problem = _irregularity(path)
    except OSError as error:
        # A name that is too long, a folder that may not be searched.
        problem = f"cannot be looked at: {error.strerror}"
    if problem:
        raise UnusableInputError(f"{shown(path)} {problem}")


def _irregularity(path: Path) -> str:
    if path.is_dir():
        return "is a folder; name a media file inside it"
    if not path.exists():
        return why_absent(path)
    if not path.is_file():
        return "is not a regular file; save the media first"
    if path.stat().st_size == 0:
        return "is empty; copy or download it again"
    return ""


def _media(path: Path, answer: Mapping[str, Any]) -> Media:
    """Take an answer apart, trusting none of its values.

    Raises:
        ValueError, TypeError, KeyError: it is not one that a decoder in its right mind gives.
    """
    audio, video = answer["audio"], answer["video"]
    return Media(
        path,
        _number(answer["duration"]),
        None if audio is None else _audio_stream(audio),
        None if video is None else _video_stream(video),
        demuxer=_name(answer["demuxer"]),
        origin=_number(answer["origin"]),
        sound_tracks=_tracks(answer["sound_tracks"]),
        picture_tracks=_tracks(answer["picture_tracks"]),
        section=None if answer["section"] is None else _section(*answer["section"]),
        parts=tuple(_media(path, part) for part in answer["parts"]),
    )


def _tracks(values: Mapping[str, Any]) -> Tracks:
    return Tracks(
        tuple(_text(line) for line in values["listed"]),
        tuple(_count(number) for number in values["usable"]),
    )


def _section(first: object, end: object) -> tuple[int, int]:
    if not (isinstance(first, int) and isinstance(end, int) and 0 <= first < end):
        raise ValueError(f"not a section: {first} to {end}")
    return first, end


def _audio_stream(values: Mapping[str, Any]) -> AudioStream:
    return AudioStream(
        codec=_name(values["codec"]),
        sample_rate=_count(values["sample_rate"]),
        channels=_count(values["channels"]),
        start=_number(values["start"]),
        duration=_number(values["duration"]),
        number=_count(values["number"]),
        language=None if values["language"] is None else _text(values["language"]),
    )


def _video_stream(values: Mapping[str, Any]) -> VideoStream:
    if values["rotation"] not in (0, 90, 180, 270):
        raise ValueError(f"not a rotation: {values['rotation']}")
    fps, duration = values["fps"], values["duration"]
    return VideoStream(
        codec=_name(values["codec"]),
        width=_count(values["width"]),
        height=_count(values["height"]),
        fps=None if fps is None else _number(fps),
        rotation=values["rotation"],
        start=_number(values["start"]),
        duration=None if duration is None else _number(duration),
        still=bool(values["still"]),
        colour=_colour(*values["colour"]),
        number=_count(values["number"]),
        language=None if values["language"] is None else _text(values["language"]),
    )


def _colour(primaries: object, transfer: object, matrix: object) -> tuple[int, int, int]:
    codes = (primaries, transfer, matrix)
    if not all(isinstance(code, int) and 0 <= code < 256 for code in codes):
        raise ValueError(f"not codes of colours: {codes}")
    return cast("tuple[int, int, int]", codes)


def _number(value: Any) -> float:  # noqa: ANN401 - what JSON holds
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {value}")
    return float(value)


def _count(value: Any) -> int:  # noqa: ANN401 - what JSON holds
    if not isinstance(value, int) or not 0 < value < 1 << 31:
        raise ValueError(f"not a count: {value}")
    return value


def _name(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ValueError(f"not a name: {value!r}")
    return value


def _text(value: Any) -> str:  # noqa: ANN401 - what JSON holds
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise ValueError(f"not a line of text: {value!r}")
    return value
