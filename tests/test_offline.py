"""Annotating calls nobody on the internet, on a machine that has never downloaded anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed (apt-get install strace)"
)


SENDING = "connect,sendto,sendmsg,sendmmsg"
CHANGING = (
    "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat"
)


def trace(
    command: list[str | Path],
    log: Path,
    env: dict[str, str] | None = None,
    calls: str = SENDING,
) -> subprocess.CompletedProcess[str]:
    """Run `command` in the repository's root, with the calls of all its processes in `log`."""
    options = ["-f", "-y", "-qq", "-s", "4096", "--seccomp-bpf", "-e", f"trace={calls}"]
    strace = ["strace", *options, "-o", log]
    return subprocess.run(
        [*strace, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


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


@pytest.mark.parametrize(
    "call",
    [
        "socket.socket(socket.AF_INET).connect_ex(('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 9))",
        "socket.socket(socket.AF_INET6).connect_ex(('::1', 9))",
    ],
)
def test_trace_sees_a_call_of_a_child(call: str, tmp_path: Path):
    calls = f"import socket; {call}"
    parent = f"import subprocess, sys; subprocess.check_call([sys.executable, '-c', {calls!r}])"
    result = trace([sys.executable, "-c", parent], tmp_path / "log")
    assert result.returncode == 0, result.stderr
    assert internet_calls(tmp_path / "log")


@pytest.mark.slow
def test_annotate_calls_nobody_on_the_internet(tmp_path: Path):
    command = [SCRIPT, "annotate", "examples/sample.mp4", "--json"]
    result = trace(command, tmp_path / "log", env=fresh_machine(tmp_path))
    assert result.returncode == 0, result.stderr
    utterances = json.loads(result.stdout)["utterances"]
    assert utterances
    assert all(  # every network of the pipeline ran, so each had its chance to call home
        modality["present"] for modality in utterances[0]["modalities"].values()
    )
    assert not internet_calls(tmp_path / "log")


def test_trace_sees_what_a_child_writes(tmp_path: Path):
    made = tmp_path / "made"
    calls = (
        f"import os, tempfile; os.mkdir({str(made)!r}); os.chdir({str(made)!r}); open('new', 'w');"
        f"os.rename({str(made / 'new')!r}, {str(made / 'renamed')!r}); open('renamed').read();"
        f"open('/dev/null', 'w'); tempfile.TemporaryFile(dir={str(ROOT)!r})"
    )
    parent = f"import subprocess, sys; subprocess.check_call([sys.executable, '-c', {calls!r}])"
    result = trace([sys.executable, "-c", parent], tmp_path / "log", calls=CHANGING)
    assert result.returncode == 0, result.stderr
    assert written(tmp_path / "log") == {
        *(made, made / "new", made / "renamed"),
        Path("/dev/null"),
    }


@pytest.mark.parametrize("process", ["7    ", "8234 ", "10001", "4194304"])
def test_written_reads_the_number_of_any_process(process: str, tmp_path: Path):
    (tmp_path / "log").write_text(f'{process} mkdir("/made", 0777) = 0\n')
    assert written(tmp_path / "log") == {Path("/made")}


@pytest.mark.slow
def test_annotate_writes_nowhere_but_where_it_may(tmp_path: Path):
    """Output, cache and temporary folder; and no file is left in the last."""
    temporary, output = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    output.mkdir()
    env = fresh_machine(tmp_path) | {
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(temporary),
        # A matter of how Python is set up, and not of what is annotated.
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [SCRIPT, "annotate", "examples/sample.mp4", "-f", "json,html,png,parquet"]
    log = tmp_path / "log"
    result = trace([*command, "-o", output], log, env=env, calls=CHANGING)
    assert result.returncode == 0, result.stderr
    assert {path.suffix for path in output.iterdir()} == {".json", ".html", ".png", ".parquet"}
    assert [path for path in temporary.rglob("*") if not path.is_dir()] == []
    # Who draws a picture makes matplotlib make the folder of its settings, which stays empty.
    settings = tmp_path / "home" / ".config" / "matplotlib"
    assert not settings.exists() or not list(settings.iterdir())
    places = (output, temporary, tmp_path / "cache", tmp_path / "huggingface", settings)
    elsewhere = {
        path
        for path in written(log)
        if not path.is_relative_to("/dev") and not path.is_relative_to("/proc")
        if not any(path.is_relative_to(place) for place in places)
    }
    assert elsewhere <= set(settings.parents)


@pytest.mark.slow
@pytest.mark.skipif(
    subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode != 0
    if shutil.which("unshare")
    else True,
    reason="needs to make a network namespace (root, and unshare of util-linux)",
)
def test_annotate_gives_the_same_where_there_is_no_network_at_all(tmp_path: Path):
    command = [SCRIPT, "annotate", "examples/sample.mp4", "--json", "--offline"]
    answers = []
    for apart in (["unshare", "--net"], []):
        result = subprocess.run(
            [*apart, *command],
            cwd=ROOT,
            env=fresh_machine(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        answers.append(json.loads(result.stdout)["utterances"])
    assert answers[0] == answers[1]
    assert answers[0]


def test_no_library_that_sees_faces_or_voices_can_send_usage_data():
    """onnxruntime from 1.29 on and mediapipe from 0.10.35 on can, and are not asked for."""
    collectors = (b"OneCollector", b"play.googleapis.com/log", b"google-analytics.com")
    for package in ("onnxruntime", "ctranslate2", "mediapipe"):
        folder = Path(str(distribution(package).locate_file(package)))
        libraries = [*folder.rglob("*.so"), *folder.rglob("*.so.*")]
        assert libraries or package == "ctranslate2", folder  # its library lies beside it
        for library in libraries:
            content = library.read_bytes()
            assert [name for name in collectors if name in content] == [], library


def test_should_onnxruntime_be_newer_it_is_told_to_send_nothing():
    program = "import lddu_pipe, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    told = subprocess.check_output([sys.executable, "-c", program], env=environment, text=True)
    assert told.strip() == "1"
