"""The ffmpeg program: where it is, what it may open, how it is run and stopped."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import IO

import ffmpeg
from ffmpeg.nodes import FilterableStream, OutputStream

from lddu_pipe.errors import MissingAssetError
from lddu_pipe.media.limits import COMPLAINTS, STALL, confine, time_to_decode
from lddu_pipe.media.pipes import readable, widen, writable
from lddu_pipe.types import Media

CHOICE = "LDDU_PIPE_FFMPEG"
"""The variable of the environment that names another ffmpeg than the packages'."""

INDEXED = ("mov", "matroska", "wav")
"""Demuxers that find a moment exactly; the others are read from the beginning."""

COUNTED = ("aac",)
"""Demuxers of formats without times, whose packets ffmpeg measures by the first one."""

STILLS = (
    "png_pipe",
    "jpeg_pipe",
    "webp_pipe",
    "bmp_pipe",
    "tiff_pipe",
    "pgm_pipe",
    "ppm_pipe",
    "jpegxl_pipe",
)
"""Demuxers of one picture. `image2` is not here: it takes file names for patterns."""

DEMUXERS = (
    *INDEXED,
    *STILLS,
    *("avi", "flv", "asf", "mpegts", "mpeg", "mpegvideo", "mxf", "nut", "ivf", "rm", "dv"),
    *("h264", "hevc", "av1", "obu", "m4v", "mjpeg", "yuv4mpegpipe", "gif", "apng"),
    *("ogg", "mp3", "aac", "flac", "aiff", "caf", "w64", "au", "amr", "ac3", "eac3", "dts"),
    *("wv", "ape", "tta", "tak", "voc"),
)
"""The only demuxers that may run.

Each reads the one file it is given. Playlists and lists (hls, concat, dash, sdp, imf, ...) and
scripts (avisynth, vapoursynth) are left out: they make ffmpeg read other files and open URLs.
"""

_SEEK_MARGIN = 1.0
"""Seconds of run-in before a wanted moment, for codecs that need some sound to settle."""

THREADS = min(4, os.cpu_count() or 1)


def find_ffmpeg() -> str:
    """Return the ffmpeg program.

    It is the one that `CHOICE` names, else the one in the package imageio-ffmpeg, which is the
    same on every machine, else the one on PATH: two releases resample differently, and so give
    two transcripts of one file.

    Raises:
        MissingAssetError: there is none, or not the one that is named.
    """
    named = os.environ.get(CHOICE)
    if named:
        found = shutil.which(named)
        if found is None:
            raise MissingAssetError(
                f"{CHOICE} names {named}, which is no program; unset it, or name an ffmpeg"
            )
        return found
    try:
        import imageio_ffmpeg

        program: str = imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        found = shutil.which("ffmpeg")
        if found is not None:
            return found
        raise MissingAssetError(
            "ffmpeg is not on this machine; run: pip install imageio-ffmpeg, or install it "
            "(apt install ffmpeg, brew install ffmpeg)"
        ) from error
    return program


@cache
def version_of(program: str) -> str:
    """Return what an ffmpeg calls itself, such as "7.0.2-static".

    Raises:
        MissingAssetError: it does not run.
    """
    try:
        answer = subprocess.run(
            [program, "-version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=STALL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or "it hangs"
    else:
        first = answer.stdout.decode("utf-8", "replace").partition("\n")[0]
        if answer.returncode == 0 and first.startswith("ffmpeg version "):
            return first.removeprefix("ffmpeg version ").partition(" Copyright")[0].strip()
        said = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = ascii(said[-1])[1:-1] if said else f"exit code {answer.returncode}"
    raise MissingAssetError(f"{program} does not start ({reason}); {_cure(program)}")


def _cure(program: str) -> str:
    if os.environ.get(CHOICE):
        return f"unset {CHOICE}, or let it name an ffmpeg that runs"
    return f"run: pip install --force-reinstall imageio-ffmpeg, or repair {program}"


def shown(path: Path) -> str:
    """Return a path as one line of text, whatever characters its name holds."""
    text = str(path)
    return text if text.isprintable() else ascii(text)


def source(media: Media, start: float = 0.0, **options: str | int | None) -> FilterableStream:
    """Return the ffmpeg-python input that reads `media` and nothing else.

    Args:
        media: What to read.
        start: Seconds of the media before which nothing is wanted. Reading begins there or
            earlier, so what follows must drop the rest by its time stamps.
        **options: More ffmpeg input options; None for one that takes no value.
    """
    options |= {
        "protocol_whitelist": "file,pipe" if media.section is None else "file,pipe,subfile",
        "format_whitelist": ",".join(DEMUXERS),
        "threads": THREADS,
    }
    if media.demuxer is not None:
        # Decided by the content: left to itself, ffmpeg would also be led by the file's name.
        options["f"] = media.demuxer
    seek = media.origin + start - _SEEK_MARGIN
    if media.demuxer in INDEXED and seek > max(media.origin, 0.0):
        options |= {"ss": f"{seek:.6f}", "seek_timestamp": 1, "noaccurate_seek": None}
    # Bytes, as a name need not be UTF-8; "file:" and the whole path, as it may look like an option
    # or a URL.
    place = f"file:{media.path.absolute()}"
    if media.section is not None:
        first, end = media.section
        place = f"subfile,,start,{first},end,{end},,:{place}"
    return ffmpeg.input(os.fsencode(place), **options)


class Run:
    """A running ffmpeg, to be read from, or written to, as a file."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        log: IO[bytes],
        limit: float,
        stall: float | None = None,
    ) -> None:
        if process.stdout is None:
            raise ValueError("ffmpeg was started without a pipe")
        self.process = process
        self._output = process.stdout
        widen(self._output.fileno())
        if process.stdin is not None:
            widen(process.stdin.fileno())
            os.set_blocking(process.stdin.fileno(), False)
        self._log = log
        self._left = limit
        """Seconds that may still be spent waiting."""
        self._stall = STALL if stall is None else stall
        self._progress: int | None = None
        """Bytes that ffmpeg had read when it was last waited for in vain."""
        self._stopped = ""
        """Why it was killed."""
        self.log = ""
        """The last of what it complained of, once it was waited for by `finish`."""
        self._allowed: int | None = None
        """Bytes that may still come; None for any number."""

    def allow(self, size: int) -> None:
        """Stop reading after so many bytes, and what a header takes: more is nonsense."""
        self._allowed = size + (1 << 20)

    def read(self, size: int) -> bytes:
        """Return some bytes of what ffmpeg writes, at most `size`; none at its end.

        An ffmpeg that shows no sign of life is killed, which is its end. Only waiting counts: who
        takes long between two calls does no harm.
        """
        if self._allowed is not None and self._allowed <= 0:
            self._stopped = "it does not end"
        if not self._comes(partial(readable, self._output.fileno())):
            return b""
        content = os.read(self._output.fileno(), size)
        if self._allowed is not None:
            self._allowed -= len(content)
        return content

    def write(self, content: bytes | memoryview) -> int:
        """Give ffmpeg bytes to read; return how many: all of them.

        Raises:
            BrokenPipeError: it has ended, or was killed as it shows no sign of life; `finish` says
                why.
        """
        if self.process.stdin is None:
            raise ValueError("ffmpeg was started to write only")
        into, left = self.process.stdin.fileno(), memoryview(content)
        while left:
            if not self._comes(partial(writable, into)):
                raise BrokenPipeError
            left = left[os.write(into, left) :]
        return len(content)

    def close_input(self) -> None:
        """Let ffmpeg come to its end, however long it writes, as long as it does something."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._comes(self._ends)

    def _ends(self, seconds: float) -> bool:
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _comes(self, wait: Callable[[float], bool]) -> bool:
        """Wait for something of ffmpeg; False where it was killed, as it shows no sign of life.

        Args:
            wait: takes the seconds that it may wait, and says whether it came.
        """
        while not self._stopped:
            begun = time.monotonic()
            came = wait(min(self._stall, self._left))
            self._left -= time.monotonic() - begun
            if came:
                return True
            # A moment deep in a file takes long to reach: reading on is a sign of life.
            before, self._progress = self._progress, _bytes_read(self.process.pid)
            if self._left <= 0:
                self._stopped = "it takes too long"
            elif before == self._progress:
                self._stopped = f"nothing came for {self._stall:.0f} s"
        self.process.kill()
        return False

    def finish(self) -> tuple[bool, str]:
        """Wait for the end; return whether ffmpeg was content, and its last complaint if any."""
        try:
            failed = self.process.wait(STALL) != 0
        except subprocess.TimeoutExpired:
            # It has closed its output, or was not read to the end, and does not go.
            self._stopped = self._stopped or "it does not end"
        if self._stopped:
            return False, self._stopped
        # Only the end of what may be gigabytes.
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - (1 << 16)))
        self.log = self._log.read().decode("utf-8", "replace")
        lines = self.log.splitlines()
        # "[h264 @ 0x55d0]" tells a person nothing.
        said = [re.sub(r"^(\[[^\]]* @ [^\]]*\] ?)+", "", line).strip() for line in lines]
        last = next((line for line in reversed(said) if line), "")
        return not failed, last or (f"exit code {self.process.returncode}" if failed else "")


def _bytes_read(process_id: int) -> int | None:
    """Return how much a process has read so far; None where the system does not tell."""
    try:
        counts = Path(f"/proc/{process_id}/io").read_text(encoding="ascii")
    except OSError:
        return None
    return int(counts.split()[1])


@contextmanager
def running(
    output: OutputStream, media: Media, *, fed: bool = False, file_size: int = COMPLAINTS
) -> Iterator[Run]:
    """Run an ffmpeg-python output; ffmpeg is gone when the context closes, however it closes.

    Args:
        output: what ffmpeg is to write.
        media: what it reads, which says how long that may take.
        fed: it reads its standard input, too.
        file_size: bytes of the largest file that it may write.

    Raises:
        MissingAssetError: ffmpeg is not there or does not start.
    """
    # -copyts: time stamps stay as the container has them; Media.origin turns them into seconds.
    output = output.global_args("-copyts")
    limit = time_to_decode(media.duration)
    stdin = subprocess.PIPE if fed else subprocess.DEVNULL
    with started(
        output, stdin, limit=limit, computing=limit * THREADS, file_size=file_size
    ) as run:
        yield run


@contextmanager
def started(
    output: OutputStream,
    stdin: int,
    *,
    limit: float = math.inf,
    stall: float | None = None,
    computing: float | None = None,
    file_size: int = COMPLAINTS,
) -> Iterator[Run]:
    """Start an ffmpeg-python output; ffmpeg is gone when the context closes, however it closes.

    Args:
        output: what ffmpeg is to write.
        stdin: what it may read: a descriptor, or as `subprocess` has it.
        limit: seconds that may be spent waiting for it in all.
        stall: seconds without a sign of life after which it is killed; None: `STALL`.
        computing: seconds of processor time, at most.
        file_size: bytes of the largest file that it may write.

    Raises:
        MissingAssetError: ffmpeg is not there or does not start.
    """
    command = ffmpeg.compile(
        output.global_args("-nostdin", "-hide_banner", "-v", "error"), cmd=find_ffmpeg()
    )
    # A file takes any number of complaints; an unread pipe would fill and stop ffmpeg.
    with tempfile.TemporaryFile() as log:
        try:
            # In a group of its own: ffmpeg takes a Ctrl-C of the terminal for its end, and what is
            # to come of it is for this process to say.
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                process_group=0,
            )
        except OSError as error:
            raise MissingAssetError(
                f"{command[0]} does not start ({error.strerror}); {_cure(command[0])}"
            ) from error
        with process:
            try:
                confine(process.pid, file_size, computing)
                yield Run(process, log, limit, stall)
            finally:
                process.kill()
