"""The same file gives the same answer: to the byte, and within a tolerance on fewer threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TOLERANCE = 0.01
"""Of probabilities, between numbers of threads; docs/performance.md states it."""

pytestmark = pytest.mark.slow


def annotate(threads: int) -> str:
    """What the command prints, in a process of its own, without the moment it was made."""
    command = [sys.executable, "-m", "lddu_pipe.cli", "annotate", "examples/sample.mp4"]
    printed = subprocess.check_output(
        [*command, "--json", "--offline", "--device", "cpu"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        text=True,
    )
    lines = [line for line in printed.splitlines() if '"created"' not in line]
    assert len(lines) == len(printed.splitlines()) - 1
    return "\n".join(lines)


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


def test_another_process_gives_the_same_bytes_and_one_thread_nearly_the_same() -> None:
    first, again, alone = annotate(2), annotate(2), annotate(1)
    assert first == again

    def utterances(printed: str) -> list[dict[str, Any]]:
        without_created = printed.replace(",\n  }\n}", "\n  }\n}")
        found: list[dict[str, Any]] = json.loads(without_created)["utterances"]
        return found

    one, other = utterances(first), utterances(alone)
    assert [item["text"] for item in one] == [item["text"] for item in other]
    assert [item["modalities"] for item in one] == [item["modalities"] for item in other]
    distance = max(abs(a - b) for a, b in zip(numbers(one), numbers(other), strict=True))
    print(f"largest difference between one thread and two: {distance:.1e}")
    assert distance <= TOLERANCE
