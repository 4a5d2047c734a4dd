"""``lddu-pipe annotate examples/sample.mp4`` on a machine that has never downloaded anything.

Two runs in processes of their own serve all that is to be seen of the command from outside: one is
traced, and one has no network; they are the same otherwise.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lddu_pipe import Annotation

ROOT = Path(__file__).parents[1]
SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"
SAMPLE = "examples/sample.mp4"
TOLERANCE = 0.01
"""Of probabilities, between numbers of threads; docs/performance.md states it."""

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sample")]
traced_only = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed (apt-get install strace)"
)

SENDING = "connect,sendto,sendmsg,sendmmsg"
CHANGING = (
    "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
)


def tracer(log: Path, calls: str) -> tuple[str | Path, ...]:
    """What stands before a command to have the calls of all its processes in `log`."""
    options = ("-f", "-y", "-qq", "-s", "4096", "--seccomp-bpf", "-e", f"trace={calls}")
    return ("strace", *options, "-o", log)


def trace(program: str, log: Path) -> None:
    """Run lines of Python in a child of a child that is traced."""
    parent = f"import subprocess, sys; subprocess.check_call([sys.executable, '-c', {program!r}])"
    command = [*tracer(log, f"{SENDING},{CHANGING}"), sys.executable, "-c", parent]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def internet_calls(log: Path) -> list[str]:
    """The lines of a trace that connect or send to an internet address.

    A socket alone is no call: urllib3, where something brings it, makes one as it is imported, to
    see whether the machine knows IPv6.
    """
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if re.search(r"\bAF_INET6?\b", line)]


def written(log: Path) -> set[Path]:
    """The paths that a trace makes, or opens to write; not files that have no name."""
    found = set()
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        call = re.match(r"\d+ +(\w+)\((.*)", line)  # short process numbers are padded
        if call is None or re.search(r"\) = -1 \w+", line):
            continue
        name, arguments = call.groups()
        if name.startswith("open") and (
            "O_TMPFILE" in arguments or not re.search(r"O_(WRONLY|RDWR|CREAT)", arguments)
        ):
            continue
        folder = re.match(r"(?:AT_FDCWD|\d+)<([^>]*)>", arguments)
        paths = re.findall(r'"((?:[^"\\]|\\.)*)"', arguments)
        found.update(Path(folder[1] if folder else ROOT) / path for path in paths[-1:])
    return found


def fresh_machine(home: Path) -> dict[str, str]:
    """This environment with empty caches and without a word on being offline."""
    offline = {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"}
    kept = {name: value for name, value in os.environ.items() if name not in offline}
    return kept | {
        "HF_HOME": str(home / "huggingface"),
        "HF_HUB_CACHE": str(home / "huggingface" / "hub"),
        "XDG_CACHE_HOME": str(home / "cache"),
    }


@traced_only
@pytest.mark.parametrize(
    "call",
    [
        "socket.socket(socket.AF_INET).connect_ex(('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET6).connect_ex(('::1', 9))",
    ],
)
def test_trace_sees_a_call_of_a_child(call: str, tmp_path: Path):
    trace(f"import socket; {call}", tmp_path / "log")
    assert internet_calls(tmp_path / "log")


@traced_only
def test_trace_sees_what_a_child_writes(tmp_path: Path):
    made = tmp_path / "made"
    trace(
        f"import os, tempfile; os.mkdir({str(made)!r}); os.chdir({str(made)!r}); open('new', 'w');"
        f"os.rename({str(made / 'new')!r}, {str(made / 'renamed')!r}); open('renamed').read();"
        f"open('/dev/null', 'w'); tempfile.TemporaryFile(dir={str(ROOT)!r})",
        tmp_path / "log",
    )
    assert written(tmp_path / "log") == {
        *(made, made / "new", made / "renamed"),
        Path("/dev/null"),
    }


@pytest.mark.parametrize("process", ["7    ", "8234 ", "10001", "4194304"])
def test_written_reads_the_number_of_any_process(process: str, tmp_path: Path):
    (tmp_path / "log").write_text(f'{process} mkdir("/made", 0777) = 0\n')
    assert written(tmp_path / "log") == {Path("/made")}


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    home: Path
    """Holds the folders out, tmp, home, cache and huggingface, and nothing else at first."""
    done: subprocess.CompletedProcess[str]

    @property
    def annotation(self) -> str:
        """The JSON without the line that says when it was made."""
        lines = (self.home / "out" / "sample.json").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if '"created"' not in line]
        assert len(kept) == len(lines) - 1
        return "\n".join(kept)

    @property
    def utterances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            (self.home / "out" / "sample.json").read_text(encoding="utf-8")
        )["utterances"]
        return found


def run(home: Path, *options: str, before: tuple[str | Path, ...]) -> Run:
    """Annotate the sample with two threads, where only `home` may be written to."""
    for name in ("out", "tmp"):
        (home / name).mkdir()
    environment = fresh_machine(home) | {
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "OMP_NUM_THREADS": "2",
        # A matter of how Python is set up, and not of what is annotated.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [*before, SCRIPT, "annotate", SAMPLE, "-o", home / "out", *options]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return Run(home, done)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run whose every call that sends or writes is in the file ``log``."""
    home = tmp_path_factory.mktemp("traced")
    return run(
        home,
        *("-f", "json,html,png,parquet"),
        before=tracer(home / "log", f"{SENDING},{CHANGING}"),
    )


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run in a network namespace that has no interface."""
    before = ("unshare", "--net")
    able = shutil.which("unshare") and subprocess.run([*before, "true"], check=False)
    if not able or able.returncode != 0:
        pytest.skip("needs to make a network namespace (root, and unshare of util-linux)")
    return run(tmp_path_factory.mktemp("apart"), "--offline", "--quiet", before=before)


@traced_only
def test_annotate_calls_nobody_on_the_internet(traced: Run):
    assert traced.utterances
    assert all(  # every network of the pipeline ran, so each had its chance to call home
        modality["present"] for modality in traced.utterances[0]["modalities"].values()
    )
    assert not internet_calls(traced.home / "log")


@traced_only
def test_annotate_writes_nowhere_but_where_it_may(traced: Run):
    """Output, cache and temporary folder; and no file is left in the last."""
    output, temporary = traced.home / "out", traced.home / "tmp"
    assert {path.suffix for path in output.iterdir()} == {".json", ".html", ".png", ".parquet"}
    assert [path for path in temporary.rglob("*") if not path.is_dir()] == []
    # Who draws a picture makes matplotlib make the folder of its settings, which stays empty.
    settings = traced.home / "home" / ".config" / "matplotlib"
    assert not settings.exists() or not list(settings.iterdir())
    caches = (traced.home / "cache", traced.home / "huggingface")
    elsewhere = {
        path
        for path in written(traced.home / "log")
        if not path.is_relative_to("/dev") and not path.is_relative_to("/proc")
        if not any(path.is_relative_to(place) for place in (output, temporary, *caches, settings))
    }
    assert elsewhere <= set(settings.parents)


@traced_only
def test_another_process_gives_the_same_bytes_where_there_is_no_network_at_all(
    traced: Run, apart: Run
):
    assert apart.utterances
    assert apart.annotation == traced.annotation


def test_one_thread_gives_nearly_the_same(apart: Run, sample: Annotation):
    def numbers(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [number for item in value.values() for number in numbers(item)]
        if isinstance(value, list):
            return [number for item in value for number in numbers(item)]
        return [float(value)] if isinstance(value, int | float) else []

    # This process has a single thread, as all that run tests.
    one, other = json.loads(sample.to_json())["utterances"], apart.utterances
    assert [item["text"] for item in one] == [item["text"] for item in other]
    assert [item["modalities"] for item in one] == [item["modalities"] for item in other]
    distance = max(abs(a - b) for a, b in zip(numbers(one), numbers(other), strict=True))
    print(f"largest difference between one thread and two: {distance:.1e}")
    assert distance <= TOLERANCE


def test_the_timeline_is_what_readme_shows_and_there_is_no_noise(apart: Run):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(rf"^```text\n({SAMPLE}\n.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    assert shown is not None
    # Percentages may differ by a point between machines; words, times and emotions may not.
    printed, wanted = (
        re.sub(r"(?:[━─]+)? *>?\d+ %", "%", text) for text in (apart.done.stdout, shown[1])
    )
    assert printed == wanted
    assert apart.done.stderr == ""
