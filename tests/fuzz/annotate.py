"""Annotate every hostile file as the command line does, and say how each ended.

From the root of the repository:

    python -m tests.fuzz.annotate --seed 0 --workers 2

prints counts by kind and outcome, and each case that ended in no allowed way. Exit code 1 where
there is one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

LIMIT = 120.0
"""Seconds a case may take; some last an hour, and the machine may be busy."""


class Overtime(BaseException):
    """Not an Exception, so that nothing takes it for a fault of a file."""


class Recorded:
    """A pipeline that keeps what it raised, which the command line then puts into words."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline, self.error = pipeline, None

    def stream(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        """What the pipeline gives."""
        self.error = None
        try:
            yield from self.pipeline.stream(*arguments, **options)
        except Exception as error:
            self.error = error
            raise


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path below a folder with its size and time of change."""
    found = {}
    for path in folder.rglob("*"):
        state = path.lstat()
        found[str(path)] = (state.st_size, state.st_mtime_ns)
    return found


def judge(name: str, pipeline: Recorded) -> tuple[str, str]:
    """Annotate a file in the working directory; return the outcome and, if bad, what is wrong."""
    from click.testing import CliRunner

    from lddu_pipe.annotation import Annotation
    from lddu_pipe.cli import main
    from lddu_pipe.errors import LdduPipeError

    pipeline.error = None
    result = CliRunner().invoke(main, ["annotate", "--json", "--offline", "--", name])
    lines = result.stderr.splitlines()
    errors = [line for line in lines if line.startswith("lddu-pipe: error:")]
    everything = result.stdout + result.stderr
    if "Traceback" in everything or "unexpected error" in everything:
        return "BAD", f"unexpected: {result.stderr[-300:]!r}"
    if any(not line.startswith("lddu-pipe: ") for line in lines):
        return "BAD", f"foreign words: {result.stderr[-300:]!r}"
    if result.exit_code == 0:
        if errors:
            return "BAD", f"done with an error: {errors}"
        annotation = Annotation.from_json(result.stdout, name)
        if json.loads(result.stdout) != annotation.to_dict():
            return "BAD", "the JSON does not come back the same"
        problem = _senseless(annotation)
        return ("BAD", problem) if problem else ("annotated", "")
    if result.exit_code != 2 or len(errors) != 1 or result.stdout:
        return "BAD", f"exit code {result.exit_code}: {result.stderr!r} {result.exception!r}"
    if pipeline.error is not None:
        if not isinstance(pipeline.error, LdduPipeError):
            return "BAD", repr(pipeline.error)
        if len(str(pipeline.error).splitlines()) != 1:
            return "BAD", f"not one line: {str(pipeline.error)!r}"
    return "refused", errors[0]


def _senseless(annotation: Any) -> str:
    for item in annotation.utterances:
        if not 0 <= item.start <= item.end:
            return f"an utterance from {item.start} to {item.end}"
        for score in item.emotions:
            uncertainty = (score.uncertainty.aleatoric, score.uncertainty.epistemic)
            if not all(math.isfinite(v) for v in (score.probability, *uncertainty)):
                return f"not a number: {score}"
    return ""


def work(root: Path, seed: int, share: float, kinds: list[str], part: int, parts: int) -> None:
    """Do every `parts`-th case and print a line of JSON for each."""
    from tests.fuzz.corpus import cases

    scratch = root / "scratch"
    scratch.mkdir(parents=True)
    tempfile.tempdir = str(scratch)
    chosen = [
        case for case in cases(root / "seeds", seed, share) if not kinds or case.kind in kinds
    ][part::parts]
    from lddu_pipe.commands import loading
    from lddu_pipe.pipelines.annotate import EmotionPipeline
    from lddu_pipe.pipelines.settings import PipelineSettings

    # What else hears languages gets the same sound, in a quarter of a second more each.
    settings = PipelineSettings(fps=2.0, passes=4, language="en")
    pipeline = Recorded(
        EmotionPipeline.from_pretrained(device="cpu", offline=True, settings=settings)
    )
    loading.load_pipeline = lambda *arguments, **options: pipeline  # type: ignore[assignment]

    def overtime(number: int, frame: FrameType | None) -> None:
        raise Overtime

    signal.signal(signal.SIGALRM, overtime)
    for case in chosen:
        place = root / "cases" / re.sub(r"[^\w.-]", "_", case.name)
        place.mkdir(parents=True)
        name = os.fspath(case.make(place))
        before = contents(place), contents(scratch)
        os.chdir(place)
        begun = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, LIMIT)
        try:
            outcome, reason = judge(name, pipeline)
        except Overtime:
            outcome, reason = "BAD", f"more than {LIMIT:.0f} s"
        except Exception as error:
            outcome, reason = "BAD", f"{type(error).__name__}: {error}"
        signal.setitimer(signal.ITIMER_REAL, 0)
        seconds = time.monotonic() - begun
        os.chdir(root)
        if (contents(place), contents(scratch)) != before:
            outcome, reason = "BAD", f"files changed: {sorted(contents(scratch))} {reason}"
        line = {"kind": case.kind, "name": case.name, "outcome": outcome, "reason": reason}
        print(json.dumps({**line, "seconds": round(seconds, 2)}), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of what chance has damaged")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", action="append", default=[], help="only this one; repeatable")
    parser.add_argument("--part", type=int, help="be the worker of this number")
    parser.add_argument("--folder", type=Path, help="for what is made; a temporary one else")
    options = parser.parse_args()
    if options.part is not None:
        root = options.folder.resolve() / str(options.part)
        work(root, options.seed, options.share, options.kind, options.part, options.workers)
        return 0
    with contextlib.ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ours = [sys.executable, "-m", "tests.fuzz.annotate", *sys.argv[1:], "--folder", folder]
        workers = [
            subprocess.Popen(
                [*map(str, ours), "--part", str(part)],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            for part in range(options.workers)
        ]
        results: list[dict[str, Any]] = []
        for worker in workers:
            assert worker.stdout is not None
            results += [json.loads(line) for line in worker.stdout]
        codes = [worker.wait() for worker in workers]
    return report(results, codes)


def report(results: list[dict[str, Any]], codes: list[int]) -> int:
    """Print counts, the slowest cases and the bad ones; return the exit code."""
    counts = Counter((item["kind"], item["outcome"]) for item in results)
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind:18}{outcome:12}{count:5}")
    totals = Counter(item["outcome"] for item in results)
    print("all: " + ", ".join(f"{count} {name}" for name, count in sorted(totals.items())))
    slowest = sorted(results, key=lambda item: -item["seconds"])[:5]
    print("slowest: " + ", ".join(f"{item['name']} {item['seconds']} s" for item in slowest))
    for item in results:
        if item["outcome"] == "BAD":
            print(f"BAD {item['name']}: {item['reason']}")
    if any(codes):
        print(f"BAD workers ended with {codes}")
    return 1 if totals["BAD"] or any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
