"""A long batch, watched: memory, open files, threads and temporary files must not grow.

``python benchmarks/soak.py MEDIA... --minutes 60`` runs ``lddu-pipe batch`` over copies of the
given files, whole ones and damaged ones in turn, with a temporary folder of its own, and looks at
the whole tree of processes every few seconds. ``--write docs/performance.md --picture
docs/soak.svg`` writes the table, and the curves as a picture.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
import psutil
from processes import tree

from report import machine, table, write_section

PERIOD = 2.0  # s between looks
SLICES = 5  # of the time, in the table


@dataclass(frozen=True)
class Look:
    """One look at a tree of processes."""

    moment: float
    memory: float
    files: int
    threads: int
    processes: int
    temporary: int
    done: int


def lay_out(media: list[Path], folder: Path, count: int) -> None:
    """Copies of the media; every fifth is cut off in the middle."""
    for index in range(count):
        source = media[index % len(media)]
        target = folder / f"{index:05}{source.suffix}"
        if index % 5 == 4:
            content = source.read_bytes()
            target.write_bytes(content[: len(content) // 2])
        else:
            os.link(source, target)


def look(batch: psutil.Process, begun: float, temporary: Path, output: Path) -> Look:
    memory = files = threads = processes = 0
    for process in tree(batch):
        try:
            with process.oneshot():
                memory += process.memory_info().rss
                files += process.num_fds()
                threads += process.num_threads()
                processes += 1
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return Look(
        time.monotonic() - begun,
        memory / 1e6,
        files,
        threads,
        processes,
        sum(len(found) for _, _, found in os.walk(temporary)),
        sum(1 for _ in output.rglob("*.json")),
    )


def draw(looks: list[Look], picture: Path) -> None:
    """A small curve for each thing that could grow."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "lddu-pipe"  # the same figures, the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 4, figsize=(10, 2.4), layout="constrained")
    minutes = [one.moment / 60 for one in looks]
    for axis, name, title in zip(
        axes,
        ("memory", "files", "threads", "temporary"),
        ("memory, MB", "open files", "threads", "temporary files"),
        strict=True,
    ):
        axis.plot(minutes, [getattr(one, name) for one in looks], linewidth=0.7)
        axis.set(title=title, xlabel="minutes", ylim=(0, None))
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, metadata={"Date": None})


def measure(media: list[Path], minutes: float, count: int, picture: Path | None) -> str:
    """The table of figures."""
    looks = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, output, temporary = (folder / part for part in ("in", "out", "tmp"))
        for part in (inputs, output, temporary):
            part.mkdir()
        copies = [folder / path.name for path in media]
        for path, copy in zip(media, copies, strict=True):
            copy.write_bytes(path.read_bytes())
        lay_out(copies, inputs, count)
        command = [sys.executable, "-m", "lddu_pipe.cli", "batch", inputs, "-o", output]
        with subprocess.Popen(
            [*map(str, command), "--workers", "1", "--offline", "-q"],
            env=os.environ | {"TMPDIR": str(temporary)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            batch, begun = psutil.Process(process.pid), time.monotonic()
            while process.poll() is None and time.monotonic() - begun < minutes * 60:
                looks.append(look(batch, begun, temporary, output))
                time.sleep(PERIOD)
            process.send_signal(signal.SIGINT)
        left = sum(len(found) for _, _, found in os.walk(temporary))
    if picture:
        draw(looks, picture)
    # The first tenth loads models and sees each kind of file for the first time.
    settled = np.array([astuple(one) for one in looks[len(looks) // 10 :]])
    slices = np.array_split(settled, SLICES)
    header = ["minutes", *(f"{part[0, 0] / 60:.0f} to {part[-1, 0] / 60:.0f}" for part in slices)]
    rows = [
        [
            title,
            *(
                f"{np.median(part[:, column]):.0f} ({part[:, column].max():.0f})"
                for part in slices
            ),
        ]
        for column, title in enumerate(
            ("memory, MB", "open files", "threads", "processes", "temporary files"), start=1
        )
    ]
    return (
        table(header, rows)
        + f"\nMedians, and in brackets the most. {looks[-1].moment / 60:.0f} minutes, "
        f"{looks[-1].done} files annotated; {left} temporary files after the end. {machine()}\n"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("media", type=Path, nargs="+")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    result = measure(given.media, given.minutes, given.count, given.picture)
    print(result)
    if given.write:
        write_section(given.write, "soak", result)
