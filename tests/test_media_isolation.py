"""Decoders that crash, hang, eat memory or lie are an error of one file and of no other."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pytest

from lddu_pipe.errors import MissingAssetError, UnusableInputError
from lddu_pipe.media import decode_audio, decode_frames, ffmpeg, isolation, limits, probe
from lddu_pipe.types import AudioStream, Media, VideoStream

Helper = Callable[..., Any]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """No process from another test serves this one, and none from this one the next."""
    isolation.end_all()
    yield
    isolation.end_all()


@pytest.fixture
def impostor(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a program in the place of the one that decodes; it says it is ready and then runs."""

    def place(program: str) -> None:
        ready = "import json, os, signal, sys, time\nprint('{\"ready\": 1}', flush=True)\n"
        request = "request = json.loads(sys.stdin.readline())\n"
        lines = ready + request + textwrap.dedent(program)
        monkeypatch.setattr(isolation, "command", lambda: [sys.executable, "-c", lines])

    return place


def refusal(path: Path) -> str:
    with pytest.raises(UnusableInputError) as caught:
        probe(path)
    message = str(caught.value)
    assert message.isprintable()
    assert path.name in message
    return message


def gone(process_id: int) -> bool:
    """Whether a process ends within some seconds; a zombie has ended."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.05)
    return False


# --- what a decoder may do ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("os.abort()", "SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "want of memory"),
        ("os._exit(3)", "exit code 3"),
        ("print('{\"duration', end='', flush=True); os.abort()", "SIGABRT"),
        ("os.close(1); time.sleep(60)", "it hangs"),
    ],
)
def test_a_crash_is_one_line_and_the_next_file_works(
    clip: Path, impostor: Helper, monkeypatch: pytest.MonkeyPatch, end: str, said: str
) -> None:
    if said == "it hangs":
        monkeypatch.setattr(isolation, "_GRACE", 0.5)
    with monkeypatch.context() as patched:
        impostor(f"import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); {end}")
        message = refusal(clip)
        assert "crashes its decoder" in message
        assert said in message
        patched.undo()
    monkeypatch.undo()
    assert probe(clip).audio is not None


def test_a_hang_ends_with_the_time_limit(
    clip: Path, impostor: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "time_to_read", lambda size: 0.3)
    impostor("time.sleep(60)")
    begun = time.monotonic()
    assert "not read within" in refusal(clip)
    assert time.monotonic() - begun < 5
    monkeypatch.undo()
    assert probe(clip).video is not None


def test_a_decoder_that_lets_no_thread_run_ends_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Who asked is gone or asleep: only the alarm that the process set itself is left.
    program = (
        "import re; from lddu_pipe.media import decoder\n"
        "decoder._TASKS['inspect'] = lambda *_: re.match('(a*)*b', 'a' * 60)\n"
        "decoder.main()\n"
    )
    monkeypatch.setattr(isolation, "command", lambda: [sys.executable, "-c", program])
    request = {"task": "inspect", "path": "x", "folder": None, "level": 30, "seconds": 0.3}
    decoder = isolation.Decoder()
    decoder.send(request)
    with pytest.raises(EOFError):
        decoder.receive(time.monotonic() + 20, 0)
    assert decoder.fate() == "SIGALRM"
    decoder.close()


def test_memory_is_limited(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "from lddu_pipe.media import decoder\n"
        f"decoder._TASKS['inspect'] = lambda *_: bytearray({limits.ADDRESS_SPACE})\n"
        "decoder.main()\n"
    )
    monkeypatch.setattr(isolation, "command", lambda: [sys.executable, "-c", program])
    assert "more memory than a file is given" in refusal(clip)
    monkeypatch.undo()
    assert probe(clip).audio is not None


@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        "null",
        '{"log": []}',
        '{"error": "x", "log": 3}',
        '{"error": "x", "log": [["a", "b"]]}',
        '{"audio": null, "video": null, "duration": 1, "demuxer": "a", "origin": 0, "log": []}',
        '{"audio": {"codec": "x"}, "video": null, "duration": 1, "demuxer": "a", "origin": 0}',
        '{"audio": null, "video": {}, "duration": NaN, "demuxer": "a", "origin": 0, "log": []}',
        "not JSON",
        "' + '[' * 100_000 + '",
        "' + 'x' * 300_000 + '",
        "\\x80\\x04cposix\\nsystem\\n.",
    ],
    ids=range(12),
)
def test_an_answer_is_not_trusted(clip: Path, impostor: Helper, answer: str) -> None:
    impostor(f"print('{answer}', flush=True); time.sleep(60)")
    assert "nonsense" in refusal(clip)


def test_what_a_decoder_says_stays_one_line(
    clip: Path, impostor: Helper, caplog: pytest.LogCaptureFixture
) -> None:
    impostor(
        "text = request['path'] + chr(10) + chr(27) + '[2J'\n"
        "print(json.dumps({'error': text, 'log': [[30, text]]}), flush=True); time.sleep(60)"
    )
    refusal(clip)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().isprintable()


def test_more_bytes_than_a_picture_has_are_refused(
    tmp_path: Path, run_ffmpeg: Helper, impostor: Helper
) -> None:
    path = tmp_path / "a.png"
    run_ffmpeg("-f", "lavfi", "-i", "color=red:s=8x8", "-frames:v", "1", path)
    media = probe(path)
    isolation.end_all()
    impostor(
        "sys.stdout.write('{\"log\": []}\\n' + 'x' * 999); sys.stdout.flush(); time.sleep(60)"
    )
    with pytest.raises(UnusableInputError, match="nonsense"):
        list(decode_frames(media, 1))


def test_a_process_that_does_not_start_names_the_reason(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "command", lambda: [sys.executable, "-c", "import nowhere"])
    with pytest.raises(MissingAssetError, match="No module named 'nowhere'"):
        probe(clip)
    monkeypatch.setattr(isolation, "command", lambda: ["/nowhere/python"])
    with pytest.raises(MissingAssetError, match="does not start"):
        probe(clip)


# --- the process itself ------------------------------------------------------------------


def idle() -> int:
    (decoder,) = isolation._idle
    return decoder._process.pid


def test_one_process_serves_file_after_file(clip: Path, tmp_path: Path) -> None:
    probe(clip)
    first = idle()
    (tmp_path / "a.mp4").write_bytes(b"no media")
    refusal(tmp_path / "a.mp4")
    probe(clip)
    assert idle() == first
    (decoder,) = isolation._idle
    os.kill(first, signal.SIGKILL)
    decoder._process.wait(20)
    assert probe(clip).audio is not None
    assert idle() != first


def test_threads_get_their_own_answers(tmp_path: Path, run_ffmpeg: Helper) -> None:
    sizes = [(16 * number, 8 * number) for number in range(1, 9)]
    for width, height in sizes:
        path = tmp_path / f"{width}.png"
        run_ffmpeg("-f", "lavfi", "-i", f"color=red:s={width}x{height}", "-frames:v", "1", path)

    def shape(size: tuple[int, int]) -> tuple[int, ...]:
        (frame,) = decode_frames(probe(tmp_path / f"{size[0]}.png"), 1)
        return frame.image.shape

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(shape, sizes * 4))
    assert found == [(height, width, 3) for width, height in sizes * 4]
    assert len(isolation._idle) <= 2


def _in_fork(clip: str, results: Any) -> None:
    results.put((probe(Path(clip)).duration, idle()))


def test_a_fork_has_a_process_of_its_own(clip: Path) -> None:
    probe(clip)
    before = idle()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    worker = context.Process(target=_in_fork, args=(str(clip), results), daemon=True)
    worker.start()
    duration, other = results.get(timeout=30)
    worker.join()
    assert duration == pytest.approx(2.0, abs=0.05)
    assert other != before
    assert gone(other)
    assert probe(clip).audio is not None
    assert idle() == before


@pytest.mark.parametrize("busy", [False, True])
def test_it_goes_when_its_parent_is_killed(clip: Path, tmp_path: Path, busy: bool) -> None:
    at_work = tmp_path / "at-work"
    hang = (
        "isolation.command = lambda: [sys.executable, '-c', 'import time\\n"
        "from lddu_pipe.media import decoder\\n"
        f'decoder._TASKS["inspect"] = lambda *_: (open("{at_work}", "w"), time.sleep(60))\\n'
        "decoder.main()']\n"
        "threading.Thread(target=probe, args=(Path(sys.argv[1]),), daemon=True).start()\n"
        f"while not Path({str(at_work)!r}).exists(): time.sleep(0.01)\n"
    )
    program = (
        "import sys, threading, time\nfrom pathlib import Path\n"
        "from lddu_pipe.media import isolation, probe\n"
        f"{hang if busy else 'probe(Path(sys.argv[1]))'}\n"
        "(decoder,) = isolation._all\n"
        "print(decoder._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, clip], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()
        parent.kill()
    assert gone(child)


def test_a_relative_name_is_read_from_here_and_said_as_given(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe(clip)
    monkeypatch.chdir(tmp_path)
    Path("a.mp4").write_bytes(b"no media")
    # A folder of media is no place to take modules from.
    Path("av.py").write_text("raise SystemExit('hijacked')")
    assert refusal(Path("a.mp4")).startswith("a.mp4 is not")
    isolation.end_all()
    assert refusal(Path("a.mp4")).startswith("a.mp4 is not")
    Path("b.mp4").symlink_to(clip)
    assert probe(Path("b.mp4")).path == Path("b.mp4")


# --- sizes and times ---------------------------------------------------------------------


def test_an_absurd_picture_is_refused_before_it_takes_memory(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 15_000, 12_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    path = tmp_path / "bomb.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )
    assert "15000 x 12000" in refusal(path)


def write_jump(path: Path, gap: float, packets: int = 2) -> Path:
    """Sound in 1 s packets, the last of which comes `gap` seconds after the one before."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        for number in range(packets):
            wave = np.full((1, 8000), 9000, np.int16)
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = 8000, Fraction(1, 8000)
            late = gap if number == packets - 1 else 0
            frame.pts = round((number + late) * 8000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize(("hours", "said"), [(280, "280 hours"), (20, "time stamps")])
def test_packets_far_apart_are_no_days_of_silence(tmp_path: Path, hours: int, said: str) -> None:
    assert said in refusal(write_jump(tmp_path / "jump.mkv", hours * 3600))


def test_an_hour_of_silence_takes_no_memory(tmp_path: Path) -> None:
    path = write_jump(tmp_path / "gap.mkv", 3500)
    program = (
        "import resource, sys\nfrom pathlib import Path\n"
        "from lddu_pipe.media import decode_audio, probe\n"
        "media = probe(Path(sys.argv[1]))\nbefore = resource.getrusage(0).ru_maxrss\n"
        "sound = decode_audio(media)\n"
        "print(len(sound), resource.getrusage(0).ru_maxrss - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, check=True
    )
    samples, kilobytes = map(int, done.stdout.split())
    assert samples == pytest.approx(3502 * 16_000, rel=1e-3)
    # 224 MB of samples.
    assert kilobytes < 40_000


# --- ffmpeg ------------------------------------------------------------------------------


@pytest.fixture
def fake_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def place(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        known = '[ "$1" = -version ] && echo "ffmpeg version made-up" && exit'
        (folder / "ffmpeg").write_text(f"#!/bin/sh\n{known}\n{script}\n")
        (folder / "ffmpeg").chmod(0o755)
        monkeypatch.setenv("LDDU_PIPE_FFMPEG", str(folder / "ffmpeg"))

    return place


def two_seconds(path: Path) -> Media:
    sound = AudioStream("aac", 44_100, 1, 0.0, 2.0)
    return Media(path, 2.0, sound, VideoStream("h264", 64, 48, 25.0, 0, 0.0, 2.0))


@pytest.mark.slow
def test_an_ffmpeg_that_hangs_is_stopped(
    clip: Path, fake_ffmpeg: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "STALL", 0.3)
    fake_ffmpeg("exec sleep 60")
    for decode in (decode_audio, lambda media: list(decode_frames(media, 5))):
        begun = time.monotonic()
        with pytest.raises(UnusableInputError, match="nothing came for"):
            decode(two_seconds(clip))
        assert time.monotonic() - begun < 5


@pytest.mark.alone
def test_an_ffmpeg_that_goes_on_for_ever_is_stopped(
    clip: Path, fake_ffmpeg: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "STALL", 0.2)
    monkeypatch.setattr(ffmpeg, "time_to_decode", lambda duration: 0.6)
    # It reads, and so lives, but nothing comes of it.
    fake_ffmpeg("exec wc -l /dev/zero")
    with pytest.raises(UnusableInputError, match="takes too long"):
        decode_audio(two_seconds(clip))
    fake_ffmpeg("exec sleep 60 >/dev/null")
    with pytest.raises(UnusableInputError, match="does not end"):
        decode_audio(two_seconds(clip))


@pytest.mark.alone
def test_more_sound_than_the_media_lasts_is_cut(
    clip: Path, fake_ffmpeg: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ffmpeg, "STALL", 0.5)
    endless = "-f lavfi -i aevalsrc=0.2:s=16000 -c:a pcm_f32le -f nut -output_ts_offset 1 -"
    fake_ffmpeg(f"exec {imageio_ffmpeg.get_ffmpeg_exe()} -v error {endless}")
    sound = decode_audio(two_seconds(clip))
    assert len(sound) == (2 + limits.OVERHANG) * 16_000
    assert sound.min() == sound.max() == np.float32(0.2)
    fake_ffmpeg("exec tr '\\000' '\\076' </dev/zero")
    with pytest.raises(UnusableInputError, match="does not end"):
        decode_audio(two_seconds(clip))


@pytest.mark.slow
def test_a_slow_consumer_is_no_stall(
    tmp_path: Path, run_ffmpeg: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "long.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=640x360:d=2:r=25", "-c:v", "mpeg4", path)
    media = probe(path)
    monkeypatch.setattr(ffmpeg, "STALL", 3.0)
    monkeypatch.setattr(ffmpeg, "time_to_decode", lambda duration: 3.0)
    frames = decode_frames(media, 25)
    next(frames)
    time.sleep(3.2)
    assert len(list(frames)) == 49


def test_ctrl_c_in_the_terminal_does_not_cut_what_is_being_decoded(
    tmp_path: Path, run_ffmpeg: Helper
) -> None:
    path = tmp_path / "long.mkv"
    run_ffmpeg("-f", "lavfi", "-i", "testsrc=s=640x360:d=4:r=25", "-c:v", "mpeg4", path)
    program = (
        "import signal, sys, os\nfrom pathlib import Path\n"
        "from lddu_pipe.media import decode_frames, probe\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "media = probe(Path(sys.argv[1]))\nframes = decode_frames(media, 25)\nnext(frames)\n"
        "os.killpg(0, signal.SIGINT)\n"
        "print(1 + len(list(frames)), probe(Path(sys.argv[1])) == media)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path],
        capture_output=True,
        text=True,
        check=False,
        process_group=0,
    )
    assert done.stdout.split() == ["100", "True"], done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
def test_ffmpeg_and_the_decoder_are_confined(clip: Path, fake_ffmpeg: Helper) -> None:
    def limited(process_id: int) -> dict[str, str]:
        lines = Path(f"/proc/{process_id}/limits").read_text().splitlines()[1:]
        return {line[:26].strip(): line[26:47].strip() for line in lines}

    probe(clip)
    confined = limited(idle())
    assert confined["Max address space"] == str(limits.ADDRESS_SPACE)
    assert confined["Max core file size"] == "0"
    fake_ffmpeg("sleep 0.3; ulimit -t >&2; exit 1")
    with pytest.raises(UnusableInputError, match=r" \d{3,5};"):
        decode_audio(two_seconds(clip))
    fake_ffmpeg("sleep 0.3; ulimit -v >&2; exit 1")
    with pytest.raises(UnusableInputError, match=f" {limits.ADDRESS_SPACE // 1024};"):
        decode_audio(two_seconds(clip))
