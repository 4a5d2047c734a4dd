"""A process of other software for benchmarks/comparison.py: it answers requests, as JSON.

Usage: PYTHON benchmarks/rivals.py NAME, PYTHON being that of an environment that holds NAME:
fer or opensmile. Nothing of lddu-pipe is imported, since their dependencies shut each other out.
Each line of stdin is a request with the arguments of a function below; each line of stdout is
what it returned, with `seconds`, the time it took without loading models or data.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

Answer = dict[str, Any]


def fer_requests() -> dict[str, Callable[..., Answer]]:
    import cv2
    from fer.fer import FER

    # No margin: the pictures of FER+ are cut to the face already, as its network was trained.
    detectors = {
        "lite": FER(offsets=(0, 0)),
        "keras": FER(offsets=(0, 0), use_tflite=False),
        "frames": FER(),
    }

    def faces(path: str, detector: str) -> Answer:
        """Emotions of grey pictures of faces, (faces, height, width) uint8, one call each."""
        pictures = [cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR) for picture in np.load(path)]
        box = [(0, 0, pictures[0].shape[1], pictures[0].shape[0])]
        begun = time.perf_counter()
        found = [detectors[detector].detect_emotions(picture, box) for picture in pictures]
        seconds = time.perf_counter() - begun
        return {"seconds": seconds, "emotions": [scores[0]["emotions"] for scores in found]}

    def frames(path: str) -> Answer:
        """Faces, found by its default detector, of (frames, height, width, 3) uint8 RGB."""
        pictures = [np.ascontiguousarray(picture[..., ::-1]) for picture in np.load(path)]
        begun = time.perf_counter()
        found = [detectors["frames"].detect_emotions(picture) for picture in pictures]
        return {
            "seconds": time.perf_counter() - begun,
            "with_face": sum(bool(faces) for faces in found),
        }

    return {"faces": faces, "frames": frames}


def opensmile_requests() -> dict[str, Callable[..., Answer]]:
    import opensmile

    levels = {
        "functionals": opensmile.FeatureLevel.Functionals,
        "frames": opensmile.FeatureLevel.LowLevelDescriptors,
    }
    readers = {
        name: opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, level)
        for name, level in levels.items()
    }

    def sound(paths: list[str], level: str, sample_rate: int) -> Answer:
        """Features of (samples,) float32 sounds; `functionals` are returned."""
        waveforms = [np.load(path) for path in paths]
        begun = time.perf_counter()
        found = [readers[level].process_signal(sound, sample_rate) for sound in waveforms]
        answer: Answer = {"seconds": time.perf_counter() - begun}
        if level == "functionals":
            answer["features"] = [table.to_numpy()[0].tolist() for table in found]
        return answer

    return {"sound": sound}


REQUESTS = {"fer": fer_requests, "opensmile": opensmile_requests}


def main() -> None:
    # Libraries print where they like: answers go to what stdout was, all else to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    known = REQUESTS[sys.argv[1]]()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(known[request.pop("do")](**request)), file=answers, flush=True)


if __name__ == "__main__":
    main()
