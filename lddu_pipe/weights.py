"""Weights from a file, and into the network that they were written of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file
from torch import nn
from torch.overrides import TorchFunctionMode

Network = TypeVar("Network", bound=nn.Module)


class _Undrawn(TorchFunctionMode):
    """Leaves tensors as they are that were to be filled with normal numbers.

    To draw none for a tensor without memory, torch would import its compiler: half a second.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as torch has it
        given = dict(kwargs or {})
        if func is nn.init.normal_:
            return args[0] if args else given["tensor"]
        return func(*args, **given)


def load_weights(path: Path, build: Callable[[], Network]) -> Network:
    """A network with the tensors of a file, in single precision and ready for inference.

    A damaged configuration may ask for any amount of memory. So the network is built without any,
    and without random numbers that the file's would replace.

    Args:
        path: of a safetensors file, which must stay as it is while the network is used.
        build: makes the network.

    Raises:
        ValueError: the file does not hold just the network's tensors: one is missing, is of
            another shape or is one too many.
    """
    with torch.device("meta"), _Undrawn():
        network = build()
    wanted = {name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    tensors = load_file(path)
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            has, wants = (shapes.get(name, "absent") for shapes in (found, wanted))
            raise ValueError(f"{name} is {has} in {path.name} and {wants} by its configuration")
    for name, tensor in tensors.items():
        tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def read_published(path: Path) -> Mapping[str, Any]:
    """Read tensors and plain values that others published as a pickle.

    torch makes nothing else of it, whatever the file says.

    Args:
        path: of a file that was checked by sha256.
    """
    found: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found
