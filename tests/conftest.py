"""What tests share: media made on the fly, one loaded pipeline, one browser, and the machine."""

from __future__ import annotations

import gc
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import av
import imageio_ffmpeg
import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)
from playwright.sync_api import Error as PlaywrightError
from scipy.io import wavfile

if TYPE_CHECKING:
    from lddu_pipe import Annotation, EmotionPipeline
    from lddu_pipe.predictions import Answers

# The processes of the tests share the cores, so each, and what it starts, computes on one. Read as
# torch is imported, so it stands before anything imports that. Tests of threads set their own.
os.environ["OMP_NUM_THREADS"] = "1"
# What a shell runs in the background ignores Ctrl-C, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)
gc.set_threshold(50_000, 20, 20)  # what is imported stays; looking through it takes half a minute

ROOT = Path(__file__).resolve().parents[1]
SHARED = Path(os.environ.get("LDDU_PIPE_SHARED", ROOT.parent / "shared"))

BROWSERS = ("chromium-headless-shell", "chromium", "google-chrome")
"""The first that is there is used; the shell, which has no windows, takes the least work."""
BROWSER_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
ColorScheme = Literal["light", "dark"]
RunFfmpeg = Callable[..., None]
WriteVideo = Callable[..., Path]
WriteWav = Callable[..., Path]
RealServer = Callable[..., AbstractContextManager[tuple[str, subprocess.Popen[str]]]]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let one process run all tests that want the machine for themselves."""
    if item.get_closest_marker("alone"):
        item.add_marker(pytest.mark.xdist_group("alone"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let those tests come last, and what takes long first, whatever the order of the others."""

    def turn(item: pytest.Item) -> int:
        marks = {mark.name for mark in item.iter_markers()}
        return 3 if "alone" in marks else 0 if "xdist_group" in marks else 2 - ("slow" in marks)

    items.sort(key=turn)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hold the other processes while a test runs that is marked ``alone``.

    Each process has a lock, which it keeps while it runs a test; such a test waits for the locks
    of all. One process runs all of those, so that no two can wait for each other.
    """
    worker = getattr(item.config, "workerinput", None)  # of pytest-xdist; None in one process
    with ExitStack() as held:
        if worker is not None:
            alone = item.get_closest_marker("alone")
            everybody = [f"gw{number}" for number in range(worker["workercount"])]
            folder = Path(item.config.option.basetemp).parent  # the one that they share
            for name in everybody if alone else [worker["workerid"]]:
                held.enter_context(FileLock(folder / f"{name}.lock"))
        return (yield)


@pytest.fixture(scope="session")
def shared_media() -> Path:
    """The folder of real clips; skips the test where it is absent."""
    folder = SHARED / "data" / "media"
    if not folder.is_dir():
        pytest.skip(f"no real clips in {folder}; set LDDU_PIPE_SHARED")
    return folder


@pytest.fixture(scope="session")
def pipe() -> EmotionPipeline:
    """The default model, loaded once a process; tests leave it as it is."""
    from lddu_pipe import EmotionPipeline

    return EmotionPipeline.from_pretrained(device="cpu", offline=True)


@pytest.fixture(scope="session")
def sample(pipe: EmotionPipeline, sample_video: Path) -> Annotation:
    """The annotation of the example that ships."""
    return pipe(sample_video)


@pytest.fixture(scope="session")
def make_answers() -> Callable[..., Answers]:
    """Answers of a model that is the better the larger `skill` is, to the same rows."""
    from lddu_pipe.predictions import Answers

    def make(
        rows: int = 120, skill: float = 0.4, speakers: int | None = 12, **changes: Any
    ) -> Answers:
        random = np.random.default_rng(3)
        truth = random.random((rows, 3)) < (0.5, 0.25, 0.1)
        noise = random.random((rows, 3))
        probabilities = skill * truth + (1 - skill) * noise
        values: dict[str, Any] = {
            "model": f"made-up {skill}",
            "protocol": "validation-selected",
            "labels": ("happy", "sad", "fear"),
            "ids": tuple(f"{index:04}" for index in range(rows)),
            "splits": ("test",) * rows,
            "speakers": tuple(speakers and f"speaker {i % speakers}" for i in range(rows)),
            "truth": truth,
            "probabilities": probabilities,
            "decisions": probabilities > 0.5,
            "abstained": noise[:, 0] > 0.9,
            "uncertainty": {"aleatoric": noise / 2, "epistemic": noise / 10},
            "present": np.tile([True, False, True], (rows, 1)),
        }
        return Answers(**values | changes)

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium on PATH (on Debian: apt-get install chromium-headless-shell)")
    expect.set_options(timeout=60_000)  # a page's default timeout does not reach it
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=BROWSER_FLAGS)
        yield browser
        browser.close()


class Tabs:
    """A page of the browser without a network, and one with it, that one test after another uses.

    Chromium keeps the scripts of a page that it has shown before, which are most of the second and
    a half that the viewer takes in a page of its own.
    """

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._pages: dict[bool, Page] = {}

    def take(
        self, viewport: ViewportSize, color_scheme: ColorScheme | None, *, offline: bool
    ) -> Page:
        if offline not in self._pages:
            self._pages[offline] = self._browser.new_context(offline=offline).new_page()
        page = self._pages[offline]
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=color_scheme or "light")
        return page

    def clean(self) -> None:
        """Leave nothing to the next test; a page that will not be left is closed."""
        for offline, page in list(self._pages.items()):
            try:
                page.unroute_all(behavior="ignoreErrors")
                if page.url != "about:blank":
                    page.evaluate("localStorage.clear(); sessionStorage.clear()")
                    page.goto("about:blank")
            except PlaywrightError:
                page.context.close()
                del self._pages[offline]


@pytest.fixture(scope="session")
def tabs(browser: Browser) -> Tabs:
    """Those of this process, for `open_tab`."""
    return Tabs(browser)


OpenTab = Callable[..., Page]


@pytest.fixture
def open_tab(browser: Browser, tabs: Tabs) -> Iterator[OpenTab]:
    """Opens blank pages, and notes what they complain of and what they ask for.

    The first is one of the process's own; further ones, and those with other options, are new.
    """
    contexts: list[BrowserContext] = []
    watched: list[tuple[Page, dict[Any, Callable[[Any], None]]]] = []

    def open_tab(
        viewport: ViewportSize,
        problems: list[str],
        requests: list[str] | None = None,
        *,
        color_scheme: ColorScheme | None = None,
        offline: bool = False,
        **options: Any,
    ) -> Page:
        if options or watched:
            contexts.append(
                browser.new_context(
                    viewport=viewport, color_scheme=color_scheme, offline=offline, **options
                )
            )
            page = contexts[-1].new_page()
        else:
            page = tabs.take(viewport, color_scheme, offline=offline)
        told: dict[Any, Callable[[Any], None]] = {
            "console": lambda message: problems.append(message.text),
            "pageerror": lambda error: problems.append(str(error)),
            "request": lambda request: (requests if requests is not None else []).append(
                request.url
            ),
        }
        for event, note in told.items():
            page.on(event, note)
        watched.append((page, told))
        return page

    yield open_tab
    for page, told in watched:
        for event, note in told.items():
            page.remove_listener(event, note)
    tabs.clean()
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def sample_video() -> Path:
    """The example that ships: a face and a voice."""
    return ROOT / "examples" / "sample.mp4"


@pytest.fixture(scope="session")
def run_ffmpeg() -> RunFfmpeg:
    """Run ffmpeg with the given arguments; fails loudly.

    Always the packaged one, which knows options that another may lack.
    """

    def run(*arguments: str | Path) -> None:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        command = [program, "-nostdin", "-v", "error", "-y", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    return run


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, run_ffmpeg: RunFfmpeg) -> Path:
    """2 s of moving picture, 64 x 48 at 25 fps, with a tone: H.264 and AAC in MP4."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    run_ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=64x48:d=2:r=25", "-f", "lavfi", "-i", "sine=d=2"),
        *("-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart", path),
    )
    return path


@pytest.fixture(scope="session")
def write_video() -> WriteVideo:
    """Write (H, W, 3) uint8 RGB images shown at given times, seconds to the millisecond."""

    def write(
        path: Path,
        images: Sequence[NDArray[np.uint8]],
        times: Sequence[float],
        codec: str = "ffv1",
    ) -> Path:
        unit = Fraction(1, 1000)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=1000)
            stream.height, stream.width = images[0].shape[:2]
            stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
            stream.codec_context.time_base = unit
            for image, time in zip(images, times, strict=True):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = round(time * 1000), unit
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def write_wav() -> WriteWav:
    """Write (samples,) or (samples, channels) float32 sound as WAV."""

    def write(path: Path, sound: NDArray[np.float32], sample_rate: int = 16_000) -> Path:
        wavfile.write(path, sample_rate, sound)
        return path

    return write


@pytest.fixture(scope="session")
def states() -> Callable[[Path], dict[str, str]]:
    """Reads the state of each item of a batch, by name; nothing before there is a ledger."""

    def read(out: Path) -> dict[str, str]:
        if not (out / "ledger.sqlite").exists():
            return {}
        database = sqlite3.connect(out / "ledger.sqlite")
        try:
            return dict(database.execute("SELECT name, state FROM items ORDER BY name").fetchall())
        except sqlite3.OperationalError:  # its tables are on their way
            return {}
        finally:
            database.close()

    return read


@pytest.fixture(scope="session")
def real_server() -> RealServer:
    """``lddu-pipe serve`` with its model in a process of its own."""

    @contextmanager
    def serve(data: Path, *arguments: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
        """The address and the process of a server, which is ended by Ctrl-C."""
        command = [sys.executable, "-m", "lddu_pipe.cli", "serve", "--offline", "--port", "0"]
        environment = {key: value for key, value in os.environ.items() if key != "LDDU_PIPE_TOKEN"}
        with subprocess.Popen(
            [*command, "--data", data, *arguments],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            try:
                assert process.stderr is not None
                line = process.stderr.readline()
                found = re.match(r"listening at (http://127\.0\.0\.1:\d+);", line)
                assert found is not None
                yield found[1], process
            finally:
                process.send_signal(signal.SIGINT)
                try:
                    assert process.wait(30) == 130
                finally:
                    process.kill()

    return serve
