"""Find landmarks on FER+ faces: blendshapes and head pose, set as at run time."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ferplus import load_faces
from lddu_pipe.assets import resolve
from lddu_pipe.extractors.faces import BLENDSHAPE_NAMES, FaceLandmarker
from lddu_pipe.extractors.vision import enlarge_crop


def extract(data: Path, output: Path) -> None:
    """Write ``landmarks_{split}.npz``: values (faces, 55) and found (faces,) bool."""
    with FaceLandmarker(resolve("face-landmarker"), video=False) as landmarker:
        for split in ("valid", "train"):
            images = load_faces(data / "vision" / f"ferplus_{split}.npz").images
            values = np.zeros((len(images), len(BLENDSHAPE_NAMES) + 3), np.float32)
            found = np.zeros(len(images), np.bool_)
            for index, image in enumerate(images):
                for face in landmarker.detect(enlarge_crop(image)):
                    values[index] = np.concatenate([face.blendshapes, face.head_pose])
                    found[index] = True
            output.mkdir(parents=True, exist_ok=True)
            np.savez(output / f"landmarks_{split}.npz", values=values, found=found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    extract(arguments.data, arguments.output)
