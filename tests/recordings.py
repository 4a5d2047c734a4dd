"""Recordings as people have them, small and quick: joined, with several tracks or channels."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg

LOW, HIGH = 400, 1000
"""Hz of the tones in the first and in the second file of those that are joined."""
LASTS = 0.8
"""Seconds of each of them."""

JOINED: dict[str, tuple[str, ...]] = {
    "mp3": ("-b:a", "64k"),
    "aac": (),
    "flac": (),
    "ogg": ("-c:a", "libvorbis"),
    "opus": ("-c:a", "libopus"),
    "ts": ("-c:a", "aac"),
    "mpg": ("-c:a", "mp2"),
    "wav": (),
}
"""How sound is encoded, by the suffix of files that may be put together byte by byte."""


def ffmpeg(*arguments: str | Path) -> None:
    """Run the packaged ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True, capture_output=True)


def tone(hertz: int, seconds: float = LASTS) -> tuple[str, ...]:
    """An input of ffmpeg."""
    return ("-f", "lavfi", "-i", f"sine=f={hertz}:d={seconds}:r=44100")


def joined(path: Path, first: tuple[int, int], second: tuple[int, int], *more: str) -> Path:
    """Write two files of one kind into one, byte after byte.

    Args:
        path: whose suffix is one of `JOINED`.
        first: Hz and channels of the file with the low tone.
        second: the same of that with the high one.
        more: options of the second, such as when its time begins.
    """
    content = b""
    for hertz, (rate, channels), options in ((LOW, first, ()), (HIGH, second, more)):
        form = ("-ar", str(rate), "-ac", str(channels), *JOINED[path.suffix[1:]])
        ffmpeg(*tone(hertz), *form, *options, path)
        content += path.read_bytes()
    path.write_bytes(content)
    return path


def several_tracks(
    path: Path, sounds: dict[str, str], pictures: dict[str, str], *more: str
) -> Path:
    """Write a file of several tracks.

    Args:
        path: whose suffix names a container, such as .mkv.
        sounds: language by the source that ffmpeg makes sound of.
        pictures: the same of pictures.
        more: options of the output, such as which track is the default.
    """
    inputs, outputs = [], []
    for kind, sources in (("a", sounds), ("v", pictures)):
        for number, (source, language) in enumerate(sources.items()):
            outputs += ["-map", str(len(inputs) // 4)]
            outputs += [f"-metadata:s:{kind}:{number}", f"language={language}"]
            inputs += ["-f", "lavfi", "-i", source]
    ffmpeg(*inputs, *outputs, "-c:v", "ffv1", "-c:a", "pcm_s16le", *more, path)
    return path


def joined_film(path: Path) -> Path:
    """Write two MPEG transport streams into one: a dark one with a low tone, a bright high one."""
    content = b""
    for hertz, level in ((LOW, 40), (HIGH, 200)):
        grey = f"color=0x{level:02x}{level:02x}{level:02x}:s=64x48:r=10:d={LASTS}"
        ffmpeg(*("-f", "lavfi", "-i", grey), *tone(hertz), "-c:v", "mpeg2video", path)
        content += path.read_bytes()
    path.write_bytes(content)
    return path
