"""Describe FER+ faces as the vision extractor would, several times with small movements."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from damage import spoil_face
from ferplus import Faces, load_faces
from lddu_pipe.datasets.store import StoreWriter
from lddu_pipe.evidence import Example, Steps
from lddu_pipe.extractors.companions import Companions
from lddu_pipe.extractors.expression import EXPRESSIONS, ExpressionNetwork, computes_bfloat16
from lddu_pipe.extractors.features import FeatureSet
from lddu_pipe.extractors.vision import describe_expression
from lddu_pipe.labels import MOSEI
from stores import store_info

FACES_AT_ONCE = 512


def move(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift, turn, scale and mirror faces a little, as a tracker's crops differ between frames."""
    count = len(images)
    angle, scale = torch.randn(2, count, generator=generator) * 0.05
    shift = torch.randn(count, 2, generator=generator) * 0.04
    mirror = torch.where(torch.rand(count, generator=generator) < 0.5, -1.0, 1.0)
    scale = torch.exp(scale)
    rows = [
        torch.stack([scale * mirror * torch.cos(angle), -torch.sin(angle), shift[:, 0]], dim=1),
        torch.stack([mirror * torch.sin(angle), scale * torch.cos(angle), shift[:, 1]], dim=1),
    ]
    pixels = images[:, None].float()
    grid = functional.affine_grid(
        torch.stack(rows, dim=1), list(pixels.shape), align_corners=False
    )
    return functional.grid_sample(pixels, grid, padding_mode="border", align_corners=False)[:, 0]


class Describer:
    """Faces to rows of a store."""

    def __init__(self, companions: Path, variants: int) -> None:
        self.features = FeatureSet(Companions.load(companions), offline=True)
        network = ExpressionNetwork.load(companions)
        self._network = network.to(memory_format=torch.channels_last)
        self._variants = variants

    @torch.inference_mode()
    def rows(
        self, faces: Faces, weights: NDArray[np.float64], seed: int
    ) -> tuple[list[Example], None]:
        """Two rows a face: as it is, and, of damage 1, so that it can hardly be seen.

        The steps of the first are variants: a picture, then frames of a video.
        """
        generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        pictures = [cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) for image in faces.images]
        found = self.features.vision.extract_stills(pictures, face_crops=True)
        stills = np.concatenate([steps.values for steps in found])
        images = torch.from_numpy(faces.images)
        frames = [move(images, generator) for _ in range(self._variants - 1)]
        clear = np.stack([stills, *(self._seen(item, stills, mirrored=False) for item in frames)])
        hidden = [np.stack([spoil_face(face, random) for face in faces.images]) for _ in range(2)]
        spoilt = np.stack(
            [self._seen(torch.from_numpy(item), stills, mirrored=True) for item in hidden]
        )
        labels = faces.votes[:, [EXPRESSIONS.index(label) for label in MOSEI]]
        rows = []
        for index, name in enumerate(faces.names):
            for values, damage in ((clear[:, index], 0.0), (spoilt[:, index], 1.0)):
                steps = {"vision": Steps(values, np.ones(len(values), np.bool_))}
                about = {"weight": float(weights[index]), "damage": damage}
                rows.append(Example.of(f"ferplus:{name}", labels[index], steps, **about))
        return rows, None

    def _seen(
        self, faces: Tensor, stills: NDArray[np.float32], *, mirrored: bool
    ) -> NDArray[np.float32]:
        """Features of changed faces, whose landmarks are those of the faces as they are."""
        half = computes_bfloat16(torch.device("cpu"))
        described = describe_expression(self._network, faces, mirrored=mirrored, half=half)
        values = stills.copy()
        values[:, : described.shape[1]] = described.numpy()
        return values


def extract(data: Path, companions: Path, output: Path, variants: int, seed: int) -> None:
    """Write the feature store."""
    faces = load_faces(data / "vision" / "ferplus_train.npz")
    majority = faces.votes.argmax(axis=1)
    # Rare expressions are seen more often, by the square root of how rare they are.
    weights = 1 / np.sqrt(np.bincount(majority)[majority])
    describer = Describer(companions, variants)
    with StoreWriter(output, store_info("faces", describer.features), resumable=True) as writer:
        for begin in range(0, len(faces.names), FACES_AT_ONCE):
            part = slice(begin, begin + FACES_AT_ONCE)
            some = Faces(*(column[part] for column in faces))
            make = partial(describer.rows, some, weights[part], seed + begin)
            writer.write_shard("train", f"{seed} {variants} {len(faces.names)}", make)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--companions", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7)
    extract(**vars(parser.parse_args()))
