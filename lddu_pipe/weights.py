"""Weights in a file, compared with the network that is to take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import safe_open
from torch import nn


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """Shapes of the tensors in a safetensors file, by name, without reading the tensors."""
    with safe_open(path, framework="pt") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118


def check_weights(path: Path, build: Callable[[], nn.Module]) -> None:
    """Refuse a file that does not hold just the tensors of a network.

    Libraries fill what a file lacks with random numbers, and take memory for whatever a damaged
    configuration asks for. So the network is first built without memory.

    Args:
        path: of a safetensors file.
        build: makes the network.

    Raises:
        ValueError: a tensor is missing, is of another shape or is one too many.
    """
    with torch.device("meta"):
        wanted = {name: list(tensor.shape) for name, tensor in build().state_dict().items()}
    found = tensor_shapes(path)
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            has, wants = (shapes.get(name, "absent") for shapes in (found, wanted))
            raise ValueError(f"{name} is {has} in {path.name} and {wants} by its configuration")
