"""Describe FER+ faces as the vision extractor would, several times with small movements."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from damage import spoil_face
from ferplus import load_faces
from lddu_pipe.extractors.expression import EXPRESSIONS, ExpressionNetwork, computes_bfloat16
from lddu_pipe.extractors.vision import BATCH_SIZE, describe_expression
from lddu_pipe.labels import MOSEI


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


def describe(network: ExpressionNetwork, faces: Tensor, *, mirrored: bool) -> Tensor:
    """Embedding and log-probabilities as the extractor gives them, (faces, 103) float16."""
    half = computes_bfloat16(torch.device("cpu"))
    return describe_expression(network, faces, mirrored=mirrored, half=half).half()


@torch.inference_mode()
def extract(data: Path, features: Path, expression: Path, variants: int, seed: int) -> None:
    """Write ``vision_{split}.npz``.

    It holds ``faces`` (faces, variants, 103) float16, the first variant as a picture, the others
    as frames of a video; ``spoilt`` (faces, 2, 103), of faces that can hardly be seen;
    ``landmarks`` (faces, 56) float16, all zero where there were none, the last column telling
    which; and ``labels`` (faces, 6), the share of votes in MOSEI order.
    """
    network = ExpressionNetwork.load(expression).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(seed)
    random = np.random.default_rng(seed)
    for split in ("train", "valid"):
        faces = load_faces(data / "vision" / f"ferplus_{split}.npz")
        images = torch.from_numpy(faces.images)
        described = []
        for variant in range(variants):
            rows = []
            for chunk in images.split(BATCH_SIZE):
                moved = chunk if variant == 0 else move(chunk, generator)
                rows.append(describe(network, moved, mirrored=variant == 0))
            described.append(torch.cat(rows))
        spoilt = []
        for _ in range(2):
            hidden = np.stack([spoil_face(face, random) for face in faces.images])
            chunks = torch.from_numpy(hidden).split(BATCH_SIZE)
            spoilt.append(torch.cat([describe(network, chunk, mirrored=True) for chunk in chunks]))
        with np.load(features / f"landmarks_{split}.npz") as archive:
            landmarks = np.concatenate([archive["values"], archive["found"][:, None]], axis=1)
        columns = [EXPRESSIONS.index(label) for label in MOSEI]
        np.savez(
            features / f"vision_{split}.npz",
            names=np.array(faces.names),
            faces=torch.stack(described, dim=1).numpy(),
            spoilt=torch.stack(spoilt, dim=1).numpy(),
            landmarks=landmarks.astype(np.float16),
            labels=faces.votes[:, columns],
            majority=faces.votes.argmax(axis=1),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--expression", type=Path, required=True)
    parser.add_argument("--variants", type=int, default=4)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    extract(
        arguments.data,
        arguments.features,
        arguments.expression,
        arguments.variants,
        arguments.seed,
    )
