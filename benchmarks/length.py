"""Time and memory against the length of a video: both should be lines, the second a flat one.

``python benchmarks/length.py VIDEO SOUND --minutes 1 5 20 60`` annotates videos of these lengths,
each in a process of its own, and prints seconds a minute of video and the most memory that the
process and its children held. ``--write docs/performance.md --picture docs/memory.svg`` writes the
table, and the memory over time as a picture.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import matplotlib as mpl
import psutil
from clips import make_clip, repeat_clip
from processes import tree

from report import machine, table, write_section

PERIOD = 0.25  # s between looks at the memory


def held() -> int:
    """Bytes that this process and its children hold; what they share counts once each."""
    total = 0
    for process in tree(psutil.Process()):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def annotate(clip: Path, warm: Path) -> None:
    """Annotate a clip in this process; print the seconds, and (moment, bytes) on the way."""
    from lddu_pipe import EmotionPipeline

    pipeline = EmotionPipeline.from_pretrained(device="cpu", offline=True)
    pipeline(warm)
    curve: list[tuple[float, int]] = []
    done = threading.Event()
    begun = time.perf_counter()

    def watch() -> None:
        while not done.is_set():
            curve.append((time.perf_counter() - begun, held()))
            done.wait(PERIOD)

    watcher = threading.Thread(target=watch)
    watcher.start()
    annotation = pipeline(clip)
    seconds = time.perf_counter() - begun
    done.set()
    watcher.join()
    result = {"seconds": seconds, "utterances": len(annotation.utterances), "curve": curve}
    print(json.dumps(result))


def draw(curves: dict[float, list[tuple[float, int]]], picture: Path) -> None:
    """Memory over the share of the work that is done, a line a length."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "lddu-pipe"  # the same figures, the same file
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    for minutes, curve in curves.items():
        end = curve[-1][0]
        axes.plot(
            [moment / end for moment, _ in curve],
            [size / 1e6 for _, size in curve],
            label=f"{minutes:g} min",
        )
    axes.set(xlabel="share of the work", ylabel="MB, with children", ylim=(0, None), xlim=(0, 1))
    axes.legend(title="video", frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, metadata={"Date": None})


def measure(video: Path, sound: Path, lengths: list[float], picture: Path | None) -> str:
    """The table of figures."""
    rows = []
    curves = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        minute = make_clip(video, sound, 60.0, folder / "minute.mp4")
        warm = make_clip(video, sound, 3.0, folder / "warm.mp4")
        for minutes in lengths:
            clip = repeat_clip(minute, round(minutes), folder / "long.mp4")
            run = subprocess.run(
                [sys.executable, __file__, "--inside", str(clip), str(warm)],
                check=True,
                stdout=subprocess.PIPE,
            )
            found = json.loads(run.stdout)
            curves[minutes] = found["curve"]
            peak = max(size for _, size in found["curve"])
            rows.append((minutes, found["seconds"], peak, found["utterances"]))
            print(f"{minutes:g} min: {found['seconds']:.1f} s, {peak / 1e6:.0f} MB", flush=True)
    base = next((row for row in rows if row[0] >= 5), rows[0])
    lines = [
        [
            f"{minutes:g} min",
            f"{seconds / minutes:.2f} s",
            f"{seconds / minutes / (base[1] / base[0]):.2f}",
            f"{peak / 1e6:.0f} MB",
            f"{peak / base[2]:.2f}",
            count,
        ]
        for minutes, seconds, peak, count in rows
    ]
    if picture:
        draw(curves, picture)
    reference = f"of that at {base[0]:g} min"
    header = ["video", "time a minute", reference, "most memory", reference, "utterances"]
    return table(header, lines) + f"\n{machine()}\n"


if __name__ == "__main__":
    if sys.argv[1] == "--inside":
        annotate(Path(sys.argv[2]), Path(sys.argv[3]))
        sys.exit()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video", type=Path)
    parser.add_argument("sound", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 5.0, 20.0, 60.0])
    parser.add_argument("--write", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    result = measure(given.video, given.sound, given.minutes, given.picture)
    print(result)
    if given.write:
        write_section(given.write, "length", result)
