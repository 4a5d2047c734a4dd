"""Hostile inputs, made from small good ones by a seeded random generator.

Every case is a folder of its own with the file to annotate in it and, for some, files that must
not be touched.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from tests import recordings
from tests.transcripts.recognisers import RECOGNISERS, with_a_broken_field

CANARY = "forbidden-001"
"""Stands in the name of every file that must not be opened."""
WORDS = "I am so happy to see you. This is awful, go away!"


@dataclass(frozen=True)
class Case:
    """A file that somebody might hand us."""

    kind: str
    name: str
    """Unique, and fit for a folder."""
    make: Callable[[Path], Path]
    """Writes into a folder; returns the path to annotate, relative to it."""


def ffmpeg(*arguments: str | Path) -> None:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True, capture_output=True)


def _video(size: str = "96x64", rate: int = 10, seconds: float = 1.0) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}")


def _tone(seconds: float = 1.0) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=f=300:d={seconds}:r=16000")


SEEDS: dict[str, tuple[str, ...]] = {
    "h264.mp4": (*_video(), *_tone(), "-c:v", "libx264", "-c:a", "aac"),
    "faststart.mp4": (*_video(), *_tone(), "-c:v", "libx264", "-movflags", "+faststart"),
    "fragmented.mp4": (*_video(), *_tone(), "-c:v", "libx264", "-movflags", "frag_keyframe"),
    "hevc.mp4": (*_video(), "-c:v", "libx265", "-x265-params", "log-level=none"),
    "mpeg4.mov": (*_video(), *_tone(), "-c:v", "mpeg4"),
    "h264.mkv": (*_video(), *_tone(), "-c:v", "libx264", "-c:a", "libopus"),
    "ffv1.mkv": (*_video(), "-c:v", "ffv1"),
    "vp9.webm": (*_video(), *_tone(), "-c:v", "libvpx-vp9", "-c:a", "libopus"),
    "vp8.webm": (*_video(), *_tone(), "-c:v", "libvpx", "-c:a", "libvorbis"),
    "h264.ts": (*_video(), *_tone(), "-c:v", "libx264", "-c:a", "aac"),
    "mpeg2.mpg": (*_video(rate=25), *_tone(), "-c:v", "mpeg2video"),
    "mjpeg.avi": (*_video(), *_tone(), "-c:v", "mjpeg"),
    "flv1.flv": (*_video(), *_tone(), "-c:v", "flv", "-ar", "22050"),
    "raw.h264": (*_video(), "-c:v", "libx264"),
    "wmv.asf": (*_video(), *_tone(), "-c:v", "wmv2", "-c:a", "wmav2"),
    "pcm.wav": _tone(),
    "float.wav": (*_tone(), "-c:a", "pcm_f32le"),
    "a.mp3": _tone(),
    "a.aac": _tone(),
    "a.ogg": (*_tone(), "-c:a", "libvorbis"),
    "a.flac": _tone(),
    "a.aiff": _tone(),
    "a.m4a": _tone(),
    "a.png": (*_video(), "-frames:v", "1"),
    "a.jpg": (*_video(), "-frames:v", "1"),
    "a.webp": (*_video(), "-frames:v", "1"),
    "a.bmp": (*_video("32x32"), "-frames:v", "1"),
    "a.tiff": (*_video(), "-frames:v", "1"),
    "a.gif": (*_video(rate=5),),
}
"""What ffmpeg is told, by the name of the file it writes."""

SUFFIXES = [".mp4", ".mkv", ".wav", ".mp3", ".png", ".gif", ".m3u8", ".exe", "", ".srt", ".json"]


def seeds(folder: Path) -> list[Path]:
    """Write the good files that hostile ones are made from."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, arguments in SEEDS.items():
        ffmpeg(*arguments, folder / name)
    return [folder / name for name in SEEDS]


def cases(folder: Path, seed: int = 0, share: float = 1.0) -> list[Case]:
    """Every case, in an order of its own so that slow ones do not stand together.

    Args:
        folder: for the seeds.
        seed: of the mutations.
        share: of what chance has damaged that is wanted; what is made by hand is always there.
    """
    good = seeds(folder)
    dice = random.Random(seed)
    mutated = [case for source in good for case in _mutations(source, dice)]
    dice.shuffle(mutated)
    made = [
        *_shapes(folder),
        *_times(folder),
        *_recordings(folder),
        *_headers(folder),
        *_playlists(folder),
        *_names(folder),
        *_noise(dice),
        *_transcripts(dice, share),
    ]
    chosen = [*made, *mutated[: round(len(mutated) * share)]]
    dice.shuffle(chosen)
    return chosen


def _written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return Path(name)

    return make


# --- damage ------------------------------------------------------------------------------


def _mutations(source: Path, dice: random.Random) -> Iterator[Case]:
    data, stem = source.read_bytes(), source.name.replace(".", "_")

    def case(kind: str, number: int, content: bytes, name: str = source.name) -> Case:
        return Case(kind, f"{kind}-{stem}-{number}", _written(name, content))

    for number in range(3):
        yield case("truncated", number, data[: dice.randrange(1, len(data))])
    for number, rate in enumerate((1e-4, 1e-3, 1e-2)):
        flipped = bytearray(data)
        for _ in range(max(1, round(len(data) * rate))):
            flipped[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        yield case("flipped", number, bytes(flipped))
    for number in range(2):
        start = dice.randrange(len(data))
        zeroed = bytearray(data)
        length = min(len(data) - start, dice.randrange(16, max(17, len(data) // 3)))
        zeroed[start : start + length] = bytes(length)
        yield case("zeroed", number, bytes(zeroed))
    for number in range(3):
        header = bytearray(data)
        # Sizes, counts, rates and durations all stand near the beginning or, in MP4, the end.
        for _ in range(3):
            at = dice.choice((dice.randrange(min(400, len(data) - 4)), dice.randrange(len(data))))
            absurd = dice.choice((b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\0\0\0\1"))
            header[at : at + 4] = absurd
        yield case("absurd header", number, bytes(header[: len(data)]))
    for number in range(2):
        at, size = dice.randrange(len(data)), dice.randrange(1, 4000)
        junk = dice.randbytes(size)
        yield case("spliced", number, data[:at] + junk + data[at:])
    for number, suffix in enumerate(dice.sample(SUFFIXES, 2)):
        yield case("wrong extension", number, data, f"{source.stem}{suffix}")


def _noise(dice: random.Random) -> Iterator[Case]:
    magic = {
        "mp4": b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41",
        "mkv": b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\1",
        "riff": b"RIFF\xff\xff\xff\x7fWAVEfmt \x10\0\0\0\1\0\1\0",
        "avi": b"RIFF\xff\xff\xff\x7fAVI LIST",
        "ogg": b"OggS\0\2" + bytes(8),
        "flac": b"fLaC\0\0\0\x22",
        "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
        "gif": b"GIF89a\xff\xff\xff\xff\xf7\0\0",
        "mp3": b"ID3\4\0\0\x7f\x7f\x7f\x7f",
        "ts": b"\x47\x40\0\x10" * 50,
        "flv": b"FLV\1\5\0\0\0\t",
        "asf": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"),
        "webp": b"RIFF\xff\xff\xff\x7fWEBPVP8X",
        "tiff": b"II*\0\x08\0\0\0\xff\xff",
        "nut": b"nut/multimedia container\0",
        "nothing": b"",
        "one": b"\0",
    }
    for name, start in magic.items():
        body = dice.randbytes(3000) if name not in {"nothing", "one"} else b""
        yield Case("noise", f"noise-{name}", _written(f"{name}.mp4", start + body))


# --- shapes ------------------------------------------------------------------------------


def _by_ffmpeg(kind: str, name: str, file: str, *arguments: str | Path) -> Case:
    def make(folder: Path) -> Path:
        ffmpeg(*arguments, folder / file)
        return Path(file)

    return Case(kind, name, make)


def _shapes(folder: Path) -> Iterator[Case]:
    def shape(name: str, file: str, *arguments: str | Path) -> Case:
        return _by_ffmpeg("shape", f"shape-{name}", file, *arguments)

    good, song, picture = folder / "h264.mp4", folder / "a.mp3", folder / "a.png"
    # No layout has this many speakers.
    yield shape("16-channels", "a.wav", *_tone(), "-ac", "16")
    yield shape("16-channels-flac", "a.mka", *_tone(), "-ac", "16", "-c:a", "pcm_s24le")
    yield shape("1x1", "a.mkv", *_video(), "-vf", "crop=1:1:exact=1,format=gray", "-c:v", "png")
    yield shape("1x1-picture", "a.png", *_video(), "-vf", "format=gray,crop=1:1", "-frames:v", "1")
    yield shape("2x2000", "a.mkv", *_video("2x2000"), "-c:v", "png")
    yield shape("16000x2", "a.png", *_video("16000x2"), "-frames:v", "1")
    yield shape(
        *("8k", "a.mp4", *_video("7680x4320", 2, 1), "-c:v", "libx264", "-preset", "ultrafast")
    )
    yield shape("8k-picture", "a.jpg", *_video("7680x4320"), "-frames:v", "1")
    yield shape("1000fps", "a.mkv", *_video("64x64", 1000, 1), "-c:v", "mpeg4", "-bf", "0")
    yield shape("one-frame", "a.mp4", *_video(), "-frames:v", "1", "-c:v", "libx264")
    yield shape("alpha", "a.mov", *_video(), "-vf", "format=argb", "-c:v", "qtrle")
    yield shape("alpha-vp9", "a.webm", *_video(), "-pix_fmt", "yuva420p", "-c:v", "libvpx-vp9")
    yield shape("alpha-picture", "a.png", *_video(), "-pix_fmt", "rgba64be", "-frames:v", "1")
    yield shape("10-bit", "a.mkv", *_video(), "-pix_fmt", "yuv420p10le", "-c:v", "libx264")
    yield shape("16-bit-grey", "a.mkv", *_video(), "-pix_fmt", "gray16le", "-c:v", "ffv1")
    yield shape("palette", "a.png", *_video(), "-pix_fmt", "pal8", "-frames:v", "1")
    yield shape(
        "interlaced", "a.mpg", *_video(rate=25), "-c:v", "mpeg2video", "-flags", "+ilme+ildct"
    )
    yield shape("wide-pixels", "a.mkv", *_video(), "-vf", "setsar=100/1", "-c:v", "ffv1")
    yield shape("8-bit-sound", "a.wav", *_tone(), "-c:a", "pcm_u8", "-ar", "8000")
    yield shape("192-khz", "a.wav", *_tone(0.3), "-c:a", "pcm_f64le", "-ar", "192000")
    yield shape("100-hz", "a.wav", *_tone(), "-ar", "100")
    yield shape("silence", "a.wav", "-f", "lavfi", "-i", "anullsrc=r=16000", "-t", "1")
    for degrees in (90, 180, 270, 45):
        yield shape(
            f"rotated-{degrees}", "a.mp4", "-display_rotation", str(degrees), "-i", good,
            "-c", "copy",
        )  # fmt: skip
    yield shape("attached-picture", "a.mp3", "-i", song, "-i", picture, "-map", "0", "-map", "1",
                "-c", "copy", "-disposition:v", "attached_pic")  # fmt: skip
    every = [item for number in range(12) for item in ("-map", str(number))]
    yield shape("many-streams", "a.mkv", *(("-i", good) * 12), *every, "-c", "copy")
    yield shape("metadata", "a.mkv", "-i", good, "-c", "copy", "-metadata", "title=\x1b[2J\n{}%s")

    def subtitles(target: Path) -> Path:
        (target / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n\n")
        ffmpeg("-i", target / "a.srt", target / "a.mkv")
        (target / "a.srt").unlink()
        return Path("a.mkv")

    yield Case("shape", "shape-subtitle-only", subtitles)

    def not_numbers(target: Path) -> Path:
        from scipy.io import wavfile

        sound = np.full(16_000, np.nan, np.float32)
        sound[::3], sound[1::3] = np.inf, 3e38
        wavfile.write(target / "nan.wav", 16_000, sound)
        return Path("nan.wav")

    yield Case("shape", "shape-nan", not_numbers)


# --- joined files, tracks, channels -------------------------------------------------------


def _recordings(folder: Path) -> Iterator[Case]:
    def kind(name: str, file: str, write: Callable[[Path], object]) -> Case:
        def make(place: Path) -> Path:
            write(place / file)
            return Path(file)

        return Case(name.partition("-")[0], name, make)

    for suffix in recordings.JOINED:
        rates = ((32_000, 1), (48_000, 2)) if suffix == "mpg" else ((24_000, 1), (48_000, 2))
        join = partial(recordings.joined, first=rates[0], second=rates[1])
        yield kind(f"join-{suffix}", f"a.{suffix}", join)
    yield kind("join-film", "a.ts", recordings.joined_film)
    ogg, ts = (folder / "a.ogg").read_bytes(), (folder / "h264.ts").read_bytes()
    for name, content in {
        "broken.ogg": ogg + ogg[: len(ogg) // 2] + ogg,
        "headless.ogg": ogg[100:] + ogg,
        "many.ogg": ogg * 30,
        "endless.ogg": ogg * 300,
        "garbage.ts": ts + bytes(5000) + ts,
        "odd.ts": ts[:-77] + ts,
        "short.ts": ts * 2 + ts[:2000],
        "other.mp3": (folder / "a.mp3").read_bytes() + (folder / "a.aac").read_bytes(),
    }.items():
        yield Case("join", f"join-{name.replace('.', '-')}", _written(name, content))
    sounds = {
        "anullsrc=r=16000:d=1": "eng",
        "sine=d=1:r=16000": "deu",
        "sine=f=9:d=3": "\U0001f600",
    }
    pictures = {"color=black:s=32x32:r=5:d=1": "und", "testsrc=s=64x64:r=5:d=2": "und"}
    for suffix in ("mkv", "mov", "nut"):
        tracks = partial(recordings.several_tracks, sounds=sounds, pictures=pictures)
        yield kind(f"tracks-{suffix}", f"a.{suffix}", tracks)
    yield kind("tracks-sound", "a.mka", partial(tracks, pictures={}))
    for factor in (-1, -0.97, 0):
        stereo = f"pan=stereo|c0=c0|c1={factor}*c0"
        yield _by_ffmpeg(*("phase", f"phase-{factor}", "a.wav"), *_tone(), "-af", stereo)


# --- time --------------------------------------------------------------------------------


def jumping(times: list[float], suffix: str = ".mkv") -> Callable[[Path], Path]:
    """Sound in packets of 0.1 s with the given time stamps."""

    def make(folder: Path) -> Path:
        path = folder / f"times{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000)
            stream.layout = "mono"
            for number, time in enumerate(times):
                wave = (9000 * np.sin(np.arange(800) * 0.3 + number)).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(wave[None], format="s16", layout="mono")
                frame.sample_rate, frame.time_base = 8000, Fraction(1, 8000)
                frame.pts = number * 800
                for packet in stream.encode(frame):
                    packet.pts = packet.dts = round(time * 1000)
                    packet.time_base = Fraction(1, 1000)
                    container.mux(packet)
        return Path(path.name)

    return make


def _times(folder: Path) -> Iterator[Case]:
    def shifted(name: str, file: str, *arguments: str | Path) -> Case:
        return _by_ffmpeg("time", f"time-{name}", file, *arguments)

    good = folder / "h264.mkv"
    for number, offset in enumerate((-0.7, -5000, 1e6, 4e8)):
        for suffix in ("mkv", "mp4") if offset < 0 else ("mkv", "mp4", "nut"):
            yield shifted(
                *(f"offset-{number}-{suffix}", f"a.{suffix}", "-i", good, "-c", "copy"),
                *("-strict", "-2", "-avoid_negative_ts", "disabled"),
                *("-output_ts_offset", str(offset)),
            )
    for name, expression in {
        "constant": "0",
        "backwards": "if(gt(N\\,5)\\,PTS-300\\,PTS)",
        "jumps": "PTS+if(gt(N\\,4)\\,100000\\,0)",
        "leaps": "PTS+if(gt(N\\,4)\\,1000000000\\,0)",
        "stretched": "PTS*300",
        "squeezed": "PTS/100",
    }.items():
        for stream in ("v", "a"):
            yield shifted(
                *(f"{name}-{stream}", "a.nut", "-i", folder / "mpeg4.mov", "-c", "copy"),
                *(f"-bsf:{stream}", f"setts=pts={expression}:dts={expression}"),
            )
    for name, times in {
        "gap-minutes": [0.0, 0.1, 300.0, 300.1],
        "gap-quarter": [0.0, 0.1, 900.0],
        "gap-day": [0.0, 0.1, 80_000.0],
        "gap-week": [0.0, 0.1, 1e6],
        "sparse": [float(n * 40) for n in range(20)],
    }.items():
        yield Case("time", f"time-{name}", jumping(times))
    yield Case("time", "time-none", _wav(data=b""))
    yield Case("time", "time-one-sample", _wav(data=b"\1\2"))


# --- headers -----------------------------------------------------------------------------


def _wav(
    data: bytes = b"\0\x20" * 8000,
    rate: int = 8000,
    channels: int = 1,
    bits: int = 16,
    code: int = 1,
    size: int | None = None,
) -> Callable[[Path], Path]:
    block = max(1, channels * bits // 8)
    head = (
        code.to_bytes(2, "little")
        + channels.to_bytes(2, "little")
        + rate.to_bytes(4, "little")
        + (rate * block % 2**32).to_bytes(4, "little")
        + (block % 2**16).to_bytes(2, "little")
        + bits.to_bytes(2, "little")
    )
    length = len(data) if size is None else size
    body = b"WAVEfmt \x10\0\0\0" + head + b"data" + length.to_bytes(4, "little") + data
    return _written("a.wav", b"RIFF" + len(body).to_bytes(4, "little") + body)


def _patched(source: Path, box: bytes, offset: int, value: bytes) -> Callable[[Path], Path]:
    """An MP4 in which some bytes after the name of every `box` are replaced."""
    data = bytearray(source.read_bytes())
    at = data.find(box)
    while at >= 0:
        data[at + offset : at + offset + len(value)] = value
        at = data.find(box, at + 4)
    return _written("a.mp4", bytes(data))


def _headers(folder: Path) -> Iterator[Case]:
    for name, options in {
        "rate-0": {"rate": 0},
        "rate-1": {"rate": 1},
        "rate-max": {"rate": 2**32 - 1},
        "rate-2g": {"rate": 2**31 - 1},
        "channels-0": {"channels": 0},
        "channels-64": {"channels": 64, "data": bytes(range(128)) * 8000},
        "channels-65535": {"channels": 65_535},
        "channels-1000": {"channels": 1000},
        "bits-0": {"bits": 0},
        "bits-65535": {"bits": 65_535},
        "code-unknown": {"code": 0x1234},
        "code-mp3": {"code": 0x55},
        "size-max": {"size": 2**32 - 1},
        "size-0": {"size": 0},
    }.items():
        yield Case("absurd header", f"wav-{name}", _wav(**options))
    most, zero = b"\xff\xff\xff\xff", bytes(4)
    for name, (box, offset, value) in {
        "timescale-0": (b"mvhd", 16, zero),
        "timescale-max": (b"mvhd", 16, most),
        "duration-max": (b"mvhd", 20, most),
        "media-timescale-0": (b"mdhd", 16, zero),
        "media-timescale-1": (b"mdhd", 16, b"\0\0\0\1"),
        "media-duration-max": (b"mdhd", 20, most),
        "edit-max": (b"elst", 12, b"\x7f\xff\xff\xff"),
        "samples-max": (b"stsz", 12, most),
        "sample-size-max": (b"stsz", 8, b"\x7f\xff\xff\xff"),
        "times-max": (b"stts", 8, most),
        "delta-max": (b"stts", 16, b"\x7f\xff\xff\xff"),
        "delta-0": (b"stts", 16, zero),
        "offsets-0": (b"stco", 12, zero),
        "offsets-max": (b"stco", 12, most),
        "size-max": (b"avc1", 28, most),
        "size-0": (b"avc1", 28, zero),
        "moov-max": (b"moov", -4, most),
        "moov-0": (b"moov", -4, zero),
        "mdat-large": (b"mdat", -4, b"\0\0\0\1"),
    }.items():
        yield Case(
            "absurd header", f"mp4-{name}", _patched(folder / "h264.mp4", box, offset, value)
        )
    png = (folder / "a.png").read_bytes()
    for width, height in ((0, 0), (2**31 - 1, 1), (60_000, 60_000), (15_000, 12_000)):
        size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
        content = png[:16] + size + png[24:]
        yield Case("absurd header", f"png-{width}x{height}", _written("a.png", content))
    gif = (folder / "a.gif").read_bytes()
    content = gif[:6] + b"\xff\xff\xff\xff" + gif[10:]
    yield Case("absurd header", "gif-65535", _written("a.gif", content))


# --- lists and names ---------------------------------------------------------------------

PLAYLISTS = {
    "m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "m3u8-key": '#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-KEY:METHOD=AES-128,URI="{target}"\n'
    "#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{target}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 9 RTP/AVP 0\n",
    "mpd": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
    "<Period><AdaptationSet><Representation><BaseURL>{target}</BaseURL>"
    "</Representation></AdaptationSet></Period></MPD>",
    "pls": "[playlist]\nFile1={target}\nNumberOfEntries=1\nVersion=2\n",
    "xspf": '<?xml version="1.0"?><playlist xmlns="http://xspf.org/ns/0/"><trackList><track>'
    "<location>{target}</location></track></trackList></playlist>",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "smil": '<smil><body><video src="{target}"/></body></smil>',
    "ffmeta": ";FFMETADATA1\ntitle={target}\n",
    "avs": 'AviSource("{target}")\n',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    '<image xlink:href="{target}"/></svg>',
    "xml": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "{target}">]><a>&b;</a>',
}

TARGETS = {
    "file": f"{CANARY}.mp4",
    "absolute": "file:{folder}/" + f"{CANARY}.mp4",
    "url": "http://127.0.0.1:9/a.mp4",
    "pipe": "subfile,,start,0,end,0,,:{folder}/" + f"{CANARY}.mp4",
}


def _playlists(folder: Path) -> Iterator[Case]:
    for kind, text in PLAYLISTS.items():
        for where, target in TARGETS.items():
            for suffix in (f".{kind.partition('-')[0]}", ".mp4"):

                def make(
                    place: Path, text: str = text, target: str = target, suffix: str = suffix
                ) -> Path:
                    shutil.copy(folder / "h264.mp4", place / f"{CANARY}.mp4")
                    named = target.format(folder=place)
                    (place / f"list{suffix}").write_text(text.format(target=named))
                    return Path(f"list{suffix}")

                yield Case("playlist", f"playlist-{kind}-{where}{suffix}", make)

    def reference_movie(place: Path) -> Path:
        shutil.copy(folder / "h264.mp4", place / f"{CANARY}.mp4")
        # A QuickTime file whose data stand, as it says, in another file.
        data = (folder / "h264.mp4").read_bytes()
        url = f"{CANARY}.mp4".encode() + b"\0"
        box = (12 + len(url)).to_bytes(4, "big") + b"url \0\0\0\0" + url
        (place / "a.mov").write_bytes(data.replace(b"\0\0\0\x0curl \0\0\0\1", box))
        return Path("a.mov")

    yield Case("playlist", "playlist-reference-movie", reference_movie)

    def pattern(place: Path) -> Path:
        # To ffmpeg's `image2` this is the name of a series, of which the first is there.
        shutil.copy(folder / "a.png", place / f"{CANARY}.png")
        (place / "forbidden-%03d.png").write_bytes((folder / "a.png").read_bytes())
        return Path("forbidden-%03d.png")

    yield Case("playlist", "playlist-pattern", pattern)
    for kind in ("srt", "vtt", "json", "eaf", "TextGrid", "txt", "ttml"):
        for where, target in TARGETS.items():

            def transcript(place: Path, kind: str = kind, target: str = target) -> Path:
                shutil.copy(folder / "h264.mp4", place / f"{CANARY}.mp4")
                text = ALL_TRANSCRIPTS[kind].replace(
                    "happy", f"<b src='{target.format(folder=place)}'>happy</b>"
                )
                if kind in ("eaf", "ttml"):
                    head = f'<!DOCTYPE x [<!ENTITY b SYSTEM "{target.format(folder=place)}">]>'
                    text = ALL_TRANSCRIPTS[kind].replace("?>", f"?>{head}").replace("happy", "&b;")
                (place / f"a.{kind}").write_text(text)
                return Path(f"a.{kind}")

            yield Case("playlist", f"transcript-{kind}-{where}", transcript)


def _names(folder: Path) -> Iterator[Case]:
    names = {
        "newline": "line\nbreak.mp4",
        "quotes": "a'b\"c`d.mp4",
        "dash": "-i.mp4",
        "option": "--help",
        "emoji": "🙂 smile.mp4",
        "latin1": os.fsdecode(b"latin\xe9.mp4"),
        "escape": "\x1b[2J\x07.mp4",
        "direction": "a\u202egpj.mp4",
        "percent": "shot%d.mp4",
        "glob": "[*?{a,b}].png",
        "url": "http:x.mp4",
        "pipe": "pipe:0",
        "shell": "$(touch pwned);&.mp4",
        "long": "a" * 240 + ".mp4",
        "dots": "....mp4",
        "space": " .mp4",
        "bare-cr": "a\rb.mp4",
    }
    sound = (folder / "faststart.mp4").read_bytes()
    for name, file in names.items():
        yield Case("name", f"name-{name}", _written(file, sound))
        yield Case("name", f"name-{name}-bad", _written(file, b"no media\n"))

    def link(target: str) -> Callable[[Path], Path]:
        def make(place: Path) -> Path:
            shutil.copy(folder / "faststart.mp4", place / "real.mp4")
            (place / "link.mp4").symlink_to(target)
            return Path("link.mp4")

        return make

    for name, target in {
        "good": "real.mp4",
        "dangling": "nowhere.mp4",
        "loop": "link.mp4",
        "folder": ".",
        "zero": "/dev/zero",
        "null": "/dev/null",
        "proc": "/proc/self/environ",
        "terminal": "/dev/tty",
    }.items():
        yield Case("name", f"link-{name}", link(target))

    def fifo(place: Path) -> Path:
        os.mkfifo(place / "fifo.mp4")
        return Path("fifo.mp4")

    yield Case("name", "name-fifo", fifo)
    yield Case("name", "name-missing", lambda place: Path("nowhere.mp4"))
    yield Case("name", "name-folder", lambda place: Path())
    yield Case("name", "name-endless", lambda place: Path("a" * 5000 + ".mp4"))
    yield Case("name", "name-endless-text", lambda place: Path("a" * 5000 + ".docx"))


# --- transcripts -------------------------------------------------------------------------

TRANSCRIPTS = {
    "srt": "1\n00:00:00,000 --> 00:00:02,000\nI am so happy.\n\n"
    "2\n00:00:02,500 --> 00:00:04,000\nThis is awful, go away!\n",
    "vtt": "WEBVTT\n\n00:00.000 --> 00:02.000\n<v Ann>I am so happy.\n\n"
    "00:02.500 --> 00:04.000\nThis is awful!\n",
    "json": json.dumps(
        {
            "language": "en",
            "segments": [
                {
                    "start": 0.0,
                    "end": 2.0,
                    "text": "I am happy",
                    "words": [
                        {"word": "I", "start": 0.0, "end": 0.3, "probability": 0.9},
                        {"word": "am", "start": 0.3, "end": 0.6, "probability": 0.9},
                        {"word": "happy", "start": 0.7, "end": 2.0, "probability": 0.9},
                    ],
                }
            ],
        }
    ),
    "eaf": '<?xml version="1.0" encoding="UTF-8"?>\n<ANNOTATION_DOCUMENT AUTHOR="" '
    'DATE="2024-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">'
    '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds"/>'
    '<TIME_ORDER><TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="0"/>'
    '<TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="2000"/></TIME_ORDER>'
    '<TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="Ann"><ANNOTATION><ALIGNABLE_ANNOTATION '
    'ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">'
    "<ANNOTATION_VALUE>I am happy</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER>"
    '<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" '
    'TIME_ALIGNABLE="true"/></ANNOTATION_DOCUMENT>\n',
    "TextGrid": 'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\nxmax = 2\n'
    "tiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n"
    '        class = "IntervalTier"\n        name = "Ann"\n        xmin = 0\n        xmax = 2\n'
    "        intervals: size = 1\n        intervals [1]:\n            xmin = 0\n"
    '            xmax = 2\n            text = "I am happy"\n',
    "txt": WORDS,
}
RARER_TRANSCRIPTS = {
    "ass": "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname\n"
    "Style: Default,Arial\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:00.00,0:00:02.00,Default,Ann,0,0,0,,{\\i1}I am{\\i0} so happy\n",
    "ttml": '<?xml version="1.0" encoding="UTF-8"?>\n<tt xmlns="http://www.w3.org/ns/ttml" '
    'xmlns:ttp="http://www.w3.org/ns/ttml#parameter" ttp:frameRate="25"><body><div>'
    '<p begin="00:00:00.000" end="2s">I am<br/>happy</p><p begin="00:00:02:10" end="4s">Go!</p>'
    "</div></body></tt>\n",
    "sbv": "0:00:00.000,0:00:02.000\nI am so happy\n\n0:00:02.000,0:00:04.000\nGo!\n",
    "lrc": "[ti:x]\n[offset:10]\n[00:00.00]I am so happy\n[00:02.00][00:04.00]Go <00:02.50>away\n",
    "tsv": "start\tend\ttext\n0\t2000\tI am so happy\n2000\t4000\tGo!\n",
    "cha": "@Begin\n@Languages:\teng\n*ANN:\tI am &-um so happy [=! laughs] . \x150_2000\x15\n"
    "%mor:\tx\n*BOB:\tgo (be)cause ! \x152000_4000\x15\n@End\n",
}
ALL_TRANSCRIPTS = TRANSCRIPTS | RARER_TRANSCRIPTS
STAMPED = (
    "[00:00.000 --> 00:02.000]  I am so happy\n[00:02.000 --> 00:04.000]  Go!\n",
    "0.000000\t2.000000\tI am so happy\n2.000000\t4.000000\tGo!\n",
    "Ann  0:00\nI am so happy\n\nBob  0:02\nGo!\n",
    TRANSCRIPTS["srt"],
)
"""Text with times in it."""


def _transcripts(dice: random.Random, share: float) -> Iterator[Case]:
    def case(kind: str, number: int, name: str, content: bytes) -> Case:
        return Case("transcript", f"transcript-{kind}-{number}", _written(name, content))

    for kind, text in TRANSCRIPTS.items():
        for number in range(8):
            yield case(kind, number, f"a.{kind}", mutated_text(text.encode(), dice))
    often = max(1, round(4 * share))
    for kind, text in RARER_TRANSCRIPTS.items():
        for number in range(often):
            yield case(kind, number, f"a.{kind}", mutated_text(text.encode(), dice))
    for number, text in enumerate(STAMPED):
        yield case("stamped", number, "a.txt", mutated_text(text.encode(), dice))
    for kind, make in RECOGNISERS.items():
        for number in range(often):
            content = json.dumps(with_a_broken_field(make(), dice))
            yield case(f"of-{kind}", number, "a.json", content.encode())


def mutated_text(data: bytes, dice: random.Random) -> bytes:
    """Damage text as editors, transfers and pranks do."""
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(max(1, len(data)))
        end = min(len(data), at + dice.randint(1, 30))
        data = dice.choice(
            (
                data[:at] + data[end:],
                data[:end] + data[at:end] * 20 + data[end:],
                data[:at] + dice.randbytes(8) + data[end:],
                data[:at] + dice.choice(TOKENS) + data[end:],
                data.replace(b"0", dice.choice((b"9", b"-", b"99999999", b"1e999", b"nan"))),
                data.decode("utf-8", "replace").encode("utf-16"),
                data[:at],
            )
        )
    return data


TOKENS = (
    b"\0", b"\xff\xfe", b"-1", b"1e400", b"NaN", b"Infinity", b"null", b"{}", b"[]", b'"', b"<!--",
    b"&lt;", b"&x;", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\r", b"\x0c", b"\xe2\x80\xa8",
    b"9" * 400, b"-->", b"[" * 3000, b"<v " * 500, b"{\\an8}", b"99:99:99,999",
)  # fmt: skip
