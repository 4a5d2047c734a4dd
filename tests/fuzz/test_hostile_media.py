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

pytestmark = pytest.mark.slow


def fuzz(*arguments: str | Path, before: tuple[str | Path, ...] = ()) -> str:
    """Run the script, in processes that load the models once; returns what it prints."""
    command = [*before, sys.executable, "-m", "tests.fuzz.annotate", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


def test_hostile_files_end_in_an_annotation_or_one_line() -> None:
    report = fuzz("--share", "0.4")  # of those that chance has damaged
    print(report)
    counts = [int(line.split()[-1]) for line in report.splitlines() if re.search(r"\d$", line)]
    assert sum(counts) >= 500
    assert "annotated" in report
    assert "BAD" not in report


@pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed (apt-get install strace)"
)
def test_files_that_name_others_open_none_and_call_nobody(tmp_path: Path) -> None:
    calls = "trace=open,openat,connect,sendto,sendmsg,sendmmsg"
    log = tmp_path / "log"
    report = fuzz(
        *("--kind", "playlist", "--workers", "1"),
        before=("strace", "-f", "-qq", "--seccomp-bpf", "-s", "400", "-e", calls, "-o", log),
    )
    assert "BAD" not in report
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    # The corpus is made in the trace, and writes the files that nobody may read.
    touched = [line for line in lines if FORBIDDEN in line]
    assert any("O_CREAT" in line for line in touched)
    assert [line for line in touched if "O_CREAT" not in line] == []
    assert any("list.m3u8" in line for line in lines)
    assert [line for line in lines if re.search(r"\bAF_INET6?\b", line)] == []
