from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from contextlib import contextmanager
from io import StringIO

import numpy as np
import pytest
from click.exceptions import Exit
from click.testing import CliRunner

from lddu_pipe.annotation import Annotation, ModelInfo, Person, Provenance, SourceInfo
from lddu_pipe.cli import main
from lddu_pipe.commands import devices as device_commands
from lddu_pipe.commands import feeding, live, loading
from lddu_pipe.errors import UnusableInputError
from lddu_pipe.events import StreamEnded, StreamOpened, UnitClosed, UnitJudged
from lddu_pipe.media import devices
from lddu_pipe.media.devices import Device, Listing
from lddu_pipe.predictions import EmotionScore, Prediction, Uncertainty
from lddu_pipe.types import TimeSpan, Utterance
from lddu_pipe.writers.formats import FORMATS
from tests.recordings import ffmpeg


def judged(number, start, end, *, final=True):
    happy = EmotionScore("happy", 0.81, "present", 0.8, Uncertainty(0.2, 0.03))
    name = f"{number:04d}" if final else f"~{number}"
    utterance = Utterance(name, TimeSpan(start, end), "What news!", person="p1")
    return UnitJudged(Prediction(utterance, (happy,)), final)


class FakeLive:
    """Judges every half second of sound, or every five pictures, and what is left at the end."""

    def __init__(self, *, audio_rate, camera):
        self.audio_rate, self.camera = audio_rate, camera
        self.heard, self.seen = [], []
        self.delay, self.dropped = 0.25, 0.0
        self.closed = 0
        self.fails = None
        self._news = queue.Queue()
        self._count = 0

    def hear(self, samples, at):
        assert samples.dtype == np.float32
        assert self.audio_rate
        self.heard.append((at, samples))
        self._advance(at - self.heard[0][0] + len(samples) / self.audio_rate)

    def see(self, image, at):
        assert (image.dtype, image.ndim, self.camera) == (np.uint8, 3, True)
        self.seen.append((at, image))
        if not self.audio_rate:
            self._advance(at - self.seen[0][0])

    def _advance(self, until):
        if until >= (self._count + 1) / 2:
            begin = self._count / 2
            self._news.put(judged(self._count, begin, until, final=False))
            self._news.put(judged(self._count, begin, (self._count + 1) / 2))
            self._count += 1

    def close(self):
        self.closed += 1
        self._news.put(None)

    def events(self):
        info = SourceInfo("", "", 0.0, bool(self.audio_rate), self.camera)
        yield StreamOpened(info, ModelInfo("lddu-base-en", "1.0.0", ("happy",), False), {})
        if self.fails:
            raise self.fails
        while (event := self._news.get(timeout=10)) is not None:
            yield event
        last = judged(self._count, self._count / 2, self._count / 2 + 0.2)
        yield UnitClosed(last.prediction.utterance)
        yield last
        people = (Person("p1", None, 1.0, 1.0),)
        provenance = Provenance("2026-01-01T00:00:00+00:00", {}, {}, {})
        yield StreamEnded(provenance, people, (), self._count / 2 + 0.2)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass


class FakePipeline:
    def __init__(self):
        self.settings = None
        self.session = None
        self.fails = None

    def load(self, model, *, settings, **options):
        self.settings = settings
        return self

    def live(self, **options):
        self.session = FakeLive(**options)
        self.session.fails = self.fails
        return self.session


@pytest.fixture
def pipeline(monkeypatch):
    fake = FakePipeline()
    monkeypatch.setattr(loading, "load_pipeline", fake.load)
    monkeypatch.setattr(loading, "warn_of", lambda model: None)
    return fake


def run(*arguments):
    return CliRunner().invoke(main, ["live", *map(str, arguments)])


@contextmanager
def standard_input(monkeypatch, content: bytes, pieces=1, pause=0.0):
    """Let `content` come through a pipe."""
    reader, writer = os.pipe()

    def write():
        size = len(content) // pieces + 1
        with os.fdopen(writer, "wb", buffering=0) as pipe:
            for first in range(0, len(content), size):
                try:
                    pipe.write(content[first : first + size])
                except BrokenPipeError:
                    return
                time.sleep(pause)

    thread = threading.Thread(target=write)
    monkeypatch.setattr(live, "_STANDARD_INPUT", reader)
    thread.start()
    try:
        yield
    finally:
        os.close(reader)
        thread.join()


@pytest.fixture(scope="session")
def stream(clip, tmp_path_factory):
    """2 s of moving pictures and a tone, as a stream."""
    path = tmp_path_factory.mktemp("stream") / "clip.mkv"
    ffmpeg("-i", clip, "-c", "copy", path)
    return path


@pytest.fixture
def stand_ins(monkeypatch):
    """A camera and a microphone that are always there."""
    there = (
        Device("camera", "lavfi", "testsrc2=s=64x48:r=30", "Test picture", True),
        Device("microphone", "lavfi", "sine", "Test tone", True),
    )
    known = frozenset({"lavfi", "v4l2"})
    listing = Listing(there, {"camera": (), "microphone": ()}, known)
    monkeypatch.setattr(devices, "list_devices", lambda: listing)


def test_a_stream_becomes_a_line_an_utterance_and_whole_files(
    pipeline, stream, tmp_path, monkeypatch
):
    out = tmp_path / "new" / "session.json"
    with standard_input(monkeypatch, stream.read_bytes()):
        result = run("-", "-o", out, "-f", "srt,eaf", "--people", "2")
    assert (result.exit_code, result.exception) == (0, None)
    assert result.stdout.splitlines()[:2] == [
        "0:00.0 – 0:00.5  What news!  [happy 81 %]",
        "0:00.5 – 0:01.0  What news!  [happy 81 %]",
    ]
    session = pipeline.session
    assert (session.audio_rate, session.camera, session.closed) == (16_000, True, 1)
    assert pipeline.settings.people == 2
    assert len(session.seen) == 20
    assert abs(sum(len(part) for _, part in session.heard) / 16_000 - 2) < 0.1
    annotation = Annotation.load(out)
    assert [item.id for item in annotation.utterances] == ["0000", "0001", "0002", "0003", "0004"]
    assert annotation.media.duration == annotation.utterances[-1].end
    written = {path.name for path in out.parent.iterdir()}
    assert written == {"session.json", "session.srt", "session.eaf"}
    assert result.stderr.splitlines() == [
        f"wrote {out.with_suffix(suffix)}" for suffix in (".json", ".srt", ".eaf")
    ]


def test_json_is_a_line_an_event(pipeline, stream, monkeypatch):
    with standard_input(monkeypatch, stream.read_bytes()):
        result = run("-", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    kinds = [event["type"] for event in events if event["type"] != "status"]
    assert kinds == ["opened", *["judged"] * 8, "closed", "judged", "ended"]
    running, final = events[1], events[2]
    assert (running["final"], running["utterance"]["id"]) == (False, "~0")
    assert (final["final"], final["utterance"]["text"]) == (True, "What news!")
    assert events[-1]["people"][0]["id"] == "p1"


def test_sound_or_pictures_alone(pipeline, stream, monkeypatch):
    for option, rate, camera in (("--no-camera", 16_000, False), ("--no-microphone", None, True)):
        with standard_input(monkeypatch, stream.read_bytes()):
            assert run("-", option).exit_code == 0
        assert (pipeline.session.audio_rate, pipeline.session.camera) == (rate, camera)
        assert bool(pipeline.session.heard) == (rate is not None)
        assert bool(pipeline.session.seen) == camera


def test_ctrl_c_ends_a_session_and_its_files_are_whole(pipeline, stand_ins, tmp_path, monkeypatch):
    out = tmp_path / "session.json"
    for number in (signal.SIGINT, signal.SIGTERM):
        pipeline.session = None
        asked = threading.Thread(target=_ask, args=(pipeline, number))
        asked.start()
        result = run("-o", out)
        asked.join()
        assert result.exit_code == 0
        assert result.stderr.splitlines() == [
            "finishing; press Ctrl-C again to give it up",
            f"wrote {out}",
        ]
        annotation = Annotation.load(out)
        assert len(annotation.utterances) >= 2
        assert annotation.people[0].id == "p1"
        assert pipeline.session.closed == 1
        out.unlink()


def _ask(pipeline, number):
    """Send a signal once something was judged."""
    while pipeline.session is None or pipeline.session._count < 1:
        time.sleep(0.01)
    os.kill(os.getpid(), number)


def test_ctrl_c_again_gives_it_up(pipeline, stand_ins, tmp_path, monkeypatch):
    def leave():
        raise Exit(130)

    def hang(self):
        os.kill(os.getpid(), signal.SIGINT)  # the same Ctrl-C, passed on by a parent
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(live, "leave_interrupted", leave)
    monkeypatch.setattr(feeding, "_SAME", 0.03)
    monkeypatch.setattr(FakeLive, "close", hang)  # it never ends, and a person does not wait
    asked = threading.Thread(target=lambda: _ask(pipeline, signal.SIGINT))
    asked.start()
    result = run("-o", tmp_path / "session.json")
    asked.join()
    assert result.exit_code == 130
    assert not list(tmp_path.iterdir())


def test_devices_are_found_by_their_descriptions(pipeline, stand_ins, monkeypatch):
    asked = threading.Thread(target=_ask, args=(pipeline, signal.SIGINT))
    asked.start()
    result = run("--camera", "test picture", "--no-microphone", "-q")
    asked.join()
    assert (result.exit_code, result.stderr) == (0, "")
    assert not pipeline.session.heard
    assert {image.shape for _, image in pipeline.session.seen} == {(48, 64, 3)}


def test_a_device_that_ends_leaves_what_was_seen(pipeline, stand_ins, tmp_path):
    out = tmp_path / "session"
    result = run("-o", out, "--microphone", "lavfi:sine=d=0.7")
    assert result.exit_code == 1
    assert result.stderr == (
        f"wrote {out}.json\n"
        "lddu-pipe: error: the microphone lavfi:sine=d=0.7 ended (it gives nothing more)\n"
    )
    assert len(Annotation.load(f"{out}.json").utterances) == 2


def test_no_device_no_session(pipeline, monkeypatch):
    monkeypatch.setattr(
        devices, "list_devices", lambda: Listing((), {"camera": ("v4l2: none",)}, frozenset())
    )
    result = run("--no-microphone")
    assert result.exit_code == 2
    assert result.stderr == (
        "lddu-pipe: error: no camera found (v4l2: none); connect one, or give --no-camera\n"
    )
    assert pipeline.settings is None  # nothing was loaded for it


def test_a_device_that_does_not_open(pipeline, stand_ins, tmp_path):
    result = run("--camera", "v4l2:/dev/no_such_video", "-o", tmp_path / "session.json")
    assert result.exit_code == 2
    assert result.stderr == (
        "lddu-pipe: error: the camera v4l2:/dev/no_such_video does not open: "
        "there is no such device\n"
    )
    assert not list(tmp_path.iterdir())


def test_no_media_on_standard_input(pipeline, tmp_path, monkeypatch):
    with standard_input(monkeypatch, b"Dear all,\n" * 100):
        result = run("-", "-o", tmp_path / "session.json")
    assert result.exit_code == 2
    assert result.stderr.startswith("lddu-pipe: error: standard input is no stream of media")
    assert result.stderr.count("\n") == 1
    assert pipeline.settings is None


def test_a_session_that_fails_is_one_line(pipeline, stream, monkeypatch):
    pipeline.fails = UnusableInputError("the recogniser is gone")
    with standard_input(monkeypatch, stream.read_bytes()):
        result = run("-")
    assert (result.exit_code, result.stderr) == (
        2,
        "lddu-pipe: error: the recogniser is gone\n",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("talk.mkv",), "a file: lddu-pipe annotate talk.mkv"),
        (("--no-camera", "--no-microphone"), "leave nothing to go by"),
        (("--camera", "x", "--no-camera"), "--camera and --no-camera exclude each other"),
        (("-", "--microphone", "x"), "--microphone has no place beside -"),
        (("-f", "srt"), "give -o FILE"),
        (("-o", "s.json", "-f", "mp4"), "mp4 is drawn on a video"),
        (("-o", "s.overlay.mp4"), "mp4 is drawn on a video"),
        (("-o", "s.txt"), "s.txt: no format has this suffix; -o takes .json, .jsonl"),
        (("-o", "/proc/no/s.json"), "cannot make the folder"),
    ],
)
def test_wrong_use_is_said_before_anything_is_opened(pipeline, arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert pipeline.settings is None


def test_in_a_folder_files_are_called_session(pipeline, stream, tmp_path, monkeypatch):
    with standard_input(monkeypatch, stream.read_bytes()):
        assert run("-", "-o", tmp_path, "-f", "json,srt").exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"session.json", "session.srt"}


@pytest.mark.slow
def test_every_other_format_can_be_written(pipeline, stream, tmp_path, monkeypatch):
    names = [name for name, item in FORMATS.items() if not item.of_video]
    with standard_input(monkeypatch, stream.read_bytes()):
        result = run("-", "-o", tmp_path / "s.json", "-f", ",".join(names), "-q")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} == {f"s{FORMATS[n].suffix}" for n in names}


def test_a_file_on_standard_input_goes_at_its_own_speed(pipeline, tmp_path, monkeypatch):
    ffmpeg("-f", "lavfi", "-i", "sine=d=0.9", tmp_path / "tone.wav")
    file = os.open(tmp_path / "tone.wav", os.O_RDONLY)
    monkeypatch.setattr(live, "_STANDARD_INPUT", file)
    try:
        begun = time.monotonic()
        assert run("-").exit_code == 0
        assert time.monotonic() - begun > 0.7
    finally:
        os.close(file)


def test_a_pipe_that_is_too_fast_waits(pipeline, stream, monkeypatch):
    late = []

    def hear(self, samples, at):
        late.append(self.delay)
        self.delay = 11.0 * (len(late) < 5)
        threading.Timer(0.01, setattr, (self, "delay", 0.0)).start()

    monkeypatch.setattr(FakeLive, "hear", hear)
    monkeypatch.setattr(feeding, "_WAIT", 0.001)
    with standard_input(monkeypatch, stream.read_bytes()):
        assert run("-", "--no-camera").exit_code == 0
    assert max(late) <= 10


class Terminal(StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_on_a_terminal_it_is_redrawn_in_place(pipeline, stream, monkeypatch):
    from lddu_pipe.commands.showing import ShownInPlace
    from lddu_pipe.writers.live import Pace

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "90")
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    session = FakeLive(audio_rate=16_000, camera=True)
    session.hear(np.zeros(16_000, np.float32), 0.0)
    session.close()
    show = ShownInPlace("microphone pulse:default", lambda: Pace(0.3, 0.04))
    kept = list(show(session.events()))
    show.finish()
    drawn = screen.getvalue()
    assert isinstance(kept[-1], StreamEnded)
    assert "What news!" in drawn
    assert "4 % of pictures dropped" in drawn
    assert "\x1b[?25l" in drawn  # the cursor is away meanwhile
    assert drawn.rindex("\x1b[?25h") > drawn.rindex("\x1b[?25l")
    assert "\x1b[2K" in drawn or "\x1b[1A" in drawn


def test_what_is_to_be_listed_needs_no_pipeline(stand_ins):
    assert device_commands.choose_devices(None, None, hears=True, sees=False)[0].role == (
        "microphone"
    )


@pytest.mark.slow
def test_a_real_stream_is_judged_while_it_comes(pipe, sample_video, tmp_path, monkeypatch):
    ffmpeg("-i", sample_video, "-t", "3.0", "-c", "copy", tmp_path / "sample.mkv")
    content, out = (tmp_path / "sample.mkv").read_bytes(), tmp_path / "session.json"
    monkeypatch.setattr(loading, "load_pipeline", lambda model, **options: pipe)
    with standard_input(monkeypatch, content, pieces=15, pause=0.12):
        result = run("-", "--json", "-o", out)
    assert (result.exit_code, result.stderr) == (0, f"wrote {out}\n")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert (events[0]["type"], events[-1]["type"]) == ("opened", "ended")
    running = [event for event in events if event["type"] == "judged" and not event["final"]]
    assert running
    first = Annotation.load(out).utterances[0]
    assert "happy" in first.text
    assert [score.label for score in first.present] == ["happy"]
    assert first.person == "p1"
