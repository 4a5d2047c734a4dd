"""Annotating opens no internet socket, on a machine that has never downloaded anything."""

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
    """Run `command` in the repository's root, with the sockets of all its processes in `log`."""
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=socket,connect", "-o", log]
    return subprocess.run(
        [*strace, *command], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


def internet_calls(log: Path) -> list[str]:
    """The lines of a trace that open or connect an internet socket."""
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


@pytest.mark.parametrize("family", ["AF_INET", "AF_INET6"])
def test_trace_sees_a_socket_of_a_child(family: str, tmp_path: Path):
    opens = f"import socket; socket.socket(socket.{family}).close()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {opens!r}])"
    result = trace([sys.executable, "-c", parent], tmp_path / "log")
    assert result.returncode == 0, result.stderr
    assert internet_calls(tmp_path / "log")


@pytest.mark.slow
def test_annotate_opens_no_internet_socket(tmp_path: Path):
    command = [SCRIPT, "annotate", "examples/sample.mp4", "--json"]
    result = trace(command, tmp_path / "log", env=fresh_machine(tmp_path))
    assert result.returncode == 0, result.stderr
    utterances = json.loads(result.stdout)["utterances"]
    assert utterances
    assert all(  # every network of the pipeline ran, so each had its chance to call home
        modality["present"] for modality in utterances[0]["modalities"].values()
    )
    assert not internet_calls(tmp_path / "log")
