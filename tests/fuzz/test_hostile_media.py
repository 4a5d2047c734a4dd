"""Whatever a file holds, it ends in an annotation or in one line, and touches nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = "forbidden-001"
TRACE = (
    *("strace", "-f", "-qq", "--seccomp-bpf", "-s", "400"),
    *("-e", "trace=open,openat,connect,sendto,sendmsg,sendmmsg"),
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("hostile media")]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the annotating process and its children opened and sent; absent without strace."""
    return tmp_path_factory.mktemp("hostile") / "log"


@pytest.fixture(scope="module")
def report(log: Path) -> str:
    """What the script says, from one process that loads the models once, traced if it can be."""
    trace = [*TRACE, "-o", str(log)] if shutil.which("strace") else []
    # The share is of the files that chance has damaged.
    command = [sys.executable, "-m", "tests.fuzz.annotate", "--share", "0.2", "--workers", "1"]
    done = subprocess.run(
        [*trace, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_hostile_files_end_in_an_annotation_or_one_line(report: str) -> None:
    print(report)
    counts = [int(line.split()[-1]) for line in report.splitlines() if re.search(r"\d$", line)]
    assert sum(counts) >= 450
    assert "annotated" in report
    assert "BAD" not in report


def test_files_that_name_others_open_none_and_call_nobody(report: str, log: Path) -> None:
    if not log.exists():
        pytest.skip("strace is not installed (apt-get install strace)")
    assert "playlist" in report
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    # The corpus is made in the trace, and writes the files that nobody may read.
    touched = [line for line in lines if FORBIDDEN in line]
    assert any("O_CREAT" in line for line in touched)
    assert [line for line in touched if "O_CREAT" not in line] == []
    assert any("list.m3u8" in line for line in lines)
    assert [line for line in lines if re.search(r"\bAF_INET6?\b", line)] == []
