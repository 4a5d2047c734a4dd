"""What a batch of short files costs beside one long file of the same length.

``python benchmarks/batch.py VIDEO`` cuts a video into pieces of several lengths, and prints the
ratio of the whole video's time to the pieces' (1 would mean that cutting costs nothing): with
models loaded, and for whole commands, loading among it. ``--files N`` then does N of the shortest
pieces one after the other and prints the worker's memory on the way. Take a video in which
somebody speaks: one that repeats itself is not recognised.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ffmpeg

from lddu_pipe.media import probe
from lddu_pipe.media.ffmpeg import find_ffmpeg
from lddu_pipe.pipelines.batch.inputs import Item
from lddu_pipe.pipelines.batch.work import Plan, Task, Worker

REPORTS = 10  # of memory


def cut(media: Path, start: float, seconds: float, target: Path) -> Path:
    """Encode a stretch of a video anew, so that it begins where it is said to."""
    (
        ffmpeg.input(str(media), ss=start, t=seconds)
        .output(str(target), preset="ultrafast")
        .run(cmd=find_ffmpeg(), quiet=True, overwrite_output=True)
    )
    return target


def do(worker: Worker, files: list[Path]) -> float:
    """Seconds that a worker takes for files."""
    begun = time.monotonic()
    for path in files:
        outcome = worker.do(Task(Item(str(path), path.name, 1, ""), path.stem))
        if outcome.kind != "done":
            raise RuntimeError(outcome.error)
    return time.monotonic() - begun


def command(*arguments: object) -> float:
    """Seconds that a command takes, from its start to its end."""
    begun = time.monotonic()
    program = [sys.executable, "-m", "lddu_pipe.cli", *map(str, arguments), "--offline", "-q"]
    subprocess.run(program, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def memory() -> float:
    """MB that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def measure(media: Path, lengths: list[float], pairs: int, files: int) -> None:
    """Print the ratios, and the memory."""
    duration = probe(media).duration
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        worker = Worker(Plan(str(folder / "out"), ("json",), device="cpu", offline=True))
        long = cut(media, 0, duration, folder / "long.mp4")
        for length in sorted(lengths, reverse=True):
            pieces = folder / f"{length:g}"
            pieces.mkdir()
            count = int(duration // length)
            short = [cut(media, i * length, length, pieces / f"{i:03}.mp4") for i in range(count)]
            share = count * length / duration  # what is left over at the end belongs to no piece
            do(worker, [long, short[0]])
            ratios = [share * do(worker, [long]) / do(worker, short) for _ in range(pairs)]
            commands = [
                share
                * command("annotate", long, "-o", folder / "a")
                / command("batch", pieces, "-o", folder / f"b{length:g}-{index}")
                for index in range(pairs)
            ]
            print(
                f"{count:3} files of {length:g} s against one of {duration:.0f} s: throughput "
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
                f"as commands {statistics.median(commands):.2f}",
                flush=True,
            )
        for index in range(files):
            do(worker, [short[index % count]])
            if (index + 1) % max(1, files // REPORTS) == 0:
                print(f"{index + 1:5} files  {memory():7.0f} MB", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("media", type=Path)
    parser.add_argument("--lengths", type=float, nargs="+", default=[5.0, 10.0, 30.0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--files", type=int, default=0)
    arguments = parser.parse_args()
    measure(arguments.media, arguments.lengths, arguments.pairs, arguments.files)
