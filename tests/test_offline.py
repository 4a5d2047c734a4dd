"""Annotating calls nobody on the internet, on a machine that has never downloaded anything."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = Path(sysconfig.get_path("scripts")) / "lddu-pipe"

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed (apt-get install strace)"
)


def trace(
    command: list[str | Path], log: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `command` in the repository's root, with what all its processes send in `log`."""
    calls = "trace=connect,sendto,sendmsg,sendmmsg"
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", log]
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
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {calls!r}])"
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
